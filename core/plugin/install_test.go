package plugin

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/takhost/takhost/core/store"
	"github.com/takhost/takhost/hostapi"
)

func digestOf(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func modules(t *testing.T, dir string) int {
	t.Helper()
	n := 0
	err := filepath.WalkDir(filepath.Join(dir, "blobs"), func(_ string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			n++
		}
		return err
	})
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return n
}

func TestInstallGrantEnableRemove(t *testing.T) {
	b := newBed(t, nil).start(Layers{})
	ctx := t.Context()
	doc := simple("geo", "1.0.0", asking(m{"events.read": []any{"a-f-*"}, "store": true}), m{"collections": []any{m{"name": "things"}}})
	pkg := archive(t, doc, script{Put: true})
	_, err := b.Install(ctx, bytes.NewReader(pkg), strings.Repeat("0", 64))
	b.wantError(err, store.Conflict, "the package has the SHA-256 "+digestOf(pkg))
	if n := modules(t, b.dir); n != 0 {
		t.Errorf("%d files of a refused package are left", n)
	}
	i, err := b.Install(ctx, bytes.NewReader(pkg), digestOf(pkg))
	b.noError(err)
	if i.State != Disabled || i.Source != sourceInstalled || i.SHA256 != digestOf(pkg) || i.Enabled {
		t.Errorf("got %+v", i)
	}
	want := []string{"events.read: is not granted (asked for with types a-f-*)", "store: is not granted", "timers: is not granted", "http.routes: is not granted"}
	if diff := cmp.Diff(want, i.Missing); diff != "" {
		t.Errorf("missing (-want +got):\n%s", diff)
	}
	err = b.Enable(ctx, "geo")
	b.wantError(err, store.Forbidden, "store: is not granted")
	b.wantState("geo", Disabled, "")
	grants := hostapi.Grants{
		hostapi.CapEventsRead: {Types: []string{"a-*"}}, hostapi.CapStore: {Bytes: 64 << 20}, hostapi.CapTimers: {}, hostapi.CapHTTPRoutes: {},
	}
	b.noError(b.SetGrant(ctx, "geo", grants))
	b.noError(b.Enable(ctx, "geo"))
	b.wantState("geo", Active, "")
	if got := b.get("geo"); got != "geo 1.0.0 list" {
		t.Errorf("got %q", got)
	}
	b.restart(Layers{})
	i = b.reaches("geo", Active)
	if i.SHA256 != digestOf(pkg) {
		t.Errorf("after a restart: got %+v", i)
	}
	// The same again is no other version; another one is to be swapped.
	_, err = b.Install(ctx, bytes.NewReader(pkg), "")
	b.noError(err)
	b.wantState("geo", Active, "")
	_, err = b.Install(ctx, bytes.NewReader(archive(t, simple("geo", "1.1.0"), script{})), "")
	b.wantError(err, store.Conflict, "is there already, in version 1.0.0")
	usage, err := b.store.Plugins().Usage(ctx, "geo")
	b.noError(err)
	if usage.Documents != 1 {
		t.Errorf("got %d documents, want 1", usage.Documents)
	}
	b.noError(b.Remove(ctx, "geo", false))
	_, err = b.Show("geo")
	b.wantError(err, store.NotFound, "there is no plugin geo")
	if usage, err = b.store.Plugins().Usage(ctx, "geo"); err != nil || usage.Documents != 0 {
		t.Errorf("after Remove: %+v, %v", usage, err)
	}
	if n := modules(t, b.dir); n != 0 {
		t.Errorf("%d packages are left after Remove", n)
	}
	b.wantRoutes("")
	b.restart(Layers{})
	if l := b.List(); len(l) != 0 {
		t.Errorf("after a restart: got %+v", l)
	}
}

func TestInstallWithEverything(t *testing.T) {
	b := newBed(t, nil).start(Layers{})
	doc := simple("geo", "1.0.0", asking(m{"http.client": []any{"*"}}), m{"limits": m{"memory": "128MiB", "httpTime": "90s"}})
	_, err := b.InstallWith(t.Context(), bytes.NewReader(archive(t, doc, script{})), InstallOptions{GrantAll: true, Enable: true})
	b.noError(err)
	b.wantState("geo", Active, "")
	// One that does not start is not there at all.
	_, err = b.InstallWith(t.Context(), bytes.NewReader(archive(t, simple("bad", "1.0.0"), script{Init: "fail"})), InstallOptions{GrantAll: true, Enable: true})
	if err == nil || !strings.Contains(err.Error(), "the area has no corners") {
		t.Errorf("got %v", err)
	}
	if _, err := b.Show("bad"); err == nil {
		t.Error("a plugin that was not installed is listed")
	}
	if n := modules(t, b.dir); n != 1 {
		t.Errorf("%d packages are kept, want 1", n)
	}
	_, err = b.Install(t.Context(), strings.NewReader("hello"), "")
	b.wantError(err, store.Invalid, "is no zip archive")
}

