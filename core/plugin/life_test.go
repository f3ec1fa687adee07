package plugin

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/takhost/takhost/core/route"
	"github.com/takhost/takhost/core/store"
	"github.com/takhost/takhost/hostapi"
)

func TestShippedPluginsRun(t *testing.T) {
	b := newBed(t, shippedFS(t, simple("alpha", "1.0.0"), simple("beta", "2.0.0")))
	b.start(Layers{})
	b.reaches("alpha", Active)
	i := b.reaches("beta", Active)
	b.wantRoutes("alpha 1.0.0, beta 2.0.0")
	if got := b.get("beta"); got != "beta 2.0.0 list" {
		t.Errorf("got %q", got)
	}
	var states []string
	for n := len(i.History) - 1; n >= 0; n-- {
		states = append(states, string(i.History[n].State))
	}
	if got, want := strings.Join(states, " "), "found verified compiled warm active"; got != want {
		t.Errorf("history: got %s, want %s", got, want)
	}
	if i.Source != sourceShipped || !i.Enabled || i.Runtime != "wasm" || len(i.Missing) > 0 {
		t.Errorf("got %+v", i)
	}
	if diff := cmp.Diff([]string{"timers", "http.routes"}, i.Asks); diff != "" {
		t.Errorf("asks (-want +got):\n%s", diff)
	}
	want := []Value{
		{"config.period", "30", fromManifest}, {"enabled", true, fromShipped}, {"grant.http.routes", true, fromShipped},
		{"grant.timers", true, fromShipped}, {"source", "shipped", fromDefault},
	}
	for n := range i.Values {
		if s, ok := i.Values[n].Value.(interface{ String() string }); ok {
			i.Values[n].Value = s.String()
		}
	}
	if diff := cmp.Diff(want, i.Values); diff != "" {
		t.Errorf("values (-want +got):\n%s", diff)
	}
}

func TestDisableAndEnable(t *testing.T) {
	b := newBed(t, shippedFS(t, simple("alpha", "1.0.0"), simple("beta", "1.0.0")))
	b.start(Layers{})
	b.reaches("alpha", Active)
	b.reaches("beta", Active)
	b.noError(b.Disable(t.Context(), "alpha", false))
	b.wantState("alpha", Disabled, "")
	b.wantRoutes("beta 1.0.0")
	if got := b.get("alpha"); !strings.Contains(got, "not_found: the plugin alpha is not active") {
		t.Errorf("got %q", got)
	}
	b.restart(Layers{})
	b.reaches("beta", Active)
	b.wantState("alpha", Disabled, "")
	b.wantRoutes("beta 1.0.0")
	b.noError(b.Enable(t.Context(), "alpha"))
	b.wantState("alpha", Active, "")
	b.wantRoutes("alpha 1.0.0, beta 1.0.0")
	b.restart(Layers{})
	b.reaches("alpha", Active)
	b.wantError(b.Enable(t.Context(), "alfa"), store.NotFound, "there is no plugin alfa")
	b.wantError(b.Enable(t.Context(), "alphabet"), store.NotFound, "did you mean alpha?")
}

func TestFailuresHaveReasons(t *testing.T) {
	tests := []struct {
		name  string
		doc   m
		layer string
		want  string
	}{
		{"init refuses", simple("x", "1.0.0", m{"script": script{Init: "fail"}}), `{}`, "the area has no corners"},
		{"init crashes", simple("x", "1.0.0", m{"script": script{Init: "crash"}}), `{}`, "nil pointer"},
		{"code cannot be loaded", simple("x", "1.0.0", m{"script": script{Load: "is no module for this machine"}}), `{}`, "is no module for this machine"},
		{"other runtime", simple("x", "1.0.0", m{"runtime": "process", "entry": "plugin.wasm"}), `{}`, "this server does not run process plugins"},
		{"config", simple("x", "1.0.0"), `{"config": {"perod": 1}}`, `config.perod: is not known: did you mean "period"?`},
		{"narrower grant", simple("x", "1.0.0", asking(m{"http.client": []any{"*.example.org"}})), `{"grant": {"http.client": ["a.example.org"]}}`,
			"http.client: hosts *.example.org is asked for, granted is a.example.org"},
		{"shadows the server", simple("x", "1.0.0", asking(m{"http.routes": m{"prefixes": []any{"/api/v1"}}}),
			m{"routes": []any{m{"id": "list", "path": "/api/v1/status"}}}), `{}`, "GET /api/v1/status of x is taken by the server"},
		{"panics the web side", simple("x", "1.0.0", m{"routes": []any{m{"id": "list", "path": "/api/plugins/x/panic"}}}), `{}`, "its routes cannot be used"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBed(t, shippedFS(t, tt.doc, simple("other", "1.0.0")))
			b.start(fileLayer(t, map[string]string{"x": tt.layer}))
			b.reaches("other", Active)
			b.reaches("x", Failed)
			b.wantState("x", Failed, tt.want)
			b.wantRoutes("other 1.0.0")
			b.until("the log has it", func() bool { return b.log.has("plugin=x state=failed") })
		})
	}
}

