package filename

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestCheckPart(t *testing.T) {
	for _, good := range []string{
		"a", "manifest.xml", ".nomedia", "Übung 火.zip", "CO Mileposts.kmz", "console.txt", "com", "com10", "coma", "lptx.txt", "a..b", " a", "מפה.kml", "nul-1",
		"what?*.txt", "e\u0301",
	} {
		if got := CheckPart(good); got != "" {
			t.Errorf("%q: got %q, want that it is good", good, got)
		}
	}
	for bad, want := range map[string]string{
		"": `the part ""`, ".": `the part "."`, "..": `the part ".."`, "\xff": "UTF-8", "a\x00": "control", "a\nb": "control", "a\u0085": "control", "a\u202egpj.exe": "direction",
		"\u2066a": "direction", "a\u200f": "direction", "a\u2028b": "control", "a/b": "part", `a\b`: "part", "C:": "colon", "a.txt:s": "colon",
		"a.": "ends", "a ": "ends", "...": "ends", "CON": "device", "aux.txt": "device", "Nul.tar.gz": "device", "COM1": "device", "lpt0.x": "device", "con .txt": "device",
	} {
		if got := CheckPart(bad); want == "" || !strings.Contains(got, want) {
			t.Errorf("%q: got %q, want …%s…", bad, got, want)
		}
	}
}

func TestFold(t *testing.T) {
	for _, same := range [][]string{
		{"MANIFEST/manifest.xml", "manifest/Manifest.XML"}, {"Übung", "übung", "ÜBUNG"}, {"Σ", "σ", "ς"}, {"k", "K", "\u212a"}, {"ǆ", "ǅ", "Ǆ"}, {"火", "火"},
	} {
		for _, s := range same {
			if got, want := Fold(s), Fold(same[0]); got != want {
				t.Errorf("%q: got %q, want %q", s, got, want)
			}
		}
	}
	if Fold("a") == Fold("b") || Fold("ß") == Fold("ss") {
		t.Error("names that are two fold to one")
	}
}

func FuzzFold(f *testing.F) {
	f.Add("Übung")
	f.Add("\u212a\xff")
	f.Fuzz(func(t *testing.T, s string) {
		got := Fold(s)
		if again := Fold(got); again != got {
			t.Errorf("%q folds to %q and that to %q", s, got, again)
		}
		if utf8.ValidString(s) && !strings.EqualFold(s, got) {
			t.Errorf("%q folds to %q, which is another name", s, got)
		}
	})
}
