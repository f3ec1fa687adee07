package web

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/takhost/takhost/core/plugin"
	"github.com/takhost/takhost/core/store"
	"github.com/takhost/takhost/hostapi/wire"
)

// files is a bed with a real store. What the plugin is asked comes by asked.
type files struct {
	*bed
	st    *store.Store
	dir   string
	asked chan *wire.HTTPRequest
	taken map[string]bool // hashes of what the plugin got
}

func newFiles(t testing.TB, most int64, opt store.Options) *files {
	t.Helper()
	f := &files{dir: t.TempDir(), asked: make(chan *wire.HTTPRequest, 100), taken: map[string]bool{}}
	opt.DSN, opt.Dir = "sqlite", f.dir
	var err error
	if f.st, err = store.Open(t.Context(), opt); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.st.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	f.bed = newBed(t, Options{Blobs: f.st.Blobs(), MaxUpload: func() int64 { return most }})
	f.plugins.http = func(_ context.Context, _, _ string, r *wire.HTTPRequest) (*plugin.Answer, error) {
		f.asked <- r
		return textAnswer(0, "", "taken"), nil
	}
	return f
}

// left gives the names of all files in the store's folder.
func (f *files) left(t testing.TB) (names []string) {
	t.Helper()
	err := filepath.WalkDir(filepath.Join(f.dir, "blobs"), func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			names = append(names, filepath.Base(filepath.Dir(path))+d.Name())
		}
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return names
}