func TestSourcesThatAreNoPlugins(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "x.takplugin")
	if err := os.WriteFile(file, archive(t, simple("y", "1.0.0"), script{}), 0o600); err != nil {
		t.Fatal(err)
	}
	for layer, want := range map[string]string{
		`{"enabled": true}`:                                                                     "there is no plugin x: set its source, or install it",
		`{"enabled": true, "source": "` + file + `"}`:                                           "is the plugin y, not x",
		`{"enabled": true, "source": "` + dir + `/none"}`:                                       "no such file",
		`{"enabled": true, "source": "` + dir + `"}`:                                            "plugin.json is missing",
		`{"enabled": true, "source": "installed"}`:                                              "the digest of the installed package is missing",
		`{"enabled": true, "source": "installed", "sha256": "` + strings.Repeat("a", 64) + `"}`: "cannot be read",
	} {
		t.Run(want, func(t *testing.T) {
			b := newBed(t, nil).start(fileLayer(t, map[string]string{"x": layer}))
			b.reaches("x", Failed)
			b.wantState("x", Failed, want)
		})
	}
}

func TestMetrics(t *testing.T) {
	b := newBed(t, shippedFS(t, simple("alpha", "1.0.0"), simple("beta", "1.0.0", m{"script": script{Init: "fail"}})))
	b.start(Layers{})
	b.reaches("alpha", Active)
	b.reaches("beta", Failed)
	families, err := b.metrics.Gather()
	b.noError(err)
	got := map[string]bool{}
	for _, f := range families {
		for _, metric := range f.Metric {
			line := f.GetName()
			for _, l := range metric.Label {
				line += " " + l.GetName() + "=" + l.GetValue()
			}
			got[line] = true
		}
	}
	for _, want := range []string{
		"takhost_plugins_state plugin=alpha state=active", "takhost_plugins_state plugin=beta state=failed",
		"takhost_plugins_info plugin=alpha runtime=wasm version=1.0.0",
	} {
		if !got[want] {
			t.Errorf("%s is missing", want)
		}
	}
}

// A failure that may pass is tried again by itself.
func TestRetryOfStart(t *testing.T) {
	b := newBed(t, shippedFS(t, simple("alpha", "1.0.0")))
	b.rt.retries["alpha"] = 1
	b.start(Layers{})
	b.until("alpha has failed", func() bool { return b.log.has("state=failed") })
	b.reaches("alpha", Active)
	b.wantRoutes("alpha 1.0.0")
}

func TestNeeds(t *testing.T) {
	user := func(version int) m {
		return simple("user", "1.0.0", asking(m{"call": []any{"maker.*"}}), m{"needs": []any{m{"action": "maker.make", "version": version}}})
	}
	maker := simple("maker", "1.0.0", m{"provides": []any{m{"name": "make", "version": 2, "public": true}}})
	t.Run("order", func(t *testing.T) {
		b := newBed(t, shippedFS(t, user(2), maker))
		b.start(Layers{})
		b.reaches("user", Active)
		if diff := cmp.Diff([]string{"maker 1.0.0", "user 1.0.0"}, b.rt.loads); diff != "" {
			t.Errorf("loads (-want +got):\n%s", diff)
		}
		err := b.Disable(t.Context(), "maker", false)
		b.wantError(err, store.Conflict, "other plugins need it")
		b.wantError(err, store.Conflict, "user needs the action maker.make, and the plugin maker is not active")
		b.wantState("maker", Active, "")
		b.noError(b.Disable(t.Context(), "maker", true))
		b.wantState("maker", Disabled, "")
		b.wantState("user", Failed, "needs the action maker.make")
		b.wantRoutes("")
		b.noError(b.Enable(t.Context(), "maker"))
		b.reaches("user", Active)
		b.wantRoutes("maker 1.0.0, user 1.0.0")
	})
	t.Run("version", func(t *testing.T) {
		b := newBed(t, shippedFS(t, user(3), maker))
		b.start(Layers{})
		b.reaches("maker", Active)
		b.reaches("user", Failed)
		b.wantState("user", Failed, "needs version 3 of the action maker.make, and maker 1.0.0 has version 2")
	})
	t.Run("circle", func(t *testing.T) {
		back := simple("maker", "1.0.0", asking(m{"call": []any{"user.*"}}), m{"provides": []any{m{"name": "make", "version": 2}}, "needs": []any{m{"action": "user.use"}}})
		b := newBed(t, shippedFS(t, user(1), back))
		b.start(Layers{})
		b.reaches("user", Failed)
		b.reaches("maker", Failed)
		b.wantState("user", Failed, "it is part of a circle: maker needs user, user needs maker")
	})
	t.Run("a version that does less is refused", func(t *testing.T) {
		b := newBed(t, shippedFS(t, user(2), maker))
		b.start(Layers{})
		b.reaches("user", Active)
		less := archive(t, simple("maker", "2.0.0", m{"provides": []any{m{"name": "make", "version": 1}}}), script{})
		_, err := b.Swap(t.Context(), "maker", bytes.NewReader(less), "")
		b.wantError(err, store.Conflict, "user needs version 2 of the action maker.make, and maker 2.0.0 has version 1")
		b.wantRoutes("maker 1.0.0, user 1.0.0")
	})
}

