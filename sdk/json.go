package sdk

import (
	"math"
	"strconv"
	"time"
	"unicode/utf8"
)

// JSON writes one JSON value into memory. Its methods give the writer back, so that
// they can be chained; the first thing done wrong is kept and comes out of Err. The
// zero JSON is ready.
//
//	var j sdk.JSON
//	j.Object().Key("uid").Text(e.UID()).Key("lat").Float(e.Lat()).End()
type JSON struct {
	buf   []byte
	open  [maxDepth]byte // '{' or '[' of each level
	depth int
	more  bool // there is a value before, in this object or array
	keyed bool // a key waits for its value
	done  bool // the outermost value is written
	full  bool // documents fill the innermost array
	err   error
}

// maxDepth is how deep JSON and XML may nest.
const maxDepth = 64

// Object begins an object: pairs of Key and a value follow.
func (j *JSON) Object() *JSON { return j.begin('{') }

// Array begins an array.
func (j *JSON) Array() *JSON { return j.begin('[') }

// End ends the innermost object or array.
func (j *JSON) End() *JSON {
	switch {
	case j.err != nil:
		return j
	case j.depth == 0:
		return j.fail("more ends than beginnings")
	case j.keyed:
		return j.fail("a key without a value")
	}
	j.depth--
	// In ASCII the closing brackets are two behind the opening ones.
	j.buf = append(j.buf, j.open[j.depth]+2)
	j.more, j.done, j.full = true, j.depth == 0, false
	return j
}

// Key writes the name of the next member of an object.
func (j *JSON) Key(name string) *JSON {
	if j.err != nil {
		return j
	}
	if j.depth == 0 || j.open[j.depth-1] != '{' || j.keyed {
		return j.fail("key " + strconv.Quote(name) + " where none belongs")
	}
	if j.more {
		j.buf = append(j.buf, ',')
	}
	j.buf = append(AppendJSONText(j.buf, name), ':')
	j.keyed = true
	return j
}

// Text writes a string. Bytes that are no UTF-8 are written as U+FFFD.
func (j *JSON) Text(s string) *JSON {
	if j.value() {
		j.buf = AppendJSONText(j.buf, s)
	}
	return j
}

// Int writes a whole number.
func (j *JSON) Int(n int64) *JSON {
	if j.value() {
		j.buf = strconv.AppendInt(j.buf, n, 10)
	}
	return j
}

// ID writes a number that is too long for JavaScript, such as the id of an event, as
// a string.
func (j *JSON) ID(n int64) *JSON {
	if j.value() {
		j.buf = append(strconv.AppendInt(append(j.buf, '"'), n, 10), '"')
	}
	return j
}

// Float writes a number so that it reads back as the same. NaN and the infinities,
// which JSON does not have, are written as null.
func (j *JSON) Float(v float64) *JSON {
	if !j.value() {
		return j
	}
	switch abs := math.Abs(v); {
	case math.IsNaN(v) || math.IsInf(v, 0):
		j.buf = append(j.buf, "null"...)
	case abs != 0 && (abs < 1e-6 || abs >= 1e21):
		j.buf = strconv.AppendFloat(j.buf, v, 'e', -1, 64)
	default:
		j.buf = strconv.AppendFloat(j.buf, v, 'f', -1, 64)
	}
	return j
}

// Bool writes true or false.
func (j *JSON) Bool(v bool) *JSON {
	if j.value() {
		j.buf = strconv.AppendBool(j.buf, v)
	}
	return j
}

// Null writes null.
func (j *JSON) Null() *JSON {
	if j.value() {
		j.buf = append(j.buf, "null"...)
	}
	return j
}

// Time writes a time as TAK clients do, to the millisecond: 2006-01-02T15:04:05.000Z.
// The zero time is null.
func (j *JSON) Time(t time.Time) *JSON {
	if t.IsZero() {
		return j.Null()
	}
	return j.Micros(t.UnixMicro())
}

// Micros is Time for microseconds since 1970.
func (j *JSON) Micros(us int64) *JSON {
	if j.value() {
		j.buf = append(appendStamp(append(j.buf, '"'), us), '"')
	}
	return j
}

// Texts writes an array of strings.
func (j *JSON) Texts(list []string) *JSON {
	j.Array()
	for _, s := range list {
		j.Text(s)
	}
	return j.End()
}

// Raw writes a value that is JSON already, such as the body of a document. It is not
// checked.
func (j *JSON) Raw(value []byte) *JSON {
	if j.value() {
		j.buf = append(j.buf, value...)
	}
	return j
}

