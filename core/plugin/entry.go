package plugin

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/takhost/takhost/core/plugin/call"
	"github.com/takhost/takhost/core/plugin/run"
	"github.com/takhost/takhost/hostapi/manifest"
)

// entry is what the host knows of one plugin.
type entry struct {
	name string
	h    *Host

	// Changed by whoever has the turn, and then under mu: those who read it
	// without the turn take mu.
	want    *target   // what the settings say; never nil
	running *running  // nil: it does not run
	waiting *running  // running, until it is active: its routes and queue are in force
	guard   *running  // while it does not run: drops the events that its filters would have decided about
	tried   bool      // it has failed with this target
	lacking bool      // for want of another plugin
	again   time.Time // a failure that may pass is tried again then; zero: it is not
	tries   int       // such failures in a row
	spent   []string  // digests of packages of versions that will not come back
	undo    rows      // settings to go back to if the version before comes back; nil: stay
	back    *running  // the version that came back, until the keeper has noticed

	mu      sync.Mutex // guards what follows, and reading the above; no other lock is taken under it
	state   State
	reason  string
	since   time.Time
	retry   time.Time
	history []Change   // newest last
	counts  run.Counts // of runs that have ended

	starting bool        // it is between its actor and its routes
	held     *run.Change // that the actor told meanwhile

}

// running is a plugin that runs.
type running struct {
	target  *target
	version *run.Version
	actor   *run.Actor
	calls   *call.Plugin
}

// action gives an action of the manifest.
func (r *running) action(name string) (manifest.Action, bool) {
	all := r.target.pkg.Manifest.Provides
	if i := slices.IndexFunc(all, func(a manifest.Action) bool { return a.Name == name }); i >= 0 {
		return all[i], true
	}
	return manifest.Action{}, false
}

// maxHistory is how many changes of state are kept.
const maxHistory = 30

func newEntry(name string, h *Host) *entry {
	return &entry{name: name, h: h, want: &target{name: name}, state: Found, since: h.opt.Now()}
}

// turnTo changes the state, notes it and logs it. Nothing happens when state and
// reason are as they were.
func (e *entry) turnTo(c Change, retry time.Time) {
	e.mu.Lock()
	n := len(e.history)
	before := e.state
	same := n > 0 && e.state == c.State && e.reason == c.Reason && e.history[n-1].Version == c.Version
	if c.At.IsZero() {
		c.At = e.h.opt.Now()
	}
	if !same {
		e.state, e.reason, e.since = c.State, c.Reason, c.At
		if len(e.history) == maxHistory {
			e.history = append(e.history[:0], e.history[1:]...)
		}
		e.history = append(e.history, c)
	}
	e.retry = retry
	e.mu.Unlock()
	if same {
		return
	}
	level := slog.LevelInfo
	switch c.State {
	case Failed, Broken:
		level = slog.LevelWarn
	case Found, Verified, Compiled, Warm, Idle, Draining:
		level = slog.LevelDebug
	case Active:
		if before == Idle { // it comes and goes with what there is to do
			level = slog.LevelDebug
		}
	}
	attrs := []any{slog.String("plugin", e.name), slog.String("state", string(c.State))}
	if c.Version != "" {
		attrs = append(attrs, slog.String("version", c.Version))
	}
	if c.Reason != "" {
		attrs = append(attrs, slog.String("reason", c.Reason))
	}
	if !retry.IsZero() {
		attrs = append(attrs, slog.Time("retry", retry))
	}
	e.h.log.Log(context.Background(), level, "plugin state", attrs...)
}

// set changes the state by the host's own doing.
func (e *entry) set(s State, reason string) {
	version := ""
	if t := e.target(); t != nil && t.pkg != nil {
		version = t.pkg.Manifest.Version
	}
	e.turnTo(Change{State: s, Version: version, Reason: reason}, time.Time{})
}

// target gives what runs, or else what is to run.
func (e *entry) target() *target {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.running != nil {
		return e.running.target
	}
	return e.want
}

// report takes the steps that the actor tells of. It is called on the actor's
// goroutine and must not wait for the host.
func (e *entry) report(c run.Change) {
	if c.State == run.Draining || c.State == run.Stopped {
		return // the host ends it, and says why
	}
	e.mu.Lock()
	if e.starting {
		// It is active when its routes and events are in force too.
		if e.held = nil; c.State == run.Active {
			e.held = &c
			e.mu.Unlock()
			return
		}
	}
	e.mu.Unlock()
	e.turnTo(Change{At: c.At, State: State(c.State), Version: c.Version, Reason: c.Reason}, c.Retry)
	if c.State == run.Idle {
		e.h.gaveUp.Store(true)
	}
	e.h.poke()
}

// hold keeps the actor's Active back while the plugin starts; release tells it.
func (e *entry) hold() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.starting, e.held = true, nil
}

func (e *entry) release() {
	e.mu.Lock()
	held := e.held
	e.starting, e.held = false, nil
	e.mu.Unlock()
	if held != nil {
		e.report(*held)
	}
}

// setWant notes what the plugin is to be.
func (e *entry) setWant(t *target) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.want, e.tried, e.lacking, e.again, e.tries = t, false, false, time.Time{}, 0
}

func (e *entry) setRunning(r *running) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.running != nil && (r == nil || r.actor != e.running.actor) {
		e.counts = sum(e.counts, e.running.actor.Counts())
	}
	e.running = r
	if e.waiting != r {
		e.waiting = nil
	}
}

// sum adds what was counted; what is the state of the moment ends with an actor.
func sum(a, b run.Counts) run.Counts {
	a.Events += b.Events
	a.Calls += b.Calls
	a.Requests += b.Requests
	a.Missed += b.Missed
	a.DeadLetters += b.DeadLetters
	a.Crashes += b.Crashes
	a.Conflicts += b.Conflicts
	return a
}