func TestTopicsAndTimersOfBefore(t *testing.T) {
	b := newBed(t, shippedFS(t, simple("alpha", "1.0.0")))
	b.start(Layers{})
	b.reaches("alpha", Active)
	w := b.store.Plugins().Begin()
	o := &store.Owner{Plugin: "alpha", Data: 1}
	b.noError(w.SetTopic(t.Context(), o, "mission-1", []store.TopicMember{{User: "anna", Client: "A"}, {User: "bob", Client: "B", MayPublish: true}}))
	b.noError(w.SetAlias(t.Context(), o, "exercise", []string{"mission-1"}))
	if _, err := w.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.noError(b.Disable(t.Context(), "alpha", false))
	b.stop()
	b.start(Layers{})
	// Also while the plugin does not run.
	if n := b.router.members("mission-1"); n != 2 {
		t.Errorf("got %d members, want 2", n)
	}
	if diff := cmp.Diff([]string{"exercise=mission-1"}, b.router.aliases); diff != "" {
		t.Errorf("aliases (-want +got):\n%s", diff)
	}
}

// A commit that another plugin makes while this one starts sets a timer of it, and
// cancels one: its rows have been read by then, and it hears of both all the same.
func TestTimersOfAnotherCommit(t *testing.T) {
	b := newBed(t, shippedFS(t, simple("alpha", "1.0.0", nil)))
	b.rt.loading, b.rt.proceed = make(chan string), make(chan struct{})
	b.open()
	alpha := &store.Owner{Plugin: "alpha", Data: 1}
	commit := func(do func(w *store.Work) error) {
		t.Helper()
		w := b.store.Plugins().Begin()
		b.noError(do(w))
		done, err := w.Commit(t.Context())
		b.noError(err)
		b.opt.Calls.InForce(done)
	}
	past := time.Now().Add(-time.Hour).Truncate(time.Microsecond)
	commit(func(w *store.Work) error { return w.SetTimer(alpha, store.Timer{Name: "old", Due: past}) })
	b.noError(b.Host.Start(t.Context(), Layers{}))
	<-b.rt.loading
	commit(func(w *store.Work) error {
		return errors.Join(w.SetTimer(alpha, store.Timer{Name: "new", Due: past}), w.CancelTimer(alpha, "old"))
	})
	b.rt.proceed <- struct{}{}
	b.until("the new timer has come", func() bool {
		b.rt.mu.Lock()
		defer b.rt.mu.Unlock()
		return slices.Contains(b.rt.timers, "alpha new")
	})
	b.stop()
	if want := []string{"alpha new"}; !slices.Equal(b.rt.timers, want) {
		t.Errorf("timers called: %v, want %v", b.rt.timers, want)
	}
}

// A timer that the first call of a plugin sets is not forgotten, nor is one of
// before.
func TestTimersAreCalled(t *testing.T) {
	b := newBed(t, shippedFS(t, simple("alpha", "1.0.0", m{"script": script{Timer: true}})))
	b.open()
	w := b.store.Plugins().Begin()
	b.noError(w.SetTimer(&store.Owner{Plugin: "alpha", Data: 1}, store.Timer{Name: "old", Due: time.Now().Add(-time.Hour).Truncate(time.Microsecond)}))
	if _, err := w.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.noError(b.Host.Start(t.Context(), Layers{}))
	b.until("both timers have come", func() bool {
		b.rt.mu.Lock()
		defer b.rt.mu.Unlock()
		return len(b.rt.timers) == 2 && slices.Contains(b.rt.timers, "alpha soon") && slices.Contains(b.rt.timers, "alpha old")
	})
	b.until("their rows are gone", func() bool {
		timers, err := b.store.Plugins().Timers(t.Context())
		return err == nil && len(timers) == 0
	})
}

