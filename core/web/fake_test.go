package web

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/takhost/takhost/core/store"
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/cot"
	"github.com/takhost/takhost/hostapi/wire"
)

// fakeCore answers with what a test put there, and keeps what it was asked.
type fakeCore struct {
	status  func() (Status, error)
	clients []Client
	query   func(context.Context, store.Query) (store.Page, error)
	stream  func(net.Conn)
	as      func(nc net.Conn, caller *wire.Caller, addr, listener string)
	ready   error
}

func (f *fakeCore) Status(context.Context) (Status, error) { return f.status() }

func (f *fakeCore) Clients(context.Context) []Client { return f.clients }

func (f *fakeCore) Query(ctx context.Context, q store.Query) (store.Page, error) {
	return f.query(ctx, q)
}

func (f *fakeCore) Sets(_ context.Context, group string) ([]hostapi.SetID, error) {
	switch group {
	case "Blue":
		return []hostapi.SetID{2, 5}, nil
	case "Empty":
		return nil, nil
	}
	return nil, &store.Error{Code: store.NotFound, Msg: `there is no group "` + group + `"`}
}

func (f *fakeCore) Stream(nc net.Conn) { f.stream(nc) }

func (f *fakeCore) StreamAs(nc net.Conn, caller *wire.Caller, addr, listener string) {
	f.as(nc, caller, addr, listener)
}

func (f *fakeCore) Ready(context.Context) error { return f.ready }

// logBuffer collects log lines; saw is for waiting.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
	more chan struct{}
}

func newLogBuffer() *logBuffer { return &logBuffer{more: make(chan struct{}, 1)} }

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	select {
	case b.more <- struct{}{}:
	default:
	}
	return b.text.Write(p)
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// await waits for a line that holds text.
func (b *logBuffer) await(t *testing.T, text string) {
	t.Helper()
	late := time.After(10 * time.Second)
	for !strings.Contains(b.String(), text) {
		select {
		case <-b.more:
		case <-late:
			t.Fatalf("log has no %q, but:\n%s", text, b)
		}
	}
}

// testToken is what listen.rest asks for in tests.
const testToken = "the-token-of-the-tests"

// site is a web server for a test.
type site struct {
	*Server
	core *fakeCore
	live *Live
	log  *logBuffer
	path string // of the admin socket
	http *http.Client
}

func newSite(t *testing.T, core *fakeCore, handshake time.Duration) *site {
	t.Helper()
	return newSiteWith(t, core, Options{Limits: Limits{Handshake: handshake}})
}

// newSiteWith is newSite with what opt has beyond the usual.
func newSiteWith(t testing.TB, core *fakeCore, opt Options) *site {
	t.Helper()
	s := &site{core: core, live: NewLive(), log: newLogBuffer(), path: filepath.Join(t.TempDir(), AdminSocket)}
	reg := prometheus.NewRegistry()
	reg.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "takhost_test", Help: "A gauge."}, func() float64 { return 42 }))
	opt.Core, opt.Live, opt.Gatherer, opt.Version = core, s.live, reg, "v1.2.3"
	opt.Log = slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	if opt.Auth == nil {
		opt.Auth = NewTokenAuth(testToken, opt.AllGroups)
	}
	s.Server = New(opt)
	if err := s.ListenAdmin(s.path); err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", s.path)
	}}
	s.http = &http.Client{Transport: transport}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := s.Close(ctx); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

// get gives status, header and body of the admin socket's answer.
func (s *site) get(t *testing.T, path string) (*http.Response, string) {
	t.Helper()
	resp, err := s.http.Get("http://takhost" + path)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(body)
}

func (s *site) dial(t *testing.T) *net.UnixConn {
	t.Helper()
	nc, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: s.path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	if err := nc.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return nc
}

// event makes a routed event; detail may be empty.
func event(t testing.TB, id hostapi.ID, uid, typ string, lat, lon float64) *hostapi.Event {
	t.Helper()
	b := cot.NewEvent(uid, typ, "m-g", time.Date(2026, 11, 21, 18, 0, 0, 0, time.UTC), time.Minute)
	b.Point(lat, lon, 100, 10, cot.Unknown)
	b.Start("detail").Start("contact").Attr("callsign", "ALPHA <&>").Attr("endpoint", "*:-1:stcp")
	xml, err := b.String()
	if err != nil {
		t.Fatal(err)
	}
	return parsed(t, id, xml)
}

func parsed(t testing.TB, id hostapi.ID, xml string) *hostapi.Event {
	t.Helper()
	e := &hostapi.Event{
		XML: xml, ID: id, Recv: time.Date(2026, 11, 21, 18, 0, 1, 5000, time.UTC).UnixMicro(),
		Conn: 7, Client: "UID-A", Groups: 1, Origin: hostapi.FromClient,
	}
	if err := cot.Scan(xml, &e.Header); err != nil {
		t.Fatal(err)
	}
	return e
}
