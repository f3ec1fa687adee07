package takclient

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

const (
	protoMagic = 0xBF
	// protoMax is the largest payload that ATAK takes (spec/tak-streaming.md 3).
	protoMax = 65536
)

// cutProto finds the first frame of a TAK protocol stream: its payload is
// buf[start:end]. skip counts the bytes before the frame that belong to none;
// they may be dropped also when ok is false and more bytes are needed. An error
// is a header that a real client refuses.
func cutProto(buf []byte) (skip, start, end int, ok bool, err error) {
	skip = bytes.IndexByte(buf, protoMagic)
	if skip < 0 {
		return len(buf), 0, 0, false, nil
	}
	size, n := binary.Uvarint(buf[skip+1:])
	switch {
	case n == 0:
		return skip, 0, 0, false, nil
	case n < 0:
		return skip, 0, 0, false, fmt.Errorf("frame length is no varint of 64 bits: % x", buf[skip:skip+10])
	case size > protoMax:
		return skip, 0, 0, false, fmt.Errorf("frame of %d bytes, a client takes at most %d", size, protoMax)
	}
	start = skip + 1 + n
	end = start + int(size)
	return skip, start, end, end <= len(buf), nil
}

// appendProto puts the stream header before a payload.
func appendProto(dst, payload []byte) []byte {
	dst = append(dst, protoMagic)
	dst = binary.AppendUvarint(dst, uint64(len(payload)))
	return append(dst, payload...)
}
