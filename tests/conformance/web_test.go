package conformance

import (
	"archive/zip"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/takhost/takhost/core/config"
	"github.com/takhost/takhost/hostapi/manifest"
	"github.com/takhost/takhost/tests/taktest"
)

// TestFilesOverHTTP has each guest take uploads and answer with files in a whole
// server, over HTTP.
func TestFilesOverHTTP(t *testing.T) {
	srv := taktest.Start(t, taktest.WithConfig(func(c *config.Config) { c.Limits.Upload = 4 << 20 }))
	for i := range languages {
		l := &languages[i]
		t.Run(l.name, func(t *testing.T) {
			name := "conform-" + l.name
			srv.Install(t, l.pack(t, name))
			w := &webGuest{t, srv, "http://takhost" + manifest.Prefix(name)}
			t.Run("raw", w.takesRaw)
			t.Run("multipart", w.takesForms)
			t.Run("whole", w.givesFiles)
			t.Run("in part", w.givesPieces)
			t.Run("refused", w.refuses)
			if n := srv.Plugin(t, name).Counts; n.Crashes > 0 {
				t.Errorf("the plugin: %+v", n)
			}
			srv.Remove(t, name)
		})
	}
}

// pack makes a package of a language's guest.
func (l *language) pack(t *testing.T, name string) []byte {
	t.Helper()
	entry, runtime := "plugin.wasm", "wasm"
	if l.process {
		entry, runtime = "plugin", "process"
	}
	route := func(id, method, path, body, response string) map[string]any {
		r := map[string]any{"id": id, "method": method, "path": manifest.Prefix(name) + path, "response": response}
		if body != "" {
			r["body"] = body
		}
		return r
	}
	doc, err := json.Marshal(map[string]any{
		"name": name, "version": "1.0.0", "abi": "tak/1", "description": "Conforms.", "runtime": runtime, "entry": entry,
		"collections": []any{map[string]any{"name": "state"}},
		"routes": []any{
			route("upload", "POST", "upload", "blob", "text/plain"),
			route("download", "GET", "download", "", "application/octet-stream"),
			route("blob.keep", "POST", "keep", "json", "text/plain"),
			route("blob.kept", "POST", "kept", "json", "text/plain"),
			route("blob.put", "GET", "put", "", "text/plain"),
			route("blob.release", "GET", "release", "", "text/plain"),
		},
		"capabilities": map[string]any{"http.routes": true, "store": true, "blobs": map[string]any{"bytes": "16MiB"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return zipWith(t, func(z *zip.Writer) error {
		for _, f := range []struct {
			name    string
			content []byte
		}{{manifest.FileName, doc}, {entry, l.code(t)}} {
			w, err := z.CreateHeader(&zip.FileHeader{Name: f.name, Method: zip.Store})
			if err == nil {
				_, err = w.Write(f.content)
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
}

// webGuest is a guest in a server.
type webGuest struct {
	t    *testing.T
	srv  *taktest.Server
	base string
}

// sends makes a request with pairs of headers, wants a status, and gives the answer.
func (w *webGuest) sends(t *testing.T, want int, method, path, body string, headers ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, w.base+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := w.srv.HTTP().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != want {
		t.Fatalf("%s %s: got %d %.500s, error %v, want %d", method, path, resp.StatusCode, text, err, want)
	}
	return resp, string(text)
}

func sameText(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s:\n got %.1000q\nwant %.1000q", what, got, want)
	}
}

func download(hash string, query ...string) string {
	q := url.Values{"hash": {hash}}
	for i := 0; i < len(query); i += 2 {
		q.Set(query[i], query[i+1])
	}
	return "download?" + q.Encode()
}

func (w *webGuest) takesRaw(t *testing.T) {
	for _, content := range []string{"", "a", "\x00\xff\r\n--x\r\n", strings.Repeat("0123456789abcdef", 3<<20/16)} {
		_, got := w.sends(t, 200, "POST", "upload", content, "Content-Type", "image/x")
		sameText(t, "what came", got, "image/x||false|"+refText(content, "image/x", ""))
		_, got = w.sends(t, 200, "GET", download(hashOf(content)), "")
		sameText(t, "back again", got, content)
	}
}

func (w *webGuest) takesForms(t *testing.T) {
	const typ = "multipart/form-data; boundary=x"
	large := strings.Repeat("\x00\xff-", 1<<20)
	part := func(head, body string) string {
		return "--x\r\nContent-Disposition: form-data" + head + "\r\n\r\n" + body + "\r\n"
	}
	form := part("; name=note", "a \"note\" é") + part("; name=assetfile; filename=\"ü 1.txt\"\r\nContent-Type: text/é", "abc") +
		part("; name=b; filename=large", large) + part("; name=c; filename=empty", "") + part("\r\nContent-Type: image/x", "nameless") + "--x--\r\n"
	_, got := w.sends(t, 200, "POST", "upload", form, "Content-Type", typ)
	sameText(t, "all of it", got, typ+"|a \"note\" é|false|"+refText("abc", "text/é", "ü 1.txt")+refText(large, "", "large")+
		refText("", "", "empty")+refText("nameless", "image/x", ""))
	for _, content := range []string{"abc", large, "", "nameless"} {
		_, got := w.sends(t, 200, "GET", download(hashOf(content)), "")
		sameText(t, "back again", got, content)
	}
	_, got = w.sends(t, 200, "POST", "upload", part("; name=note", "alone")+"--x--\r\n", "Content-Type", typ)
	sameText(t, "no file", got, typ+"|alone|false|")
}

func (w *webGuest) givesFiles(t *testing.T) {
	content := strings.Repeat("0123456789", 50_000)
	hash := hashOf(content)
	w.sends(t, 200, "POST", "upload", content)
	resp, got := w.sends(t, 200, "GET", download(hash, "name", "é.bin"), "")
	sameText(t, "the file", got, content)
	sameText(t, "ETag", resp.Header.Get("ETag"), `"`+hash+`"`)
	sameText(t, "the name", resp.Header.Get("Content-Disposition"), `attachment; filename="_.bin"; filename*=utf-8''%C3%A9.bin`)
	resp, got = w.sends(t, 206, "GET", download(hash), "", "Range", "bytes=10-13")
	sameText(t, "a range", got+" "+resp.Header.Get("Content-Range"), fmt.Sprintf("0123 bytes 10-13/%d", len(content)))
	_, got = w.sends(t, 206, "GET", download(hash), "", "Range", "bytes=-3")
	sameText(t, "the end", got, "789")
	w.sends(t, 416, "GET", download(hash), "", "Range", "bytes=500000-")
	w.sends(t, 304, "GET", download(hash), "", "If-None-Match", `"`+hash+`"`)
	resp, got = w.sends(t, 200, "HEAD", download(hash), "")
	if got != "" || resp.ContentLength != int64(len(content)) {
		t.Errorf("HEAD: got %d bytes, length %d", len(got), resp.ContentLength)
	}
}

func (w *webGuest) givesPieces(t *testing.T) {
	content := strings.Repeat("0123456789", 50_000)
	hash := hashOf(content)
	w.sends(t, 200, "POST", "upload", content)
	for _, tt := range []struct{ offset, length, from, to int }{{5, 4, 5, 9}, {100_000, 300_000, 100_000, 400_000}, {499_990, 0, 499_990, 500_000}, {499_998, 100, 499_998, 500_000}} {
		path := download(hash, "offset", fmt.Sprint(tt.offset), "length", fmt.Sprint(tt.length))
		resp, got := w.sends(t, 206, "GET", path, "", "Range", "bytes=0-0") // the plugin's answer is not cut once more
		sameText(t, path, got, content[tt.from:tt.to])
		sameText(t, path, resp.Header.Get("Content-Range"), fmt.Sprintf("bytes %d-%d/500000", tt.from, tt.to-1))
		if tag := resp.Header.Get("ETag"); tag != "" {
			t.Errorf("%s: got the ETag %s of the whole", path, tag)
		}
		resp, got = w.sends(t, 206, "HEAD", path, "")
		if got != "" || resp.ContentLength != int64(tt.to-tt.from) {
			t.Errorf("HEAD %s: got %d bytes, length %d", path, len(got), resp.ContentLength)
		}
	}
	_, got := w.sends(t, 200, "GET", download(hash, "mixed", "1"), "")
	sameText(t, "several parts", got, "["+content+"|12]")
}

func (w *webGuest) refuses(t *testing.T) {
	w.sends(t, 200, "POST", "upload", "0123456789")
	hash := hashOf("0123456789")
	for _, tt := range []struct {
		name, method, path, body string
		status                   int
		why                      string
	}{
		{"not there", "GET", download(noFile), "", 404, "there is no file " + noFile},
		{"no hash", "GET", download("../../state.db"), "", 400, "is no SHA-256"},
		{"behind the end", "GET", download(hash, "offset", "11", "length", "1"), "", 400, "there are none from 11 on"},
		{"keep what is not there", "POST", "keep", `{"hash":"` + noFile + `","owner":"o"}`, 404, "file: blobs.keep: there is no file " + noFile},
		{"keep in a GET", "GET", "release", "", 403, "file: blobs.release: this call only reads"},
		{"too large", "POST", "upload", strings.Repeat("x", 5<<20), 413, "larger than 4 MiB"},
	} {
		_, got := w.sends(t, tt.status, tt.method, tt.path, tt.body, "Content-Type", "application/json")
		if !strings.Contains(got, tt.why) {
			t.Errorf("%s: got %s, want …%s…", tt.name, got, tt.why)
		}
	}
	w.sends(t, 200, "POST", "keep", `{"hash":"`+hash+`","owner":"o"}`, "Content-Type", "application/json")
	_, got := w.sends(t, 200, "POST", "kept", `{"owner":"o"}`, "Content-Type", "application/json")
	sameText(t, "what is kept", got[:64], hash)
	// A GET may write what it answers with.
	w.sends(t, 200, "GET", "put", "")
}