// Bytes gives what was written, what is still open ended. After a fault it gives
// nothing.
func (j *JSON) Bytes() []byte {
	j.finish()
	if j.err != nil {
		return nil
	}
	return j.buf
}

// Err gives the first thing done wrong.
func (j *JSON) Err() error { return j.err }

// Reset makes the writer begin anew, in the same memory.
func (j *JSON) Reset() { *j = JSON{buf: j.buf[:0]} }

func (j *JSON) fail(why string) *JSON {
	if j.err == nil {
		j.err = &Error{Status: Failed, Message: "write JSON: " + why}
	}
	return j
}

// value makes ready for a value and says whether one may stand here.
func (j *JSON) value() bool {
	switch {
	case j.err != nil:
		return false
	case j.done:
		j.fail("a second value")
		return false
	case j.depth == 0:
		j.done = true
		return true
	case j.open[j.depth-1] == '{':
		if !j.keyed {
			j.fail("a value without a key in an object")
			return false
		}
		j.keyed = false
	case j.full:
		j.fail("a value behind documents in an array")
		return false
	case j.more:
		j.buf = append(j.buf, ',')
	}
	j.more = true
	return true
}

func (j *JSON) begin(bracket byte) *JSON {
	if j.depth == maxDepth {
		return j.fail("nested too deep")
	}
	if j.value() {
		j.buf = append(j.buf, bracket)
		j.open[j.depth] = bracket
		j.depth++
		j.more, j.done = false, false
	}
	return j
}

func (j *JSON) finish() {
	for j.depth > 0 && j.err == nil {
		j.End()
	}
}

// take moves what was written to dst; the writer goes on behind it.
func (j *JSON) take(dst []byte) []byte {
	dst = append(dst, j.buf...)
	j.buf = j.buf[:0]
	return dst
}

// filled notes that a part which the host puts in stands here: the value of a key,
// or all elements of an array. Whether there are any is not known, so no more may
// follow in that array.
func (j *JSON) filled() {
	switch {
	case j.err != nil:
	case j.depth == 0:
		j.done = true
	case j.open[j.depth-1] == '{':
		if !j.keyed {
			j.fail("a document without a key in an object")
		}
		j.keyed, j.more = false, true
	case j.more || j.full:
		j.fail("documents behind other elements of an array")
	default:
		j.full = true
	}
}

// AppendJSONText appends a text as a JSON string, in its quotes.
func AppendJSONText(b []byte, s string) []byte {
	b = append(b, '"')
	for {
		n := plainText(s)
		b = append(b, s[:n]...)
		if n == len(s) {
			return append(b, '"')
		}
		b, n = appendOdd(b, s[n:], n)
		s = s[n:]
	}
}

// plainText gives how many bytes at the beginning of s stand in JSON as they are, of
// ASCII alone. It looks at eight at once: a WASM module pays for each turn of a loop.
func plainText(s string) int {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	i := 0
	for ; i+8 <= len(s); i += 8 {
		c := s[i : i+8]
		x := uint64(c[0]) | uint64(c[1])<<8 | uint64(c[2])<<16 | uint64(c[3])<<24 |
			uint64(c[4])<<32 | uint64(c[5])<<40 | uint64(c[6])<<48 | uint64(c[7])<<56
		// A byte that is zero after the xor, below 0x20 or above 0x7e has its high bit set in
		// one of these, or a byte below it has.
		quote, slash := x^'"'*ones, x^'\\'*ones
		if ((quote-ones)&^quote|(slash-ones)&^slash|(x-0x20*ones)|x|(x+ones))&highs != 0 {
			break
		}
	}
	for i < len(s) && ' ' <= s[i] && s[i] < 0x7f && s[i] != '"' && s[i] != '\\' {
		i++
	}
	return i
}

// appendOdd appends the first character of s, which is not plain, and gives how far in
// the whole text one is behind it.
func appendOdd(b []byte, s string, at int) ([]byte, int) {
	c := s[0]
	if c >= utf8.RuneSelf {
		r, n := utf8.DecodeRuneInString(s)
		switch {
		case r == utf8.RuneError && n == 1:
			return append(b, `\ufffd`...), at + n
		case r == '\u2028' || r == '\u2029': // line ends to old JavaScript
			return append(append(b, `\u202`...), hexDigits[r&15]), at + n
		}
		return append(b, s[:n]...), at + n
	}
	switch c {
	case '"', '\\':
		b = append(b, '\\', c)
	case '\n':
		b = append(b, '\\', 'n')
	case '\r':
		b = append(b, '\\', 'r')
	case '\t':
		b = append(b, '\\', 't')
	default:
		b = append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
	}
	return b, at + 1
}
