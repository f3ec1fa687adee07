package index

import (
	"bytes"
	"encoding/hex"
	"errors"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var anyValue = rapid.Custom(func(t *rapid.T) Value {
	// Few different values, so that equal beginnings are frequent.
	text := rapid.OneOf(rapid.StringOfN(rapid.SampledFrom([]rune{0, 1, 'a', 'b', 0xff}), 0, 4, -1), rapid.String())
	switch rapid.IntRange(0, 5).Draw(t, "kind") {
	case 0:
		return Bool(rapid.Bool().Draw(t, "bool"))
	case 1:
		return Int(rapid.OneOf(rapid.Int64Range(-2, 2), rapid.Int64()).Draw(t, "int"))
	case 2:
		f := rapid.OneOf(rapid.SampledFrom([]float64{0, math.Copysign(0, -1), 1, -1, math.Inf(1), math.Inf(-1), 5e-324, -5e-324}), rapid.Float64()).
			Filter(func(f float64) bool { return !math.IsNaN(f) }).Draw(t, "float")
		return Float(f)
	case 3:
		return Micros(rapid.OneOf(rapid.Int64Range(-2, 2), rapid.Int64()).Draw(t, "time"))
	case 4:
		return String(text.Draw(t, "string"))
	default:
		return Bytes(rapid.SliceOfN(rapid.SampledFrom([]byte{0, 1, 0x50, 0xfe, 0xff}), 0, 5).Draw(t, "bytes"))
	}
})

var anyTuple = rapid.SliceOfN(anyValue, 0, MaxValues)

func key(t rapid.TB, values ...Value) []byte {
	t.Helper()
	b, err := AppendTuple([]byte("kept"), values...)
	if err != nil {
		t.Fatalf("key of %v: %v", values, err)
	}
	if string(b[:4]) != "kept" {
		t.Fatalf("AppendTuple changed what was there to %q", b[:4])
	}
	return b[4:]
}

func TestByteOrderIsValueOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := anyTuple.Draw(t, "a"), anyTuple.Draw(t, "b")
		if rapid.Bool().Draw(t, "same beginning") {
			b = append(append([]Value(nil), a[:len(a)/2]...), b[:min(len(b), MaxValues-len(a)/2)]...)
		}
		if got, want := bytes.Compare(key(t, a...), key(t, b...)), CompareTuples(a, b); got != want {
			t.Errorf("%v and %v: got byte order %d, want %d", a, b, got, want)
		}
	})
}

func TestKeyReadsBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := anyTuple.Draw(t, "tuple")
		got, err := Tuple(key(t, want...))
		if err != nil {
			t.Fatalf("read: %v", err)
		}
		if CompareTuples(got, want) != 0 || len(got) != len(want) {
			t.Errorf("got %v, want %v", got, want)
		}
	})
}

func TestRangeOfTuple(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		begin := rapid.SliceOfN(anyValue, 1, 2).Draw(t, "begin")
		other := anyTuple.Draw(t, "other")
		if rapid.Bool().Draw(t, "inside") {
			other = append(append([]Value(nil), begin...), other[:min(len(other), 2)]...)
		}
		lo := key(t, begin...)
		hi := After(nil, lo)
		k := key(t, other...)
		got := bytes.Compare(lo, k) <= 0 && bytes.Compare(k, hi) < 0
		want := len(other) >= len(begin) && CompareTuples(other[:len(begin)], begin) == 0
		if got != want {
			t.Errorf("%v in the range of %v: got %v, want %v", other, begin, got, want)
		}
	})
}

func TestRangeOfPrefix(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		chars := rapid.SliceOfN(rapid.SampledFrom([]byte{0, 1, 'a', 0xff}), 0, 3)
		prefix := string(chars.Draw(t, "prefix"))
		s := string(chars.Draw(t, "string"))
		lo, err := AppendPrefix(nil, String(prefix), Int(4))
		if err != nil {
			t.Fatal(err)
		}
		k := key(t, Int(4), String(s))
		got := bytes.Compare(lo, k) <= 0 && bytes.Compare(k, AfterPrefix(nil, lo)) < 0
		if want := strings.HasPrefix(s, prefix); got != want {
			t.Errorf("%q begins with %q: got %v, want %v", s, prefix, got, want)
		}
	})
}

