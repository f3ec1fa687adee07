package takclient

import (
	"fmt"
	"strings"
	"time"

	"github.com/takhost/takhost/hostapi/cot"
)

// Received is one event as a client got it. Nothing in it changes after it was
// logged; it may be read from any goroutine.
type Received struct {
	Seq    int        // place in the log, from 0; without a log always 0
	XML    string     // the event element: the bytes that came, or converted from protobuf
	Raw    string     // the bytes on the wire, with all since the event before
	Header cot.Header // of XML
	At     time.Time  // when the read that completed it returned
	Proto  bool       // it came as TAK protocol version 1
	Err    error      // what is wrong with it; Header and XML may be empty then
}

// newReceived scans one event element.
func newReceived(xml, raw string, at time.Time) *Received {
	r := &Received{XML: xml, Raw: raw, At: at}
	if err := cot.Scan(xml, &r.Header); err != nil {
		r.Err = fmt.Errorf("malformed event: %w", err)
	}
	return r
}

// isControl says whether clients keep the event from their application: pongs
// and negotiation (spec/tak-streaming.md 6).
func (r *Received) isControl() bool {
	return r.Header.Type == typePong || strings.HasPrefix(r.Header.Type, "t-x-takp-")
}

// String gives one line for failure texts.
func (r *Received) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "#%d %s", r.Seq, r.At.Format("15:04:05.000"))
	if r.Err != nil {
		fmt.Fprintf(&b, " BAD (%v) %s", r.Err, clip(r.Raw, 120))
		return b.String()
	}
	fmt.Fprintf(&b, " %s uid=%q", r.Header.Type, r.Header.UID)
	if r.Header.Callsign != "" {
		fmt.Fprintf(&b, " callsign=%q", r.Header.Callsign)
	}
	if r.Proto {
		b.WriteString(" (protobuf)")
	}
	return b.String()
}

// clip quotes the head of s.
func clip(s string, n int) string {
	if len(s) <= n {
		return fmt.Sprintf("%q", s)
	}
	return fmt.Sprintf("%q… (%d bytes)", s[:n], len(s))
}
