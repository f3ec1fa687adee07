package tests

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/takhost/takhost/core/plugin"
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/tests/guests"
	"github.com/takhost/takhost/tests/takclient"
	"github.com/takhost/takhost/tests/taktest"
)

// misdeed is what a plugin does that it should not.
type misdeed struct {
	does string
	// reason stands in the state of a plugin that crashed too often, and in the
	// dead letters; empty: it does not crash.
	reason string
	// error stands in the dead letter of a plugin that does not crash; empty: there
	// are none.
	error string
	// slow says that it may come to its deadline; also on a machine that is busy.
	slow bool
}

// Both kinds of plugins end alike; what their ends are called differs.
var misdeeds = map[string][]misdeed{
	"wasm": {
		{does: "trap", reason: "events: trap"},
		{does: "loop", reason: "events: deadline"},
		{does: "sleep", reason: "events: deadline"},
		{does: "allocate", reason: "events: memory"},
		{does: "recurse", reason: "events: "},
		{does: "exit", reason: "events: exit"},
		{does: "refuse", error: "not with me"},
		{does: "panic", error: "an author's mistake"},
		{does: "emit"},
		{does: "log"},
		{does: "print"},
		{does: "ask"},
	},
	"process": {
		{does: "trap", reason: "events: exit"},
		{does: "loop", reason: "events: deadline"},
		{does: "sleep", reason: "events: deadline"}, // it hangs
		{does: "allocate", reason: "events: memory"},
		{does: "exit", reason: "events: exit"},
		{does: "panic", error: "an author's mistake"},
		{does: "emit"},
		{does: "log"},
		{does: "print", slow: true}, // what it prints goes through a pipe, which may be full
		{does: "ask"},
	},
}

// crowd is clients that send one another timed events all the while.
type crowd struct {
	*testing.T
	*taktest.Admin
	delays
	log  *taktest.Log
	all  []*takclient.Client
	bad  *takclient.Client // sends what plugins do not get on with
	sent int               // by bad
	busy bool              // others use the machine all the while
}

// newCrowd starts a server with a plugin of that code. It writes at once what it has
// for a client: else what it gathers would hide what a plugin does to it.
func newCrowd(t *testing.T, guest *guests.Guest) *crowd {
	c := &crowd{T: t}
	var srv whole
	// As it is shipped where times are measured, else watched for data races.
	if raceDetector {
		s := taktest.Start(t, taktest.WithLimitedLog())
		srv, c.Admin, c.log = s, s.Admin, s.Log
	} else {
		s := taktest.Run(t, "--set", "limits.gather=0")
		srv, c.Admin, c.log = s, s.Admin, s.Log
	}
	for range 8 {
		c.all = append(c.all, srv.Client(t, takclient.WithoutLog(), takclient.WithWatch(c.saw)))
	}
	c.bad = srv.Client(t, takclient.WithoutLog())
	pub := srv.Client(t, takclient.WithoutLog())
	quit, done := make(chan struct{}), make(chan error, 1)
	go func() { done <- publish(pub, 200, 200, quit) }()
	t.Cleanup(func() {
		close(quit)
		if err := <-done; err != nil {
			t.Errorf("the publisher: %v", err)
		}
	})
	c.Install(t, guest.Pack(t))
	return c
}

// steps is how often something is done while the p99 is measured, which takes 0.8 s.
const steps = 32

// p99 gives that of the timed events while something is done now and then.
func (c *crowd) p99(do func(step int)) time.Duration {
	c.Helper()
	c.take()
	for step := range steps {
		do(step)
		next := c.all[0].Counts().Events + 5
		c.all[0].ExpectCounts(c, "the next timed events", func(got takclient.Counts) bool { return got.Events >= next })
	}
	p99, _ := c.take()
	return p99
}

func nothing(int) {}

// send sends an event that is for the plugin alone.
func (c *crowd) send(cotType, callsign, detail string) {
	c.Helper()
	c.sent++
	e := takclient.Event{
		UID: fmt.Sprint("ROGUE-", c.sent), Type: cotType, How: "m-g",
		Detail: `<contact callsign="` + callsign + `"/>` + detail + takclient.Marti(takclient.Dest{Kind: "uid", Value: "NOBODY"}),
	}
	takclient.Must(c, c.bad.Send(e.XML()))
}

// A plugin that misbehaves is nothing that clients notice. It is stopped, its
// state says why, and it goes on when it behaves. TestMisdeeds has all that it
// does; here are some, watched for data races.
func TestMisbehavingPlugin(t *testing.T) {
	for runtime, list := range map[string][]string{"wasm": {"loop", "allocate", "panic", "log"}, "process": {"trap", "sleep", "emit"}} {
		t.Run(runtime, func(t *testing.T) {
			c := newCrowd(t, guests.Of(t, "rogue", runtime))
			for _, m := range misdeeds[runtime] {
				if slices.Contains(list, m.does) {
					t.Run(m.does, func(t *testing.T) { c.commits(t, m) })
				}
			}
		})
	}
}

