package plugin

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/takhost/takhost/core/plugin/call"
	"github.com/takhost/takhost/core/plugin/run"
	"github.com/takhost/takhost/core/route"
	"github.com/takhost/takhost/core/store"
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/wire"
)

func TestSettingsAtRuntime(t *testing.T) {
	b := newBed(t, shippedFS(t, simple("alpha", "1.0.0")))
	layers := fileLayer(t, map[string]string{"alpha": `{"config": {"period": 40}}`})
	flagged := layers
	flagged.Flags = map[string]Setting{"alpha": read(t, `{"enabled": true}`)}
	b.start(flagged)
	b.reaches("alpha", Active)
	ctx := t.Context()
	wantPeriod := func(want string) {
		t.Helper()
		if got := b.rt.config("alpha"); got != want {
			t.Errorf("the plugin has period %s, want %s", got, want)
		}
	}
	origin := func(key string) string {
		t.Helper()
		i, err := b.Show("alpha")
		b.noError(err)
		n := slices.IndexFunc(i.Values, func(v Value) bool { return v.Key == key })
		if n < 0 {
			return ""
		}
		return i.Values[n].Origin
	}
	wantPeriod("40")
	b.noError(b.SetConfig(ctx, "alpha", map[string]any{"period": 50}))
	wantPeriod("50")
	if got := origin("config.period"); got != fromDatabase {
		t.Errorf("origin: got %s", got)
	}
	err := b.SetConfig(ctx, "alpha", map[string]any{"period": 0})
	b.wantError(err, store.Invalid, "database: plugins.alpha.config.period: 0 is too low: at least 1")
	wantPeriod("50")
	b.restart(flagged)
	b.reaches("alpha", Active)
	wantPeriod("50")
	b.noError(b.Reset(ctx, "alpha", "config.period"))
	wantPeriod("40")
	if got := origin("config.period"); got != fromFile {
		t.Errorf("origin: got %s", got)
	}
	b.wantError(b.Disable(ctx, "alpha", false), store.Conflict, "enabled of plugin alpha is set by flag")
	b.wantState("alpha", Active, "")
	b.noError(b.SetLimits(ctx, "alpha", map[string]any{"memory": "32MiB"}))
	if got := b.view.Load().byName["alpha"].version.Limits.Memory; got != 32<<20 {
		t.Errorf("memory: got %d", got)
	}
	b.wantError(b.SetLimits(ctx, "alpha", map[string]any{"memory": "1KiB"}), store.Invalid, "limits.memory: 1024 bytes are too few")
	b.wantError(b.SetGrant(ctx, "alpha", hostapi.Grants{"event.read": {}}), store.Invalid, "is no capability (did you mean events.read?)")
	b.noError(b.Reset(ctx, "alpha", ""))
	if got := origin("limits.memory"); got != "" {
		t.Errorf("after Reset: limits.memory is there, from %s", got)
	}
}

// A grant that is taken away while the plugin runs is refused, since the plugin
// would fail: it is to be switched off.
func TestGrantIsNotTakenFromUnderAPlugin(t *testing.T) {
	b := newBed(t, nil).start(Layers{})
	_, err := b.InstallWith(t.Context(), bytes.NewReader(archive(t, simple("geo", "1.0.0"), script{})), InstallOptions{GrantAll: true, Enable: true})
	b.noError(err)
	b.wantError(b.SetGrant(t.Context(), "geo", hostapi.Grants{hostapi.CapTimers: {}}), store.Forbidden, "http.routes: is not granted")
	b.wantState("geo", Active, "")
	b.noError(b.Disable(t.Context(), "geo", false))
	b.noError(b.SetGrant(t.Context(), "geo", hostapi.Grants{hostapi.CapTimers: {}}))
	b.wantError(b.Enable(t.Context(), "geo"), store.Forbidden, "http.routes: is not granted")
	// Grants come one by one: the state says what is missing still.
	b.noError(b.SetGrant(t.Context(), "geo", nil))
	b.wantState("geo", Disabled, "")
}