func TestSwap(t *testing.T) {
	b := newBed(t, shippedFS(t, simple("alpha", "1.0.0"), simple("beta", "1.0.0")))
	b.start(Layers{})
	b.reaches("alpha", Active)
	b.reaches("beta", Active)
	ctx := t.Context()
	swap := func(doc m, s script) error {
		_, err := b.Swap(ctx, "alpha", bytes.NewReader(archive(t, doc, s)), "")
		return err
	}
	clash := simple("alpha", "2.0.0", asking(m{"http.routes": m{"prefixes": []any{"/api/plugins/beta"}}}),
		m{"routes": []any{m{"id": "list", "path": "/api/plugins/beta/list"}}})
	for _, tt := range []struct {
		name string
		doc  m
		s    script
		want string
	}{
		{"init fails", simple("alpha", "2.0.0"), script{Init: "fail"}, "the area has no corners"},
		{"init crashes", simple("alpha", "2.0.0"), script{Init: "crash"}, "nil pointer"},
		{"code is refused", simple("alpha", "2.0.0"), script{Load: "is too large for this machine"}, "is too large for this machine"},
		{"asks for more", simple("alpha", "2.0.0", asking(m{"http.client": []any{"*"}})), script{}, "http.client: is not granted (asked for with hosts *)"},
		{"asks for a larger scope", clash, script{}, "http.routes: prefixes /api/plugins/beta is asked for, granted is none"},
		{"is another plugin", simple("gamma", "2.0.0"), script{}, "the package is the plugin gamma, not alpha"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if err := swap(tt.doc, tt.s); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want …%s…", err, tt.want)
			}
			b.wantState("alpha", Active, "")
			b.wantRoutes("alpha 1.0.0, beta 1.0.0")
			if got := b.get("alpha"); got != "alpha 1.0.0 list" {
				t.Errorf("got %q", got)
			}
			if n := modules(t, b.dir); n != 0 {
				t.Errorf("%d packages are left", n)
			}
		})
	}
	t.Run("routes clash", func(t *testing.T) {
		b.noError(b.SetGrant(ctx, "alpha", hostapi.Grants{hostapi.CapHTTPRoutes: {Prefixes: []string{"/api/plugins/beta"}}}))
		if err := swap(clash, script{}); err == nil || !strings.Contains(err.Error(), "GET /api/plugins/beta/list of alpha is taken by beta") &&
			!strings.Contains(err.Error(), "GET /api/plugins/beta/list of beta is taken by alpha") {
			t.Errorf("got %v", err)
		}
		b.wantRoutes("alpha 1.0.0, beta 1.0.0")
	})
	t.Run("good", func(t *testing.T) {
		b.noError(swap(simple("alpha", "2.0.0"), script{}))
		b.wantRoutes("alpha 2.0.0, beta 1.0.0")
		if got := b.get("alpha"); got != "alpha 2.0.0 list" {
			t.Errorf("got %q", got)
		}
		b.restart(Layers{})
		b.reaches("alpha", Active)
		b.reaches("beta", Active)
		b.wantRoutes("alpha 2.0.0, beta 1.0.0")
	})
	t.Run("back to what came with the server", func(t *testing.T) {
		b.noError(b.Remove(ctx, "alpha", false))
		b.wantState("alpha", Active, "")
		b.wantRoutes("alpha 1.0.0, beta 1.0.0")
		b.wantError(b.Remove(ctx, "alpha", false), store.Conflict, "comes with the server and cannot be removed")
	})
}

// A version that crashes in its probation gives way to the one before, also for
// later starts.
func TestProbationBringsVersionBack(t *testing.T) {
	b := newBed(t, shippedFS(t, simple("alpha", "1.0.0")))
	b.start(Layers{})
	b.reaches("alpha", Active)
	_, err := b.Swap(t.Context(), "alpha", bytes.NewReader(archive(t, simple("alpha", "2.0.0"), script{HTTP: "crash"})), "")
	b.noError(err)
	b.wantRoutes("alpha 2.0.0")
	for range 3 {
		if got := b.get("alpha"); !strings.Contains(got, "the plugin crashed") {
			t.Errorf("got %q", got)
		}
	}
	b.until("the version before is back", func() bool { return b.routes.now() == "alpha 1.0.0" })
	b.until("it is noted", func() bool {
		i, err := b.Show("alpha")
		return err == nil && i.Source == sourceShipped && i.Version == "1.0.0"
	})
	if got := b.get("alpha"); got != "alpha 1.0.0 list" {
		t.Errorf("got %q", got)
	}
	b.restart(Layers{})
	b.reaches("alpha", Active)
	b.wantRoutes("alpha 1.0.0")
}