// An older version must not touch documents that it cannot read.
func TestNewerDocumentsAreStored(t *testing.T) {
	doc := simple("alpha", "1.0.0", asking(m{"store": true}), m{"data": 2, "collections": []any{m{"name": "things"}}})
	b := newBed(t, shippedFS(t, doc))
	b.start(Layers{})
	b.reaches("alpha", Active)
	w := b.store.Plugins().Begin()
	o := &store.Owner{Plugin: "alpha", Data: 3, Collections: b.find("alpha").want.pkg.Manifest.Collections}
	b.noError(w.Put(t.Context(), o, store.Document{Collection: "things", ID: "1", Body: []byte("{}")}, nil, true))
	if _, err := w.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.restart(Layers{})
	b.reaches("alpha", Failed)
	b.wantState("alpha", Failed, "its documents are of data version 3, and alpha 1.0.0 reads up to 2")
}

func TestEventsReachPlugins(t *testing.T) {
	doc := simple("alpha", "1.0.0", asking(m{"events.read": []any{"a-f-*"}}), m{"subscriptions": []any{m{"types": []any{"a-f-*"}}}})
	b := newBed(t, shippedFS(t, doc))
	b.start(Layers{})
	b.reaches("alpha", Active)
	b.Routed([]*hostapi.Event{event(t, 1, "a-f-G"), event(t, 2, "b-t-f"), event(t, 3, "a-f-G-U-C")})
	b.until("two events have come", func() bool {
		i, err := b.Show("alpha")
		return err == nil && i.Counts.Events == 2
	})
}

// While the code of a plugin is prepared its routes are there, and requests and
// events wait for it.
func TestWorkWaitsForTheCode(t *testing.T) {
	for _, fails := range []bool{false, true} {
		init := map[bool]string{true: "fail"}[fails]
		doc := simple("alpha", "1.0.0", asking(m{"events.read": []any{"a-f-*"}}), m{
			"subscriptions": []any{m{"types": []any{"a-f-*"}}}, "script": script{Init: init},
		})
		b := newBed(t, shippedFS(t, doc))
		b.tuning.WaitHTTP = 30 * time.Second
		loading, proceed := make(chan string), make(chan struct{})
		b.rt.loading, b.rt.proceed = loading, proceed
		b.start(Layers{})
		<-loading
		b.Routed([]*hostapi.Event{event(t, 1, "a-f-G")})
		answer := make(chan string)
		go func() { answer <- b.get("alpha") }()
		b.until("the request waits", func() bool {
			i, err := b.Show("alpha")
			return err == nil && i.Counts.Queued == 1 && i.Counts.Requests == 1
		})
		b.rt.mu.Lock()
		b.rt.loading = nil
		b.rt.mu.Unlock()
		proceed <- struct{}{}
		got := <-answer
		if fails {
			if !strings.HasPrefix(got, "error: retry") {
				t.Errorf("of a plugin that does not start: got %q", got)
			}
			b.reaches("alpha", Failed)
			if i, err := b.Show("alpha"); err != nil || i.Counts.Queued != 0 {
				t.Errorf("got %+v, %v", i, err)
			}
			continue
		}
		if got != "alpha 1.0.0 list" {
			t.Errorf("got %q", got)
		}
		b.until("the event has come", func() bool {
			i, err := b.Show("alpha")
			return err == nil && i.Counts.Events == 1
		})
	}
}

// Code that was not used for the longest time goes when all together is too much.
func TestCodeBudget(t *testing.T) {
	b := newBed(t, shippedFS(t, simple("alpha", "1.0.0", m{"script": script{Code: 60 << 20}}), simple("beta", "1.0.0", m{"script": script{Code: 60 << 20}})))
	b.budget = 100 << 20
	b.start(Layers{})
	b.until("one is idle", func() bool { return b.rt.open() == 1 })
	b.reaches("alpha", Idle)
	b.wantState("beta", Active, "")
	if got := b.get("alpha"); got != "alpha 1.0.0 list" {
		t.Errorf("got %q", got)
	}
	b.reaches("beta", Idle)
	b.until("the other one is idle", func() bool { return b.rt.open() == 1 })
}

