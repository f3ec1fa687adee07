// Package meaning reads what an event means, in a form that go-cmp can compare.
// Two events mean the same when the TAK protocol may turn one into the other:
// what it loses by its nature (hostapi/takproto) and how the text is written
// are left out, everything else counts. All are pure functions.
package meaning

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/google/go-cmp/cmp"

	"github.com/takhost/takhost/hostapi/cot"
)

// Event is what an event means. Header comes from cot.Scan, the rest from
// encoding/xml, so that a fault in our own walk over the text shows.
type Event struct {
	Header  Header
	Attrs   map[string]string // access, qos, opex, caveat, releasableTo
	Typed   []string          // elements of the six names, sorted
	Details []string          // all other elements of detail, in their order
}

// Header is what a scan finds, without what the protocol loses: the parts of a
// millisecond, and whether there was a point.
type Header struct {
	UID, Type, How        string
	Time, Start, Stale    int64 // ms
	Lat, Lon, Hae, CE, LE float64
	Callsign, Endpoint    string
	Team, Role            string
	Speed, Course         float64
	Flags                 cot.Flags
	Dests                 []cot.Dest
}

// OfHeader reads the header alone, also of an event that encoding/xml refuses.
func OfHeader(xml string) (Header, error) {
	var h cot.Header
	if err := cot.Scan(xml, &h); err != nil {
		return Header{}, err
	}
	out := Header{
		UID: h.UID, Type: h.Type, How: h.How,
		Time: wireTime(h.Time), Start: wireTime(h.Start), Stale: wireTime(h.Stale),
		Lat: h.Lat, Lon: h.Lon, Hae: h.Hae, CE: h.CE, LE: h.LE,
		Callsign: h.Callsign, Endpoint: h.Endpoint, Team: h.Team, Role: h.Role,
		Speed: h.Speed, Course: h.Course,
		Flags: h.Flags &^ cot.HasPoint,
	}
	for i := range h.NumDests() {
		out.Dests = append(out.Dests, h.Dest(i))
	}
	return out, nil
}

// The times, in ms since 1970, that four digits of a year can say: what the
// protocol carries beyond them comes back as the nearest.
const (
	firstTime = -62167219200000
	lastTime  = 253402300799999
)

// wireTime gives the ms, rounded down, of µs since 1970.
func wireTime(usec int64) int64 {
	ms := usec / 1000
	if usec%1000 < 0 {
		ms--
	}
	return min(max(ms, firstTime), lastTime)
}

// Of reads an event.
func Of(text string) (Event, error) {
	h, err := OfHeader(text)
	if err != nil {
		return Event{}, fmt.Errorf("scan: %w", err)
	}
	m := Event{Header: h, Attrs: map[string]string{}}
	d := xml.NewDecoder(strings.NewReader(text))
	path := []string{}
	done := false // the first detail is over
	for {
		tok, err := d.RawToken()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return Event{}, fmt.Errorf("encoding/xml: %w", err)
		}
		switch tok := tok.(type) {
		case xml.StartElement:
			if len(path) == 2 && path[1] == "detail" && !done {
				if err := m.child(d, tok); err != nil {
					return Event{}, fmt.Errorf("encoding/xml: %w", err)
				}
				continue
			}
			if len(path) == 0 {
				m.event(tok)
			}
			path = append(path, plain(tok.Name))
		case xml.EndElement:
			done = done || len(path) == 2 && path[1] == "detail"
			path = path[:max(0, len(path)-1)]
		}
	}
	slices.Sort(m.Typed)
	return m, nil
}

func (m *Event) event(e xml.StartElement) {
	for _, a := range e.Attr {
		switch name := plain(a.Name); name {
		case "access", "qos", "opex", "caveat", "releasableTo":
			if a.Value != "" {
				m.Attrs[name] = lineEnds.Replace(a.Value)
			}
		}
	}
}

// lineEnds does what the decoder does to bare line ends, also to those that we
// wrote as references since cot.Scan keeps them as they are.
var lineEnds = strings.NewReplacer("\r\n", "\n", "\r", "\n")

// child reads one child of detail to its end.
func (m *Event) child(d *xml.Decoder, e xml.StartElement) error {
	var b strings.Builder
	empty := true
	open(&b, e)
	for depth := 1; depth > 0; {
		tok, err := d.RawToken()
		if err != nil {
			return err
		}
		switch tok := tok.(type) {
		case xml.StartElement:
			depth++
			open(&b, tok)
			empty = false
		case xml.EndElement:
			depth--
			b.WriteString("</" + plain(tok.Name) + ">")
		case xml.CharData:
			fmt.Fprintf(&b, "%q", tok)
			empty = false
		default:
			fmt.Fprintf(&b, "%T%q", tok, tok)
			empty = false
		}
	}
	switch name := plain(e.Name); name {
	case "track":
		if s, ok := numbers(e); ok && empty {
			m.Typed = append(m.Typed, s)
			return nil
		}
		fallthrough
	case "contact", "__group", "precisionlocation", "status", "takv":
		m.Typed = append(m.Typed, b.String())
	default:
		m.Details = append(m.Details, b.String())
	}
	return nil
}

// numbers gives a track as the numbers that it holds: 0.0 means what 0 does.
func numbers(e xml.StartElement) (string, bool) {
	var values []string
	for _, a := range e.Attr {
		v, err := strconv.ParseFloat(a.Value, 64)
		if err != nil {
			return "", false
		}
		values = append(values, fmt.Sprintf("%s=%v", plain(a.Name), v))
	}
	slices.Sort(values)
	return "track " + strings.Join(values, " "), true
}

func open(b *strings.Builder, e xml.StartElement) {
	attrs := make([]string, len(e.Attr))
	for i, a := range e.Attr {
		attrs[i] = fmt.Sprintf(" %s=%q", plain(a.Name), a.Value)
	}
	slices.Sort(attrs)
	b.WriteString("<" + plain(e.Name) + strings.Join(attrs, "") + ">")
}

// plain undoes the cut that RawToken makes at a colon.
func plain(n xml.Name) string {
	if n.Space == "" {
		return n.Local
	}
	return n.Space + ":" + n.Local
}

// Diff compares two events and gives "" when they mean the same, else what
// differs.
func Diff(want, got string) (string, error) {
	w, err := Of(want)
	if err != nil {
		return "", fmt.Errorf("meaning of %s: %w", want, err)
	}
	g, err := Of(got)
	if err != nil {
		return "", fmt.Errorf("meaning of %s: %w", got, err)
	}
	return cmp.Diff(w, g), nil
}
