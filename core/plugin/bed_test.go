package plugin

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/takhost/takhost/core/plugin/call"
	"github.com/takhost/takhost/core/plugin/guest"
	"github.com/takhost/takhost/core/plugin/run"
	"github.com/takhost/takhost/core/route"
	"github.com/takhost/takhost/core/store"
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/cot"
	"github.com/takhost/takhost/hostapi/manifest"
	"github.com/takhost/takhost/hostapi/wire"
)

// bed is a host with a real store and a runtime of scripts.
type bed struct {
	*testing.T
	dir     string
	shipped fs.FS
	rt      *fakeRuntime
	log     *logBuffer
	tuning  run.Tuning
	budget  int64
	process guest.Runtime
	metrics *prometheus.Registry

	*Host
	store  *store.Store
	router *fakeRouter
	routes *generations
}

func newBed(t *testing.T, shipped fs.FS) *bed {
	b := &bed{T: t, dir: t.TempDir(), shipped: shipped, rt: newFakeRuntime(), log: &logBuffer{t: t}}
	b.tuning = run.Tuning{WaitHTTP: time.Second, Drain: time.Second, BackOff: 10 * time.Millisecond}
	t.Cleanup(func() {
		b.stop()
		if n := b.rt.open(); n != 0 {
			t.Errorf("%d modules were not closed", n)
		}
	})
	return b
}

// start starts the host over what the data folder holds.
func (b *bed) start(l Layers) *bed {
	b.Helper()
	b.open()
	if err := b.Host.Start(b.Context(), l); err != nil {
		b.Fatalf("Start: %v", err)
	}
	return b
}

func (b *bed) open() {
	b.Helper()
	log := slog.New(slog.NewTextHandler(b.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	var err error
	b.store, err = store.Open(b.Context(), store.Options{DSN: "sqlite", Dir: b.dir, Archive: store.ArchiveOptions{Types: []string{"*"}}})
	if err != nil {
		b.Fatalf("open the store: %v", err)
	}
	groups := route.NewGroups(nil, func(hostapi.SetID, []hostapi.GroupID) error { return nil })
	router := route.New(route.Options{IDs: route.NewIDs(1, 0, time.Now), Groups: groups, Now: time.Now, Log: log})
	b.metrics = prometheus.NewRegistry()
	b.router, b.routes = &fakeRouter{Router: router, topics: map[string]int{}}, &generations{}
	b.Host, err = New(Options{
		Store: b.store, Calls: &call.Env{Store: b.store.Plugins(), Archive: b.store.Archive(), Router: b.router, Groups: groups, Log: log},
		WASM: b.rt, Process: b.process, Metrics: b.metrics, Archive: b.store.Archive(), Shipped: b.shipped, Dir: b.dir, Generation: b.routes.next, Log: log, Tuning: b.tuning, CodeBudget: b.budget,
	})
	if err != nil {
		b.Fatalf("New: %v", err)
	}
}

func (b *bed) stop() {
	if b.Host == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := b.Host.Close(ctx); err != nil {
		b.Errorf("close the host: %v", err)
	}
	if err := b.store.Close(ctx); err != nil {
		b.Errorf("close the store: %v", err)
	}
	b.Host = nil
}

// restart is what an operator's restart is, or a crash: nothing but the data
// folder stays.
func (b *bed) restart(l Layers) {
	b.Helper()
	b.stop()
	b.start(l)
}

// until waits for something that the host does in the background.
func (b *bed) until(what string, done func() bool) {
	b.Helper()
	for end := time.Now().Add(20 * time.Second); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			var states []string
			for _, i := range b.List() {
				states = append(states, fmt.Sprintf("%s %s %s: %s", i.Name, i.Version, i.State, i.Reason))
			}
			b.Fatalf("waited in vain until %s\n%s", what, strings.Join(states, "\n"))
		}
	}
}

func (b *bed) reaches(name string, s State) Info {
	b.Helper()
	var i Info
	b.until(name+" is "+string(s), func() bool {
		var err error
		i, err = b.Show(name)
		return err == nil && i.State == s
	})
	return i
}

func (b *bed) wantState(name string, s State, reason string) {
	b.Helper()
	i, err := b.Show(name)
	if err != nil || i.State != s || !strings.Contains(i.Reason, reason) {
		b.Errorf("%s: got %s (%s), %v, want %s (%s)", name, i.State, i.Reason, err, s, reason)
	}
}

func (b *bed) wantRoutes(want string) {
	b.Helper()
	if got := b.routes.now(); got != want {
		b.Errorf("routes: got %q, want %q", got, want)
	}
}

func (b *bed) get(name string) string {
	b.Helper()
	a, err := b.HTTP(b.Context(), name, "list", &wire.HTTPRequest{Method: "GET", ReadOnly: true})
	if err != nil {
		return "error: " + err.Error()
	}
	defer a.Close()
	var out bytes.Buffer
	if err := a.WriteTo(b.Context(), &out); err != nil {
		return "error: " + err.Error()
	}
	return out.String()
}

