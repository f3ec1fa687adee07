package cot

import (
	"errors"
	"math"
	"slices"
	"strconv"
	"time"
)

// A Builder writes one event. Its methods give the Builder back, so that they
// can be chained; the first thing done wrong is kept and comes out of String.
// It serves one goroutine.
//
//	xml, err := cot.NewEvent(uid, "t-x-d-d", "h-g-i-g-o", now, time.Minute).
//		Point(0, 0, 0, cot.Unknown, cot.Unknown).
//		Start("detail").
//		Start("link").Attr("uid", gone).Attr("relation", "p-p").End().
//		String()
type Builder struct {
	buf   []byte
	open  []string // names of the elements not yet ended, event first
	attrs []string // names of the attributes of the start tag still open
	inTag bool     // the last start tag has no '>' yet
	err   error
}

// NewEvent begins an event that holds from t on, for the time of stale. Its
// time and start are t.
func NewEvent(uid, typ, how string, t time.Time, stale time.Duration) *Builder {
	b := &Builder{buf: make([]byte, 0, 512)}
	if uid == "" || typ == "" {
		b.fail(errors.New("build event: uid and type must not be empty"))
	}
	return b.Start("event").Attr("version", "2.0").Attr("uid", uid).Attr("type", typ).
		AttrTime("time", t).AttrTime("start", t).AttrTime("stale", t.Add(stale)).
		Attr("how", how)
}

func (b *Builder) fail(err error) *Builder {
	if b.err == nil {
		b.err = err
	}
	return b
}

// Point writes the event's point: degrees WGS-84 and metres. Unknown stands for
// an unknown hae, ce or le.
func (b *Builder) Point(lat, lon, hae, ce, le float64) *Builder {
	if len(b.open) != 1 {
		return b.fail(errors.New("build event: point is not a child of event"))
	}
	return b.Start("point").AttrFloat("lat", lat).AttrFloat("lon", lon).
		AttrFloat("hae", hae).AttrFloat("ce", ce).AttrFloat("le", le).End()
}

// Start begins an element inside the one that is open. Attr may follow at once,
// then Text, Raw and more elements.
func (b *Builder) Start(name string) *Builder {
	if len(b.buf) > 0 && !b.ready() || b.err != nil {
		return b
	}
	if !isName(name) {
		return b.fail(buildError(quote(name) + " is no element name"))
	}
	b.closeTag()
	b.buf = append(append(b.buf, '<'), name...)
	b.open = append(b.open, name)
	b.attrs = b.attrs[:0]
	b.inTag = true
	return b
}

// Attr writes an attribute of the element just started.
func (b *Builder) Attr(name, value string) *Builder {
	if !b.ready() {
		return b
	}
	switch {
	case !b.inTag:
		return b.fail(buildError("attribute " + quote(name) + " after the content of element " + quote(b.current())))
	case !isName(name):
		return b.fail(buildError(quote(name) + " is no attribute name"))
	case slices.Contains(b.attrs, name):
		return b.fail(buildError("attribute " + quote(name) + " twice in element " + quote(b.current())))
	case !legalText(value):
		return b.fail(buildError("value of attribute " + quote(name) + " is no legal text"))
	}
	b.attrs = append(b.attrs, name)
	b.buf = append(append(append(b.buf, ' '), name...), '=', '"')
	b.buf = append(appendEscaped(b.buf, value, true), '"')
	return b
}

// AttrFloat writes a number so that it reads back as the same, with a decimal
// point as TAK clients write it. It must be finite.
func (b *Builder) AttrFloat(name string, v float64) *Builder {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return b.fail(buildError("attribute " + quote(name) + " is no finite number"))
	}
	return b.Attr(name, formatFloat(v))
}

// AttrInt writes a whole number.
func (b *Builder) AttrInt(name string, v int64) *Builder {
	return b.Attr(name, strconv.FormatInt(v, 10))
}

// AttrTime writes a time as AppendTime does.
func (b *Builder) AttrTime(name string, t time.Time) *Builder {
	var buf [32]byte
	return b.Attr(name, string(AppendTime(buf[:0], t.UnixMicro())))
}

// Text writes character data into the open element.
func (b *Builder) Text(s string) *Builder {
	if !b.ready() || s == "" {
		return b
	}
	if !legalText(s) {
		return b.fail(buildError("text in element " + quote(b.current()) + " is no legal text"))
	}
	b.closeTag()
	b.buf = appendEscaped(b.buf, s, false)
	return b
}

// Raw writes XML into the open element. It must be well-formed content: what it
// starts it must end.
func (b *Builder) Raw(xml string) *Builder {
	if !b.ready() || xml == "" {
		return b
	}
	if err := checkContent(xml, len(b.open)); err != nil {
		return b.fail(wrapError("build event: raw XML in element "+quote(b.current()), err))
	}
	b.closeTag()
	b.buf = append(b.buf, xml...)
	return b
}

// End ends the open element. The event itself is ended by String.
func (b *Builder) End() *Builder {
	if !b.ready() {
		return b
	}
	if len(b.open) < 2 {
		return b.fail(errors.New("build event: more ends than starts"))
	}
	b.end()
	return b
}

// String gives the event; what is still open is ended. It is one that Scan
// accepts by DefaultLimits, or there is an error.
func (b *Builder) String() (string, error) {
	if b.err != nil {
		return "", b.err
	}
	for len(b.open) > 0 {
		b.end()
	}
	xml := string(b.buf)
	var h Header
	if err := Scan(xml, &h); err != nil {
		return "", b.fail(wrapError("build event", err)).err
	}
	return xml, nil
}

func (b *Builder) end() {
	name := b.current()
	b.open = b.open[:len(b.open)-1]
	if b.inTag {
		b.inTag = false
		b.buf = append(b.buf, "/>"...)
		return
	}
	b.buf = append(append(append(b.buf, "</"...), name...), '>')
}

func (b *Builder) closeTag() {
	if b.inTag {
		b.inTag = false
		b.buf = append(b.buf, '>')
	}
}

// current names the innermost open element; there must be one.
func (b *Builder) current() string { return b.open[len(b.open)-1] }

// ready says whether more content may be written.
func (b *Builder) ready() bool {
	if b.err == nil && len(b.open) == 0 {
		b.fail(errors.New("build event: the event is finished"))
	}
	return b.err == nil
}
