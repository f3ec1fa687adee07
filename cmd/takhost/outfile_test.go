package main

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

func TestOutFile(t *testing.T) {
	yes, no := true, false
	tests := []struct {
		name  string
		force *bool
		there bool
		want  string // what the file holds then
		fault string
	}{
		{"new", &no, false, "new", ""},
		{"new, never forced", nil, false, "new", ""},
		{"taken", &no, true, "old", "--force"},
		{"taken, never forced", nil, true, "old", "is there already: name another place"},
		{"forced", &yes, true, "new", ""},
		{"forced, not there", &yes, false, "new", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			f := outFile{filepath.Join(dir, "out"), tt.force}
			if tt.there {
				if err := os.WriteFile(f.path, []byte("old"), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			free, written := f.free(), f.write(streams{}, []byte("new"))
			for what, err := range map[string]error{"free": free, "write": written} {
				if (err != nil) != (tt.fault != "") || err != nil && !strings.Contains(err.Error(), tt.fault) {
					t.Errorf("%s: got %v, want an error with %q", what, err, tt.fault)
				}
			}
			got, err := os.ReadFile(f.path)
			if err != nil || string(got) != tt.want {
				t.Errorf("got %q, %v in the file, want %q", got, err, tt.want)
			}
			if info, err := os.Stat(f.path); runtime.GOOS != "windows" && tt.want == "new" && (err != nil || info.Mode() != 0o600) {
				t.Errorf("got mode %v, %v, want 0600", info.Mode(), err)
			}
			if list, err := os.ReadDir(dir); err != nil || len(list) != 1 {
				t.Errorf("got %v, %v in the folder, want one file", list, err)
			}
		})
	}
	t.Run("standard output", func(t *testing.T) {
		var out bytes.Buffer
		f := outFile{path: "-"}
		if err := f.free(); err != nil {
			t.Errorf("free: got %v, want no error", err)
		}
		if err := f.write(streams{out: &out}, []byte("new")); err != nil || out.String() != "new" {
			t.Errorf("write: got %q, %v", out.String(), err)
		}
	})
	t.Run("no folder", func(t *testing.T) {
		f := outFile{filepath.Join(t.TempDir(), "away", "out"), &yes}
		if err := f.write(streams{}, nil); err == nil {
			t.Error("got no error for a folder that is not there")
		}
	})
}
