package cot

import (
	"path"
	"strings"
	"testing"
)

func TestTypeGlob(t *testing.T) {
	for _, c := range []struct {
		glob string
		yes  []string
		no   []string
	}{
		{"*", []string{"", "a-f-G", "b-t-f"}, nil},
		{"b-t-f", []string{"b-t-f"}, []string{"b-t-f-s", "b-t-", ""}},
		{"a-f-*", []string{"a-f-", "a-f-G-U-C"}, []string{"a-f", "a-h-G", "xa-f-"}},
		{"a-*-G", []string{"a-f-G", "a-f-h-G"}, []string{"a-G", "a-f-G-U"}},
		{"*-G-*-C", []string{"a-f-G-U-C", "-G--C"}, []string{"a-f-G-C", "a-f-G-U-C-I"}},
		{"a*a", []string{"aa", "aba"}, []string{"a"}},
		{"a*b*c", []string{"abc", "axbxc", "abcbc", "abbc"}, []string{"ab", "ac", "abcd", "acb"}},
		{"*a*", []string{"a", "xa", "ax", "xax"}, []string{"", "b"}},
		{"**", []string{"", "a"}, nil},
		{"a**b", []string{"ab", "acb"}, []string{"a", "b"}},
		{"ab*ba", []string{"abba", "abxba"}, []string{"aba", "ab"}},
		{"a.f_9", []string{"a.f_9"}, []string{"axf_9", "a.fx9"}},
	} {
		g, err := ParseTypeGlob(c.glob)
		if err != nil {
			t.Fatalf("%s: %v", c.glob, err)
		}
		for _, s := range c.yes {
			if !g.Match(s) {
				t.Errorf("%s does not match %q", c.glob, s)
			}
		}
		for _, s := range c.no {
			if g.Match(s) {
				t.Errorf("%s matches %q", c.glob, s)
			}
		}
	}
	for _, bad := range []string{"", "a f", "a-?", "ä", strings.Repeat("a", maxGlob+1)} {
		if _, err := ParseTypeGlob(bad); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

func TestTypeSet(t *testing.T) {
	none, err := ParseTypeSet(nil)
	if err != nil || !none.Empty() || none.Match("a") {
		t.Errorf("the empty set: %v, %v", none, err)
	}
	some, err := ParseTypeSet([]string{"b-t-f", "a-f-*"})
	if err != nil || !some.Match("b-t-f") || !some.Match("a-f-G") || some.Match("a-h-G") {
		t.Errorf("two patterns: %v, %v", some, err)
	}
	all, err := ParseTypeSet([]string{"b-t-f", "*"})
	if err != nil || !all.Match("x") {
		t.Errorf("with *: %v, %v", all, err)
	}
	if _, err := ParseTypeSet([]string{"b-t-f", "?"}); err == nil {
		t.Error("a bad pattern is taken")
	}
}

// FuzzTypeGlob compares with the matcher of package path, whose * stops at a
// slash only, which no type has.
func FuzzTypeGlob(f *testing.F) {
	f.Add("a-*-G*", "a-f-G-U")
	f.Add("*a*b*", "xxaxbx")
	f.Fuzz(func(t *testing.T, glob, typ string) {
		g, err := ParseTypeGlob(glob)
		if err != nil || strings.ContainsAny(typ, "/") {
			return
		}
		want, err := path.Match(glob, typ)
		if err != nil {
			t.Fatalf("%q: %v", glob, err)
		}
		if got := g.Match(typ); got != want {
			t.Errorf("%q matches %q: %v, want %v", glob, typ, got, want)
		}
	})
}

func TestBox(t *testing.T) {
	b, err := ParseBox("47.5, 10.5,49,12")
	if err != nil || b != (Box{47.5, 10.5, 49, 12}) || !b.Valid() {
		t.Fatalf("box %v, error %v", b, err)
	}
	for _, bad := range []string{"", "1,2,3", "1,2,3,4,5", "a,0,1,1", "NaN,0,1,1", "91,0,92,1", "0,181,1,1", "2,0,1,1"} {
		if _, err := ParseBox(bad); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
	around := Box{-20, 170, -10, -170}
	for _, c := range []struct {
		b        Box
		lat, lon float64
		want     bool
	}{
		{b, 48, 11, true}, {b, 47.5, 12, true}, {b, 47.4, 11, false}, {b, 48, 12.1, false},
		{around, -15, 175, true}, {around, -15, -175, true}, {around, -15, 0, false}, {around, 0, 175, false},
	} {
		if got := c.b.Holds(c.lat, c.lon); got != c.want {
			t.Errorf("%v holds %g,%g: %v", c.b, c.lat, c.lon, got)
		}
	}
	if (Box{1, 0, 0, 0}).Valid() || (Box{0, 0, 0, 181}).Valid() {
		t.Error("an impossible box is valid")
	}
}

func TestMatchGlob(t *testing.T) {
	tests := []struct {
		pattern, s string
		want       bool
	}{
		{"a-f-*", "a-f-G-U-C", true}, {"a-f-*", "a-f", false}, {"*", "", true}, {"", "", true}, {"", "x", false},
		{"a*b*c", "axxbyyc", true}, {"a*b*c", "abc", true}, {"a*b*c", "acb", false}, {"*b", "abab", true},
		{"a*a", "a", false}, {"**", "x", true}, {"exact", "exact", true}, {"exact", "exactly", false}, {"*.x", ".x", true},
	}
	for _, tt := range tests {
		t.Run(tt.pattern+" "+tt.s, func(t *testing.T) {
			if got := MatchGlob(tt.pattern, tt.s); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}
