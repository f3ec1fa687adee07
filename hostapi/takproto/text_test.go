package takproto

import (
	"math"
	"strconv"
	"testing"

	"pgregory.net/rapid"
)

func TestUnescape(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"nothing", "", ""},
		{"plain", "a b", "a b"},
		{"named", "&lt;&gt;&amp;&apos;&quot;", `<>&'"`},
		{"decimal", "&#65;&#8364;", "A€"},
		{"hexadecimal", "&#x41;&#x20AC;&#x20ac;&#x1F600;", "A€€😀"},
		{"zeros in front", "&#000065;", "A"},
		{"once only", "&amp;lt;", "&lt;"},
		{"between", "a&lt;b&gt;c", "a<b>c"},
		// What a scanned event does not have stays as it is.
		{"bare", "a & b", "a & b"},
		{"not ended", "a&lt", "a&lt"},
		{"unknown", "&nbsp;&lt;", "&nbsp;&lt;"},
		{"no digits", "&#;", "&#;"},
		{"beyond Unicode", "&#x110000;", "&#x110000;"},
		{"far beyond", "&#99999999999999999999;", "&#99999999999999999999;"},
		{"sign", "&#+65;", "&#+65;"},
		{"good before bad", "&lt;&x;&gt;", "<&x;&gt;"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := unescape(tt.in); got != tt.want {
				t.Errorf("unescape(%q) = %q, want %q", tt.in, got, tt.want)
			}
		})
	}
}

func TestAppendNumber(t *testing.T) {
	for _, tt := range []struct {
		v    float64
		want string
	}{
		{0, "0"},
		{math.Copysign(0, -1), "-0"},
		{1, "1"},
		{-17, "-17"},
		{0.1, "0.1"},
		{9999999, "9999999.0"},
		{-9999999, "-9999999"},
		{999999, "999999"},
		{1 << 53, "9007199254740992"},
		{1e21, "1000000000000000000000"},
		{47.98765432101234, "47.98765432101234"},
	} {
		t.Run(tt.want, func(t *testing.T) {
			if got := string(appendNumber(nil, tt.v)); got != tt.want {
				t.Errorf("appendNumber(%v) = %s, want %s", tt.v, got, tt.want)
			}
		})
	}
}

// Every number reads back as the same bits.
func TestAppendNumberReadsBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		v := rapid.Float64().Draw(t, "v")
		text := string(appendNumber(nil, v))
		got, err := strconv.ParseFloat(text, 64)
		if err != nil || math.Float64bits(got) != math.Float64bits(v) {
			t.Fatalf("%v became %s, which reads as %v (error %v)", v, text, got, err)
		}
	})
}
