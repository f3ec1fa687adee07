package tests

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/takhost/takhost/core/plugin"
	"github.com/takhost/takhost/tests/guests"
	"github.com/takhost/takhost/tests/taktest"
)

// proof is what the guest tally says it got.
type proof struct {
	Version     string
	Total, UIDs int64
	Lost, Twice int64
	Fault       string
	Longest     int64   // µs
	Pauses      []int64 // µs
}

func proofOf(t *testing.T, a *taktest.Admin, name string) (p proof) {
	t.Helper()
	a.Must(t, "GET", "/api/plugins/"+name+"/proof", nil).Decode(t, &p)
	return p
}

// badVersion does not take over, for the reason that stands in the answer.
type badVersion struct {
	name   string
	change guests.Change
	want   string
	memory bool // only where there is a state to hand over
}

var badVersions = []badVersion{
	{"fails in init", guests.Config("fault", "init"), "this version does not start", false},
	{"loops in init", guests.Config("fault", "init loop"), "deadline", false},
	{"dies in init", guests.Config("fault", "init trap"), "init: ", false},
	{"fails in health", guests.Config("fault", "health"), "this version is not well", false},
	{"loops in health", guests.Config("fault", "health loop"), "deadline", false},
	{"asks for more", guests.Ask("clients", true), "clients: is not granted", false},
	{"fails in restore", guests.Config("fault", "restore"), "does not know that state", true},
	{"dies in restore", guests.Config("fault", "restore trap"), "restore: ", true},
	{"loops in restore", guests.Config("fault", "restore loop"), "restore: ", true},
}

// swapping is a plugin whose versions change while events flow.
type swapping struct {
	runtime string // wasm or process
	keep    string // memory or store
	rate    int    // events a second
	swaps   int    // that work; those that do not come on top
	fresh   int    // of these, how many have code that was never compiled before
	bad     string // word that stands in those of badVersions that are tried; empty: all
}

// run does so, and checks that the plugin got each event once, by its own numbers.
func (s swapping) run(t *testing.T, srv whole, a *taktest.Admin) proof {
	t.Helper()
	const name = "tally"
	guest := guests.Of(t, "tally", s.runtime)
	common := []guests.Change{guests.Config("keep", s.keep), guests.Set("state", s.keep)}
	pack := func(version int, more ...guests.Change) []byte {
		g := guest
		if version <= s.fresh && s.runtime == "wasm" {
			g = g.Fresh(fmt.Sprint("version ", version))
		}
		return g.Pack(t, append(append(more, common...), guests.Version(fmt.Sprintf("1.%d.0", version)))...)
	}
	a.Install(t, pack(0))
	var bad []badVersion
	for _, b := range badVersions {
		if (s.keep == "memory" || !b.memory) && strings.Contains(b.name, s.bad) {
			bad = append(bad, b)
		}
	}
	// Made beforehand, as to pack them takes its time.
	good := make([][]byte, s.swaps+1)
	for n := 1; n <= s.swaps; n++ {
		good[n] = pack(n)
	}
	broken := make([][]byte, len(bad))
	for i, b := range bad {
		broken[i] = pack(1000+i, b.change)
	}

	f := startFlow(t, srv, s.rate)
	began := time.Now()
	f.more(t, int64(s.rate))
	before, _ := f.take()
	version := "1.0.0"
	tried := 0
	for n := 1; n <= s.swaps; n++ {
		f.more(t, int64(s.rate/10))
		answer, err := a.Swap(name, good[n])
		if err != nil || answer.Status != 200 {
			t.Fatalf("swap to version 1.%d.0: got %+v, %v", n, answer, err)
		}
		version = fmt.Sprintf("1.%d.0", n)
		// The bad ones are spread among them.
		for ; tried*s.swaps < n*len(bad); tried++ {
			f.more(t, int64(s.rate/10))
			answer, err := a.Swap(name, broken[tried])
			if err != nil || answer.Status < 400 || !strings.Contains(answer.Problem(), bad[tried].want) {
				t.Errorf("a version that %s: got %d %s, %v; want that it is refused: %s", bad[tried].name, answer.Status, answer.Body, err, bad[tried].want)
			}
			if i := a.Plugin(t, name); i.State != plugin.Active || i.Version != version {
				t.Errorf("after a version that %s: got %s %s (%s), want that %s runs", bad[tried].name, i.State, i.Version, i.Reason, version)
			}
		}
	}
	f.more(t, int64(s.rate/10))
	p99, _ := f.take()
	sent := f.finish(t)
	took := time.Since(began)
	i := a.Shows(t, name, "its queue is empty", func(i *plugin.Info) bool {
		return i.Counts.Queued == 0 && i.Counts.Events+i.Counts.Missed+i.Counts.DeadLetters >= uint64(sent)
	})
	p := proofOf(t, a, name)
	slices.Sort(p.Pauses)
	t.Logf("%d events in %v (%.0f a second), %d swaps and %d that were refused; pauses as events saw them: median %v, longest %v; longest wait of an event %v; p99 at clients %v before, %v then",
		sent, took.Round(time.Millisecond), float64(sent)/took.Seconds(), s.swaps, len(bad), median(p.Pauses), micros(last(p.Pauses)), micros(p.Longest), before, p99)
	t.Logf("pauses as the host measured them: %s", pausesOf(t, a, name))
	if p.Total != sent || p.Lost != 0 || p.Twice != 0 {
		t.Errorf("the plugin got %d of %d events; %d were lost and %d came twice: %s", p.Total, sent, p.Lost, p.Twice, p.Fault)
	}
	if p.Version != version || i.Version != version {
		t.Errorf("version %s answers, %s is shown; want %s", p.Version, i.Version, version)
	}
	if i.Counts.Missed != 0 || i.Counts.DeadLetters != 0 {
		t.Errorf("got %+v, want nothing missed and no dead letter", i.Counts)
	}
	return p
}