// poison is how many events a plugin is given that kill it: each does so twice,
// so the circuit opens once, and closes again for the last one.
const poison = 3

// commits has the plugin do it again and again.
func (c *crowd) commits(t *testing.T, m misdeed) {
	c.noticesNothing(t, func(p99 func(do func(step int))) {
		since := c.again(t, "rogue")
		old := c.Plugin(t, "rogue").Counts
		sent, o := 0, measureOthers()
		p99(func(step int) {
			if m.reason == "" || step%(steps/poison) == 0 && sent < poison {
				c.send("b-x-rogue", "LINDE", `<rogue does="`+m.does+`"/>`)
				sent++
			}
		})
		if m.reason != "" && o.share() > spoilt {
			// It may come to its deadline before it comes to its end.
			m.slow = true
		}
		c.ends(t, m, since, old, uint64(sent))
	})
}

// ends looks what became of it: it did that so many times.
func (c *crowd) ends(t *testing.T, m misdeed, since time.Time, old plugin.Counts, times uint64) {
	t.Helper()
	if m.reason != "" {
		reasons := []string{m.reason}
		if m.slow {
			reasons = append(reasons, "events: deadline")
		}
		c.breaks(t, "rogue", reasons, since)
		return
	}
	c.send("b-x-rogue", "LINDE", `<rogue does="nothing"/>`)
	i := c.Shows(t, "rogue", "all events are dealt with", func(i *plugin.Info) bool {
		return i.State == plugin.Active && i.Counts.Events+i.Counts.DeadLetters-old.Events-old.DeadLetters == times+1
	})
	if m.slow { // it may have come to its deadline
		return
	}
	if i.Counts.Crashes != old.Crashes {
		t.Errorf("got %s (%s) and %d crashes more, want that it is active and has none", i.State, i.Reason, i.Counts.Crashes-old.Crashes)
	}
	letters := i.Counts.DeadLetters - old.DeadLetters
	switch {
	case m.error == "" && letters > 0:
		t.Errorf("got %d dead letters, want none", letters)
	case m.error != "":
		c.buried(t, "rogue", []string{m.error}, since)
	}
	switch m.does {
	case "emit":
		// In its manifest are 50 a second; the events of one call may come at once.
		if n, most := i.Counts.Emits-old.Emits, hostapi.DefaultEmits+50*(time.Since(since).Seconds()+1); n == 0 || float64(n) > most {
			t.Errorf("it emitted %d events, want some, and %.0f at most", n, most)
		}
	case "log":
		c.log.Logged(t, "log lines of the plugin left out", "plugin=rogue")
	}
}

// again makes the plugin forget what it did, and gives the time.
func (c *crowd) again(t *testing.T, name string) time.Time {
	t.Helper()
	c.Must(t, "POST", "/api/v1/plugins/"+name+"/disable", nil)
	since := time.Now()
	c.Must(t, "POST", "/api/v1/plugins/"+name+"/enable", nil)
	c.Reaches(t, name, plugin.Active)
	return since
}

// slice is how long a thread that wants to run may have to wait for another one, by
// Linux' scheduler: where a plugin keeps one of two processors busy, as it may until its
// deadline, clients and server in this test share the other one. An event meets that
// twice on its way, before the server reads it and before the client does.
const slice = 3 * time.Millisecond

// rounds is how often a time in which a plugin misbehaves is compared with one before,
// and tries how often at most, with those that others on the machine have spoilt. On one
// that has been busy all the while it is not waited for long any more.
const (
	rounds    = 3
	tries     = 6
	triesBusy = 2
)

// spoilt is the share of a processor that others may use while something is measured.
const spoilt = 0.06

