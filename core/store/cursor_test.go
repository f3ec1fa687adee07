package store

import "testing"

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
