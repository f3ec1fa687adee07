package takproto

import (
	"math"
	"slices"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/takhost/takhost/hostapi/cot"
)

// AppendFrame appends to dst the frame of a stream for an event: 0xBF, the
// length, the message. h must come from a scan of xml. A message longer than
// MaxFrame is ErrTooLong; on any error dst comes back as it was.
func AppendFrame(dst []byte, xml string, h *cot.Header) ([]byte, error) {
	var l layout
	if err := l.measure(xml, h); err != nil {
		return dst, err
	}
	n := l.messageLen()
	if n > MaxFrame {
		return dst, ErrTooLong
	}
	dst = slices.Grow(dst, 1+protowire.SizeBytes(n))
	dst = protowire.AppendVarint(append(dst, magic), uint64(n))
	return l.append(dst, h), nil
}

// AppendMessage appends the TakMessage for an event to dst, whatever its
// length. h must come from a scan of xml.
func AppendMessage(dst []byte, xml string, h *cot.Header) ([]byte, error) {
	var l layout
	if err := l.measure(xml, h); err != nil {
		return dst, err
	}
	return l.append(slices.Grow(dst, l.messageLen()), h), nil
}

// append writes the message, fields in the order of their numbers.
func (l *layout) append(dst []byte, h *cot.Header) []byte {
	dst = appendLen(dst, msgCotEvent, l.eventLen)
	dst = appendString(dst, evType, h.Type)
	dst = appendString(dst, evAccess, l.access)
	dst = appendString(dst, evQos, l.qos)
	dst = appendString(dst, evOpex, l.opex)
	dst = appendString(dst, evUID, h.UID)
	dst = appendUint(dst, evSendTime, millis(h.Time))
	dst = appendUint(dst, evStartTime, millis(h.Start))
	dst = appendUint(dst, evStaleTime, millis(h.Stale))
	dst = appendString(dst, evHow, h.How)
	dst = appendDouble(dst, evLat, h.Lat)
	dst = appendDouble(dst, evLon, h.Lon)
	dst = appendDouble(dst, evHae, h.Hae)
	dst = appendDouble(dst, evCE, h.CE)
	dst = appendDouble(dst, evLE, h.LE)
	if h.Flags.Has(cot.HasDetail) {
		dst = appendLen(dst, evDetail, l.detailLen)
		dst = l.appendDetail(dst)
	}
	dst = appendString(dst, evCaveat, l.caveat)
	return appendString(dst, evReleasable, l.releasable)
}

func (l *layout) appendDetail(dst []byte) []byte {
	if l.xmlLen > 0 {
		dst = appendLen(dst, detailXML, l.xmlLen)
		dst = l.appendXML(dst)
	}
	for k := range l.typed {
		if t := &l.typed[k]; t.ok {
			dst = appendLen(dst, protowire.Number(k+detailTyped), l.typedLen[k])
			dst = t.append(dst, kind(k))
		}
	}
	return dst
}

// appendXML writes the elements that stay XML, one behind the other.
func (l *layout) appendXML(dst []byte) []byte {
	for _, c := range l.children[:l.n] {
		if !l.isTyped(c.kind) {
			dst = append(dst, l.detail[c.from:c.to]...)
		}
	}
	if l.more == 0 {
		return dst
	}
	w := walker{s: l.detail, at: l.more}
	for {
		e, ok := w.next()
		if !ok {
			return dst
		}
		if !l.isTyped(kindOf(e.name(w.s))) {
			dst = append(dst, w.s[e.from:e.to]...)
		}
	}
}

func (l *layout) isTyped(k kind) bool { return k != noKind && l.typed[k].ok }

// appendLen begins a field that n bytes follow.
func appendLen(dst []byte, num protowire.Number, n int) []byte {
	return protowire.AppendVarint(protowire.AppendTag(dst, num, protowire.BytesType), uint64(n))
}

// The rest leave out a field that has its zero value, as proto3 does.

func appendString(dst []byte, num protowire.Number, s string) []byte {
	if s == "" {
		return dst
	}
	return append(appendLen(dst, num, len(s)), s...)
}

func appendUint(dst []byte, num protowire.Number, v uint64) []byte {
	if v == 0 {
		return dst
	}
	return protowire.AppendVarint(protowire.AppendTag(dst, num, protowire.VarintType), v)
}

func appendDouble(dst []byte, num protowire.Number, v float64) []byte {
	bits := math.Float64bits(v)
	if bits == 0 {
		return dst
	}
	return protowire.AppendFixed64(protowire.AppendTag(dst, num, protowire.Fixed64Type), bits)
}
