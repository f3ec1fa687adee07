//go:build !race

package tests

import (
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/takhost/takhost/core/plugin"
	"github.com/takhost/takhost/tests/takclient"
	"github.com/takhost/takhost/tests/taktest"
)

// What the design allows a server with all plugins that ship with it: at rest, and after
// it was used.
const (
	restingMemory = 80 << 20
	usedMemory    = 350 << 20
)

// usedPlugins starts the program as it ships, whose plugins give their memory back soon.
func usedPlugins(t *testing.T, args ...string) (*taktest.Child, *rest) {
	needBuiltIn(t)
	srv := taktest.Run(t, append([]string{"--set", "limits.plugin_idle=1s"}, args...)...)
	return srv, &rest{t: t, data: srv.Data, addr: func() string { return srv.Addr(t, "rest") }}
}

// goIdle waits until all plugins that are on have given their memory back.
func goIdle(t *testing.T, srv *taktest.Child) {
	t.Helper()
	var page struct{ Plugins []plugin.Info }
	srv.Must(t, "GET", "/api/v1/plugins", nil).Decode(t, &page)
	for _, i := range page.Plugins {
		if i.Enabled {
			srv.Reaches(t, i.Name, plugin.Idle)
		}
	}
	if len(page.Plugins) < len(features) {
		t.Fatalf("got %d plugins, want %d at least", len(page.Plugins), len(features))
	}
}

func takesAtMost(t *testing.T, srv *taktest.Child, most int64, when string) {
	t.Helper()
	var now, peak int64
	eventually(t, fmt.Sprintf("at most %d MB %s", most>>20, when), func() bool {
		now, peak = srv.Memory(t)
		return now <= most
	})
	t.Logf("%s: %.1f MB, at most %.1f MB so far", when, float64(now)/(1<<20), float64(peak)/(1<<20))
}

// A plugin that has nothing to do takes no memory, and is back in a moment: for a
// request, and for events, none of which is lost.
func TestIdlePlugins(t *testing.T) {
	srv, api := usedPlugins(t)
	goIdle(t, srv)
	takesAtMost(t, srv, restingMemory, "at rest")

	// The design's number is for a machine that has nothing else to do.
	const back = 150 * time.Millisecond
	var took []time.Duration
	for try := 0; try < 20 && len(took) < 5; try++ {
		goIdle(t, srv)
		o, began := measureOthers(), time.Now()
		api.get("/api/v1/chat").is(200)
		if d := time.Since(began); o.share() <= spoilt || try > 15 {
			took = append(took, d)
		}
	}
	t.Logf("first answers of an idle plugin: %v", took)
	if got := middle(took); got > back {
		t.Errorf("the first answer of an idle plugin came after %v in the median, want at most %v", got, back)
	}

	a, b := srv.Client(t, takclient.WithUID("IDLE-A")), srv.Client(t, takclient.WithUID("IDLE-B"))
	takclient.Must(t, a.SA(48, 11))
	takclient.Must(t, b.SA(48, 11))
	goIdle(t, srv)
	const n = 300
	var want []string
	for i := range n {
		text := "message " + strconv.Itoa(i)
		takclient.Must(t, a.Send(a.GeoChat(text).XML()))
		want = append(want, a.Callsign()+": "+text)
	}
	if got := api.historyOf(n, "All Chat Rooms"); !slices.Equal(got, want) {
		t.Errorf("what was said while the plugin came back: got %d messages, the first %q; want %d", len(got), got[:min(3, len(got))], n)
	}
	goIdle(t, srv)
	var kept struct{ ID, Hash string }
	api.ask("POST", "/api/v1/files?name=idle.txt", "text/plain", "kept by one that was idle").is(201).into(&kept)
	goIdle(t, srv)
	if got := api.get("/api/v1/files/" + kept.ID + "/content").is(200); sha(got.body) != kept.Hash {
		t.Errorf("a file from one that was idle: got %q", got.body)
	}
	goIdle(t, srv)
	takesAtMost(t, srv, restingMemory, "at rest again")
}

// All that comes is for one of the plugins, more than they can keep up with: that costs
// bounded memory, which goes when the work is done.
func TestUsedPlugins(t *testing.T) {
	const rate, span = 20_000, 5 * time.Second
	srv, api := usedPlugins(t)
	files := (&asker{t: t, base: "http://" + api.addr(), show: func(r *http.Request) { r.Header = api.header() }}).mover(t)
	var g errgroup.Group
	for i := range 4 {
		c := srv.Client(t, takclient.WithUID("USED-"+strconv.Itoa(i)), takclient.WithoutLog())
		takclient.Must(t, c.SA(48, 11))
		c.Sync(t)
		g.Go(func() error { return talk(c, rate/4, span) })
	}
	for i := range uint64(3) {
		g.Go(func() error { return share(files, i+1, span) })
	}
	takclient.Must(t, g.Wait())
	for _, name := range features {
		i := srv.Shows(t, name, "has done with all events", func(i *plugin.Info) bool { return i.Counts.Queued == 0 })
		// On a busy machine a call may come to its deadline.
		t.Logf("%s: %d events handled, %d passed by, %d dead letters, %d crashes", name, i.Counts.Events, i.Counts.Missed, i.Counts.DeadLetters, i.Counts.Crashes)
		if name == "files" { // is told of no events
			if i.Counts.Requests < 100 {
				t.Errorf("%s: %+v, want a hundred requests at least", name, i.Counts)
			}
			continue
		}
		if i.Counts.Events < rate {
			t.Errorf("%s: %+v, want that it handled %d events at least", name, i.Counts, rate)
		}
	}
	takesAtMost(t, srv, usedMemory, "after use")
	goIdle(t, srv)
	takesAtMost(t, srv, usedMemory, "some time after use")
}

// talk sends chat to one who is there, and alerts, half of each.
func talk(c *takclient.Client, rate int, span time.Duration) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for began, n := time.Now(), 0; time.Since(began) < span; <-tick.C {
		var list []string
		for due := int(time.Since(began).Seconds() * float64(rate)); n < due; n++ {
			e := c.GeoChat("text "+strconv.Itoa(n), takclient.Peer{UID: "USED-0"})
			if n%2 == 0 {
				e = takclient.Event{
					UID: c.UID() + "-" + strconv.Itoa(n), Type: "b-a-o-tbl", How: "m-g", Lat: 48, Lon: 11,
					Detail: `<emergency type="911 Alert">` + c.Callsign() + `</emergency><contact callsign="` + c.Callsign() + `-Alert"/>`,
				}
			}
			list = append(list, e.XML())
		}
		if err := c.SendAll(list...); err != nil {
			return err
		}
	}
	return nil
}

// share sends files and packages, fetches and lists them.
func share(m *mover, seed uint64, span time.Duration) error {
	for began, n := time.Now(), uint64(0); time.Since(began) < span || n < 30; n++ {
		c := content{seed<<32 + n, []int64{1000, 100_000, 30 << 20}[n%3]}
		var kept struct{ ID string }
		r, err := m.send("POST", "/api/v1/files?name=used.bin", "application/octet-stream", c.reader(), c.size)
		if err == nil {
			err = r.decode(201, &kept)
		}
		if err == nil {
			err = m.drain("/api/v1/files/"+kept.ID+"/content", c.size)
		}
		if err == nil {
			r, err = m.asker.send("GET", "/api/v1/files?limit=100", "", "")
		}
		if err == nil && r.status != 200 {
			err = fmt.Errorf("list: got %d %s", r.status, r.body)
		}
		if err != nil {
			return err
		}
	}
	return nil
}
