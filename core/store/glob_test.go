package store

import (
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestGlobs(t *testing.T) {
	cases := []struct {
		glob  string
		match []string
		not   []string
	}{
		{"*", []string{"", "a-f", "b"}, nil},
		{"a-f-*", []string{"a-f-", "a-f-G-U-C"}, []string{"a-f", "a-h-G", "A-f-G"}},
		{"b-t-f", []string{"b-t-f"}, []string{"b-t-f-d", "b-t", ""}},
		{"a-*-G", []string{"a-f-G", "a--G", "a-f-G-G"}, []string{"a-f-G-U", "a-G", "a-f-g"}},
		{"*-G", []string{"-G", "a-f-G"}, []string{"G", "a-f-G-"}},
		{"a*b*c", []string{"abc", "axbxc", "abcbc", "abbc"}, []string{"ab", "ac", "abcd", "acb"}},
		{"*a*", []string{"a", "xa", "ax", "xax"}, []string{"", "b"}},
		{"**", []string{"", "a"}, nil},
		{"a**b", []string{"ab", "acb"}, []string{"a", "b"}},
		{"ab*ba", []string{"abba", "abxba"}, []string{"aba", "ab"}},
		{"a.f_9", []string{"a.f_9"}, []string{"axf_9", "a.fx9"}},
	}
	for _, c := range cases {
		t.Run(c.glob, func(t *testing.T) {
			set, err := parseTypes([]string{"none", c.glob})
			if err != nil {
				t.Fatal(err)
			}
			for _, typ := range c.match {
				if !set.match(typ) {
					t.Errorf("%q: does not match, want that it does", typ)
				}
			}
			for _, typ := range c.not {
				if set.match(typ) {
					t.Errorf("%q: matches, want that it does not", typ)
				}
			}
		})
	}
}

// FuzzGlob compares with a regular expression.
func FuzzGlob(f *testing.F) {
	for _, s := range [][2]string{{"a-f-*", "a-f-G"}, {"a*b*c", "abcbc"}, {"**", ""}, {"*-G*", "a-G-"}, {"b-t-f", "b-t-f"}, {"", "x"}, {"a b", "a b"}} {
		f.Add(s[0], s[1])
	}
	f.Fuzz(func(t *testing.T, pattern, typ string) {
		g, err := parseGlob(pattern)
		if err != nil {
			if CodeOf(err) != Invalid {
				t.Errorf("%q: got error %v, want code %q", pattern, err, Invalid)
			}
			return
		}
		parts := strings.Split(pattern, "*")
		for i := range parts {
			parts[i] = regexp.QuoteMeta(parts[i])
		}
		re := regexp.MustCompile(`(?s)\A` + strings.Join(parts, ".*") + `\z`)
		if got, want := g.match(typ), re.MatchString(typ); got != want && utf8.ValidString(typ) {
			t.Errorf("%q on %q: got %v, want %v", pattern, typ, got, want)
		}
	})
}

func FuzzCursor(f *testing.F) {
	f.Add(formatCursor(1, false), true)
	f.Add(formatCursor(1<<62, true), true)
	f.Add("", false)
	f.Add("AQAAAAAAAAAB", false)
	f.Fuzz(func(t *testing.T, s string, ascending bool) {
		id, err := parseCursor(s, ascending)
		switch {
		case err != nil && CodeOf(err) != Invalid:
			t.Errorf("%q: got error %v, want code %q", s, err, Invalid)
		case err == nil && s != "" && id <= 0:
			t.Errorf("%q: got id %v, want one above 0", s, id)
		case err == nil && s != "":
			if back, err := parseCursor(formatCursor(id, ascending), ascending); err != nil || back != id {
				t.Errorf("%q: got %v, error %v, after writing and reading, want %v", s, back, err, id)
			}
		}
	})
}
