package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// upload is what came of one.
type upload struct {
	Query, Type, Body string
	Length            int64 // -1: it was not said before
}

// takes has the fake server take files. It gives a function for what came since the
// last time.
func (b *fileBed) takes() func() []upload {
	var list []upload
	n := 0
	b.mux.HandleFunc("POST /api/v1/files", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return // it did not come whole
		}
		b.mu.Lock()
		n++
		list = append(list, upload{r.URL.RawQuery, r.Header.Get("Content-Type"), string(body), r.ContentLength})
		f := fileNamed(fmt.Sprint(n), r.URL.Query().Get("name"), string(body))
		b.mu.Unlock()
		f.Private = r.URL.Query().Get("tool") == privateTool
		w.WriteHeader(http.StatusCreated)
		_ = json.NewEncoder(w).Encode(f)
	})
	return func() []upload {
		b.mu.Lock()
		defer b.mu.Unlock()
		last := list
		list, n = nil, 0
		return last
	}
}

func (b *fileBed) write(name, content string) string {
	b.t.Helper()
	path := filepath.Join(b.dir, name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		b.t.Fatal(err)
	}
	return path
}

func TestFilesPut(t *testing.T) {
	b := newFileBed(t)
	got := b.takes()
	b.answer("GET /api/v1/groups", 200, map[string]any{"groups": []any{map[string]any{"name": "Blue", "id": 2}, map[string]any{"name": "a,b", "id": 3}}})
	b.answer("POST /api/v1/files/1/send", 200, offered{Event: "u", Missing: []string{"B"}})
	b.answer("GET /api/v1/plugins/files", 200, map[string]any{"state": "active"})
	b.answer("POST /api/v1/files/2/send", 404, problem(404, "nobody of these is connected: X"))
	one, two, none := b.write("one.kml", "1"), b.write("zwei é.jpg", "22"), b.write("none", "")
	for _, c := range []struct {
		name  string
		stdin string
		args  []string
		code  int
		out   string // or what goes wrong
		want  []upload
	}{
		{"two", "", []string{one, two}, 0, "1: one.kml, 1 B\n2: zwei é.jpg, 2 B\n", []upload{
			{"name=one.kml&tool=public", "application/vnd.google-earth.kml+xml", "1", 1}, {"name=zwei+%C3%A9.jpg&tool=public", "image/jpeg", "22", 2},
		}},
		{"all flags", "", []string{one, "--name", "x.zip", "--keyword", "a", "--keyword", "b", "--package", "--private", "--group", "blue", "--expires", "2099-01-01T00:00:00Z"}, 0,
			"1: x.zip, 1 B, private\n", []upload{{"expiration=4070908800&groups=Blue&keywords=a&keywords=b&keywords=missionpackage&name=x.zip&tool=private", packageType, "1", 1}}},
		{"of another type", "", []string{one, "--type", "text/plain"}, 0, "1: one.kml, 1 B\n", []upload{{"name=one.kml&tool=public", "text/plain", "1", 1}}},
		{"standard input", "abc", []string{"-", "--name", "s.txt"}, 0, "1: s.txt, 3 B\n", []upload{{"name=s.txt&tool=public", "text/plain", "abc", -1}}},
		{"of no bytes", "", []string{none}, 0, "1: none, 0 B\n", []upload{{"name=none&tool=public", "application/octet-stream", "", -1}}},
		{"sent", "", []string{one, "--send-to", "A", "--send-to", "B"}, 0, "1: one.kml, 1 B\none.kml: offered to A\nnot connected: B\n", []upload{{"name=one.kml&tool=public", "application/vnd.google-earth.kml+xml", "1", 1}}},
		{"sent to nobody", "", []string{one, two, "--send-uid", "X"}, exitFailed, "zwei é.jpg is there as file 2, but: nobody of these is connected", []upload{
			{"name=one.kml&tool=public", "application/vnd.google-earth.kml+xml", "1", 1}, {"name=zwei+%C3%A9.jpg&tool=public", "image/jpeg", "22", 2},
		}},
		{"standard input without a name", "", []string{"-"}, exitUsage, "--name", nil},
		{"name for two", "", []string{one, two, "--name", "x"}, exitUsage, "--name is for one file", nil},
		{"one that is not there", "", []string{one, filepath.Join(b.dir, "no")}, exitFailed, "no such file", nil},
		{"folder", "", []string{one, b.dir}, exitFailed, "is a folder: zip it first", nil},
		{"no such group", "", []string{one, "--group", "Red"}, exitUsage, "takhost group add Red", nil},
		{"group one way", "", []string{one, "--group", "Blue:in"}, exitUsage, "the name alone", nil},
		{"group with a comma", "", []string{one, "--group", "a,b"}, exitUsage, "comma", nil},
		{"keywords in one", "", []string{one, "--keyword", "a,b"}, exitUsage, "--keyword for each", nil},
		{"expires yesterday", "", []string{one, "--expires", "2020-01-01"}, exitUsage, "over already", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			code, out, errs := b.run(c.stdin, append([]string{"files", "put"}, c.args...)...)
			if code != c.code || code == 0 && out != c.out || !strings.Contains(out+errs, c.out) {
				t.Errorf("got code %d, %q and %q, want %d, %q", code, out, errs, c.code, c.out)
			}
			if diff := cmp.Diff(c.want, got()); diff != "" {
				t.Errorf("uploads (-want +got):\n%s", diff)
			}
		})
	}
	t.Run("JSON", func(t *testing.T) {
		code, out, errs := b.run("", "files", "put", one, "--send-to", "A", "--send-to", "B", "--json")
		var list []kept
		if err := json.Unmarshal([]byte(out), &list); err != nil || code != 0 {
			t.Fatalf("got code %d, %q and %q: %v", code, out, errs, err)
		}
		if len(list) != 1 || list[0].ID != "1" || list[0].Sent == nil || list[0].Sent.Missing[0] != "B" {
			t.Errorf("got %s", out)
		}
	})
}

