package index

import "math"

const sign = 1 << 63

// AppendTuple appends the key of a tuple.
func AppendTuple(dst []byte, values ...Value) ([]byte, error) {
	if len(values) > MaxValues {
		return dst, ErrTooMany
	}
	start := len(dst)
	for _, v := range values {
		switch v.kind {
		case KindBool:
			dst = append(dst, byte(v.kind)+byte(v.num))
		case KindInt, KindTime:
			dst = appendNumber(append(dst, byte(v.kind)), v.num^sign)
		case KindFloat:
			if math.IsNaN(v.Float()) {
				return dst[:start], ErrNaN
			}
			n := v.num ^ sign
			if v.num&sign != 0 {
				n = ^v.num
			}
			dst = appendNumber(append(dst, byte(v.kind)), n)
		case KindString, KindBytes:
			if len(v.str) > MaxBytes {
				return dst[:start], ErrTooLong
			}
			dst = append(appendEscaped(append(dst, byte(v.kind)), v.str), 0)
		default:
			return dst[:start], ErrNoValue
		}
	}
	if len(dst)-start > MaxBytes {
		return dst[:start], ErrTooLong
	}
	return dst, nil
}

func appendNumber(dst []byte, n uint64) []byte {
	return append(dst, byte(n>>56), byte(n>>48), byte(n>>40), byte(n>>32), byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
}

func appendEscaped(dst []byte, s string) []byte {
	for i := range len(s) {
		dst = append(dst, s[i])
		if s[i] == 0 {
			dst = append(dst, 0xff)
		}
	}
	return dst
}

// AppendPrefix appends what the keys begin with whose tuples begin with values
// and go on with a string, or bytes, that begins with s.
func AppendPrefix(dst []byte, s Value, values ...Value) ([]byte, error) {
	if s.kind != KindString && s.kind != KindBytes {
		return dst, ErrNoValue
	}
	if len(values) >= MaxValues {
		return dst, ErrTooMany
	}
	start := len(dst)
	dst, err := AppendTuple(dst, values...)
	if err != nil {
		return dst, err
	}
	if dst = appendEscaped(append(dst, byte(s.kind)), s.str); len(dst)-start > MaxBytes {
		return dst[:start], ErrTooLong
	}
	return dst, nil
}

// After appends the end of the range of all keys whose tuples begin with that
// of key: key ≤ k < After(key) holds for these and for no others.
func After(dst, key []byte) []byte { return append(append(dst, key...), 0xff) }

// AfterPrefix appends the end of the range of all keys that begin with what
// AppendPrefix gave. Nothing is appended when there is no end: prefix is empty.
func AfterPrefix(dst, prefix []byte) []byte {
	n := len(prefix)
	for n > 0 && prefix[n-1] == 0xff {
		n--
	}
	if n == 0 {
		return dst
	}
	dst = append(dst, prefix[:n]...)
	dst[len(dst)-1]++
	return dst
}

// Tuple reads a key. It accepts what AppendTuple writes and nothing else.
func Tuple(key []byte) ([]Value, error) {
	if len(key) > MaxBytes {
		return nil, ErrTooLong
	}
	var values []Value
	for len(key) > 0 {
		if len(values) == MaxValues {
			return nil, ErrTooMany
		}
		v, rest, ok := first(key)
		if !ok {
			return nil, ErrMalformed
		}
		values = append(values, v)
		key = rest
	}
	return values, nil
}

func first(key []byte) (v Value, rest []byte, ok bool) {
	tag, key := key[0], key[1:]
	switch k := Kind(tag); k {
	case KindBool, Kind(tagTrue):
		return Bool(tag == tagTrue), key, true
	case KindInt, KindTime, KindFloat:
		if len(key) < 8 {
			return v, nil, false
		}
		var n uint64
		for _, c := range key[:8] {
			n = n<<8 | uint64(c)
		}
		key = key[8:]
		if k != KindFloat {
			return Value{kind: k, num: n ^ sign}, key, true
		}
		if n&sign != 0 {
			n ^= sign
		} else {
			n = ^n
		}
		f := math.Float64frombits(n)
		return Value{kind: k, num: n}, key, !math.IsNaN(f) && n != sign
	case KindString, KindBytes:
		s := make([]byte, 0, len(key))
		for i := 0; i < len(key); i++ {
			if key[i] != 0 {
				s = append(s, key[i])
				continue
			}
			if i+1 == len(key) || key[i+1] != 0xff {
				return Value{kind: k, str: string(s)}, key[i+1:], true
			}
			s = append(s, 0)
			i++
		}
	}
	return v, nil, false
}

// Check says whether key is one of an index whose places have those kinds.
func Check(key []byte, kinds []Kind) error {
	values, err := Tuple(key)
	if err != nil {
		return err
	}
	if len(values) != len(kinds) {
		return ErrMalformed
	}
	for i, v := range values {
		if v.kind != kinds[i] {
			return ErrMalformed
		}
	}
	return nil
}