func (f *files) read(t testing.TB, hash string) string {
	t.Helper()
	r, err := f.st.Blobs().Open(t.Context(), hash)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func hashOf(s string) string {
	h := sha256.Sum256([]byte(s))
	return hex.EncodeToString(h[:])
}

const uploadPath = "/api/plugins/fence/upload"

func TestUploadRaw(t *testing.T) {
	f := newFiles(t, 1<<20, store.Options{})
	for _, content := range []string{"", "x", strings.Repeat("0123456789", 100_000), strings.Repeat("m", 1<<20)} {
		for _, chunked := range []bool{false, true} {
			req, err := http.NewRequest("POST", f.url+uploadPath+"?name=a.zip", strings.NewReader(content))
			if err != nil {
				t.Fatal(err)
			}
			if chunked {
				req.ContentLength, req.Body = -1, io.NopCloser(struct{ io.Reader }{strings.NewReader(content)})
			}
			req.Header.Set("Authorization", "Bearer "+testToken)
			req.Header.Set("Content-Type", "application/zip")
			req.Close = true
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode != 200 {
				t.Fatalf("%d bytes: got %s", len(content), resp.Status)
			}
			got := <-f.asked
			want := []wire.BlobRef{{Hash: hashOf(content), Size: int64(len(content)), ContentType: "application/zip"}}
			if diff := cmp.Diff(want, got.Blobs); diff != "" {
				t.Errorf("%d bytes (-want +got):\n%s", len(content), diff)
			}
			if got := f.read(t, want[0].Hash); got != content {
				t.Errorf("%d bytes: got %d others", len(content), len(got))
			}
		}
	}
}

func TestUploadForm(t *testing.T) {
	f := newFiles(t, 1<<20, store.Options{})
	long := strings.Repeat("l", maxField+1)
	parts := []string{
		"Content-Disposition: form-data; name=\"assetfile\"; filename=\"ü \\\"1\\\".zip\"\r\nContent-Type: application/x-zip-compressed\r\n\r\nPK\x00\xff\r\n--",
		"Content-Disposition: form-data; name=\"hash\"\r\n\r\nabc",
		"Content-Disposition: form-data; name=\"note\"\r\nContent-Type: text/plain; charset=utf-8\r\n\r\ngrüß",
		"Content-Disposition: form-data; name=\"picture\"\r\nContent-Type: image/png\r\n\r\npng",
		"Content-Disposition: form-data; name=\"long\"\r\n\r\n" + long,
		"Content-Disposition: form-data; name=\"bytes\"\r\n\r\n\xff\xfe",
		"Content-Type: text/plain\r\n\r\nnameless",
		"Content-Disposition: form-data; name=\"f\"; filename=\"../../etc/passwd\"\r\n\r\n",
	}
	body := ""
	for _, p := range parts {
		body += "--x-1\r\n" + p + "\r\n"
	}
	resp, text := f.send(t, "POST", uploadPath, body+"--x-1--\r\n", "Content-Type", `multipart/form-data; boundary="x-1"`)
	if resp.StatusCode != 200 {
		t.Fatalf("got %s: %s", resp.Status, text)
	}
	got := <-f.asked
	if diff := cmp.Diff([]wire.Pair{{Name: "hash", Value: "abc"}, {Name: "note", Value: "grüß"}}, got.Form); diff != "" {
		t.Errorf("form (-want +got):\n%s", diff)
	}
	ref := func(content, kind, name string) wire.BlobRef {
		return wire.BlobRef{Hash: hashOf(content), Size: int64(len(content)), ContentType: kind, Name: name}
	}
	want := []wire.BlobRef{
		ref("PK\x00\xff\r\n--", "application/x-zip-compressed", `ü "1".zip`), ref("png", "image/png", "picture"), ref(long, "", "long"),
		ref("\xff\xfe", "", "bytes"), ref("nameless", "text/plain", ""), ref("", "", "passwd"),
	}
	if diff := cmp.Diff(want, got.Blobs); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
	if len(got.Body) != 0 || len(got.Tree) != 0 {
		t.Errorf("the body is in the request, too: %d, %d bytes", len(got.Body), len(got.Tree))
	}
}

func TestUploadRefused(t *testing.T) {
	const multi = "multipart/form-data; boundary=x"
	file := func(content string) string {
		return "--x\r\nContent-Disposition: form-data; name=a; filename=a\r\n\r\n" + content + "\r\n"
	}
	for name, c := range map[string]struct {
		body, contentType string
		chunked           bool
		quota             int64
		free              uint64
		status            int
		text              string
	}{
		"too large":            {body: strings.Repeat("x", 1001), status: 413, text: "larger than 1000 bytes"},
		"too large, chunked":   {body: strings.Repeat("x", 300_000), chunked: true, status: 413, text: "larger than 1000 bytes"},
		"too large in a form":  {body: file(strings.Repeat("x", 1001)) + "--x--\r\n", contentType: multi, status: 413, text: "larger than 1000 bytes"},
		"too large together":   {body: file(strings.Repeat("x", 1000)) + file("y") + "--x--\r\n", contentType: multi, status: 413, text: "larger than 1000 bytes"},
		"form without an end":  {body: file("abc"), contentType: multi, status: 400, text: "has no end"},
		"form cut in a part":   {body: file("abc")[:60], contentType: multi, status: 400, text: "has no end"},
		"no form":              {body: "hello", contentType: multi, status: 400, text: "has no end"},
		"empty form":           {body: "", contentType: multi, status: 400, text: "has no end"},
		"huge headers":         {body: "--x\r\nX-A: " + strings.Repeat("a", 2*partHead) + "\r\n\r\n\r\n--x--\r\n", contentType: multi, status: 400, text: "too large headers"},
		"huge header of files": {body: file("a") + "--x\r\nX-A: " + strings.Repeat("a", 2*partHead) + "\r\n\r\n\r\n--x--\r\n", contentType: multi, status: 400, text: "too large headers"},
		"too many files":       {body: strings.Repeat(file(""), maxFiles+1) + "--x--\r\n", contentType: multi, status: 400, text: "too many files"},
		"too many fields": {body: strings.Repeat("--x\r\nContent-Disposition: form-data; name=a\r\n\r\nb\r\n", maxQuery+1) + "--x--\r\n",
			contentType: multi, status: 400, text: "fields are too many"},
		"quota":   {body: strings.Repeat("x", 600), quota: 500, status: 507, text: "limits.files"},
		"no room": {body: "x", free: 1 << 20, status: 507, text: "no room"},
	} {
		t.Run(name, func(t *testing.T) {
			opt := store.Options{Blobs: store.BlobOptions{Quota: c.quota}}
			if c.free > 0 {
				opt.FreeDisk = func(string) (uint64, uint64, error) { return c.free, 100 << 30, nil }
			}
			f := newFiles(t, 1000, opt)
			req, err := http.NewRequest("POST", f.url+uploadPath, strings.NewReader(c.body))
			if err != nil {
				t.Fatal(err)
			}
			if c.chunked {
				req.ContentLength, req.Body = -1, io.NopCloser(struct{ io.Reader }{strings.NewReader(c.body)})
			}
			req.Header.Set("Authorization", "Bearer "+testToken)
			req.Header.Set("Content-Type", c.contentType)
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			text, err := io.ReadAll(resp.Body)
			if err != nil || resp.StatusCode != c.status || !strings.Contains(string(text), c.text) {
				t.Errorf("got %s %s, error %v; want %d …%s…", resp.Status, text, err, c.status, c.text)
			}
			if got := f.left(t); len(got) != 0 {
				t.Errorf("the files %q are left", got)
			}
			select {
			case r := <-f.asked:
				t.Errorf("the plugin was asked: %+v", r)
			default:
			}
		})
	}
}

// TestUploadCut ends connections in the middle of uploads.
func TestUploadCut(t *testing.T) {
	f := newFiles(t, 1<<20, store.Options{})
	addr := strings.TrimPrefix(f.url, "http://")
	head := "POST " + uploadPath + " HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer " + testToken + "\r\n"
	for name, request := range map[string]string{
		"raw":     head + "Content-Length: 1000\r\n\r\n" + strings.Repeat("x", 999),
		"chunked": head + "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
		"form": head + "Content-Type: multipart/form-data; boundary=x\r\nContent-Length: 1000\r\n\r\n" +
			"--x\r\nContent-Disposition: form-data; name=a; filename=a\r\n\r\nwhole\r\n--x\r\nContent-Disposition: form-data; name=b; filename=b\r\n\r\nhalf",
	} {
		t.Run(name, func(t *testing.T) {
			nc, err := net.Dial("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			defer nc.Close()
			if _, err := io.WriteString(nc, request); err != nil {
				t.Fatal(err)
			}
			if err := nc.(*net.TCPConn).CloseWrite(); err != nil {
				t.Fatal(err)
			}
			if err := nc.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
				t.Fatal(err)
			}
			resp, err := http.ReadResponse(bufio.NewReader(nc), nil)
			if err != nil {
				t.Fatal(err)
			}
			text, _ := io.ReadAll(resp.Body)
			if resp.StatusCode != 400 || !strings.Contains(string(text), "did not come whole") || !resp.Close {
				t.Errorf("got %s %s, close %v", resp.Status, text, resp.Close)
			}
			if got := f.left(t); len(got) != 0 {
				t.Errorf("the files %q are left", got)
			}
		})
	}
	if resp, _ := f.send(t, "POST", uploadPath, "and on it goes"); resp.StatusCode != 200 {
		t.Errorf("afterwards: got %s", resp.Status)
	}
}

// slowReader gives a byte each step.
type slowReader struct{ step time.Duration }

func (s slowReader) Read(p []byte) (int, error) {
	time.Sleep(s.step) // of synctest's clock
	p[0] = 'x'
	return 1, nil
}

func TestSlowUploadIsCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &deadlines{ResponseRecorder: httptest.NewRecorder()}
		body := &pacedBody{r: slowReader{time.Second}, rc: http.NewResponseController(w), begun: time.Now()}
		began := time.Now()
		_, err := io.Copy(io.Discard, body)
		if took := time.Since(began); !errors.Is(err, errTooSlow) || took < slowAfter || took > slowAfter+5*time.Second {
			t.Errorf("got error %v after %v, want that it is too slow after %v", err, took, slowAfter)
		}
		if left := w.at.Sub(began.Add(slowAfter)); left < 0 || left > bodyWait+time.Minute {
			t.Errorf("deadline of a read is %v behind, want about %v", left, bodyWait)
		}
		if p := problemOfUpload(1, err); p.Status != http.StatusRequestTimeout {
			t.Errorf("got %+v, want 408", p)
		}
	})
}

