package takproto

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"unsafe"

	"github.com/takhost/takhost/hostapi/cot"
)

// AppendXML appends to dst the event element that a TakMessage stands for,
// without a prolog. On an error dst comes back as it was: ErrNoEvent when the
// message holds none, else ErrWire or ErrInvalid.
//
// The caller scans the result, as any event from a client: the XML part of the
// detail goes in as it came, and only the scan tells whether it is well-formed.
// It cannot reach beyond the detail: tags that would end the detail from within
// are refused here.
func AppendXML(dst, msg []byte) ([]byte, error) {
	var e event
	if err := e.message(msg); err != nil {
		return dst, err
	}
	if !e.found {
		return dst, ErrNoEvent
	}
	// The tags and attribute names of a typical event take some 500 bytes.
	out, err := e.appendXML(slices.Grow(dst, len(msg)+500))
	if err != nil {
		return dst, err
	}
	return out, nil
}

func (e *event) appendXML(dst []byte) ([]byte, error) {
	switch {
	case len(e.uid) == 0:
		return dst, fmt.Errorf("%w: no uid", ErrInvalid)
	case len(e.typ) == 0:
		return dst, fmt.Errorf("%w: no type", ErrInvalid)
	}
	w := writer{b: append(dst, `<event version="2.0"`...)}
	w.attr(` uid="`, e.uid)
	w.attr(` type="`, e.typ)
	w.optional(` how="`, e.how)
	w.time(` time="`, e.send)
	w.time(` start="`, e.start)
	w.time(` stale="`, e.stale)
	w.optional(` access="`, e.access)
	w.optional(` qos="`, e.qos)
	w.optional(` opex="`, e.opex)
	w.optional(` caveat="`, e.caveat)
	w.optional(` releasableTo="`, e.releasable)
	if !finite(e.lat) || !finite(e.lon) {
		return dst, fmt.Errorf("%w: position is no number", ErrInvalid)
	}
	w.number(`><point lat="`, e.lat)
	w.number(` lon="`, e.lon)
	w.number(` hae="`, orUnknown(e.hae))
	w.number(` ce="`, orUnknown(e.ce))
	w.number(` le="`, orUnknown(e.le))
	w.text("/>")
	if e.hasDetail {
		w.text("<detail>")
		if err := e.appendDetail(&w); err != nil {
			return dst, err
		}
		w.text("</detail>")
	}
	w.text("</event>")
	return w.b, w.err
}

func (e *event) appendDetail(w *writer) error {
	var inXML [kinds]bool
	in := walker{s: view(e.xml)}
	for {
		el, ok := in.next()
		if !ok {
			break
		}
		if k := kindOf(el.name(in.s)); k != noKind {
			inXML[k] = true
		}
	}
	if in.bad {
		return fmt.Errorf("%w: detail is not well-formed", ErrInvalid)
	}
	// The XML wins over a typed message (spec/tak-streaming.md 5).
	for _, k := range [...]kind{takv, contact, precision, group, status, track} {
		if e.has[k] && !inXML[k] {
			e.appendTyped(w, k)
		}
	}
	w.b = append(w.b, e.xml...)
	return nil
}

func (e *event) appendTyped(w *writer, k kind) {
	v := &e.values[k]
	switch k {
	case contact:
		w.text("<contact")
		w.optional(` endpoint="`, v[contactEndpoint])
		w.attr(` callsign="`, v[contactCallsign])
	case group:
		w.attr(`<__group name="`, v[0])
		w.attr(` role="`, v[1])
	case precision:
		w.attr(`<precisionlocation geopointsrc="`, v[0])
		w.attr(` altsrc="`, v[1])
	case status:
		w.text(`<status battery="`)
		w.b = append(strconv.AppendUint(w.b, uint64(e.battery), 10), '"')
	case takv:
		w.attr(`<takv device="`, v[0])
		w.attr(` platform="`, v[1])
		w.attr(` os="`, v[2])
		w.attr(` version="`, v[3])
	case track:
		w.number(`<track speed="`, e.numbers[trackSpeed])
		w.number(` course="`, e.numbers[trackCourse])
	}
	w.text("/>")
}

// writer appends and keeps the first error.
type writer struct {
	b   []byte
	err error
}

func (w *writer) text(s string) { w.b = append(w.b, s...) }

// attr writes an attribute; lead is everything from the blank to the opening
// quote.
func (w *writer) attr(lead string, value []byte) {
	b, ok := appendAttr(w.b, lead, value)
	if w.b = b; !ok && w.err == nil {
		w.err = fmt.Errorf("%w: text that XML cannot hold", ErrInvalid)
	}
}

func (w *writer) optional(lead string, value []byte) {
	if len(value) > 0 {
		w.attr(lead, value)
	}
}

func (w *writer) number(lead string, v float64) {
	w.b = append(appendNumber(append(w.b, lead...), v), '"')
}

// The times, in ms, that four digits of a year can say.
const (
	firstTime = -62167219200000
	lastTime  = 253402300799999
)

// time writes the nearest that can be said: a stale time of "never" may be the
// largest number that its sender had.
func (w *writer) time(lead string, ms uint64) {
	t := min(max(int64(ms), firstTime), lastTime) // signed: see millis
	w.b = append(cot.AppendTime(append(w.b, lead...), t*1000), '"')
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

// orUnknown: some clients have no number where they do not know the height.
func orUnknown(v float64) float64 {
	if finite(v) {
		return v
	}
	return cot.Unknown
}

// view lets the walker read bytes; nothing writes them meanwhile, and nothing
// keeps the string.
func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }
