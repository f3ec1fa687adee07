package tests

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"
	"time"

	"github.com/takhost/takhost/core/plugin"
	"github.com/takhost/takhost/tests/guests"
	"github.com/takhost/takhost/tests/takclient"
	"github.com/takhost/takhost/tests/taktest"
)

// described says whether /openapi.json has a path.
func described(t *testing.T, a *taktest.Admin, path string) bool {
	t.Helper()
	var doc struct {
		Paths map[string]json.RawMessage
	}
	a.Must(t, "GET", "/openapi.json", nil).Decode(t, &doc)
	if doc.Paths["/api/v1/status"] == nil {
		t.Fatal("/openapi.json does not have the core")
	}
	return doc.Paths[path] != nil
}

// counted sends so many numbered events and wants that the plugin tally has got as
// many more, or none of them if it is off.
type counted struct {
	*testing.T
	*taktest.Admin
	client *takclient.Client
	next   int // number of the next event
	want   int64
}

func (c *counted) send(n int) {
	c.Helper()
	times := fmt.Sprintf(`time="%s" start="%[1]s" stale="%s"`, takclient.Time(time.Now()), takclient.Time(time.Now().Add(time.Minute)))
	for range n {
		c.next++
		takclient.Must(c, c.client.Send(numbered(0, c.next, 1, times))) // each of a uid of its own
	}
	c.client.Sync(c.T) // they have been routed
}

const proofPath = "/api/plugins/tally/proof"

func (c *counted) on() {
	c.Helper()
	if !described(c.T, c.Admin, proofPath) {
		c.Error("its route is not in /openapi.json")
	}
	c.send(10)
	c.want += 10
	c.Shows(c, "tally", "has the events", func(*plugin.Info) bool { return proofOf(c.T, c.Admin, "tally").Total == c.want })
}

func (c *counted) off() {
	c.Helper()
	if described(c.T, c.Admin, proofPath) {
		c.Error("its route is in /openapi.json")
	}
	if answer, err := c.Do("GET", proofPath, nil); err != nil || answer.Status != http.StatusNotFound {
		c.Errorf("its route: got %+v, %v; want 404", answer, err)
	}
	before := c.Plugin(c, "tally").Counts
	c.send(10)
	if i := c.Plugin(c, "tally"); i.State != plugin.Disabled || i.Counts.Events != before.Events || i.Counts.Missed != before.Missed || i.Counts.Queued != 0 || i.Counts.Instances != 0 {
		c.Errorf("got %s and %+v, want disabled and no events since %+v", i.State, i.Counts, before)
	}
}

// A plugin that is disabled in the file is gone with the reload: from the
// description, the routes and the way of events. Enabled it is back. Nobody is
// disconnected.
func TestEnabledByConfig(t *testing.T) {
	pkg := guests.WASM(t, "tally").Pack(t, guests.Config("keep", "store"), guests.Set("state", "store"))
	file := filepath.Join(t.TempDir(), "tally.takplugin")
	if err := os.WriteFile(file, pkg, 0o600); err != nil {
		t.Fatal(err)
	}
	fromFile := func(enabled bool) string {
		return fmt.Sprintf("  tally: {enabled: %v, source: %q, grant: {events.read: [b-x-tally], store: {bytes: 512MiB}, http.routes: true}}", enabled, file)
	}
	for _, tt := range []struct {
		name    string
		shipped bool
		on, off string
	}{
		{"a file", false, fromFile(true), fromFile(false)},
		{"shipped", true, "", "  tally: {enabled: false}"}, // on by default, with all that it asks for
	} {
		t.Run(tt.name, func(t *testing.T) {
			opts := []taktest.Option{taktest.WithPlugins(tt.on)}
			if tt.shipped {
				opts = append(opts, taktest.WithShipped(fstest.MapFS{"tally.takplugin": {Data: pkg}}))
			}
			srv := taktest.Start(t, opts...)
			c := &counted{T: t, Admin: srv.Admin, client: srv.Client(t)}
			other := srv.Client(t)
			before := connections(t, srv)
			srv.Reaches(t, "tally", plugin.Active)
			c.on()
			for range 2 {
				srv.SetPlugins(t, tt.off)
				srv.Must(t, "POST", "/api/v1/config/reload", nil)
				c.off()
				srv.SetPlugins(t, tt.on)
				srv.Must(t, "POST", "/api/v1/config/reload", nil)
				c.on() // a reload ends when the plugin runs
			}
			if p := proofOf(t, srv.Admin, "tally"); p.Lost != 0 || p.Twice != 0 {
				t.Errorf("lost %d, twice %d: %s", p.Lost, p.Twice, p.Fault)
			}
			for conn, addr := range connections(t, srv) {
				if before[conn] != addr {
					t.Errorf("connection %d of %s is new", conn, addr)
				}
			}
			takclient.Must(t, c.client.SA(1, 2))
			other.ExpectUID(t, c.client.Peer().UID)
		})
	}
}

// A reload with any fault in it says which, and changes nothing.
func TestReloadWithFault(t *testing.T) {
	pkg := guests.WASM(t, "tally").Pack(t, guests.Config("keep", "store"), guests.Set("state", "store"))
	shipped := fstest.MapFS{"tally.takplugin": {Data: pkg}}
	srv := taktest.Start(t, taktest.WithShipped(shipped))
	c := &counted{T: t, Admin: srv.Admin, client: srv.Client(t)}
	srv.Reaches(t, "tally", plugin.Active)
	c.on()
	for _, tt := range []struct{ name, plugins, want string }{
		{"no YAML", "  tally: {enabled: ", "takhost.yaml"},
		{"no setting", "  tally: {enabeld: false}", "enabeld"},
		{"no capability", "  tally: {grant: {events.raed: [b-x-tally]}}", "events.raed"},
		{"not of the plugin's schema", "  tally: {config: {keep: heap}}", "plugins.tally.config.keep"},
		{"a plugin that is not there", "  tally: {enabled: false}\n  missing: {enabled: true, source: /no/such/file.takplugin}", "/no/such/file.takplugin"},
		{"too small a grant", "  tally: {grant: {events.read: [b-x-other]}}", "events.read"},
		{"a version that does not start", "  tally: {config: {fault: init}}", "this version does not start"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			srv.SetPlugins(t, tt.plugins)
			answer, err := srv.Do("POST", "/api/v1/config/reload", nil)
			if err != nil || answer.Status < 400 || answer.Status >= 500 || !strings.Contains(answer.Problem(), tt.want) {
				t.Errorf("got %d %s, %v; want a problem with %q", answer.Status, answer.Body, err, tt.want)
			}
			sub := *c
			sub.T = t
			sub.on()
			c.next, c.want = sub.next, sub.want
		})
	}
	srv.SetPlugins(t, "  tally: {enabled: false}")
	srv.Must(t, "POST", "/api/v1/config/reload", nil)
	c.off()
}

// A signal reloads too. The events of the clients flow all the while.
func TestReloadBySignal(t *testing.T) {
	pkg := guests.WASM(t, "tally").Pack(t)
	dir := t.TempDir()
	file, conf := filepath.Join(dir, "tally.takplugin"), filepath.Join(dir, "takhost.yaml")
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	section := func(enabled bool) string {
		return fmt.Sprintf("plugins:\n  tally: {enabled: %v, source: %q, grant: {events.read: [b-x-tally], store: {bytes: 512MiB}, http.routes: true}}\n", enabled, file)
	}
	write(file, string(pkg))
	write(conf, section(true))
	srv := taktest.Run(t, "--config", conf)
	f := startFlow(t, srv, 400)
	srv.Reaches(t, "tally", plugin.Active)
	for _, enabled := range []bool{false, true} {
		write(conf, section(enabled))
		srv.Signal(t, syscall.SIGHUP)
		want := map[bool]plugin.State{true: plugin.Active, false: plugin.Disabled}[enabled]
		srv.Reaches(t, "tally", want)
		if got := described(t, srv.Admin, proofPath); got != enabled {
			t.Errorf("enabled %v: in /openapi.json: %v", enabled, got)
		}
		f.more(t, 100)
	}
	before := srv.Plugin(t, "tally").Counts.Events
	srv.Shows(t, "tally", "gets events again", func(i *plugin.Info) bool { return i.Counts.Events > before })
	f.finish(t)
}