// TestFilesPutRefused has the server refuse before anything of a file was sent.
func TestFilesPutRefused(t *testing.T) {
	for _, c := range []struct {
		status int
		detail string
		code   int
		want   string
	}{
		{400, "this is no data package: it has no MANIFEST/manifest.xml", exitUsage, "big.zip: this is no data package: it has no MANIFEST/manifest.xml"},
		{403, "you are in no group", exitFailed, "big.zip: you are in no group"},
		{408, "body: it came too slowly", exitFailed, "big.zip: it came too slowly: write it to a file first"},
		{413, "body: it is larger than 400 MiB", exitFailed, "big.zip: it is larger than 400 MiB, which is limits.upload of the server's configuration"},
		{429, "this is more than the plugin may keep", exitFailed, "big.zip: this is more"},
		{507, "the disk of the server has no room for this file", exitFailed, "big.zip: the disk of the server has no room"},
		{500, "", exitFailed, "big.zip: the server answered 500 Internal Server Error"},
	} {
		t.Run(fmt.Sprint(c.status), func(t *testing.T) {
			b := newFileBed(t)
			b.answer("POST /api/v1/files", c.status, problem(c.status, c.detail))
			path := filepath.Join(b.dir, "big.zip")
			f, err := os.Create(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := f.Truncate(1 << 40); err != nil { // would take minutes
				t.Fatal(err)
			}
			f.Close()
			code, out, errs := b.run("", "files", "put", path, path)
			if code != c.code || out != "" || !strings.Contains(errs, c.want) || !strings.Contains(errs, "1 file behind it not sent") {
				t.Errorf("got code %d, %q and %q, want %d, %q", code, out, errs, c.code, c.want)
			}
		})
	}
}

// TestFilesPutBroken has an upload fail in other ways.
func TestFilesPutBroken(t *testing.T) {
	b := newFileBed(t)
	path := b.write("a.txt", "abc")
	b.mux.HandleFunc("POST /api/v1/files", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("name") == "cut" {
			panic(http.ErrAbortHandler)
		}
		_, _ = io.Copy(io.Discard, r.Body)
		w.WriteHeader(http.StatusCreated)
		_ = json.NewEncoder(w).Encode(fileNamed("1", "a.txt", "abd"))
	})
	for _, c := range []struct{ name, want string }{
		{"cut", "cut: the connection to the server was cut, so nothing of it was kept"},
		{"other", "other: the server has the SHA-256 " + sumOf("abd") + " as file 1, and " + sumOf("abc") + " was sent"},
	} {
		if code, _, errs := b.run("", "files", "put", path, "--name", c.name); code != exitFailed || !strings.Contains(errs, c.want) {
			t.Errorf("%s: got code %d, %q, want %q", c.name, code, errs, c.want)
		}
	}
}

func TestSizedFile(t *testing.T) {
	for _, c := range []struct {
		name, content string
		left          int64
		want, fault   string
	}{
		{"as it was", "abc", 3, "abc", ""},
		{"longer", "abcdef", 3, "abc", ""},
		{"shorter", "ab", 3, "ab", "it got shorter while it was sent"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "f")
			if err := os.WriteFile(path, []byte(c.content), 0o600); err != nil {
				t.Fatal(err)
			}
			f, err := os.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			got, err := io.ReadAll(&sizedFile{f, c.left})
			fault := ""
			if err != nil {
				fault = err.Error()
			}
			if string(got) != c.want || fault != c.fault {
				t.Errorf("got %q, %q, want %q, %q", got, fault, c.want, c.fault)
			}
		})
	}
}