// endless gives so many bytes.
type endless struct{ left int }

func (e *endless) Read(p []byte) (int, error) {
	if e.left == 0 {
		return 0, io.EOF
	}
	n := min(len(p), e.left)
	e.left -= n
	return n, nil
}

// TestUploadsTakeLittleMemory uploads ten files at once.
func TestUploadsTakeLittleMemory(t *testing.T) {
	const size, most = 24 << 20, 32 << 20
	f := newFiles(t, size, store.Options{})
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapInuse + m.StackInuse
	}
	runtime.GC()
	before := heap()
	done := make(chan struct{})
	var wg sync.WaitGroup
	for i := range 10 {
		wg.Go(func() {
			head := fmt.Sprintf("file %d", i)
			req, err := http.NewRequest("POST", f.url+uploadPath, io.MultiReader(strings.NewReader(head), &endless{size - len(head)}))
			if err != nil {
				t.Error(err)
				return
			}
			req.Header.Set("Authorization", "Bearer "+testToken)
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Error(err)
				return
			}
			defer resp.Body.Close()
			if text, err := io.ReadAll(resp.Body); resp.StatusCode != 200 || err != nil {
				t.Errorf("got %s %s, error %v", resp.Status, text, err)
			}
		})
	}
	go func() { wg.Wait(); close(done) }()
	peak := before
	for running := true; running; {
		select {
		case <-done:
			running = false
		case <-time.After(5 * time.Millisecond):
			peak = max(peak, heap())
		}
	}
	if grown := peak - before; grown > most {
		t.Errorf("memory grew by %d bytes, at most %d are allowed", grown, most)
	}
	if got := f.left(t); len(got) != 10 {
		t.Errorf("got %d files, want 10", len(got))
	}
}

func FuzzUploadForm(f *testing.F) {
	f.Add([]byte("--x\r\nContent-Disposition: form-data; name=a; filename=b\r\n\r\nc\r\n--x--\r\n"))
	f.Add([]byte("--x\r\n\r\n\r\n--x"))
	st, err := store.Open(f.Context(), store.Options{DSN: "sqlite", Dir: f.TempDir()})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = st.Close(context.Background()) })
	f.Fuzz(func(t *testing.T, body []byte) {
		u := &uploader{blobs: st.Blobs(), most: 1000, left: 1000, req: &wire.HTTPRequest{}}
		defer u.drop()
		if err := u.form(bytes.NewReader(body), "x"); err != nil {
			problemOfUpload(1000, err)
		}
	})
}
