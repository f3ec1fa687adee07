package server

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/takhost/takhost/core/config"
	"github.com/takhost/takhost/core/stream"
	"github.com/takhost/takhost/core/web"
)

// Each key of limits comes to whom it is for: none is read at the start alone.
func TestEveryLimitIsApplied(t *testing.T) {
	first := config.Default().Limits
	streams, webs := streamLimits(&first), webLimits(&first)
	elsewhere := map[string]bool{ // TestReloadLimits and TestReloadLimitsOfConnections have these
		"ArchiveQueueEvents": true, "ArchiveQueueBytes": true, "Upload": true, "Files": true, "PluginIdle": true,
	}
	inWeb := map[string]bool{"Handshake": true, "Connections": true, "ConnectionsPerAddress": true}
	for i := range reflect.TypeFor[config.Limits]().NumField() {
		name := reflect.TypeFor[config.Limits]().Field(i).Name
		next := first
		v := reflect.ValueOf(&next).Elem().Field(i)
		v.SetInt(v.Int() + 3_000_000)
		if got := streamLimits(&next) != streams; got == elsewhere[name] {
			t.Errorf("%s changes the limits of streams: %v, want %v", name, got, !got)
		}
		if got := webLimits(&next) != webs; got != inWeb[name] {
			t.Errorf("%s changes the limits of HTTP listeners: %v, want %v", name, got, !got)
		}
	}
	if streams == (stream.Limits{}) || webs == (web.Limits{}) {
		t.Error("the defaults are no limits")
	}
}

// eud is a client of listen.tcp that reads all it is sent.
type eud struct {
	net.Conn
	t    *testing.T
	text string
}

func (e *eud) await(text string) {
	e.t.Helper()
	buf := make([]byte, 64<<10)
	for !strings.Contains(e.text, text) {
		n, err := e.Read(buf)
		e.text += string(buf[:n])
		if err != nil {
			e.t.Fatalf("wait for %s: %v; have %.2000s", text, err, e.text)
		}
	}
}

func dialStream(t *testing.T, srv *Server) *eud {
	t.Helper()
	nc, err := net.Dial("tcp", srv.Addr("tcp").String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	if err := nc.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return &eud{Conn: nc, t: t}
}

func (e *eud) send(uid, typ, detail string) {
	e.t.Helper()
	now := time.Now().UTC()
	_, err := fmt.Fprintf(e, `<event version="2.0" uid=%q type=%q how="m-g" time=%q start=%q stale=%q><point lat="1" lon="2" hae="0" ce="1" le="1"/><detail>%s</detail></event>`,
		uid, typ, now.Format(time.RFC3339), now.Format(time.RFC3339), now.Add(time.Hour).Format(time.RFC3339), detail)
	if err != nil {
		e.t.Fatal(err)
	}
}

// A reload changes the limits of connections on a server that works: nobody who
// is connected notices, and what comes from then on is by the new ones.
func TestReloadLimitsOfConnections(t *testing.T) {
	srv, cfg, log := reloaded(t, func(c *config.Config) { c.Listen.TCP = "127.0.0.1:0" })
	reload := func(change func(*config.Limits)) {
		t.Helper()
		change(&cfg.Limits)
		if err := srv.Reload(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	a, b := dialStream(t, srv), dialStream(t, srv)
	a.await("t-x-takp-v")
	b.await("t-x-takp-v")
	a.send("before", "b-t-f", "")
	b.await("before")
	kept := &http.Client{Transport: &http.Transport{}}
	defer kept.CloseIdleConnections()
	get := func(c *http.Client) error {
		resp, err := c.Get("http://" + srv.Addr("rest").String() + "/healthz")
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		_, err = io.Copy(io.Discard, resp.Body)
		return err
	}
	if err := get(kept); err != nil {
		t.Fatal(err)
	}

	reload(func(l *config.Limits) {
		l.Connections, l.ConnectionsPerAddress, l.Event, l.Handshake = 1, 1, 10<<10, config.Duration(time.Minute)
	})
	if n, err := io.Copy(io.Discard, dialStream(t, srv)); n > 0 {
		t.Errorf("a third client got %d bytes, %v", n, err)
	}
	other := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	if err := get(other); err == nil {
		t.Error("a second connection to listen.rest was answered")
	}
	if err := get(kept); err != nil {
		t.Errorf("the connection that was there: %v", err)
	}
	a.send("large", "b-t-f", "<remarks>"+strings.Repeat("x", 20<<10)+"</remarks>")
	a.send("small", "b-t-f", "")
	b.await("small")
	if strings.Contains(b.text, `"large"`) {
		t.Error("an event larger than limits.event went through")
	}

	reload(func(l *config.Limits) {
		*l = config.Default().Limits
		l.ArchiveQueueBytes, l.Event = 21<<10, 21<<10
		l.SenderRate = 4
	})
	c := dialStream(t, srv)
	c.await("t-x-takp-v")
	if err := get(other); err != nil {
		t.Errorf("a second connection to listen.rest: %v", err)
	}
	a.send("large again", "b-t-f", "<remarks>"+strings.Repeat("x", 20<<10)+"</remarks>") // fits, but not into the archive's queue
	for range 10 {
		a.send("fast", "b-t-f", "") // more than two seconds' worth at once
	}
	a.send("last", "b-t-f", "") // one of these two is read after the wait for the others
	b.await(`"last"`)
	a.send("very last", "b-t-f", "")
	c.await("very last")
	if err := srv.store.Archive().Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := srv.store.Archive().Stats().DroppedFull; got == 0 {
		t.Error("the archive's queue has the bound of the start")
	}
	families, err := srv.Registry().Gather()
	if err != nil {
		t.Fatal(err)
	}
	slowed := 0.0
	for _, f := range families {
		if f.GetName() == "takhost_stream_rate_limited_total" {
			slowed = f.GetMetric()[0].GetCounter().GetValue()
		}
	}
	if slowed == 0 {
		t.Error("nobody was slowed down by limits.sender_rate")
	}
	if text := log.String(); strings.Contains(text, "at the next start") || !strings.Contains(text, "limits.connections is 1 and") {
		t.Errorf("the log:\n%s", text)
	}
	reload(func(l *config.Limits) { l.Shutdown = config.Duration(3 * time.Second) })
	if got := srv.limits.Load().Shutdown.Std(); got != 3*time.Second {
		t.Errorf("a stop may take %v, want 3 s", got)
	}
}
