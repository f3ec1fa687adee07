package web

import (
	"context"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/takhost/takhost/core/plugin"
	"github.com/takhost/takhost/core/store"
	"github.com/takhost/takhost/hostapi/manifest"
	"github.com/takhost/takhost/hostapi/wire"
)

const shedManifest = `{
 "name": "shed", "version": "1.0.0", "abi": "tak/1", "description": "Takes files.",
 "capabilities": {"http.routes": {"prefixes": ["/Marti/shed", "/Shed"]}, "blobs": {}},
 "routes": [
  {"id": "plain", "method": "POST", "path": "/api/plugins/shed/up", "body": "blob"},
  {"id": "marti", "method": "POST", "path": "/Marti/shed/up", "body": "blob", "errors": "marti"},
  {"id": "fts", "method": "POST", "path": "/Shed/up", "body": "blob", "errors": "fts"}
 ]}`

// filling calls full when so many bytes have been read of it.
type filling struct {
	io.Reader
	left int
	full func()
}

func (f *filling) Read(p []byte) (int, error) {
	n, err := f.Reader.Read(p)
	if f.left -= n; f.left <= 0 {
		f.full()
	}
	return n, err
}

// TestUploadFills: while an upload comes, the disk or the quota is used up. Each
// kind of route says so in its form, and nothing is left.
func TestUploadFills(t *testing.T) {
	m, err := manifest.Parse([]byte(shedManifest))
	if err != nil {
		t.Fatal(err)
	}
	var full atomic.Bool
	f := newFiles(t, 200<<20, store.Options{FreeDisk: func(string) (uint64, uint64, error) {
		if full.Load() {
			return 1 << 20, 100 << 30, nil
		}
		return 50 << 30, 100 << 30, nil
	}})
	f.use(t, fence(t), plugin.Routes{Plugin: "shed", Version: "1.0.0", Manifest: m, Prefixes: []string{"/Marti/shed", "/Shed"}})
	const size = 30 << 20 // the disk is looked at each 16 MiB
	routes := map[string]string{"/api/plugins/shed/up": "application/problem+json", "/Marti/shed/up": "application/json", "/Shed/up": ""}
	for why, fill := range map[string]struct {
		begin, fill func()
		text        string
	}{
		"disk":  {func() { full.Store(false); f.st.Blobs().SetQuota(0) }, func() { full.Store(true) }, "no room"},
		"quota": {func() { full.Store(false); f.st.Blobs().SetQuota(0) }, func() { f.st.Blobs().SetQuota(1 << 20) }, "limits.files"},
	} {
		for path, contentType := range routes {
			for _, form := range []bool{false, true} {
				t.Run(why+path+map[bool]string{true: " form", false: " raw"}[form], func(t *testing.T) {
					fill.begin()
					body := io.Reader(&filling{&endless{size}, 1 << 20, fill.fill})
					kind := "application/zip"
					if form {
						kind = "multipart/form-data; boundary=x"
						body = io.MultiReader(strings.NewReader("--x\r\nContent-Disposition: form-data; name=a; filename=a\r\n\r\n"), body, strings.NewReader("\r\n--x--\r\n"))
					}
					req, err := http.NewRequestWithContext(t.Context(), "POST", f.url+path, body)
					if err != nil {
						t.Fatal(err)
					}
					req.Header.Set("Authorization", "Bearer "+testToken)
					req.Header.Set("Content-Type", kind)
					resp, err := http.DefaultClient.Do(req)
					if err != nil {
						t.Fatal(err)
					}
					defer resp.Body.Close()
					text, err := io.ReadAll(resp.Body)
					if err != nil {
						t.Fatal(err)
					}
					if resp.StatusCode != http.StatusInsufficientStorage || strings.Contains(string(text), "internal") || !strings.Contains(string(text), fill.text) {
						t.Errorf("got %s %s, want 507 …%s…", resp.Status, text, fill.text)
					}
					if got := resp.Header.Get("Content-Type"); contentType != "" && !strings.HasPrefix(got, contentType) {
						t.Errorf("the answer is %s, want %s", got, contentType)
					}
					f.got(t, nil)
				})
			}
		}
	}
	full.Store(false)
	f.st.Blobs().SetQuota(0)
	f.plugins.http = func(_ context.Context, _, _ string, r *wire.HTTPRequest) (*plugin.Answer, error) {
		return textAnswer(0, "", r.Blobs[0].Hash), nil
	}
	if resp, text := f.send(t, "POST", "/Shed/up", "x"); resp.StatusCode != 200 || text != hashOf("x") {
		t.Errorf("with room again: got %s %s", resp.Status, text)
	}
}
