package sdk

import (
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/takhost/takhost/hostapi/cot"
)

// Format is a small fmt.Sprintf that brings no reflection into a module: %s and %v
// write a value plainly, %d a whole number, %q a text in quotes, %x a text, bytes
// or a whole number in hexadecimal digits, %.3f (any number of places) a float, %w is
// %v, %% is a percent sign. It knows texts, numbers, bools, bytes, times, errors,
// lists of texts, pointers to none of these, and what has a String method; of other
// values it says so. What does not fit shows in the text as with fmt: %!d(x), never
// a panic.
func Format(format string, args ...any) string {
	b := make([]byte, 0, len(format)+16*len(args))
	next := 0
	for i := 0; i < len(format); i++ {
		if format[i] != '%' {
			b = append(b, format[i])
			continue
		}
		if i++; i == len(format) {
			return string(append(b, "%!(end)"...))
		}
		places := -1
		if format[i] == '.' {
			places = 0
			for i++; i < len(format) && '0' <= format[i] && format[i] <= '9'; i++ {
				places = min(places*10+int(format[i]-'0'), 64)
			}
			if i == len(format) {
				return string(append(b, "%!(end)"...))
			}
		}
		verb := format[i]
		switch {
		case verb == '%':
			b = append(b, '%')
			continue
		case next == len(args):
			b = append(append(b, "%!"...), verb)
			b = append(b, "(missing)"...)
			continue
		}
		b = appendVerb(b, verb, places, args[next])
		next++
	}
	for ; next < len(args); next++ {
		b = append(b, "%!(extra "...)
		b = append(AppendValue(b, args[next]), ')')
	}
	return string(b)
}

func appendVerb(b []byte, verb byte, places int, v any) []byte {
	switch verb {
	case 's', 'v', 'w':
		return AppendValue(b, v)
	case 'd':
		if _, ok := whole(v); ok {
			return AppendValue(b, v)
		}
	case 'q':
		if s, ok := textOf(v); ok {
			return strconv.AppendQuote(b, s)
		}
	case 'x':
		if s, ok := textOf(v); ok {
			return appendHex(b, s)
		}
		if n, ok := whole(v); ok {
			return strconv.AppendUint(b, n, 16)
		}
	case 'f':
		if f, ok := v.(float64); ok {
			return strconv.AppendFloat(b, f, 'f', places, 64)
		}
	}
	b = append(append(append(b, "%!"...), verb), '(')
	return append(AppendValue(b, v), ')')
}

// AppendValue appends a value as %v of Format writes it. It serves one goroutine
// as append does.
func AppendValue(b []byte, v any) []byte {
	switch v := v.(type) {
	case nil:
		return append(b, "nil"...)
	case string:
		return append(b, v...)
	case []byte:
		if !utf8.Valid(v) {
			return appendHex(b, string(v))
		}
		return append(b, v...)
	case bool:
		return strconv.AppendBool(b, v)
	case float64:
		return strconv.AppendFloat(b, v, 'g', -1, 64)
	case float32:
		return strconv.AppendFloat(b, float64(v), 'g', -1, 32)
	case time.Time:
		return cot.AppendTime(b, v.UnixMicro())
	case []string:
		return append(append(append(b, '['), strings.Join(v, " ")...), ']')
	case error:
		return append(b, v.Error()...)
	case interface{ String() string }:
		return append(b, v.String()...)
	case int:
		return strconv.AppendInt(b, int64(v), 10)
	case int64:
		return strconv.AppendInt(b, v, 10)
	case int32:
		return strconv.AppendInt(b, int64(v), 10)
	case int16:
		return strconv.AppendInt(b, int64(v), 10)
	case int8:
		return strconv.AppendInt(b, int64(v), 10)
	}
	if n, ok := whole(v); ok {
		return strconv.AppendUint(b, n, 10)
	}
	return append(b, "(a value that Format does not know)"...)
}

// whole gives the bits of a whole number.
func whole(v any) (uint64, bool) {
	switch v := v.(type) {
	case int:
		return uint64(v), true
	case int64:
		return uint64(v), true
	case int32:
		return uint64(v), true
	case int16:
		return uint64(v), true
	case int8:
		return uint64(v), true
	case uint:
		return uint64(v), true
	case uint64:
		return v, true
	case uint32:
		return uint64(v), true
	case uint16:
		return uint64(v), true
	case uint8:
		return uint64(v), true
	}
	return 0, false
}

func textOf(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case []byte:
		return string(v), true
	case error:
		return v.Error(), true
	case interface{ String() string }:
		return v.String(), true
	}
	return "", false
}

const hexDigits = "0123456789abcdef"

func appendHex(b []byte, s string) []byte {
	for i := range len(s) {
		b = append(b, hexDigits[s[i]>>4], hexDigits[s[i]&15])
	}
	return b
}
