package identity

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestCheckName(t *testing.T) {
	for _, tt := range []struct{ name, want string }{
		{"anna", ""},
		{"Anna Berg", ""},
		{"anna.berg@example.org", ""},
		{"Жанна_2", ""},
		{"अमिताभ", ""}, // its vowel signs are marks
		{"a\u0301", ""},
		{"_x", ""},
		{"7", ""},
		{strings.Repeat("ä", 64), ""},
		{strings.Repeat("ä", 65), "longer than 64"},
		{strings.Repeat("\u1fb7", 64), "longer than 64"}, // folds to three characters each
		{"", "needs a name"},
		{"a\xff", "not valid text"},
		{"a\x00", "must not be"},
		{"a\n", "must not be"},
		{"a\u202eb", "must not be"}, // turns the text around
		{"anna ", "does not end in a space"},
		{" anna", "begins with"},
		{"-rf", "begins with"},
		{".", "begins with"},
		{"@all", "begins with"},
		{"\u0301a", "begins with"},
		{"a,b", "must not be"}, {"a=b", "must not be"}, {"a+b", "must not be"}, {"a<b", "must not be"}, {"a>b", "must not be"},
		{"a#b", "must not be"}, {"a;b", "must not be"}, {`a\b`, "must not be"}, {`a"b`, "must not be"}, {"a/b", "must not be"},
	} {
		err := checkName("user", tt.name)
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("checkName(%q): got %v, want %q", tt.name, err, tt.want)
		}
	}
}

func TestFold(t *testing.T) {
	for _, tt := range []struct {
		a, b string
		same bool
	}{
		{"Anna", "aNNA", true},
		{"STRASSE", "straße", true},
		{"ЖАННА", "жанна", true},
		{"ΣΊΣΥΦΟΣ", "σίσυφος", true},
		{"\u00e9mile", "E\u0301MILE", true}, // composed or not
		{"anna", "anna ", false},
		{"i", "ı", false},
	} {
		if got := fold(tt.a) == fold(tt.b); got != tt.same {
			t.Errorf("%q and %q: got the same %v, want %v", tt.a, tt.b, got, tt.same)
		}
	}
}

func FuzzName(f *testing.F) {
	for _, s := range []string{"anna", "Straße", "ΣΊΣΥΦΟΣ", "\u1fb7", "a\u0301", "ﬃ", "İ", "a/b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		key := fold(name)
		if checkName("user", name) != nil {
			return
		}
		if fold(key) != key {
			t.Errorf("fold(%q) is %q, of which fold is %q", name, key, fold(key))
		}
		if !utf8.ValidString(key) || strings.ContainsAny(key, "/\x00,=+<>#;\\\"\n\r\t") {
			t.Errorf("fold(%q) is %q", name, key)
		}
		if fold(strings.ToUpper(name)) != fold(strings.ToUpper(key)) {
			t.Errorf("%q in upper case folds to %q, %q to %q", name, fold(strings.ToUpper(name)), key, fold(strings.ToUpper(key)))
		}
	})
}
