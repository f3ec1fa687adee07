package takproto

import (
	"math"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/takhost/takhost/hostapi/cot"
)

// layout is what a look over an event tells about its message: which elements
// become typed, and how long each part will be, as the wire has lengths before
// what they count. It lives on the stack of its caller.
type layout struct {
	// Attributes of event that a Header does not have, decoded.
	access, qos, opex, caveat, releasable string

	detail   string // content of the element
	typed    [kinds]typed
	typedLen [kinds]int

	// The first children of detail, so that most events are walked once, and
	// where to go on behind them; 0 when there are no more.
	children [24]child
	n        int
	more     int

	xmlLen, detailLen, eventLen int
}

// child is an element of detail: its place there and its kind.
type child struct {
	from, to int
	kind     kind
}

// measure fills the layout.
func (l *layout) measure(xml string, h *cot.Header) error {
	if h.DetailAt < 0 || h.DetailAt > h.DetailTo || h.DetailTo > len(xml) {
		return ErrHeader
	}
	l.attributes(xml)
	l.detail = xml[h.DetailAt:h.DetailTo]
	if !l.walk() {
		return ErrHeader
	}
	n := stringLen(h.Type) + stringLen(l.access) + stringLen(l.qos) + stringLen(l.opex) +
		stringLen(h.UID) + stringLen(h.How) +
		timeLen(h.Time) + timeLen(h.Start) + timeLen(h.Stale) +
		doubleLen(h.Lat) + doubleLen(h.Lon) + doubleLen(h.Hae) + doubleLen(h.CE) + doubleLen(h.LE)
	if h.Flags.Has(cot.HasDetail) {
		l.measureDetail()
		n += 1 + protowire.SizeBytes(l.detailLen)
	}
	// The tags of fields above 15 take two bytes.
	for _, s := range [...]string{l.caveat, l.releasable} {
		if s != "" {
			n += 2 + protowire.SizeBytes(len(s))
		}
	}
	l.eventLen = n
	return nil
}

// attributes reads those of the event's start tag that the header lacks.
func (l *layout) attributes(xml string) {
	for at := min(len("<event"), len(xml)); ; {
		var name, value string
		if name, value, at = attribute(xml, at); at < 0 {
			return
		}
		switch name {
		case "access":
			l.access = unescape(value)
		case "qos":
			l.qos = unescape(value)
		case "opex":
			l.opex = unescape(value)
		case "caveat":
			l.caveat = unescape(value)
		case "releasableTo":
			l.releasable = unescape(value)
		}
	}
}

// walk goes over the children of detail; false when the text is not that
// of a detail.
func (l *layout) walk() bool {
	w := walker{s: l.detail}
	for {
		e, ok := w.next()
		if !ok {
			return !w.bad
		}
		k := kindOf(e.name(w.s))
		size := e.to - e.from
		l.xmlLen += size
		if l.n < len(l.children) {
			l.children[l.n] = child{e.from, e.to, k}
			l.n++
		} else if l.more == 0 {
			l.more = e.from
		}
		if k == noKind {
			continue
		}
		t := &l.typed[k]
		switch {
		case !t.seen:
			t.seen = true
			if t.ok = t.fill(k, w.s, e); t.ok {
				l.xmlLen -= size
				t.size = size
			}
		case t.ok: // a second one: both stay XML
			t.ok = false
			l.xmlLen += t.size
		}
	}
}

func (l *layout) measureDetail() {
	if l.xmlLen > 0 {
		l.detailLen = 1 + protowire.SizeBytes(l.xmlLen)
	}
	for k := range l.typed {
		if t := &l.typed[k]; t.ok {
			l.typedLen[k] = t.wireLen(kind(k))
			l.detailLen += 1 + protowire.SizeBytes(l.typedLen[k])
		}
	}
}

// messageLen is the length of the TakMessage.
func (l *layout) messageLen() int { return 1 + protowire.SizeBytes(l.eventLen) }

// The lengths of a field with its tag of one byte. A field that has its zero
// value is left out, as proto3 does.

func stringLen(s string) int {
	if s == "" {
		return 0
	}
	return 1 + protowire.SizeBytes(len(s))
}

func timeLen(usec int64) int {
	if ms := millis(usec); ms != 0 {
		return 1 + protowire.SizeVarint(ms)
	}
	return 0
}

func doubleLen(v float64) int {
	if math.Float64bits(v) == 0 {
		return 0
	}
	return 1 + 8
}

// millis gives a time as the wire has it. A time before 1970 becomes its two's
// complement, as where a signed number is put into a field for an unsigned one.
func millis(usec int64) uint64 {
	return uint64(floorDiv(usec, 1000))
}

func floorDiv(a, b int64) int64 {
	q := a / b
	if a%b < 0 {
		q--
	}
	return q
}

// unescape replaces the references in an attribute value of a scanned event.
func unescape(s string) string {
	if strings.IndexByte(s, '&') < 0 {
		return s
	}
	return unescapeSlow(s)
}