func TestApply(t *testing.T) {
	b := newBed(t, shippedFS(t, simple("alpha", "1.0.0"), simple("beta", "1.0.0"), simple("gamma", "1.0.0", m{"script": script{Init: "fail"}})))
	b.start(fileLayer(t, map[string]string{"gamma": `{"enabled": false}`}))
	b.reaches("alpha", Active)
	b.reaches("beta", Active)
	ctx := t.Context()
	state := func() string {
		var parts []string
		for _, i := range b.List() {
			parts = append(parts, i.Name+" "+string(i.State))
		}
		return strings.Join(parts, ", ") + "; " + b.routes.now() + "; " + b.rt.config("alpha")
	}
	before := state()
	for name, tt := range map[string]struct {
		docs map[string]string
		want string
	}{
		"wrong config":           {map[string]string{"alpha": `{"config": {"period": "x"}}`, "beta": `{"enabled": false}`, "gamma": `{"enabled": false}`}, "takhost.yaml: plugins.alpha.config.period"},
		"no such plugin":         {map[string]string{"delta": `{"enabled": true}`, "beta": `{"enabled": false}`, "gamma": `{"enabled": false}`}, "there is no plugin delta"},
		"fails when it starts":   {map[string]string{"alpha": `{"config": {"period": 99}}`, "beta": `{"enabled": false}`}, "gamma: failed: the area has no corners"},
		"several faults at once": {map[string]string{"alpha": `{"config": {"period": 0}}`, "beta": `{"limits": {"instances": 2}, "config": {"x": 1}}`, "gamma": `{"enabled": false}`}, "beta: takhost.yaml: plugins.beta.config.x: is not known"},
	} {
		t.Run(name, func(t *testing.T) {
			err := b.Apply(ctx, fileLayer(t, tt.docs))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want …%s…", err, tt.want)
			}
			if after := state(); after != before {
				t.Errorf("got  %s\nwant %s", after, before)
			}
		})
	}
	t.Run("good", func(t *testing.T) {
		b.noError(b.Apply(ctx, fileLayer(t, map[string]string{"alpha": `{"config": {"period": 99}}`, "beta": `{"enabled": false}`, "gamma": `{"enabled": false}`})))
		want := "alpha active, beta disabled, gamma disabled; alpha 1.0.0; 99"
		if after := state(); after != want {
			t.Errorf("got  %s\nwant %s", after, want)
		}
		b.noError(b.Apply(ctx, fileLayer(t, map[string]string{"gamma": `{"enabled": false}`})))
		if after := state(); after != before {
			t.Errorf("got  %s\nwant %s", after, before)
		}
	})
	t.Run("what the database says comes before the file", func(t *testing.T) {
		b.noError(b.Disable(ctx, "beta", false))
		b.noError(b.Apply(ctx, fileLayer(t, map[string]string{"beta": `{"enabled": true}`, "gamma": `{"enabled": false}`})))
		b.wantState("beta", Disabled, "")
	})
}

// A plugin of the file that is taken out of it is gone; its documents stay.
func TestApplyTakesPluginsOut(t *testing.T) {
	file := filepath.Join(t.TempDir(), "geo.takplugin")
	if err := os.WriteFile(file, archive(t, simple("geo", "1.0.0"), script{}), 0o600); err != nil {
		t.Fatal(err)
	}
	doc := `{"enabled": true, "source": "` + file + `", "sha256": "` + digestOf(archive(t, simple("geo", "1.0.0"), script{})) + `", "grant": {"timers": true, "http.routes": true}}`
	b := newBed(t, nil).start(Layers{})
	b.noError(b.Apply(t.Context(), fileLayer(t, map[string]string{"geo": doc})))
	b.wantState("geo", Active, "")
	b.wantRoutes("geo 1.0.0")
	b.noError(b.Apply(t.Context(), Layers{}))
	b.wantRoutes("")
	if _, err := b.Show("geo"); err == nil {
		t.Error("a plugin that nobody speaks of is listed")
	}
}

// The event of a dead letter is as it came, also when the archive has lost it.
func TestEventOfADeadLetter(t *testing.T) {
	b := newBed(t, nil)
	b.start(Layers{})
	e := event(t, 1, "a-f-G")
	detail, err := json.Marshal(run.EventDetail{Recv: 5, Conn: 7, User: "anna", Client: "C", Groups: 9, Origin: "plugin", Via: "geo", Hops: 2})
	b.noError(err)
	got, err := b.letterEvent(t.Context(), store.DeadLetter{Event: e.ID, XML: e.XML, Detail: detail})
	b.noError(err)
	if got.ID != e.ID || got.Recv != 5 || got.Conn != 7 || got.User != "anna" || got.Client != "C" || got.Groups != 9 ||
		got.Origin != hostapi.FromPlugin || got.Via != "geo" || got.Hops != 2 || got.UID != e.UID {
		t.Errorf("got %s of %s by %s via %s, groups %d", got.ID, got.User, got.Origin, got.Via, got.Groups)
	}
	_, err = b.letterEvent(t.Context(), store.DeadLetter{Event: e.ID, XML: e.XML, Detail: []byte("[]")})
	b.wantError(err, store.Invalid, "cannot be read")
}