func median(sorted []int64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return micros(sorted[len(sorted)/2])
}

func last(list []int64) int64 {
	if len(list) == 0 {
		return 0
	}
	return list[len(list)-1]
}

func micros(us int64) time.Duration { return time.Duration(us) * time.Microsecond }

// pauseBuckets are those of the metric, in seconds.
var pauseBuckets = []string{"0.001", "0.005", "0.01", "0.02", "0.05", "0.1", "0.2", "0.5", "+Inf"}

// pauses is how many pauses were as long as that at most, by bucket.
type pauses []float64

func pausesOf(t *testing.T, a *taktest.Admin, name string) pauses {
	t.Helper()
	var p pauses
	for _, le := range pauseBuckets {
		p = append(p, a.Metric(t, fmt.Sprintf(`takhost_plugins_swap_pause_seconds_bucket{plugin="%s",le="%s"}`, name, le)))
	}
	return p
}

func (p pauses) String() string {
	var parts []string
	for i, n := range p {
		parts = append(parts, fmt.Sprintf("%.0f ≤ %ss", n, pauseBuckets[i]))
	}
	return strings.Join(parts, ", ")
}

// Events flow, versions change, and the plugin gets each event once. How long it
// stands still is measured by TestSwapsAtFullRate.
func TestSwaps(t *testing.T) {
	for _, tt := range []struct {
		name string
		swapping
		opts []taktest.Option
	}{
		{"wasm memory", swapping{runtime: "wasm", keep: "memory", rate: 2000, swaps: 3, bad: "dies"}, nil},
		{"process memory", swapping{runtime: "process", keep: "memory", rate: 1000, swaps: 2, bad: "restore"}, nil},
		{"wasm store", swapping{runtime: "wasm", keep: "store", rate: 200, swaps: 2, bad: "health"}, nil},
		{"wasm store on PostgreSQL", swapping{runtime: "wasm", keep: "store", rate: 200, swaps: 2, bad: "more"}, []taktest.Option{taktest.WithPostgres()}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			srv := taktest.Start(t, tt.opts...)
			tt.run(t, srv, srv.Admin)
		})
	}
}
