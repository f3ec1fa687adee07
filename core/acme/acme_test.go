package acme

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		// certmagic keeps one for each authority and account, for good.
		goleak.IgnoreAnyFunction("github.com/caddyserver/certmagic.(*RingBufferRateLimiter).loop"),
		// Idle connections to pebble, which end with it.
		goleak.IgnoreAnyFunction("net/http.(*persistConn).readLoop"),
		goleak.IgnoreAnyFunction("net/http.(*persistConn).writeLoop"),
	)
}

// lines collects what is logged, and wakes up who waits for a line.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
	news chan struct{}
}

func newLines() *lines { return &lines{news: make(chan struct{}, 1)} }

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case l.news <- struct{}{}:
	default:
	}
	return l.text.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func (l *lines) wait(t *testing.T, want string, times int) {
	t.Helper()
	end := time.After(60 * time.Second)
	for {
		text := l.String()
		if strings.Count(text, want) >= times {
			return
		}
		select {
		case <-l.news:
		case <-end:
			t.Fatalf("not logged %d times: %q\n%s", times, want, text)
		}
	}
}

func start(t *testing.T, o Options) (*Manager, *lines) {
	t.Helper()
	log := newLines()
	o.Log = slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	m, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
		if t.Failed() {
			t.Logf("log:\n%s", log.String())
		}
	})
	began := time.Now()
	if err := m.Start(t.Context()); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("start took %v", took)
	}
	return m, log
}

// The challenge by HTTP on a listener of the manager's own; the files are kept
// for the next start.
func TestHTTP01(t *testing.T) {
	port := freePort(t)
	p := startPebble(t, port, freePort(t))
	reg := prometheus.NewRegistry()
	o := Options{
		Names: []string{"TAK.example.org.", "api.example.org"}, Email: "admin@example.org", Directory: p.directory, RootCA: p.root, Dir: t.TempDir(),
		HTTPAddr: net.JoinHostPort("127.0.0.1", strconv.Itoa(port)), Metrics: reg,
	}
	m, log := start(t, o)
	log.wait(t, "certificate of the ACME authority is in use", 2)
	var serials []string
	for _, name := range []string{"tak.example.org", "API.example.org"} {
		leaf, err := handshake(m, name)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		cert, err := m.GetCertificate(&tls.ClientHelloInfo{ServerName: name})
		if err != nil {
			t.Fatal(err)
		}
		between := x509.NewCertPool()
		for _, der := range cert.Certificate[1:] {
			c, err := x509.ParseCertificate(der)
			if err != nil {
				t.Fatal(err)
			}
			between.AddCert(c)
		}
		if _, err := leaf.Verify(x509.VerifyOptions{DNSName: name, Roots: p.issuers, Intermediates: between}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		serials = append(serials, leaf.SerialNumber.String())
	}
	for _, name := range []string{"", "other.example.org", "127.0.0.1"} {
		if _, err := handshake(m, name); !errors.Is(err, ErrNone) {
			t.Errorf("%q: got error %v, want ErrNone", name, err)
		}
	}
	if ends, ok := m.Expires(); !ok || time.Until(ends) < 24*time.Hour {
		t.Errorf("expires: got %v, %v", ends, ok)
	}
	checkMetric(t, reg, "takhost_acme_attempts_total", 2)
	checkModes(t, o.Dir)
	if err := m.Close(); err != nil {
		t.Fatal(err)
	}

	// The second start has them at once, and asks for nothing.
	o.HTTPAddr, o.HTTP = "", true
	again, log := start(t, o)
	for i, name := range []string{"tak.example.org", "api.example.org"} {
		leaf, err := handshake(again, name)
		if err != nil || leaf.SerialNumber.String() != serials[i] {
			t.Errorf("%s after a restart: %v", name, err)
		}
	}
	if strings.Contains(log.String(), "getting a certificate") {
		t.Error("the second start asked for certificates")
	}
}

// The challenge in the handshakes of the web listener.
func TestTLSALPN01(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := startPebble(t, freePort(t), ln.Addr().(*net.TCPAddr).Port)
	var m *Manager
	ready := make(chan struct{})
	srv := &http.Server{
		Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") }),
		TLSConfig: &tls.Config{
			NextProtos:     []string{"http/1.1", "acme-tls/1"},
			GetCertificate: func(h *tls.ClientHelloInfo) (*tls.Certificate, error) { <-ready; return m.GetCertificate(h) },
		},
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo),
	}
	var done sync.WaitGroup
	done.Go(func() { _ = srv.ServeTLS(ln, "", "") })
	t.Cleanup(func() { _ = srv.Close(); done.Wait() })

	m, log := start(t, Options{Names: []string{"tak.example.org"}, Directory: p.directory, RootCA: p.root, Dir: t.TempDir(), TLSALPN: true})
	close(ready)
	if got := m.NextProtos(); !slices.Equal(got, []string{"acme-tls/1"}) {
		t.Errorf("got protocols %q", got)
	}
	log.wait(t, "certificate of the ACME authority is in use", 1)
	tr := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: p.issuers, ServerName: "tak.example.org"}, DisableKeepAlives: true}
	resp, err := (&http.Client{Transport: tr}).Get("https://" + ln.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if b, err := io.ReadAll(resp.Body); err != nil || string(b) != "hello" {
		t.Errorf("got %q, %v", b, err)
	}
}

