package server

import (
	"crypto/tls"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/takhost/takhost/core/config"
)

// startServer gives a server that is known as tak.example.org and has the named
// listeners on free ports of loopback.
func startServer(t *testing.T, listen ...string) *Server {
	t.Helper()
	cfg := config.Default()
	cfg.Data, cfg.Listen, cfg.Public = t.TempDir(), config.Listen{}, []string{"tak.example.org"}
	for _, name := range listen {
		cfg.Listen.SetAddr(name, "127.0.0.1:0")
	}
	srv := New(&cfg, Options{Log: slog.New(slog.NewTextHandler(t.Output(), nil)), Version: "test"})
	if err := srv.Start(t.Context()); err != nil {
		t.Fatalf("start: %v", err)
	}
	t.Cleanup(func() {
		if err := srv.Stop(); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
	return srv
}

// browser asks listen.web for pages.
type browser struct {
	t    *testing.T
	base string
	http *http.Client
}

func browse(t *testing.T, srv *Server) *browser {
	tr := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}} // the name is made up
	t.Cleanup(tr.CloseIdleConnections)
	return &browser{t, "https://" + srv.Addr("web").String(), &http.Client{Transport: tr}}
}

func (b *browser) get(path string, status int) (body string) {
	b.t.Helper()
	resp, err := b.http.Get(b.base + path)
	return b.read(path, resp, err, status)
}

func (b *browser) post(path string, form url.Values, status int) (body string) {
	b.t.Helper()
	resp, err := b.http.PostForm(b.base+path, form)
	return b.read(path, resp, err, status)
}

func (b *browser) read(path string, resp *http.Response, err error, status int) string {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	if resp.StatusCode != status {
		b.t.Fatalf("%s: got %s, want %d\n%.600s", path, resp.Status, status, body)
	}
	if strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html") && !strings.Contains(resp.Header.Get("Content-Security-Policy"), "default-src 'none'") {
		b.t.Errorf("%s: the policy is %q", path, resp.Header.Get("Content-Security-Policy"))
	}
	if c := resp.Header.Get("Cache-Control"); c != "no-store" {
		b.t.Errorf("%s: may be cached: %q", path, c)
	}
	return string(body)
}
