package wasm

import (
	"cmp"
	"slices"
)

// Joining segments of data. Go's linker leaves out runs of zeros, and so writes tens
// of thousands of segments, for each of which wazero keeps some 130 bytes with the
// module and the instance, beside a few bytes of data.

const (
	sectionData      = 11
	sectionDataCount = 12

	segmentActive = 0 // of memory 0, at an offset that follows
	opI32Const    = 0x41
	opEnd         = 0x0b
	joinedGap     = 64 // bytes that are written as zeros rather than left out
)

// segment is some data and where in memory it goes.
type segment struct {
	at   uint32
	data []byte
}

// joinData writes segments that are near one another as one, in the order of their
// places. It leaves a module as it is that names segments by number, or two of whose
// segments overlap: there what is written later counts.
func (l *layout) joinData(module []byte) []byte {
	if l.dataCount || l.dataTo == 0 {
		return module
	}
	list, ok := segments(module[l.dataFrom:l.dataTo])
	if !ok {
		return module
	}
	var (
		body  []byte
		count uint64
		room  = l.dataTo - l.dataFrom // zeros to be written, at most: a module does not grow without bound
	)
	for i := 0; i < len(list); {
		first, to := i, uint64(list[i].at)+uint64(len(list[i].data))
		for i++; i < len(list); i++ {
			gap := uint64(list[i].at) - to
			if gap > joinedGap || int(gap) > room {
				break
			}
			room -= int(gap)
			to += gap + uint64(len(list[i].data))
		}
		body = appendSigned(append(body, segmentActive, opI32Const), int32(list[first].at))
		body = appendNumber(append(body, opEnd), to-uint64(list[first].at))
		at := uint64(list[first].at)
		for _, s := range list[first:i] {
			body = append(body, make([]byte, uint64(s.at)-at)...)
			body = append(body, s.data...)
			at = uint64(s.at) + uint64(len(s.data))
		}
		count++
	}
	head := appendNumber(nil, count)
	out := make([]byte, 0, len(module)-(l.dataTo-l.dataFrom)+len(head)+len(body)+8)
	out = append(append(out, module[:l.dataFrom]...), sectionData)
	out = append(appendNumber(out, uint64(len(head)+len(body))), head...)
	out = append(out, body...)
	return append(out, module[l.dataTo:]...)
}

// segments reads a section of data, with its head, and gives its segments by place. It
// is not ok when one of them is of another kind, or overlaps another one.
func segments(section []byte) (list []segment, ok bool) {
	s := &scanner{b: section}
	s.byte()
	s.u32()
	for n := s.u32(); s.more(&n); {
		if s.u32() != segmentActive || s.byte() != opI32Const {
			return nil, false
		}
		at := uint32(s.signed())
		if s.byte() != opEnd {
			return nil, false
		}
		list = append(list, segment{at, s.bytes(s.u32())})
	}
	slices.SortStableFunc(list, func(a, b segment) int { return cmp.Compare(a.at, b.at) })
	end := uint64(0)
	for _, g := range list {
		if uint64(g.at) < end {
			return nil, false
		}
		end = uint64(g.at) + uint64(len(g.data))
	}
	return list, s.err == nil && s.at == len(s.b)
}

// signed reads a signed LEB128 of 32 bits.
func (s *scanner) signed() int32 {
	v, shift := int64(0), 0
	for shift < 35 {
		c := s.byte()
		v |= int64(c&0x7f) << shift
		shift += 7
		if c < 0x80 {
			if c&0x40 != 0 {
				v |= -1 << shift
			}
			return int32(v)
		}
	}
	s.fail(errLong)
	return 0
}

func appendSigned(b []byte, v int32) []byte {
	for v < -0x40 || v >= 0x40 {
		b = append(b, byte(v&0x7f)|0x80)
		v >>= 7
	}
	return append(b, byte(v&0x7f))
}