// Without an authority the start goes on, the log tells, and the end is quick.
func TestNoAuthority(t *testing.T) {
	m, log := start(t, Options{
		Names: []string{"tak.example.org"}, Directory: "https://127.0.0.1:" + strconv.Itoa(freePort(t)) + "/dir", Dir: t.TempDir(), HTTPAddr: "127.0.0.1:0",
	})
	if _, err := handshake(m, "tak.example.org"); !errors.Is(err, ErrNone) {
		t.Errorf("got error %v, want ErrNone", err)
	}
	if _, ok := m.Expires(); ok {
		t.Error("a certificate that is not there has an end")
	}
	log.wait(t, "no certificate from the ACME authority, trying again later", 1)
	resp, err := http.Get("http://" + m.HTTPAddr().String() + "/.well-known/acme-challenge/abc")
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusNotFound {
		t.Errorf("a challenge of nobody: got %s", resp.Status)
	}
	ended := make(chan error)
	go func() { ended <- m.Close() }()
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the end takes longer than ten seconds")
	}
}

func TestOptions(t *testing.T) {
	noCert := filepath.Join(t.TempDir(), "root.pem")
	if err := os.WriteFile(noCert, []byte("hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	good := Options{Names: []string{"tak.example.org"}, Dir: t.TempDir(), TLSALPN: true, Log: slog.New(slog.DiscardHandler)}
	tests := []struct {
		name   string
		change func(*Options)
		want   []string
	}{
		{"good", func(*Options) {}, nil},
		{"no name", func(o *Options) { o.Names = nil }, []string{"no name to get a certificate for"}},
		{"one name of several", func(o *Options) { o.Names = []string{"192.0.2.1", "tak.local", "Tak.Example.org"} }, nil},
		{"address", func(o *Options) { o.Names = []string{"192.0.2.1"} }, []string{`among ["192.0.2.1"]`}},
		{"not public", func(o *Options) { o.Names = []string{"localhost", "tak.local"} }, []string{`among ["localhost" "tak.local"]`}},
		{"a private authority takes such names", func(o *Options) { o.Names, o.Directory = []string{"tak.lan"}, "https://ca.lan/dir" }, nil},
		{"wildcard", func(o *Options) { o.Names = []string{"*.example.org"} }, []string{`among ["*.example.org"]`}},
		{"directory", func(o *Options) { o.Directory = "http://ca.example.org" }, []string{"not a URL with https"}},
		{"no folder, no challenge, no logger", func(o *Options) { *o = Options{Names: o.Names} }, []string{"no folder", "no way to answer", "no logger"}},
		{"root that is missing", func(o *Options) { o.RootCA = "/nowhere/x.pem" }, []string{"/nowhere/x.pem"}},
		{"root without a certificate", func(o *Options) { o.RootCA = noCert }, []string{"no certificate in"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := good
			tt.change(&o)
			m, err := New(o)
			if err == nil {
				if err := m.Close(); err != nil {
					t.Error(err)
				}
			}
			if (err != nil) != (tt.want != nil) {
				t.Fatalf("got error %v, want %q", err, tt.want)
			}
			for _, w := range tt.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("error lacks %q: %v", w, err)
				}
			}
		})
	}
}

func TestStartFails(t *testing.T) {
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	m, err := New(Options{Names: []string{"tak.example.org"}, Dir: t.TempDir(), HTTPAddr: busy.Addr().String(), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	if err := m.Start(t.Context()); err == nil || !strings.Contains(err.Error(), "listen for the ACME authority") {
		t.Errorf("got error %v", err)
	}
	if err := errors.Join(m.Close(), m.Close()); err != nil {
		t.Error(err)
	}
	if err := m.Start(t.Context()); err == nil {
		t.Error("started after its end")
	}
}

func TestStorageLock(t *testing.T) {
	s := newStorage(t.TempDir())
	if err := s.Lock(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Lock(ctx, "a"); !errors.Is(err, context.Canceled) {
		t.Errorf("locked twice: got %v", err)
	}
	if err := s.Lock(t.Context(), "b"); err != nil {
		t.Error(err)
	}
	if err := s.Unlock(t.Context(), "a"); err != nil {
		t.Error(err)
	}
	if err := s.Unlock(t.Context(), "a"); err == nil {
		t.Error("unlocked twice")
	}
}

func checkMetric(t *testing.T, reg *prometheus.Registry, name string, want float64) {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			if got := f.GetMetric()[0].GetCounter().GetValue(); got != want {
				t.Errorf("%s: got %v, want %v", name, got, want)
			}
			return
		}
	}
	t.Errorf("no metric %s", name)
}

// checkModes: nobody else reads keys.
func checkModes(t *testing.T, dir string) {
	t.Helper()
	keys := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if path != dir && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: mode %v", path, info.Mode())
		}
		if strings.HasSuffix(path, ".key") {
			keys++
		}
		return nil
	})
	if err != nil || keys < 3 {
		t.Errorf("got %d keys, %v, want those of two certificates and an account", keys, err)
	}
}
