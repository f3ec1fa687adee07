package main

import (
	"strings"
	"testing"
)

func TestReadPassword(t *testing.T) {
	tests := []struct{ name, in, want, fault string }{
		{"plain", "correct horse", "correct horse", ""},
		{"newline", "correct horse\n", "correct horse", ""},
		{"from Windows", "correct horse\r\n", "correct horse", ""},
		{"spaces are meant", " a b \n", " a b ", ""},
		{"empty", "", "", "no password"},
		{"empty line", "\n", "", "no password"},
		{"two lines", "one\ntwo\n", "", "more than one line"},
		{"endless", strings.Repeat("a", maxPassword+1), "", "more than one line"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := passwordFlags{PasswordStdin: true}
			got, err := f.password(streams{in: strings.NewReader(tt.in)}, "ann", "")
			if got != tt.want || (err != nil) != (tt.fault != "") || err != nil && !strings.Contains(err.Error(), tt.fault) {
				t.Errorf("got %q, %v; want %q and an error with %q", got, err, tt.want, tt.fault)
			}
		})
	}
	t.Run("no terminal", func(t *testing.T) {
		_, err := new(passwordFlags).password(streams{in: strings.NewReader("x")}, "ann", ", or --no-password")
		if err == nil || !strings.Contains(err.Error(), "--password-stdin, or --no-password") {
			t.Errorf("got %v, want an error that says what to do", err)
		}
	})
}
