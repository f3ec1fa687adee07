package wire

import (
	"errors"
	"math"
	"unicode/utf8"
)

// Errors of Decode.
var (
	ErrTruncated = errors.New("message ends inside a field")
	ErrVarint    = errors.New("message has a number of more than 64 bits")
	ErrTag       = errors.New("message has a field without a proper number or type")
	ErrUTF8      = errors.New("message has a text that is not UTF-8")
)

// Wire types.
const (
	wireVarint = 0
	wireEight  = 1
	wireBytes  = 2
	wireFour   = 5
)

// reader goes over the fields of a message. After an error it gives zeros and
// ends.
type reader struct {
	b   []byte
	tag uint64 // of the field at hand: number<<3 | wire type
	err error
}

// more says whether there is anything left to read.
func (r *reader) more() bool { return len(r.b) > 0 }

// next goes on to the next field.
func (r *reader) next() bool {
	if r.err != nil || len(r.b) == 0 {
		return false
	}
	r.tag = r.varint()
	if n := r.tag >> 3; r.err == nil && (n == 0 || n > 1<<29-1) {
		r.fail(ErrTag)
	}
	return r.err == nil
}

func (r *reader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
	r.b = nil
}

// failed takes over the error of a message inside this one.
func (r *reader) failed(err error) {
	if err != nil {
		r.fail(err)
	}
}

func (r *reader) varint() uint64 {
	if len(r.b) > 0 && r.b[0] < 0x80 {
		v := uint64(r.b[0])
		r.b = r.b[1:]
		return v
	}
	var v uint64
	for i, c := range r.b {
		if i == 9 && c > 1 {
			r.fail(ErrVarint)
			return 0
		}
		v |= uint64(c&0x7f) << (7 * i)
		if c < 0x80 {
			r.b = r.b[i+1:]
			return v
		}
	}
	r.fail(ErrTruncated)
	return 0
}

func (r *reader) double() float64 {
	if len(r.b) < 8 {
		r.fail(ErrTruncated)
		return 0
	}
	b := r.b[:8]
	r.b = r.b[8:]
	return math.Float64frombits(uint64(b[0]) | uint64(b[1])<<8 | uint64(b[2])<<16 | uint64(b[3])<<24 |
		uint64(b[4])<<32 | uint64(b[5])<<40 | uint64(b[6])<<48 | uint64(b[7])<<56)
}

func (r *reader) bytes() []byte {
	n := r.varint()
	if n > uint64(len(r.b)) {
		r.fail(ErrTruncated)
		return nil
	}
	b := r.b[:n:n]
	r.b = r.b[n:]
	return b
}

func (r *reader) text() string {
	b := r.bytes()
	if !utf8.Valid(b) {
		r.fail(ErrUTF8)
		return ""
	}
	return string(b)
}

// skip passes over the value of a field that is not known. Groups, which proto3
// does not have, are refused.
func (r *reader) skip() {
	switch r.tag & 7 {
	case wireVarint:
		r.varint()
	case wireEight:
		r.double()
	case wireBytes:
		r.bytes()
	case wireFour:
		if len(r.b) < 4 {
			r.fail(ErrTruncated)
			return
		}
		r.b = r.b[4:]
	default:
		r.fail(ErrTag)
	}
}
