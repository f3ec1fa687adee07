package takproto

import (
	"fmt"
	"math"

	"google.golang.org/protobuf/encoding/protowire"
)

// event is what the messages of one event say. The texts are parts of the
// message read. Fields that come again overwrite, and messages that come again
// add to what was there, as protobuf wants it.
type event struct {
	found bool

	typ, uid, how                         []byte
	access, qos, opex, caveat, releasable []byte
	send, start, stale                    uint64
	lat, lon, hae, ce, le                 float64

	hasDetail bool
	xml       []byte
	has       [kinds]bool
	values    [kinds][maxAttrs][]byte
	numbers   [2]float64 // of track
	battery   uint32     // of status
}

// field is one field on the wire. A field that comes with another wire type
// than its own is an unknown one, so the two are looked at together, as tag.
type field struct {
	tag   uint64
	num   uint64 // value of a varint or of 64 bits
	bytes []byte
}

const (
	varint  = uint64(protowire.VarintType)
	fixed64 = uint64(protowire.Fixed64Type)
	bytesT  = uint64(protowire.BytesType)
)

// next takes the first field off b.
func (f *field) next(b []byte) (rest []byte, err error) {
	tag, n := protowire.ConsumeVarint(b)
	if n < 0 {
		return nil, wireError(n)
	}
	num := tag >> 3
	if num < uint64(protowire.MinValidNumber) || num > uint64(protowire.MaxValidNumber) {
		return nil, fmt.Errorf("%w: field number out of range", ErrWire)
	}
	f.tag, b = tag, b[n:]
	switch tag & 7 {
	case varint:
		f.num, n = protowire.ConsumeVarint(b)
	case fixed64:
		f.num, n = protowire.ConsumeFixed64(b)
	case bytesT:
		f.bytes, n = protowire.ConsumeBytes(b)
	default:
		n = protowire.ConsumeFieldValue(protowire.Number(num), protowire.Type(tag&7), b)
	}
	if n < 0 {
		return nil, wireError(n)
	}
	return b[n:], nil
}

func wireError(n int) error { return fmt.Errorf("%w: %w", ErrWire, protowire.ParseError(n)) }

func (e *event) message(b []byte) error {
	for len(b) > 0 {
		var f field
		var err error
		if b, err = f.next(b); err != nil {
			return err
		}
		if f.tag == msgCotEvent<<3|bytesT {
			e.found = true
			if err := e.cotEvent(f.bytes); err != nil {
				return err
			}
		}
	}
	return nil
}

func (e *event) cotEvent(b []byte) error {
	for len(b) > 0 {
		var f field
		var err error
		if b, err = f.next(b); err != nil {
			return err
		}
		switch f.tag {
		case evType<<3 | bytesT:
			e.typ = f.bytes
		case evAccess<<3 | bytesT:
			e.access = f.bytes
		case evQos<<3 | bytesT:
			e.qos = f.bytes
		case evOpex<<3 | bytesT:
			e.opex = f.bytes
		case evUID<<3 | bytesT:
			e.uid = f.bytes
		case evSendTime<<3 | varint:
			e.send = f.num
		case evStartTime<<3 | varint:
			e.start = f.num
		case evStaleTime<<3 | varint:
			e.stale = f.num
		case evHow<<3 | bytesT:
			e.how = f.bytes
		case evLat<<3 | fixed64:
			e.lat = math.Float64frombits(f.num)
		case evLon<<3 | fixed64:
			e.lon = math.Float64frombits(f.num)
		case evHae<<3 | fixed64:
			e.hae = math.Float64frombits(f.num)
		case evCE<<3 | fixed64:
			e.ce = math.Float64frombits(f.num)
		case evLE<<3 | fixed64:
			e.le = math.Float64frombits(f.num)
		case evDetail<<3 | bytesT:
			e.hasDetail = true
			if err := e.detail(f.bytes); err != nil {
				return err
			}
		case evCaveat<<3 | bytesT:
			e.caveat = f.bytes
		case evReleasable<<3 | bytesT:
			e.releasable = f.bytes
		}
	}
	return nil
}

func (e *event) detail(b []byte) error {
	for len(b) > 0 {
		var f field
		var err error
		if b, err = f.next(b); err != nil {
			return err
		}
		if f.tag&7 != bytesT {
			continue
		}
		num := f.tag >> 3
		if num == detailXML {
			e.xml = f.bytes
			continue
		}
		if k := num - detailTyped; k < uint64(kinds) {
			e.has[k] = true
			if err := e.typed(kind(k), f.bytes); err != nil {
				return err
			}
		}
	}
	return nil
}

func (e *event) typed(k kind, b []byte) error {
	for len(b) > 0 {
		var f field
		var err error
		if b, err = f.next(b); err != nil {
			return err
		}
		i := f.tag>>3 - 1
		if i >= uint64(len(elements[k].attrs)) {
			continue
		}
		switch typ := f.tag & 7; {
		case k == status && typ == varint:
			e.battery = uint32(f.num)
		case k == track && typ == fixed64:
			e.numbers[i] = math.Float64frombits(f.num)
		case k != status && k != track && typ == bytesT:
			e.values[k][i] = f.bytes
		}
	}
	return nil
}
