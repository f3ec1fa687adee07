package cot

import (
	"math"
	"strconv"
	"testing"

	"pgregory.net/rapid"
)

func TestParseNumber(t *testing.T) {
	tests := []struct {
		in   string
		want float64
		ok   bool
	}{
		{"", 0, true}, {" \t\r\n", 0, true},
		{"0", 0, true}, {"-0", math.Copysign(0, -1), true}, {"+0.0", 0, true}, {"007", 7, true},
		{"1", 1, true}, {"-1.5", -1.5, true}, {" 1 ", 1, true}, {".5", .5, true}, {"5.", 5, true},
		{"9999999.0", 9999999, true}, {"9999999", 9999999, true},
		{"123456789012345", 123456789012345, true},
		{"12345678.9012345", 12345678.9012345, true},
		{"1234567890123456", 1234567890123456, true},
		{"38.856650047254725", 38.856650047254725, true},
		{"-107.31286200000001234567890123456789", -107.31286200000001234567890123456789, true},
		{"0.00000000000000000000001", 1e-23, true},
		{"0.0000000000000000000001", 1e-22, true},
		{"1e5", 1e5, true}, {"1E-5", 1e-5, true}, {"1.5e+3", 1500, true}, {"0e0", 0, true},
		{"1e308", 1e308, true}, {"4.9E-324", 5e-324, true}, {"1e-400", 0, true},
		{"1e309", 0, false}, {"-1e309", 0, false},
		{"x", 0, false}, {"1x", 0, false}, {"--1", 0, false}, {"+-1", 0, false}, {"1 2", 0, false},
		{"1.2.3", 0, false}, {"-", 0, false}, {"+", 0, false}, {".", 0, false}, {"-.", 0, false},
		{"e1", 0, false}, {".e1", 0, false}, {"1e", 0, false}, {"1e-", 0, false}, {"1e+-1", 0, false}, {"1e1x", 0, false}, {"1e1.0", 0, false},
		{"0x1p4", 0, false}, {"0x10", 0, false}, {"1_0", 0, false}, {"1__0e1", 0, false},
		{"Inf", 0, false}, {"+Infinity", 0, false}, {"NaN", 0, false}, {"nan", 0, false},
		{"12,5", 0, false}, {"１", 0, false}, {"\u00a01", 0, false},
	}
	for _, tt := range tests {
		t.Run(tt.in, func(t *testing.T) {
			got, ok := parseNumber(tt.in)
			if ok != tt.ok || ok && math.Float64bits(got) != math.Float64bits(tt.want) {
				t.Errorf("got %v, %v; want %v, %v", got, ok, tt.want, tt.ok)
			}
		})
	}
}

func TestParseNumberAsStrconv(t *testing.T) {
	texts := rapid.OneOf(
		rapid.StringMatching(`[-+]?[0-9]{0,20}\.?[0-9]{0,25}`),
		rapid.StringMatching(`[-+]?[0-9]{1,3}\.[0-9]{1,16}`),
		rapid.StringMatching(`[-+]?[0-9]{0,5}\.?[0-9]{0,5}[eE][-+]?[0-9]{0,4}`),
		rapid.StringMatching(`[-+0-9.eExXpPnNaAiIfF_ ]{0,12}`),
		rapid.Map(rapid.Float64(), func(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }),
		rapid.Map(rapid.Float64Range(-1000, 1000), func(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }),
	)
	rapid.Check(t, func(t *rapid.T) {
		s := texts.Draw(t, "s")
		got, ok := parseNumber(s)
		want, wantOK := number(s)
		if ok != wantOK || ok && math.Float64bits(got) != math.Float64bits(want) {
			t.Fatalf("parseNumber(%q) = %v, %v; strconv gives %v, %v", s, got, ok, want, wantOK)
		}
	})
}