func TestDeadLetters(t *testing.T) {
	doc := simple("alpha", "1.0.0", asking(m{"events.read": []any{"a-f-*"}}), m{"subscriptions": []any{m{"types": []any{"a-f-*"}}}})
	b := newBed(t, shippedFS(t, doc))
	b.start(Layers{})
	b.reaches("alpha", Active)
	ctx := t.Context()
	e := event(t, 1, "a-f-G")
	add := func(d store.DeadLetter) int64 {
		t.Helper()
		d.Plugin, d.Version, d.Error = "alpha", "1.0.0", "it broke"
		id, err := b.store.Plugins().AddDeadLetter(ctx, d)
		b.noError(err)
		return id
	}
	ofEvent := add(store.DeadLetter{Op: "events", Event: e.ID, XML: e.XML})
	ofTimer := add(store.DeadLetter{Op: "timer", Subject: "sweep"})
	ofClients := add(store.DeadLetter{Op: "clients", Subject: "A"})
	broken := add(store.DeadLetter{Op: "events", Event: e.ID, XML: "<event"})
	list, err := b.Host.DeadLetters(ctx, "alpha", 0, 10)
	b.noError(err)
	if len(list) != 4 || list[0].ID != broken || list[3].ID != ofEvent {
		t.Errorf("got %+v", list)
	}
	b.noError(b.RetryDeadLetter(ctx, "alpha", ofEvent))
	if n := b.rt.events["alpha"]; n != 1 {
		t.Errorf("%d events were given once more, want 1", n)
	}
	b.noError(b.RetryDeadLetter(ctx, "alpha", ofTimer))
	b.wantError(b.RetryDeadLetter(ctx, "alpha", ofClients), store.Conflict, "it can only be removed")
	b.wantError(b.RetryDeadLetter(ctx, "alpha", broken), store.Invalid, "cannot be read")
	b.wantError(b.RetryDeadLetter(ctx, "alpha", ofEvent), store.NotFound, "")
	b.noError(b.RemoveDeadLetter(ctx, "alpha", ofClients))
	b.noError(b.RemoveDeadLetter(ctx, "alpha", broken))
	if list, err = b.Host.DeadLetters(ctx, "alpha", 0, 10); err != nil || len(list) != 0 {
		t.Errorf("got %+v, %v", list, err)
	}
	_, err = b.Host.DeadLetters(ctx, "nobody", 0, 10)
	b.wantError(err, store.NotFound, "there is no plugin nobody")
}

// What cannot be written does not happen.
func TestDatabaseAway(t *testing.T) {
	b := newBed(t, shippedFS(t, simple("alpha", "1.0.0"), simple("beta", "1.0.0")))
	b.start(Layers{})
	b.reaches("beta", Active)
	b.noError(b.Disable(t.Context(), "beta", false))
	b.noError(b.store.Close(t.Context()))
	for name, change := range map[string]func() error{
		"disable":   func() error { return b.Disable(t.Context(), "alpha", false) },
		"enable":    func() error { return b.Enable(t.Context(), "beta") },
		"configure": func() error { return b.SetConfig(t.Context(), "alpha", map[string]any{"period": 7}) },
		"swap": func() error {
			_, err := b.Swap(t.Context(), "alpha", bytes.NewReader(archive(t, simple("alpha", "2.0.0"), script{})), "")
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			if err := change(); err == nil {
				t.Error("got no error")
			}
			b.wantState("alpha", Active, "")
			b.wantState("beta", Disabled, "")
			b.wantRoutes("alpha 1.0.0")
			if got := b.rt.config("alpha"); got != "30" {
				t.Errorf("alpha has period %s", got)
			}
		})
	}
}