// noticesNothing compares the p99 of times in which a plugin misbehaves with that of the
// times between them, by their medians. misbehave is one such time; it measures it by
// p99. On a machine that has other things to do all the time, only a plugin is found out
// that does a lot.
func (c *crowd) noticesNothing(t *testing.T, misbehave func(p99 func(do func(step int)))) {
	t.Helper()
	most := func(quiet time.Duration) time.Duration {
		if raceDetector {
			return max(4*quiet, 100*time.Millisecond)
		}
		return 2*quiet + 2*slice
	}
	left := tries
	if c.busy {
		left = triesBusy
	}
	var quiet, bad, noisy []time.Duration
	for try := 0; try < left && len(bad) < rounds; try++ {
		o := measureOthers()
		before, during := c.p99(nothing), time.Duration(0)
		misbehave(func(do func(step int)) {
			during = c.p99(do)
			if o.share() > spoilt && !raceDetector {
				noisy = append(noisy, during-2*before)
			} else {
				quiet, bad = append(quiet, before), append(bad, during)
			}
		})
		if t.Failed() {
			return
		}
		// Once it is clear what it comes to, it is enough; one round says nothing.
		if len(bad) > 1 && slices.Max(bad) <= most(slices.Min(quiet)) {
			break
		}
	}
	t.Logf("p99 at clients: %v, between them %v; %d times others disturbed", bad, quiet, len(noisy))
	c.busy = len(noisy) == tries || c.busy && len(noisy) > 0
	switch {
	case len(bad) > 1:
		if got, want := middle(bad), most(middle(quiet)); got > want {
			t.Errorf("p99 at clients: got %v in the median, else it is %v; want at most %v", got, middle(quiet), want)
		}
	case middle(noisy) > 20*slice:
		t.Errorf("p99 at clients: %v beyond twice of before in the median, of times in which others disturbed", middle(noisy))
	}
	for n, client := range c.all {
		if err := client.Err(); err != nil {
			t.Errorf("client %d: %v", n, err)
		}
	}
}

func middle(list []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(list))
	return sorted[len(sorted)/2]
}

// breaks waits until the plugin is left alone for one of the reasons, and then until
// it is back and has done with all events.
func (c *crowd) breaks(t *testing.T, name string, reasons []string, since time.Time) {
	t.Helper()
	was := func(i *plugin.Info) int {
		return slices.IndexFunc(i.History, func(h plugin.Change) bool { return h.State == plugin.Broken && h.At.After(since) })
	}
	i := c.Shows(t, name, "is broken", func(i *plugin.Info) bool { return was(i) >= 0 })
	if why := i.History[was(&i)].Reason; !holdsOne(why, reasons) {
		t.Errorf("it is broken, the reason is %q; want %q", why, reasons)
	}
	if i.State == plugin.Broken && i.Retry == nil {
		t.Error("it is broken, and there is no time at which it is tried again")
	}
	i = c.Shows(t, name, "is active and has done with all events", func(i *plugin.Info) bool {
		return i.State == plugin.Active && i.Counts.Queued == 0
	})
	if i.Counts.Crashes < 5 {
		t.Errorf("got %d crashes, want 5 at least", i.Counts.Crashes)
	}
	c.buried(t, name, reasons, since)
	if n := i.Counts.Events; name == "rogue" {
		c.send("b-x-rogue", "LINDE", `<rogue does="nothing"/>`)
		c.Shows(t, name, "works again", func(i *plugin.Info) bool { return i.Counts.Events > n })
	}
}

func holdsOne(text string, parts []string) bool {
	return slices.ContainsFunc(parts, func(p string) bool { return strings.Contains(text, p) })
}

// buried wants a dead letter that says one of the reasons.
func (c *crowd) buried(t *testing.T, name string, reasons []string, since time.Time) {
	t.Helper()
	var page struct {
		DeadLetters []plugin.DeadLetter `json:"dead_letters"`
	}
	c.Must(t, "GET", "/api/v1/plugins/"+name+"/dead-letters?limit=1000", nil).Decode(t, &page)
	last := ""
	for _, d := range page.DeadLetters { // newest first
		if d.At.After(since) && holdsOne(d.Error, reasons) && strings.Contains(d.XML, d.Subject) && strings.HasPrefix(d.Subject, "ROGUE-") {
			return
		}
		if last == "" {
			last = d.Error
		}
	}
	t.Errorf("got %d dead letters, the last one says %q; want one with its event and %q", len(page.DeadLetters), last, reasons)
}

// answers has the guest garbage answer that.
func (c *crowd) answers(t *testing.T, how string) {
	since := c.again(t, "garbage")
	want, crashes := "events: answer", uint64(2)
	if how == "status" {
		want, crashes = "failed", 0 // one that is not known may be of a later version of the contract
	}
	old := c.Plugin(t, "garbage").Counts
	c.send("b-x-garbage", how, "")
	i := c.Shows(t, "garbage", "has a dead letter more", func(i *plugin.Info) bool { return i.Counts.DeadLetters > old.DeadLetters })
	c.buried(t, "garbage", []string{want}, since)
	if n := i.Counts.Crashes - old.Crashes; n != crashes || i.State != plugin.Active {
		t.Errorf("got %d crashes and the state %s (%s), want %d and that it is active", n, i.State, i.Reason, crashes)
	}
}