// Fail-closed filters hold listeners shut until they are active, and drop events
// while they are to run and cannot.
func TestFailClosedFilter(t *testing.T) {
	filterOf := func(s script) m {
		return simple("guard", "1.0.0", asking(m{"events.filter": []any{"a-f-*"}, "call": []any{"maker.*"}}), m{
			"script": s, "needs": []any{m{"action": "maker.make"}},
			"filters": []any{m{"types": []any{"a-f-*"}, "listeners": []any{"tcp"}, "fail": "closed"}},
		})
	}
	maker := simple("maker", "1.0.0", m{"provides": []any{m{"name": "make"}}})
	who := &route.Who{Listener: "tcp"}
	t.Run("ready when active", func(t *testing.T) {
		b := newBed(t, shippedFS(t, filterOf(script{}), maker))
		b.rt.loading, b.rt.proceed = make(chan string), make(chan struct{})
		b.start(Layers{})
		<-b.rt.loading
		tcp, tls := b.Ready("tcp"), b.Ready("tls")
		<-tls
		select {
		case <-tcp:
			t.Fatal("tcp may open before its filter is active")
		default:
		}
		b.rt.proceed <- struct{}{}
		<-b.rt.loading
		b.rt.proceed <- struct{}{}
		<-tcp
		b.rt.mu.Lock()
		b.rt.loading = nil
		b.rt.mu.Unlock()
		b.wantState("guard", Active, "")
		if n := len(b.Filter(who, []*hostapi.Event{event(t, 1, "a-f-G")})); n != 1 {
			t.Errorf("%d events passed, want 1", n)
		}
		b.noError(b.Disable(t.Context(), "maker", true))
		b.wantState("guard", Failed, "needs the action maker.make")
		if n := len(b.Filter(who, []*hostapi.Event{event(t, 1, "a-f-G"), event(t, 2, "b-t-f")})); n != 1 {
			t.Errorf("%d events passed, want the one that the filter is not about", n)
		}
		b.noError(b.Disable(t.Context(), "guard", false))
		if n := len(b.Filter(who, []*hostapi.Event{event(t, 1, "a-f-G")})); n != 1 {
			t.Errorf("%d events passed, want 1", n)
		}
	})
	t.Run("drops while it is tried again", func(t *testing.T) {
		b := newBed(t, shippedFS(t, filterOf(script{Init: "fail"}), maker))
		b.start(Layers{})
		b.reaches("guard", Failed)
		loading, proceed := make(chan string), make(chan struct{})
		b.rt.mu.Lock()
		b.rt.loading, b.rt.proceed = loading, proceed
		b.rt.mu.Unlock()
		enabled := make(chan error)
		go func() { enabled <- b.Enable(context.Background(), "guard") }()
		<-loading
		if n := len(b.Filter(who, []*hostapi.Event{event(t, 1, "a-f-G")})); n != 0 {
			t.Error("an event passed while the filter was started")
		}
		b.rt.mu.Lock()
		b.rt.loading = nil
		b.rt.mu.Unlock()
		proceed <- struct{}{}
		if err := <-enabled; err == nil {
			t.Error("it was enabled")
		}
		if n := len(b.Filter(who, []*hostapi.Event{event(t, 1, "a-f-G")})); n != 0 {
			t.Error("an event passed after the filter failed again")
		}
	})
	t.Run("ready when it is not to run any more", func(t *testing.T) {
		b := newBed(t, shippedFS(t, filterOf(script{Init: "fail"}), maker))
		b.start(Layers{})
		b.reaches("guard", Failed)
		tcp := b.Ready("tcp")
		select {
		case <-tcp:
			t.Fatal("tcp may open without its filter")
		default:
		}
		b.noError(b.Disable(t.Context(), "guard", false))
		<-tcp
	})
}

func TestChangesAreRefusedAfterClose(t *testing.T) {
	b := newBed(t, shippedFS(t, simple("alpha", "1.0.0")))
	b.start(Layers{})
	b.reaches("alpha", Active)
	h := b.Host
	b.stop()
	b.wantError(h.Enable(t.Context(), "alpha"), store.Unavailable, "the server stops")
	if i, err := h.Show("alpha"); err != nil || i.State != Stopped {
		t.Errorf("got %s, %v", i.State, err)
	}
}

// A stop in the middle of a start waits for nothing.
func TestCloseDuringStart(t *testing.T) {
	b := newBed(t, shippedFS(t, simple("alpha", "1.0.0")))
	b.rt.loading, b.rt.proceed = make(chan string), make(chan struct{})
	b.start(Layers{})
	<-b.rt.loading
	began := time.Now()
	b.stop()
	if d := time.Since(began); d > 5*time.Second {
		t.Errorf("took %v", d)
	}
}
