package hostapi

import (
	"math"
	"unsafe"
)

// Little-endian numbers, read and written by hand: encoding/binary would bring
// reflect into every plugin.

func le16(s string, at int) uint16 { return uint16(s[at]) | uint16(s[at+1])<<8 }

func le32(s string, at int) uint32 {
	s = s[at : at+4]
	return uint32(s[0]) | uint32(s[1])<<8 | uint32(s[2])<<16 | uint32(s[3])<<24
}

func le64(s string, at int) uint64 {
	s = s[at : at+8]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

func put16(b []byte, v uint16) {
	_ = b[1]
	b[0], b[1] = byte(v), byte(v>>8)
}

func put32(b []byte, v uint32) {
	_ = b[3]
	b[0], b[1], b[2], b[3] = byte(v), byte(v>>8), byte(v>>16), byte(v>>24)
}

func put64(b []byte, v uint64) {
	_ = b[7]
	b[0], b[1], b[2], b[3] = byte(v), byte(v>>8), byte(v>>16), byte(v>>24)
	b[4], b[5], b[6], b[7] = byte(v>>32), byte(v>>40), byte(v>>48), byte(v>>56)
}

func putFloat(b []byte, v float64) { put64(b, math.Float64bits(v)) }

// text is b as a string without a copy, the only place where that happens. It
// lives, and changes, with b: whoever hands b out says how long it stays as it
// is.
func text(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// part is the pair of offset and length at a place of s as a part of s. What is
// not inside of s is empty.
func part(s string, at int) string {
	off, n := uint64(le32(s, at)), uint64(le32(s, at+4))
	if off+n > uint64(len(s)) {
		return ""
	}
	return s[off : off+n]
}

// zeros is where tables are extended from.
var zeros [512]byte

// extend appends n zero bytes.
func extend(b []byte, n int) []byte {
	for n > len(zeros) {
		b = append(b, zeros[:]...)
		n -= len(zeros)
	}
	return append(b, zeros[:n]...)
}
