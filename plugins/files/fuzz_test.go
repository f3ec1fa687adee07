package main

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/takhost/takhost/sdk"
)

// What clients write is never a name that leads elsewhere, a header that cannot be
// sent, or an expression that costs too much.
func FuzzTexts(f *testing.F) {
	for _, s := range []string{"", "a.zip", "../../etc/passwd", `C:\x`, "a\r\nb: c", "text/plain; charset=utf-8", "(a*)*b", "a{1000}", "[", "\xff/\x00", "\u202egpj.exe", `["a","b"]`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if name := cleanName(s); strings.ContainsAny(name, "/\\\r\n\x00") || name == ".." || name == "." || len(name) > maxText || !utf8.ValidString(name) {
			t.Errorf("cleanName(%q): got %q", s, name)
		}
		kind := cleanType(s)
		for _, c := range []byte(kind) {
			if c < ' ' || c >= 0x7f {
				t.Errorf("cleanType(%q): got %q", s, kind)
			}
		}
		if !strings.Contains(kind, "/") || len(kind) > maxText {
			t.Errorf("cleanType(%q): got %q", s, kind)
		}
		if m := newPattern(paramsOf(&sdk.Request{}), "name", s); m != nil {
			if m.steps > mostSteps {
				t.Errorf("newPattern(%q): %d instructions", s, m.steps)
			}
			x := &filter{name: m}
			if !x.matches(&file{name: s}) {
				t.Errorf("%q is not found by its own name", s)
			}
		}
		if list, err := keywordsOf([]byte(s)); err == nil && len(list) > maxList {
			t.Errorf("keywordsOf(%q): got %d", s, len(list))
		}
	})
}