// Whatever is asked at once, the host ends in what was asked last.
func TestManyAtOnce(t *testing.T) {
	doc := simple("alpha", "1.0.0", asking(m{"events.read": []any{"a-f-*"}}), m{"subscriptions": []any{m{"types": []any{"a-f-*"}}}})
	b := newBed(t, shippedFS(t, doc, simple("beta", "1.0.0")))
	b.start(Layers{})
	ctx := t.Context()
	var wg sync.WaitGroup
	work := func(n int, do func(i int)) {
		wg.Go(func() {
			for i := range n {
				do(i)
			}
		})
	}
	work(20, func(i int) {
		if i%2 == 0 {
			b.noErrorf(b.Disable(ctx, "alpha", false))
		} else {
			b.noErrorf(b.Enable(ctx, "alpha"))
		}
	})
	work(20, func(i int) { b.noErrorf(b.SetConfig(ctx, "alpha", map[string]any{"period": i + 1})) })
	work(5, func(i int) {
		l := fileLayer(t, map[string]string{"beta": `{"config": {"period": ` + strconv.Itoa(i+1) + `}}`})
		b.noErrorf(b.Apply(ctx, l))
	})
	work(200, func(i int) {
		b.Routed([]*hostapi.Event{event(t, i, "a-f-G")})
		b.Filter(&route.Who{Listener: "tcp"}, []*hostapi.Event{event(t, i, "a-f-G")})
		b.List()
		b.get("beta")
		b.Ready("tcp")
	})
	wg.Wait()
	b.reaches("alpha", Active)
	b.reaches("beta", Active)
	if got := b.rt.config("alpha"); got != "20" {
		t.Errorf("alpha has period %s, want 20", got)
	}
	if got := b.rt.config("beta"); got != "5" {
		t.Errorf("beta has period %s, want 5", got)
	}
}

func TestActions(t *testing.T) {
	doc := simple("maker", "1.0.0", m{"provides": []any{
		m{"name": "make", "version": 2, "public": true}, m{"name": "inner"}, m{"name": "change", "public": true, "writes": true},
	}})
	b := newBed(t, shippedFS(t, doc, simple("off", "1.0.0")))
	b.start(fileLayer(t, map[string]string{"off": `{"enabled": false}`}))
	b.reaches("maker", Active)
	for _, tt := range []struct {
		plugin, action string
		want           hostapi.Status
	}{
		{"maker", "make", hostapi.OK}, {"maker", "change", hostapi.OK}, {"maker", "inner", hostapi.NotFound}, {"maker", "nothing", hostapi.NotFound},
		{"off", "make", hostapi.NotFound}, {"nobody", "make", hostapi.NotFound},
	} {
		a, err := b.Action(t.Context(), tt.plugin, tt.action, &wire.Action{})
		if tt.want == hostapi.OK {
			if err != nil || string(a.Body) != "1.0.0 did "+tt.action {
				t.Errorf("%s.%s: got %v, %v", tt.plugin, tt.action, a, err)
			}
			continue
		}
		var s *call.StatusError
		if !errors.As(err, &s) || s.Status != tt.want {
			t.Errorf("%s.%s: got %v, want %s", tt.plugin, tt.action, err, tt.want)
		}
	}
}

// Somebody writes to the module of a plugin whose code was given up: the other
// code does not run.
func TestModuleChangesUnderIdlePlugin(t *testing.T) {
	dir := t.TempDir()
	doc, err := json.Marshal(simple("geo", "1.0.0"))
	if err != nil {
		t.Fatal(err)
	}
	write := func(name, content string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("plugin.json", string(doc))
	write("plugin.wasm", module(script{}))
	b := newBed(t, nil)
	b.start(fileLayer(t, map[string]string{"geo": `{"enabled": true, "source": "` + dir + `", "grant": {"timers": true, "http.routes": true}}`}))
	b.reaches("geo", Active)
	r := b.view.Load().byName["geo"]
	b.until("it is idle", func() bool { return r.actor.Unload(t.Context()) })
	write("plugin.wasm", module(script{Code: 5}))
	if got := b.get("geo"); !strings.HasPrefix(got, "error: ") {
		t.Errorf("got %q", got)
	}
	b.until("the log says why", func() bool { return b.log.has("the module was changed while the plugin is in use") })
	_, err = b.Swap(t.Context(), "geo", nil, "")
	b.noError(err)
	if got := b.get("geo"); got != "geo 1.0.0 list" {
		t.Errorf("after a swap: got %q", got)
	}
}

func TestPrintLimit(t *testing.T) {
	var out bytes.Buffer
	now := time.Unix(1000, 0)
	log := slog.New(newPrintLimit(slog.NewTextHandler(&out, nil), func() time.Time { return now }))
	for range 150 {
		log.Info("a line")
	}
	now = now.Add(time.Second)
	log.Info(strings.Repeat("x", 2*hostapi.MaxLogLine))
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	last := lines[len(lines)-1]
	if len(lines) != hostapi.DefaultLogLines+1 || !strings.Contains(last, "suppressed=50") || len(last) > hostapi.MaxLogLine+200 {
		t.Errorf("got %d lines, the last of %d bytes: …%s", len(lines), len(last), last[len(last)-40:])
	}
}
