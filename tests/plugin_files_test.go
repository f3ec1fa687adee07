package tests

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/takhost/takhost/core/config"
	"github.com/takhost/takhost/tests/guests"
	"github.com/takhost/takhost/tests/taktest"
)

const shelf = "http://takhost/api/plugins/shelf/"

// sendFile sends any request with a body to the plugin shelf.
func sendFile(a *taktest.Admin, method, path string, body io.Reader, headers ...string) (*http.Response, []byte, error) {
	req, err := http.NewRequest(method, shelf+path, body)
	if err != nil {
		return nil, nil, err
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := a.HTTP().Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return resp, text, err
}

func mustSend(t *testing.T, a *taktest.Admin, want int, method, path string, body io.Reader, headers ...string) (*http.Response, string) {
	t.Helper()
	resp, text, err := sendFile(a, method, path, body, headers...)
	if err != nil || resp.StatusCode != want {
		t.Fatalf("%s %s: got %v %.200s, error %v, want %d", method, path, resp, text, err, want)
	}
	return resp, string(text)
}

func sumOf(b []byte) string {
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}

// TestFilesOfPlugins has a plugin take, keep, give and pack files, whose bytes it
// never sees.
func TestFilesOfPlugins(t *testing.T) {
	for _, runtime := range []string{"wasm", "process"} {
		t.Run(runtime, func(t *testing.T) {
			srv := taktest.Start(t, taktest.WithConfig(func(c *config.Config) { c.Limits.Upload = 10 << 20 }))
			srv.Install(t, guests.Of(t, "shelf", runtime).Pack(t))
			large := bytes.Repeat([]byte("0123456789abcdef"), 5<<20/16)
			_, got := mustSend(t, srv.Admin, 200, "POST", "files", bytes.NewReader(large), "Content-Type", "image/tiff")
			if want := fmt.Sprintf("%s %d image/tiff \n", sumOf(large), len(large)); got != want {
				t.Errorf("raw: got %q, want %q", got, want)
			}
			form := "--x\r\nContent-Disposition: form-data; name=note\r\n\r\nhello\r\n" +
				"--x\r\nContent-Disposition: form-data; name=a; filename=\"ü.txt\"\r\nContent-Type: text/plain\r\n\r\nabc\r\n" +
				"--x\r\nContent-Disposition: form-data; name=b; filename=empty\r\n\r\n\r\n--x--\r\n"
			_, got = mustSend(t, srv.Admin, 200, "POST", "files", strings.NewReader(form), "Content-Type", "multipart/form-data; boundary=x")
			if want := fmt.Sprintf("%s 3 text/plain ü.txt\n%s 0  empty\nhello", sumOf([]byte("abc")), sumOf(nil)); got != want {
				t.Errorf("form: got %q, want %q", got, want)
			}
			_, problem := mustSend(t, srv.Admin, 413, "POST", "files", bytes.NewReader(make([]byte, 11<<20)))
			if !strings.Contains(problem, "larger than 10 MiB") {
				t.Errorf("too large: got %s", problem)
			}
			srv.Restart(t)
			srv.Reaches(t, "shelf", "active")
			hash := sumOf(large)
			resp, got := mustSend(t, srv.Admin, 200, "GET", "files/"+hash, nil)
			if got != string(large) || resp.Header.Get("ETag") != `"`+hash+`"` {
				t.Errorf("down: got %d bytes, %v", len(got), resp.Header)
			}
			resp, got = mustSend(t, srv.Admin, 206, "GET", "files/"+hash, nil, "Range", "bytes=16-19")
			if got != "0123" || resp.Header.Get("Content-Range") != fmt.Sprintf("bytes 16-19/%d", len(large)) {
				t.Errorf("range: got %q, %v", got, resp.Header)
			}
			if resp, _ = mustSend(t, srv.Admin, 200, "HEAD", "files/"+hash, nil); resp.ContentLength != int64(len(large)) {
				t.Errorf("head: got the length %d", resp.ContentLength)
			}
			mustSend(t, srv.Admin, 304, "GET", "files/"+hash, nil, "If-None-Match", `"`+hash+`"`)
			resp, _ = mustSend(t, srv.Admin, 200, "GET", "files/"+sumOf([]byte("abc")), nil)
			if got := resp.Header.Get("Content-Disposition"); got != `attachment; filename="_.txt"; filename*=utf-8''%C3%BC.txt` {
				t.Errorf("name: got %s", got)
			}
			mustSend(t, srv.Admin, 404, "GET", "files/"+strings.Repeat("0", 64), nil)
			mustSend(t, srv.Admin, 400, "GET", "files/..%2F..%2Fstate.db", nil)

			resp, got = mustSend(t, srv.Admin, 200, "GET", "bundle", nil)
			z, err := zip.NewReader(strings.NewReader(got), int64(len(got)))
			if err != nil || len(z.File) != 4 {
				t.Fatalf("bundle: got %d bytes, error %v, want an archive of 4 files", len(got), err)
			}
			_, entries := mustSend(t, srv.Admin, 200, "GET", "files?in="+strings.Trim(resp.Header.Get("ETag"), `"`), nil)
			if !strings.Contains(entries, "note.txt 9\n") || !strings.Contains(entries, fmt.Sprintf("files/%s %d\n", hash, len(large))) {
				t.Errorf("entries of the bundle: got %q", entries)
			}
			_, problem = mustSend(t, srv.Admin, 400, "GET", "files?in="+hash, nil)
			if !strings.Contains(problem, "zip archive: it is broken, or none") {
				t.Errorf("no archive: got %s", problem)
			}
			mustSend(t, srv.Admin, 200, "DELETE", "files/"+hash, nil)
			if _, kept := mustSend(t, srv.Admin, 200, "GET", "files", nil); strings.Count(kept, "\n") != 2 || strings.Contains(kept, hash) {
				t.Errorf("kept: got %q, want two others than %s", kept, hash)
			}
		})
	}
}

// zeros gives so many bytes behind a head.
func zeros(head string, n int64) io.Reader {
	return io.MultiReader(strings.NewReader(head), io.LimitReader(zeroReader{}, n-int64(len(head))))
}

type zeroReader struct{}

func (zeroReader) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// uploadSize is of each of ten files that are uploaded at once.
const uploadSize = 24 << 20

// TestTenUploadsAtOnce: the server's memory does not grow with the files; killed in
// the middle of further ones, it has those that it answered for, and no others.
func TestTenUploadsAtOnce(t *testing.T) {
	srv := taktest.Run(t)
	srv.Install(t, guests.WASM(t, "shelf").Pack(t))
	mustSend(t, srv.Admin, 200, "POST", "files", strings.NewReader("first"))
	before, _ := srv.Memory(t)
	upload := func(i int, size int64) error {
		resp, text, err := sendFile(srv.Admin, "POST", "files", zeros(fmt.Sprint("file ", i, "\n"), size))
		if err == nil && resp.StatusCode != 200 {
			err = fmt.Errorf("got %s %s", resp.Status, text)
		}
		return err
	}
	done := make(chan struct{})
	var wg sync.WaitGroup
	for i := range 10 {
		wg.Go(func() {
			if err := upload(i, uploadSize); err != nil {
				t.Errorf("upload: %v", err)
			}
		})
	}
	go func() { wg.Wait(); close(done) }()
	most := before
	for running := true; running; {
		select {
		case <-done:
			running = false
		case <-time.After(10 * time.Millisecond):
			now, _ := srv.Memory(t)
			most = max(most, now)
		}
	}
	t.Logf("memory: %d MiB before, %d MiB at most", before>>20, most>>20)
	if grown := most - before; grown > 32<<20 {
		t.Errorf("memory grew by %d bytes, 32 MiB are allowed", grown)
	}

	// Others are under way when the server dies.
	began, over := make(chan struct{}, 10), make(chan struct{})
	for i := range 4 {
		wg.Go(func() {
			body := io.MultiReader(zeros(fmt.Sprint("cut ", i, "\n"), 4<<20), &stuck{began: began, end: over})
			if _, _, err := sendFile(srv.Admin, "POST", "files", body); err == nil {
				t.Error("an upload that was cut was answered")
			}
		})
	}
	for range 4 {
		<-began
	}
	srv.Kill9(t)
	close(over)
	wg.Wait()
	srv.Restart(t)
	srv.Reaches(t, "shelf", "active")
	_, kept := mustSend(t, srv.Admin, 200, "GET", "files", nil)
	hashes := strings.Fields(kept)
	if len(hashes) != 11 {
		t.Errorf("%d files are kept, want 11", len(hashes))
	}
	for _, hash := range hashes {
		resp, err := srv.HTTP().Get(shelf + "files/" + hash)
		if err != nil {
			t.Fatal(err)
		}
		h := sha256.New()
		_, err = io.Copy(h, resp.Body)
		resp.Body.Close()
		if got := hex.EncodeToString(h.Sum(nil)); err != nil || got != hash {
			t.Errorf("file %s has the hash %s, error %v", hash, got, err)
		}
	}
	var names []string
	err := filepath.WalkDir(filepath.Join(srv.Data, "blobs"), func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			names = append(names, filepath.Base(path))
		}
		return err
	})
	if err != nil || len(names) != 12 { // one is the plugin
		t.Errorf("got the files %q, error %v, want 12", names, err)
	}
}

// stuck tells that it was reached, and waits.
type stuck struct {
	began chan struct{}
	end   <-chan struct{}
	once  sync.Once
}

func (s *stuck) Read([]byte) (int, error) {
	s.once.Do(func() { s.began <- struct{}{} })
	<-s.end
	return 0, io.ErrUnexpectedEOF
}