// An index that is new in a version is filled before the version is active.
func TestReindex(t *testing.T) {
	with := func(version string, indexes ...any) m {
		things := m{"name": "things"}
		if len(indexes) > 0 {
			things["indexes"] = indexes
		}
		return simple("alpha", version, asking(m{"store": true}), m{"collections": []any{things}})
	}
	first := with("1.0.0")
	first["script"] = script{Put: true}
	b := newBed(t, shippedFS(t, first))
	b.start(Layers{})
	b.reaches("alpha", Active)
	next := with("2.0.0", m{"name": "colour", "fields": []any{"string"}})
	swap := func(s script) error {
		_, err := b.Swap(t.Context(), "alpha", bytes.NewReader(archive(t, next, s)), "")
		return err
	}
	if err := swap(script{}); err == nil || !strings.Contains(err.Error(), "reindex: unsupported") {
		t.Errorf("a version that cannot fill its index: got %v", err)
	}
	b.wantRoutes("alpha 1.0.0")
	b.noError(swap(script{Reindex: "red"}))
	b.wantRoutes("alpha 2.0.0")
	r := b.view.Load().byName["alpha"]
	page, err := b.store.Plugins().Begin().Query(t.Context(), r.calls.Owner(), store.DocQuery{Collection: "things", Index: "colour"})
	b.noError(err)
	if len(page.Documents) != 1 || page.Documents[0].ID != "thing" {
		t.Errorf("by the new index: got %+v", page.Documents)
	}
}

func TestSourceInFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "geo.takplugin")
	write := func(doc m) {
		t.Helper()
		tmp := file + ".new"
		if err := os.WriteFile(tmp, archive(t, doc, script{}), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(tmp, file); err != nil {
			t.Fatal(err)
		}
	}
	write(simple("geo", "1.0.0"))
	b := newBed(t, nil)
	layers := fileLayer(t, map[string]string{"geo": `{"enabled": true, "source": "` + file + `", "grant": {"timers": true, "http.routes": true}}`})
	b.start(layers)
	b.reaches("geo", Active)
	// Somebody changes the file: it was pinned when it was first seen.
	write(simple("geo", "1.1.0"))
	b.restart(layers)
	b.reaches("geo", Failed)
	b.wantState("geo", Failed, "has changed: its SHA-256 is")
	_, err := b.Swap(t.Context(), "geo", nil, "")
	b.noError(err)
	b.wantState("geo", Active, "")
	b.wantRoutes("geo 1.1.0")
	write(simple("geo", "1.2.0"))
	_, err = b.Swap(t.Context(), "geo", nil, "")
	b.noError(err)
	b.wantRoutes("geo 1.2.0")
	b.restart(layers)
	b.reaches("geo", Active)
	b.wantRoutes("geo 1.2.0")
	b.wantError(b.Remove(t.Context(), "geo", false), store.Conflict, "is named in the config (file)")
}

// Packages that were replaced go when their version will not come back, and those
// that failed when the version before is back.
func TestPackagesThatAreNotNeededGo(t *testing.T) {
	b := newBed(t, nil)
	b.tuning.Probation = time.Hour
	b.start(Layers{})
	ctx := t.Context()
	install := func(version string, s script) {
		t.Helper()
		o := InstallOptions{GrantAll: true, Enable: true, Replace: true}
		_, err := b.InstallWith(ctx, bytes.NewReader(archive(t, simple("geo", version), s)), o)
		b.noError(err)
	}
	left := func(want int) {
		t.Helper()
		b.until("no other packages are kept", func() bool { return modules(t, b.dir) == want })
	}
	install("1.0.0", script{})
	install("1.1.0", script{})
	if n := modules(t, b.dir); n != 2 {
		t.Errorf("in probation: %d packages are kept, want 2", n)
	}
	install("1.2.0", script{HTTP: "crash"})
	left(2)
	for range 3 {
		b.get("geo")
	}
	b.until("the version before is back", func() bool { i, err := b.Show("geo"); return err == nil && i.Version == "1.1.0" })
	left(1)
	install("1.3.0", script{})
	b.restart(Layers{})
	left(1)
	b.reaches("geo", Active)
	b.wantRoutes("geo 1.3.0")
}

func TestProcessPlugin(t *testing.T) {
	doc := func(version string) m {
		return simple("bridge", version, m{"runtime": "process", "entry": "plugin.wasm"})
	}
	b := newBed(t, nil)
	b.process = b.rt
	b.start(Layers{})
	for _, version := range []string{"1.0.0", "1.1.0"} {
		_, err := b.InstallWith(t.Context(), bytes.NewReader(archive(t, doc(version), script{})), InstallOptions{GrantAll: true, Enable: true, Replace: true})
		b.noError(err)
		i, err := b.Show("bridge")
		b.noError(err)
		if want := filepath.Join(b.dir, "plugins", "bridge", i.SHA256, "plugin.wasm"); b.rt.program != want {
			t.Errorf("%s: got program %s, want %s", version, b.rt.program, want)
		}
	}
	b.restart(Layers{})
	b.reaches("bridge", Active)
	left, err := os.ReadDir(filepath.Join(b.dir, "plugins", "bridge"))
	if err != nil || len(left) != 1 {
		t.Errorf("after a restart: got %v, %v, want the program in use alone", left, err)
	}
	b.noError(b.Remove(t.Context(), "bridge", false))
	if _, err := os.Stat(filepath.Join(b.dir, "plugins", "bridge")); !os.IsNotExist(err) {
		t.Errorf("after Remove: got %v", err)
	}
}
