package call

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/wire"
)

func TestFetchFiles(t *testing.T) {
	b := newBed(t)
	newSite(b, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/again" {
			http.Redirect(w, r, "/up/map.kmz", http.StatusTemporaryRedirect)
			return
		}
		w.Header().Set("Content-Type", "application/x-map")
		if r.URL.Path == "/large" {
			_, _ = io.WriteString(w, strings.Repeat("x", 20_000))
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil || r.ContentLength != int64(len(body)) {
			t.Errorf("%s: got %d bytes of %d, error %v", r.URL, len(body), r.ContentLength, err)
		}
		_, _ = w.Write(body)
	})
	g := hosts("maps.example")
	g[hostapi.CapBlobs] = hostapi.Scope{Bytes: 10_000}
	p := b.plugin("p", g)
	for _, content := range []string{"a map", "", strings.Repeat("m", 9000)} {
		hash := b.blob([]byte(content))
		for _, path := range []string{"/up/map.kmz", "/again"} {
			c := p.Begin(Options{})
			m := fetched(t, b.ok(c, hostapi.HostFetch, &wire.Fetch{Method: "POST", URL: "http://maps.example" + path, Blob: hash, As: wire.FetchAsBlob}))
			if m.Status != 200 || m.Blob == nil || m.Blob.Name != "map.kmz" || m.Blob.ContentType != "application/x-map" || len(m.Body) != 0 {
				t.Fatalf("%s: got %+v", path, m)
			}
			if got := b.content(m.Blob.Hash); got != content {
				t.Errorf("%s: got %d bytes back, want %d", path, len(got), len(content))
			}
		}
	}
	c := p.Begin(Options{})
	b.refused(c, hostapi.HostFetch, &wire.Fetch{URL: "http://maps.example/large", As: wire.FetchAsBlob}, hostapi.Limit, "10000")
	b.refused(c, hostapi.HostFetch, &wire.Fetch{URL: "http://maps.example/", Blob: strings.Repeat("0", 64)}, hostapi.NotFound, "there is no file")
	b.refused(c, hostapi.HostFetch, &wire.Fetch{URL: "http://maps.example/", Blob: b.blob(nil), Body: []byte("x")}, hostapi.Invalid, "at once")
}
