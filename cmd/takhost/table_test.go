package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTable(t *testing.T) {
	make := func() *table {
		l := newTable("ID", "NAME", "ABOUT")
		l.whole = []string{"ID"}
		l.row("0123456789abcdef", "ann", "a text that is much longer than all others here")
		l.row("fedcba9876543210", "山田太郎", "")
		l.row("00", "be\u0301a\x1b[31m", "two\nlines")
		return l
	}
	tests := []struct {
		name  string
		limit int
		want  []string
	}{
		{"whole", 0, []string{
			"ID                NAME      ABOUT",
			"0123456789abcdef  ann       a text that is much longer than all others here",
			"fedcba9876543210  山田太郎  -",
			"00                be\u0301a·[31m  two lines",
		}},
		{"cut", 50, []string{
			"ID                NAME      ABOUT",
			"0123456789abcdef  ann       a text that is much l…",
			"fedcba9876543210  山田太郎  -",
			"00                be\u0301a·[31m  two lines",
		}},
		{"no room", 10, []string{
			"ID                NAME      ABOUT",
			"0123456789abcdef  ann       a text …",
			"fedcba9876543210  山田太郎  -",
			"00                be\u0301a·[31m  two lin…",
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			make().print(&out, tt.limit)
			got := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("table differs (-want +got):\n%s", diff)
			}
			for _, l := range got {
				if tt.limit == 50 && columns(l) > tt.limit {
					t.Errorf("%q: got %d columns, want at most %d", l, columns(l), tt.limit)
				}
			}
		})
	}
}

func TestCut(t *testing.T) {
	tests := []struct {
		text string
		n    int
		want string
	}{
		{"ann", 3, "ann"},
		{"anna", 3, "an…"},
		{"山田太郎", 8, "山田太郎"},
		{"山田太郎", 7, "山田太…"},
		{"山田太郎", 6, "山田…"},
		{"be\u0301a", 3, "be\u0301a"},
		{"", 0, ""},
	}
	for _, tt := range tests {
		t.Run(tt.text, func(t *testing.T) {
			got := cut(tt.text, tt.n)
			if got != tt.want || columns(got) > tt.n {
				t.Errorf("cut to %d: got %q with %d columns, want %q", tt.n, got, columns(got), tt.want)
			}
		})
	}
}