func (b *bed) noError(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// noErrorf is for goroutines beside the test.
func (b *bed) noErrorf(err error) {
	b.Helper()
	if err != nil {
		b.Error(err)
	}
}

func (b *bed) wantError(err error, code store.Code, text string) {
	b.Helper()
	if err == nil || store.CodeOf(err) != code || !strings.Contains(err.Error(), text) {
		b.Errorf("got %q, %v\nwant %q, …%s…", store.CodeOf(err), err, code, text)
	}
}

// generations stands for the web side: it refuses routes that clash.
type generations struct {
	mu  sync.Mutex
	cur string
}

func (g *generations) next(sets []Routes) (func(), error) {
	seen := map[string]string{"GET /api/v1/status": "the server"}
	var parts []string
	for _, s := range sets {
		for _, r := range s.Manifest.Routes {
			key := r.Method + " " + manifest.Shape(r.Path)
			if other := seen[key]; other != "" {
				return nil, fmt.Errorf("%s %s of %s is taken by %s", r.Method, r.Path, s.Plugin, other)
			}
			if strings.Contains(r.Path, "panic") {
				panic("a path that nobody thought of")
			}
			seen[key] = s.Plugin
		}
		parts = append(parts, s.Plugin+" "+s.Version)
	}
	return func() {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.cur = strings.Join(parts, ", ")
	}, nil
}

func (g *generations) now() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.cur
}

// fakeRouter notes what a router is told of topics.
type fakeRouter struct {
	*route.Router
	mu      sync.Mutex
	topics  map[string]int
	aliases []string
}

func (r *fakeRouter) SetAlias(name string, ids ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.aliases = append(r.aliases, name+"="+strings.Join(ids, "+"))
}

func (r *fakeRouter) SetTopic(t route.Topic) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.topics[t.ID] = len(t.Members)
}

func (r *fakeRouter) DropTopic(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.topics, id)
}

func (r *fakeRouter) members(topic string) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.topics[topic]
}

// logBuffer keeps the log, and shows it with a test that fails.
type logBuffer struct {
	t  *testing.T
	mu sync.Mutex
	b  strings.Builder
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	fmt.Fprint(l.t.Output(), string(p))
	return l.b.Write(p)
}

func (l *logBuffer) has(text string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Contains(l.b.String(), text)
}

// Packages.

// module gives a WASM module that is right for the ABI, with a script in it.
func module(s script) string {
	doc, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	leb := func(n int) string {
		var b []byte
		for ; n >= 0x80; n >>= 7 {
			b = append(b, byte(n)|0x80)
		}
		return string(append(b, byte(n)))
	}
	section := func(id byte, body string) string { return string(id) + leb(len(body)) + body }
	export := func(name string, kind, at byte) string { return leb(len(name)) + name + string(kind) + string(at) }
	return "\x00asm\x01\x00\x00\x00" +
		section(1, "\x03\x60\x00\x01\x7f\x60\x01\x7f\x01\x7f\x60\x02\x7f\x7f\x01\x7e") + section(3, "\x03\x00\x01\x02") + section(5, "\x01\x00\x01") +
		section(7, "\x04"+export("memory", 2, 0)+export("tak_abi", 0, 0)+export("tak_buf", 0, 1)+export("tak_call", 0, 2)) +
		section(0, "\x01x"+scriptMark+string(doc))
}

// m is a manifest, for tests to change.
type m map[string]any

// simple is a plugin with a route and a setting, which asks for timers.
func simple(name, version string, more ...m) m {
	doc := m{
		"name": name, "version": version, "abi": "tak/1", "description": "a plugin of the tests",
		"routes":       []any{m{"id": "list", "method": "GET", "path": "/api/plugins/" + name + "/list"}},
		"capabilities": m{"http.routes": true, "timers": true},
		"timers":       []any{m{"name": "sweep", "every": "1h"}},
		"config":       m{"type": "object", "properties": m{"period": m{"type": "integer", "default": 30, "minimum": 1}}},
	}
	for _, x := range more {
		for key, v := range x {
			doc[key] = v
		}
	}
	return doc
}

// with gives capabilities beyond those of simple.
func asking(caps m) m {
	all := m{"http.routes": true, "timers": true}
	for key, v := range caps {
		all[key] = v
	}
	return m{"capabilities": all}
}

func archive(t *testing.T, doc m, s script) []byte {
	t.Helper()
	text, err := json.Marshal(doc)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, f := range [][2]string{{"plugin.json", string(text)}, {"plugin.wasm", module(s)}} {
		w, err := z.Create(f[0])
		if err == nil {
			_, err = w.Write([]byte(f[1]))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// shippedFS makes the packages that come with the server.
func shippedFS(t *testing.T, docs ...m) fstest.MapFS {
	files := fstest.MapFS{}
	for _, doc := range docs {
		s, _ := doc["script"].(script)
		delete(doc, "script")
		files[doc["name"].(string)+".takplugin"] = &fstest.MapFile{Data: archive(t, doc, s)}
	}
	return files
}

func fileLayer(t *testing.T, docs map[string]string) Layers {
	t.Helper()
	l := Layers{File: map[string]Setting{}}
	for name, doc := range docs {
		s := read(t, doc)
		s.Extra = map[string]string{"config": "takhost.yaml"}
		l.File[name] = s
	}
	return l
}

func event(t *testing.T, n int, cotType string) *hostapi.Event {
	t.Helper()
	at := time.Now()
	e := &hostapi.Event{ID: hostapi.NewID(at, 1, n), Recv: at.UnixMicro(), Groups: hostapi.AnonSet}
	e.XML = fmt.Sprintf(`<event version="2.0" uid="U-%d" type="%s" how="m-g" time="2026-03-04T12:00:00Z" start="2026-03-04T12:00:00Z" stale="2026-03-04T12:05:00Z"><point lat="1" lon="2" hae="0" ce="1" le="1"/><detail/></event>`, n, cotType)
	if err := cot.Scan(e.XML, &e.Header); err != nil {
		t.Fatal(err)
	}
	return e
}
