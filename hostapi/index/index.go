package index

import (
	"errors"
	"math"
	"time"
)

// Kind is the kind of one value.
type Kind uint8

// The kinds, in the order in which they sort: their tags.
const (
	KindBool   Kind = 0x10
	KindInt    Kind = 0x20
	KindFloat  Kind = 0x30
	KindTime   Kind = 0x40
	KindString Kind = 0x50
	KindBytes  Kind = 0x60
)

const tagTrue = byte(KindBool) + 1

// Limits of a key.
const (
	MaxValues = 4
	MaxBytes  = 1024 // of the whole key; PostgreSQL takes no more than some 2,700 in an index
)

// Errors of keys.
var (
	ErrTooMany   = errors.New("index key: more than four values")
	ErrTooLong   = errors.New("index key: longer than 1,024 bytes")
	ErrNaN       = errors.New("index key: NaN has no place in an order")
	ErrNoValue   = errors.New("index key: a value without a kind")
	ErrMalformed = errors.New("index key: bytes that are no key")
)

func (k Kind) String() string {
	switch k {
	case KindBool:
		return "bool"
	case KindInt:
		return "int"
	case KindFloat:
		return "float"
	case KindTime:
		return "time"
	case KindString:
		return "string"
	case KindBytes:
		return "bytes"
	}
	return "unknown"
}

// ParseKind reads what String wrote.
func ParseKind(name string) (Kind, bool) {
	for _, k := range []Kind{KindBool, KindInt, KindFloat, KindTime, KindString, KindBytes} {
		if k.String() == name {
			return k, true
		}
	}
	return 0, false
}

// Value is one value of a tuple. The zero Value is none.
type Value struct {
	kind Kind
	num  uint64 // int and time: two's complement; float: its bits; bool: 0 or 1
	str  string
}

// Bool makes a value.
func Bool(v bool) Value {
	if v {
		return Value{kind: KindBool, num: 1}
	}
	return Value{kind: KindBool}
}

// Int makes a value.
func Int(v int64) Value { return Value{kind: KindInt, num: uint64(v)} }

// Float makes a value. NaN is refused when the key is made.
func Float(v float64) Value {
	if v == 0 {
		v = 0 // -0 is the same number
	}
	return Value{kind: KindFloat, num: math.Float64bits(v)}
}

// Micros makes a time from microseconds since 1970 UTC, which is what a time is
// cut to.
func Micros(v int64) Value { return Value{kind: KindTime, num: uint64(v)} }

// Time makes a value.
func Time(t time.Time) Value { return Micros(t.UnixMicro()) }

// String makes a value.
func String(s string) Value { return Value{kind: KindString, str: s} }

// Bytes makes a value.
func Bytes(b []byte) Value { return Value{kind: KindBytes, str: string(b)} }

// Kind gives the value's kind.
func (v Value) Kind() Kind { return v.kind }

// Bool gives what the function of that name was given, and so do the others;
// of a value of another kind, they give nothing of meaning.
func (v Value) Bool() bool { return v.num != 0 }

// Int also gives the microseconds of a time.
func (v Value) Int() int64 { return int64(v.num) }

// Float gives a float.
func (v Value) Float() float64 { return math.Float64frombits(v.num) }

// Time gives a time.
func (v Value) Time() time.Time { return time.UnixMicro(int64(v.num)).UTC() }

// Text gives a string or bytes.
func (v Value) Text() string { return v.str }

// Compare orders two values as their keys are ordered: -1, 0 or 1.
func (v Value) Compare(o Value) int {
	if v.kind != o.kind {
		return order(v.kind < o.kind)
	}
	switch v.kind {
	case KindFloat:
		a, b := v.Float(), o.Float()
		if a == b {
			return 0
		}
		return order(a < b)
	case KindString, KindBytes:
		if v.str == o.str {
			return 0
		}
		return order(v.str < o.str)
	}
	if v.num == o.num {
		return 0
	}
	return order(v.Int() < o.Int())
}

func order(less bool) int {
	if less {
		return -1
	}
	return 1
}

// CompareTuples orders two tuples as their keys are ordered.
func CompareTuples(a, b []Value) int {
	for i := range min(len(a), len(b)) {
		if c := a[i].Compare(b[i]); c != 0 {
			return c
		}
	}
	if len(a) == len(b) {
		return 0
	}
	return order(len(a) < len(b))
}