// The bytes are stored and compared with those of other versions.
func TestKeyBytes(t *testing.T) {
	got := hex.EncodeToString(key(t, Int(-1), Float(1.5), String("a\x00b"), Time(time.UnixMicro(1))))
	want := "20" + "7fffffffffffffff" + "30" + "bff8000000000000" + "50" + "6100ff62" + "00" + "40" + "8000000000000001"
	if got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := hex.EncodeToString(key(t, Bool(false), Bool(true), Bytes([]byte{0xff}), Float(-1.5))); got != "101160ff00304007ffffffffffff" {
		t.Errorf("got %s", got)
	}
}

func TestRefused(t *testing.T) {
	five := []Value{Int(1), Int(1), Int(1), Int(1), Int(1)}
	long := String(strings.Repeat("x", MaxBytes-1))
	tests := []struct {
		name string
		make func() error
		want error
	}{
		{"five values", func() error { _, err := AppendTuple(nil, five...); return err }, ErrTooMany},
		{"NaN", func() error { _, err := AppendTuple(nil, Float(math.NaN())); return err }, ErrNaN},
		{"no value", func() error { _, err := AppendTuple(nil, Value{}); return err }, ErrNoValue},
		{"too long", func() error { _, err := AppendTuple(nil, long); return err }, ErrTooLong},
		{"prefix too long", func() error { _, err := AppendPrefix(nil, long, Int(1)); return err }, ErrTooLong},
		{"prefix of an int", func() error { _, err := AppendPrefix(nil, Int(1)); return err }, ErrNoValue},
		{"cut int", func() error { _, err := Tuple([]byte{0x20, 1, 2}); return err }, ErrMalformed},
		{"cut string", func() error { _, err := Tuple([]byte{0x50, 'a'}); return err }, ErrMalformed},
		{"unknown tag", func() error { _, err := Tuple([]byte{0x70}); return err }, ErrMalformed},
		{"-0", func() error { _, err := Tuple([]byte("\x30\x7f\xff\xff\xff\xff\xff\xff\xff")); return err }, ErrMalformed},
		{"five keys", func() error { _, err := Tuple([]byte{0x10, 0x11, 0x10, 0x11, 0x10}); return err }, ErrTooMany},
		{"other kind", func() error { return Check(key(t, Int(1)), []Kind{KindTime}) }, ErrMalformed},
		{"fewer values", func() error { return Check(key(t, Int(1)), []Kind{KindInt, KindInt}) }, ErrMalformed},
		{"right kinds", func() error { return Check(key(t, Int(1), Bool(true)), []Kind{KindInt, KindBool}) }, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := tt.make(); !errors.Is(err, tt.want) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
		})
	}
}

func TestKindNames(t *testing.T) {
	for _, k := range []Kind{KindBool, KindInt, KindFloat, KindTime, KindString, KindBytes} {
		if got, ok := ParseKind(k.String()); !ok || got != k {
			t.Errorf("%v: got %v, %v", k, got, ok)
		}
	}
}

// FuzzTuple reads any bytes: what is accepted is written again as it was.
func FuzzTuple(f *testing.F) {
	for _, values := range [][]Value{{Int(-1), Float(1.5), String("a\x00b"), Micros(1)}, {Bool(true), Bytes([]byte{0xff, 0})}} {
		b, err := AppendTuple(nil, values...)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		values, err := Tuple(b)
		if err != nil {
			return
		}
		got, err := AppendTuple(nil, values...)
		if err != nil {
			t.Fatalf("key of %v: %v", values, err)
		}
		if diff := cmp.Diff(b, got); diff != "" && len(b) > 0 {
			t.Errorf("bytes (-read +written):\n%s", diff)
		}
	})
}
