package takproto

import (
	"math"
	"strconv"
	"strings"

	"google.golang.org/protobuf/encoding/protowire"
)

// typed is an element of detail on its way to a message.
type typed struct {
	seen    bool
	ok      bool // becomes a message
	size    int  // of the element in XML
	values  [maxAttrs]string
	numbers [2]float64 // of track
	battery uint32     // of status
}

// fill reads element e of s and says whether the message of kind k can hold all
// of it, in a way that gives it back the same.
func (t *typed) fill(k kind, s string, e element) bool {
	if !e.empty {
		return false
	}
	want := elements[k].attrs
	var have uint
	for at := e.nameTo; ; {
		name, value, next := attribute(s[:e.tagTo], at)
		if next < 0 {
			break
		}
		at = next
		i := index(want, name)
		if i < 0 {
			return false
		}
		have |= 1 << i
		t.values[i] = value
	}
	if k != contact && have != 1<<len(want)-1 {
		return false
	}
	switch k {
	case contact:
		return t.contact(have)
	case status:
		return t.status()
	case track:
		return t.track()
	default:
		return t.decode(len(want))
	}
}

// contact needs the callsign alone. An empty value stays XML: proto3 cannot
// tell it from a missing one.
func (t *typed) contact(have uint) bool {
	for i, v := range t.values[:len(elements[contact].attrs)] {
		if v == "" && have&(1<<i) != 0 {
			return false
		}
	}
	return have&(1<<contactCallsign) != 0 && t.decode(len(elements[contact].attrs))
}

// decode replaces the references in the first n values. Values with a line end
// or tab stay XML: a parser reads those as blanks, and the same in a reference
// not, so only the text itself keeps its meaning for everyone.
func (t *typed) decode(n int) bool {
	for i, v := range t.values[:n] {
		refs := false
		for j := range len(v) {
			switch {
			case v[j] < ' ':
				return false
			case v[j] == '&':
				refs = true
			}
		}
		if refs {
			t.values[i] = unescape(v)
		}
	}
	return true
}

// status takes a battery that comes back as the same text.
func (t *typed) status() bool {
	v := t.values[0]
	if v == "" || len(v) > len("4294967295") || v[0] == '0' && v != "0" {
		return false
	}
	n := uint64(0)
	for i := range len(v) {
		c := v[i] - '0'
		if c > 9 {
			return false
		}
		n = n*10 + uint64(c)
	}
	t.battery = uint32(n)
	return n <= math.MaxUint32
}

// track takes decimal numbers that a double holds. What ParseFloat knows beyond
// those (NaN, infinity, hexadecimal) stays XML.
func (t *typed) track() bool {
	for i, v := range t.values[:len(t.numbers)] {
		if strings.IndexFunc(v, notOfNumber) >= 0 {
			return false
		}
		f, err := strconv.ParseFloat(v, 64)
		if err != nil {
			return false
		}
		t.numbers[i] = f
	}
	return true
}

func notOfNumber(r rune) bool {
	return (r < '0' || r > '9') && r != '.' && r != '-' && r != '+' && r != 'e' && r != 'E'
}

// wireLen is the length of the message.
func (t *typed) wireLen(k kind) int {
	switch k {
	case status:
		if t.battery == 0 {
			return 0
		}
		return 1 + protowire.SizeVarint(uint64(t.battery))
	case track:
		return doubleLen(t.numbers[trackSpeed]) + doubleLen(t.numbers[trackCourse])
	}
	n := 0
	for _, v := range t.values[:len(elements[k].attrs)] {
		n += stringLen(v)
	}
	return n
}

// append writes the message.
func (t *typed) append(dst []byte, k kind) []byte {
	switch k {
	case status:
		return appendUint(dst, 1, uint64(t.battery))
	case track:
		dst = appendDouble(dst, 1+trackSpeed, t.numbers[trackSpeed])
		return appendDouble(dst, 1+trackCourse, t.numbers[trackCourse])
	}
	for i, v := range t.values[:len(elements[k].attrs)] {
		dst = appendString(dst, protowire.Number(i+1), v)
	}
	return dst
}

func index(names []string, name string) int {
	for i, n := range names {
		if n == name {
			return i
		}
	}
	return -1
}
