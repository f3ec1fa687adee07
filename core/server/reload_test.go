package server

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/takhost/takhost/core/config"
	"github.com/takhost/takhost/core/plugin/run"
	"github.com/takhost/takhost/core/store"
)

// lines is a log that a test reads.
type lines struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// reloaded gives a server whose configuration a test changes.
func reloaded(t *testing.T, change func(*config.Config)) (srv *Server, cfg *config.Config, log *lines) {
	t.Helper()
	first := config.Default()
	first.Data, first.Listen, first.Public = t.TempDir(), config.Listen{REST: "127.0.0.1:0", HTTP: "127.0.0.1:0"}, []string{"tak.example.org"}
	if change != nil {
		change(&first)
	}
	next := first
	log = &lines{}
	srv = New(&first, Options{
		Log: slog.New(slog.NewTextHandler(log, nil)), Version: "test",
		Load: func() (*config.Loaded, error) {
			l := &config.Loaded{Config: next}
			return l, l.Validate()
		},
	})
	if err := srv.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := srv.Stop(); err != nil {
			t.Errorf("stop: %v", err)
		}
	})
	return srv, &next, log
}

// A reload puts the limits of files in force, and names the keys that it cannot
// change.
func TestReloadLimits(t *testing.T) {
	srv, cfg, log := reloaded(t, nil)
	put := func(n int) error {
		_, err := srv.store.Blobs().Put(t.Context(), strings.NewReader(strings.Repeat("x", n)), store.BlobSpec{})
		return err
	}
	if err := put(2000); err != nil {
		t.Fatal(err)
	}
	cfg.Limits.Upload, cfg.Limits.Files, cfg.Limits.PluginIdle = 5<<20, 3000, config.Duration(time.Hour)
	if err := srv.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := srv.maxUpload(); got != 5<<20 {
		t.Errorf("uploads may have %d bytes, want 5 MiB", got)
	}
	if err := put(1001); store.CodeOf(err) != store.Limit {
		t.Errorf("beyond limits.files: got %v, want a limit", err)
	}
	if text := log.String(); strings.Contains(text, "at the next start") {
		t.Errorf("the log has a key that needs a restart:\n%s", text)
	}
	cfg.Limits.Files, cfg.Login.Attempts, cfg.Archive.Keep = 0, 7, config.Duration(time.Hour)
	if err := srv.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := put(1001); err != nil {
		t.Errorf("without limits.files: %v", err)
	}
	if text := log.String(); !strings.Contains(text, `keys="login.attempts, archive.keep"`) {
		t.Errorf("the log does not name what needs a restart:\n%s", text)
	}
	// A configuration that is wrong changes nothing.
	cfg.Limits.Upload = -1
	if err := srv.Reload(t.Context()); store.CodeOf(err) != store.Invalid {
		t.Errorf("a negative limit: got %v, want invalid", err)
	}
	if got := srv.maxUpload(); got != 5<<20 {
		t.Errorf("after a wrong configuration uploads may have %d bytes, want 5 MiB", got)
	}
}

func TestBaseURLs(t *testing.T) {
	srv, cfg, _ := reloaded(t, func(c *config.Config) { c.Public = []string{"rest=tak.example.org:443"} })
	urls := func(rest string) []run.BaseURL {
		list := []run.BaseURL{{Listener: "rest", URL: rest}}
		if a := srv.Addr("http"); a != nil {
			list = append(list, run.BaseURL{Listener: "http", URL: "http://" + a.String()})
		}
		return list
	}
	check := func(step, rest string) {
		t.Helper()
		if diff := cmp.Diff(urls(rest), srv.baseURLs(false)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", step, diff)
		}
	}
	check("begin", "http://tak.example.org:443")
	if err := srv.listeners.Move(t.Context(), "http", "127.0.0.2:0"); err != nil {
		t.Fatal(err)
	}
	check("moved", "http://tak.example.org:443")
	if err := srv.listeners.Stop(t.Context(), "http"); err != nil {
		t.Fatal(err)
	}
	check("stopped", "http://tak.example.org:443")
	cfg.Public = []string{"rest=other.example.org:80"}
	if err := srv.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	check("another name", "http://other.example.org")
}

func TestBaseURLAhead(t *testing.T) {
	for _, tt := range []struct {
		name, public, listener, addr string
		tls                          bool
		want                         string
	}{
		{"as it is", "", "https", "127.0.0.1:8443", true, "https://127.0.0.1:8443"},
		{"not known yet", "", "https", "127.0.0.1:0", true, ""},
		{"off", "", "https", "", true, ""},
		{"the usual port", "", "web", "10.0.0.1:443", true, "https://10.0.0.1"},
		{"the usual port, plain", "", "http", "10.0.0.1:80", false, "http://10.0.0.1"},
		{"the other's usual port", "", "http", "10.0.0.1:443", false, "http://10.0.0.1:443"},
		{"version 6", "", "http", "[2001:db8::1]:8080", false, "http://[2001:db8::1]:8080"},
		{"a public name", "tak.example.org", "https", "0.0.0.0:8443", true, "https://tak.example.org:8443"},
		{"a public port", "https=tak.example.org:443", "https", "0.0.0.0:0", true, "https://tak.example.org"},
		{"of another listener", "web=tak.example.org:443", "https", "10.0.0.1:8443", true, "https://10.0.0.1:8443"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var public []string
			if tt.public != "" {
				public = append(public, tt.public)
			}
			r := newReach(public, nil)
			if got := r.base(tt.listener, tt.addr, tt.tls); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
	t.Run("all addresses", func(t *testing.T) {
		got := newReach(nil, nil).base("https", "0.0.0.0:8443", true)
		if strings.Contains(got, "0.0.0.0") || !strings.HasSuffix(got, ":8443") {
			t.Errorf("got %q, which nobody reaches", got)
		}
	})
}
