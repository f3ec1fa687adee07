package main

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// gives has the fake server give content as file 1, which f may describe wrongly. The
// first answers are cut after as many bytes as cut says.
func (b *fileBed) gives(f sharedFile, content string, cut ...int) {
	b.answer("GET /api/v1/plugins/files", 200, map[string]any{"state": "active"})
	b.answer("GET /api/v1/files/1", 200, f)
	b.mux.HandleFunc("GET /api/v1/files/1/content", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"`+f.Hash+`"`)
		if len(cut) > 0 {
			w = &cutWriter{w, cut[0]}
			cut = cut[1:]
		}
		http.ServeContent(w, r, "", time.Time{}, strings.NewReader(content))
	})
}

// cutWriter cuts the connection after some bytes.
type cutWriter struct {
	http.ResponseWriter
	left int
}

func (w *cutWriter) Write(p []byte) (int, error) {
	n, _ := w.ResponseWriter.Write(p[:min(len(p), w.left)])
	if w.left -= n; w.left == 0 {
		_ = http.NewResponseController(w.ResponseWriter).Flush()
		panic(http.ErrAbortHandler)
	}
	return n, nil
}

func TestFilesGet(t *testing.T) {
	const content = "0123456789"
	plain := fileNamed("1", "a.txt", content)
	other := func(change func(*sharedFile)) sharedFile {
		f := plain
		change(&f)
		return f
	}
	for _, c := range []struct {
		name string
		file sharedFile
		cut  []int
		args []string
		code int
		want string // in the output
		left string // files
	}{
		{"under its name", plain, nil, nil, 0, "a.txt: 10 B, SHA-256 " + plain.Hash, "a.txt old"},
		{"to a file", plain, nil, []string{"-o", "b"}, 0, "b: 10 B", "b old"},
		{"to a folder", plain, nil, []string{"-o", "."}, 0, "a.txt: 10 B", "a.txt old"},
		{"to the standard output", plain, nil, []string{"-o", "-"}, 0, content, "old"},
		{"cut and gone on with", plain, []int{4}, nil, 0, "a.txt: 10 B", "a.txt old"},
		{"cut near the end", plain, []int{9}, []string{"-o", "-"}, 0, content, "old"},
		{"over one that is there", plain, nil, []string{"-o", "old", "--force"}, 0, "old: 10 B", "old"},
		{"one is there", plain, nil, []string{"-o", "old"}, exitFailed, "old is there already: name another file, or write over it with --force", "old"},
		{"no such folder", plain, nil, []string{"-o", "no/x"}, exitFailed, "no such file", "old"},
		{"other content", other(func(f *sharedFile) { f.Hash = sumOf("x") }), nil, nil, exitFailed, "has the SHA-256 " + plain.Hash, "old"},
		{"shorter", other(func(f *sharedFile) { f.Size = 11 }), nil, []string{"-o", "old", "--force"}, exitFailed, "10 bytes came, and it has 11", "old"},
		{"longer", other(func(f *sharedFile) { f.Size = 3 }), nil, nil, exitFailed, "4 bytes came, and it has 3", "old"},
		{"named by somebody who means no good", other(func(f *sharedFile) { f.Name = ".bashrc" }), nil, nil, exitFailed, "-o", "old"},
		{"named with folders", other(func(f *sharedFile) { f.Name = "../x" }), nil, nil, exitFailed, "-o", "old"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newFileBed(t)
			b.write("old", "old")
			t.Chdir(b.dir)
			b.gives(c.file, content, c.cut...)
			code, out, errs := b.run("", append([]string{"files", "get", "1"}, c.args...)...)
			if code != c.code || !strings.Contains(out+errs, c.want) {
				t.Errorf("got code %d, %q and %q, want %d, %q", code, out, errs, c.code, c.want)
			}
			if got := b.left(); got != c.left {
				t.Errorf("files: got %q, want %q", got, c.left)
			}
			for _, name := range strings.Fields(b.left()) {
				want := content
				if name == "old" && code != 0 || name == "old" && c.name != "over one that is there" {
					want = "old"
				}
				if got, err := os.ReadFile(filepath.Join(b.dir, name)); err != nil || string(got) != want {
					t.Errorf("%s: got %q, %v, want %q", name, got, err, want)
				}
			}
		})
	}
}

// brokenWriter is a disk that is full after some bytes.
type brokenWriter struct{ left int }

func (w *brokenWriter) Write(p []byte) (int, error) {
	n := min(len(p), w.left)
	if w.left -= n; n < len(p) {
		return n, errors.New("no space left")
	}
	return n, nil
}

func TestDownload(t *testing.T) {
	const content = "0123456789"
	for _, c := range []struct {
		name  string
		cut   []int
		other func(http.ResponseWriter, *http.Request) bool // answers in another way
		out   io.Writer
		want  string // of the error
		asked []string
	}{
		{"cut again and again", []int{1, 2, 3}, nil, nil, "", []string{"", "bytes=1-", "bytes=3-", "bytes=6-"}},
		{"cut for good", []int{4, -1, -1, -1}, nil, nil, "cut after 4 of 10 bytes", []string{"", "bytes=4-", "bytes=4-", "bytes=4-"}},
		{"no ranges", []int{4}, func(_ http.ResponseWriter, r *http.Request) bool { r.Header.Del("Range"); return false }, nil, "", []string{"", "bytes=4-"}},
		{"another range", []int{4}, func(w http.ResponseWriter, r *http.Request) bool {
			if r.Header.Get("Range") == "" {
				return false
			}
			w.Header().Set("Content-Range", "bytes 5-9/10")
			w.WriteHeader(206)
			return true
		}, nil, `the server answered with the range "bytes 5-9/10"`, []string{"", "bytes=4-"}},
		{"removed meanwhile", []int{4}, func(w http.ResponseWriter, r *http.Request) bool {
			if r.Header.Get("Range") == "" {
				return false
			}
			w.WriteHeader(404)
			_, _ = io.WriteString(w, `{"status": 404, "detail": "there is no file 1"}`)
			return true
		}, nil, "there is no file 1", []string{"", "bytes=4-"}},
		{"disk full", nil, nil, &brokenWriter{3}, "no space left", []string{""}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newFileBed(t)
			f := fileNamed("1", "a.txt", content)
			b.answer("GET /api/v1/plugins/files", 200, map[string]any{"state": "active"})
			b.mux.HandleFunc("GET /api/v1/files/1/content", func(w http.ResponseWriter, r *http.Request) {
				if c.other != nil && c.other(w, r) {
					return
				}
				w.Header().Set("ETag", `"`+f.Hash+`"`)
				if len(c.cut) > 0 {
					if c.cut[0] < 0 {
						panic(http.ErrAbortHandler)
					}
					w = &cutWriter{w, c.cut[0]}
					c.cut = c.cut[1:]
				}
				http.ServeContent(w, r, "", time.Time{}, strings.NewReader(content))
			})
			var got bytes.Buffer
			out := io.Writer(&got)
			if c.out != nil {
				out = c.out
			}
			d := &download{
				a: &files{admin: mustAdmin(t, b.data)}, file: &f, hash: sha256.New(), meter: newMeter(streams{}, "a", 10),
				waits: []time.Duration{time.Millisecond, time.Millisecond, time.Millisecond},
			}
			err := d.run(t.Context(), out)
			if c.want == "" && (err != nil || got.String() != content) || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("got %q, %v, want the error %q", got.String(), err, c.want)
			}
			var ranges []string
			for _, a := range b.asked() {
				if from, ok := strings.CutPrefix(a, "GET /api/v1/files/1/content"); ok {
					ranges = append(ranges, strings.TrimSpace(from))
				}
			}
			if diff := cmp.Diff(c.asked, ranges); diff != "" {
				t.Errorf("ranges (-want +got):\n%s", diff)
			}
		})
	}
}

func TestMeter(t *testing.T) {
	begun := time.Date(2024, 5, 1, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name     string
		n, total int64
		took     time.Duration
		want     string
	}{
		{"known size", 100e6, 400e6, 2 * time.Second, "f  25 %, 100.0 MB of 400.0 MB, 50.0 MB/s, 6s left"},
		{"unknown size", 100e6, -1, 2 * time.Second, "f  100.0 MB, 50.0 MB/s"},
		{"nothing yet", 0, 1000, time.Second, "f  0 %, 0 B of 1.0 kB, 0 B/s"},
	} {
		m := &meter{name: "f", n: c.n, total: c.total, begun: begun}
		if got := m.line(begun.Add(c.took)); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
	// It shows after a while, not with each read, and takes its line away.
	now := begun
	var out bytes.Buffer
	m := &meter{out: &out, name: "f", total: 40, now: func() time.Time { return now }, begun: begun, next: begun.Add(meterAfter)}
	for range 4 {
		m.add(10)
		now = now.Add(400 * time.Millisecond)
	}
	m.end()
	lines := strings.Split(out.String(), "\r")
	if len(lines) != 5 || !strings.HasPrefix(lines[1], "f  75 %") || !strings.HasPrefix(lines[2], "f  100 %") || strings.TrimSpace(lines[3]) != "" {
		t.Errorf("got %q", lines)
	}
	if len(lines) > 3 && len(lines[3]) < len(strings.TrimSpace(lines[2])) {
		t.Errorf("%q does not take away %q", lines[3], lines[2])
	}
}
