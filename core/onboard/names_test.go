package onboard

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestFileName(t *testing.T) {
	tests := []struct{ in, want string }{
		{"ann", "ann"},
		{"ann.b_c-1", "ann.b_c-1"},
		{"tak.example.org", "tak.example.org"},
		{"192.0.2.1", "192.0.2.1"},
		{"Ann B", "Ann-B-dacbd0"},
		{"../../etc/passwd", "etc-passwd-5ce0a5"},
		{"con", "file-con-fb7c43"},
		{"LPT1.txt", "file-LPT1.txt-4c5e38"},
		{".hidden", "hidden-dbafdb"},
		{"", "file-e3b0c4"},
		{"漢字", "file-c9e1a5"},
	}
	for _, tt := range tests {
		t.Run(tt.in, func(t *testing.T) {
			got := FileName(tt.in)
			cutHash := func(s string) string { return s[:max(len(s)-6, 0)] }
			if tt.in == tt.want && got != tt.want || tt.in != tt.want && cutHash(got) != cutHash(tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
	if a, b := FileName("ä b"), FileName("ö b"); a == b {
		t.Errorf("two names give one file name %q", a)
	}
}

func FuzzFileName(f *testing.F) {
	for _, s := range []string{"ann", "a/b", "..", "\x00", "ö", strings.Repeat("x", 300), "nul.txt"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		name := FileName(s)
		if utf8.ValidString(s) && len(name) > 0 && CheckFileName(OnEnrolment, name) != nil {
			t.Errorf("%q gives %q: %v", s, name, CheckFileName(OnEnrolment, name))
		}
		if name == "" || len(name) > 64 {
			t.Errorf("%q gives %q", s, name)
		}
		if again := FileName(name); again != name && !strings.Contains(name, "-") {
			t.Errorf("%q gives %q, and that %q", s, name, again)
		}
	})
}
