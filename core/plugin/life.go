package plugin

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/takhost/takhost/core/plugin/call"
	"github.com/takhost/takhost/core/plugin/guest"
	"github.com/takhost/takhost/core/plugin/pack"
	"github.com/takhost/takhost/core/plugin/run"
	"github.com/takhost/takhost/core/store"
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/manifest"
)

// Callers of the functions here have the turn.

// haltTime is how long the last calls of a plugin may take before they are cut.
const haltTime = 30 * time.Second

// startTime bounds the start of a plugin beside its own limits: a large module
// takes seconds to compile, on a slow machine some more.
const startTime = 3 * time.Minute

// settle shows what can be said of a plugin that does not run.
func (h *Host) settle(e *entry) {
	switch {
	case !e.want.set.enabled:
		reason := ""
		if store.CodeOf(e.want.err) == store.Invalid { // what is not granted is listed anyhow
			reason = e.want.err.Error()
		}
		e.set(Disabled, reason)
	case e.want.err != nil:
		e.set(Failed, e.want.err.Error())
	default:
		e.set(Found, "")
	}
}

// judge tells what speaks against t, other than what it does when it runs. there
// are the plugins whose actions it could use, planned those that are to run.
func (h *Host) judge(ctx context.Context, t *target, there, planned offer) error {
	if t.err != nil {
		return t.err
	}
	planned = maps.Clone(planned)
	planned[t.name] = t.pkg.Manifest
	if _, circles := sortByNeeds(planned); circles[t.name] != "" {
		return &lackError{[]string{"is part of a circle: " + circles[t.name]}}
	}
	if lines := there.lacks(t.pkg.Manifest); len(lines) > 0 {
		return &lackError{lines}
	}
	return h.checkData(ctx, t)
}

// lackError says that other plugins are missing, which may come.
type lackError struct{ lines []string }

func (e *lackError) Error() string { return "it " + strings.Join(e.lines, "; it ") }

func (e *lackError) Unwrap() error { return &store.Error{Code: store.Conflict} }

// start brings a plugin to life that does not run. After an error it is failed,
// for that reason.
func (h *Host) start(ctx context.Context, e *entry, t *target) (err error) {
	defer func() {
		if err != nil {
			e.failed(err)
			h.setGuard(e, t)
		}
	}()
	if e.waiting == nil {
		if err := h.prepare(ctx, e, t); err != nil {
			return err
		}
	}
	return h.activate(ctx, e)
}

// prepare puts the routes and the queue of a plugin that does not run in force:
// requests and events wait for activate, and a fail-closed filter drops meanwhile.
func (h *Host) prepare(ctx context.Context, e *entry, t *target) error {
	if err := h.judge(ctx, t, h.inForce(), h.wanted()); err != nil {
		return err
	}
	if err := h.pin(ctx, t); err != nil {
		return err
	}
	if t.pkg.Manifest.Runtime == "process" {
		// Nothing of the plugin runs: programs of other versions can go.
		if err := pack.Prune(h.programs(t.name), t.pkg.SHA256); err != nil {
			h.log.Warn("programs of versions before were not removed", "plugin", t.name, "err", err)
		}
	}
	commit, err := h.generation(t.name, t)
	if err != nil {
		return err
	}
	r, err := h.build(t, nil)
	if err != nil {
		return err
	}
	e.set(Verified, "")
	e.hold()
	r.actor = run.New(h.actorOptions(e), r.version)
	commit()
	e.setRunning(r)
	e.waiting = r
	h.publish()
	return nil
}

// activate brings what prepare has put in force to life. After an error nothing of
// it is in force any more.
func (h *Host) activate(ctx context.Context, e *entry) error {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	r := e.running
	e.waiting = nil
	defer e.release()
	if err := h.bring(ctx, e, r); err != nil {
		err = errors.Join(unfit(err), h.withdraw(ctx, e, r))
		r.calls.Close()
		return err
	}
	h.dropGuard(ctx, e)
	return nil
}

func (h *Host) bring(ctx context.Context, e *entry, r *running) error {
	index, err := h.reindex(ctx, e, r)
	if err != nil {
		return err
	}
	defer index.close(ctx)
	if err := index.finish(ctx); err != nil {
		return err
	}
	// The actor has its place in the view: what is committed from here on it is told
	// of, and by their revisions it knows which of both counts.
	timers, err := h.timersOf(ctx, e.name)
	if err != nil {
		return err
	}
	r.actor.TimersChanged(timers)
	return r.actor.Activate(ctx, nil)
}

// withdraw takes back a plugin that did not come to life.
func (h *Host) withdraw(ctx context.Context, e *entry, r *running) error {
	commit, err := h.generation(e.name, nil)
	if err == nil {
		commit()
	}
	h.setGuard(e, r.target) // before its filters go
	h.publishWithout(e.name)
	err = errors.Join(err, r.actor.Close(ctx))
	e.setRunning(nil)
	return err
}

func (h *Host) actorOptions(e *entry) run.Options {
	return run.Options{
		Name: e.name, Archive: h.opt.Archive, Store: h.db, Report: e.report, Reach: h.reach, Idle: func() time.Duration { return time.Duration(h.idle.Load()) }, Waits: h.waits, Metrics: h.metrics,
		Tracer: h.opt.Tracer, Log: h.log.With("plugin", e.name), Now: h.opt.Now, Tuning: h.opt.Tuning,
	}
}

// halt ends a plugin that runs. First its routes and events go, then its last
// calls end.
func (h *Host) halt(ctx context.Context, e *entry, reason string) error {
	commit, err := h.generation(e.name, nil)
	if err != nil {
		// Taking routes away cannot clash; without a new generation the old one
		// goes on, and answers of this plugin are refused.
		h.log.Error("cannot take the routes of a plugin away", "plugin", e.name, "err", err)
	} else {
		commit()
	}
	r := e.running
	h.publishWithout(e.name)
	e.set(Draining, reason)
	// A plugin that waits for a database that is away would not end by itself.
	ctx, cancel := context.WithTimeout(ctx, haltTime)
	defer cancel()
	err = r.actor.Close(ctx)
	e.setRunning(nil)
	r.calls.Close()
	e.set(Stopped, reason)
	return err
}

// replace gives a plugin that runs another target, without a gap. After an error
// it runs as before.
func (h *Host) replace(ctx context.Context, e *entry, t *target) error {
	before := e.running
	kind := before.target.changeTo(t)
	if kind == changeNone { // values that count nowhere but in lists
		e.setRunning(&running{target: t, version: before.version, actor: before.actor, calls: before.calls})
		return nil
	}
	if err := h.judge(ctx, t, h.inForce(), h.wanted()); err != nil {
		return err
	}
	if err := h.pin(ctx, t); err != nil {
		return err
	}
	r, err := h.build(t, before)
	if err != nil {
		return err
	}
	r.actor = before.actor
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	if kind == changeConfig {
		if err = r.actor.Reconfigure(ctx, r.version); err == nil {
			h.takeOver(e, r)
			before.calls.Close()
		}
	} else {
		err = h.swap(ctx, e, before, r)
	}
	if err != nil {
		r.calls.Close()
	}
	return unfit(err)
}

// unfit gives an error of a plugin that does not run a code, unless somebody knew a
// better one: that its program is none, or takes too long, is no failure of the
// server's, and whoever starts it has to know.
func unfit(err error) error {
	var s *call.StatusError
	if err == nil || store.CodeOf(err) != "" || errors.As(err, &s) {
		return err
	}
	return &store.Error{Code: store.Conflict, Err: err}
}

// takeOver puts in force what belongs to a version beside its actor. It runs on
// the actor's goroutine, inside the barrier, or with the turn.
func (h *Host) takeOver(e *entry, r *running) {
	e.setRunning(r)
	e.mu.Lock()
	e.back = nil // what came back has been replaced in its turn
	e.mu.Unlock()
	h.publish()
}

// swap lets the actor take the next version over.
func (h *Host) swap(ctx context.Context, e *entry, before, r *running) error {
	commit, err := h.generation(e.name, r.target)
	if err != nil {
		return err
	}
	index, err := h.reindex(ctx, e, r)
	if err != nil {
		return err
	}
	defer index.close(ctx)
	return r.actor.Swap(ctx, run.Plan{
		Next:   r.version,
		Sample: h.sample(ctx, r.target.pkg.Manifest),
		// The old version is parked: nothing new comes up any more.
		Prepare: index.finish,
		Commit: func(context.Context) error {
			commit()
			h.takeOver(e, r)
			return nil
		},
		Back: func(reason string) { e.cameBack(before, reason) },
		Done: func() {
			before.calls.Close()
			if before.target.source == sourceInstalled {
				e.setSpent(before.target.pkg.SHA256)
			}
		},
		// The same code with other grants has nothing to prove, and must not get
		// back what was taken away.
		NoProbation: before.target.pkg == r.target.pkg,
	})
}

// sample gives some recorded events that the plugin subscribes to, for its trial.
func (h *Host) sample(ctx context.Context, m *manifest.Manifest) []*hostapi.Event {
	var types []string
	for _, s := range m.Subscriptions {
		types = append(types, s.Types...)
	}
	if len(types) == 0 {
		return nil
	}
	page, err := h.opt.Store.Archive().Query(ctx, store.Query{Types: types, Limit: sampleSize})
	if err != nil {
		h.log.Warn("no recorded events for the trial of a plugin", "plugin", m.Name, "err", err)
		return nil
	}
	var events []*hostapi.Event
	for i := range page.Events {
		if e, err := eventOf(&page.Events[i]); err == nil {
			events = append(events, e)
		}
	}
	return events
}

// sampleSize is how many events a newcomer is tried on.
const sampleSize = 16

// failed notes why a plugin does not run, and whether that may pass.
func (e *entry) failed(err error) {
	var again time.Time
	var lack *lackError
	passing := transient(err)
	e.mu.Lock()
	e.lacking = errors.As(err, &lack)
	if passing {
		e.tries++
		again = e.h.opt.Now().Add(min(time.Second<<min(e.tries-1, 10), 5*time.Minute))
	}
	e.tried, e.again = true, again
	e.mu.Unlock()
	version := ""
	if e.want.pkg != nil {
		version = e.want.pkg.Manifest.Version
	}
	e.turnTo(Change{State: Failed, Version: version, Reason: err.Error()}, again)
}

// transient says whether the same may succeed later by itself.
func transient(err error) bool {
	var s *call.StatusError
	return store.CodeOf(err) == store.Unavailable || guest.ReasonOf(err) == guest.Deadline ||
		errors.As(err, &s) && s.Status == hostapi.Retry || errors.Is(err, context.DeadlineExceeded)
}

// pin notes the digest of a file that is used for the first time, so that nobody
// can change it without being noticed.
func (h *Host) pin(ctx context.Context, t *target) error {
	if t.source == sourceShipped || t.source == sourceInstalled || t.set.sha256 != "" {
		return nil
	}
	text, err := encode(pinKey, pin{Source: t.source, SHA256: t.pkg.SHA256})
	if err != nil || h.rows[t.name][pinKey] == text {
		return err
	}
	return h.write(ctx, t.name, rows{pinKey: text})
}

// write stores rows of a plugin; without an error they are on the disk.
func (h *Host) write(ctx context.Context, name string, changes rows) error {
	if len(changes) == 0 {
		return nil
	}
	if err := h.db.SetSettings(ctx, name, changes); err != nil {
		return fmt.Errorf("store the settings of plugin %s: %w", name, err)
	}
	h.rows[name] = h.rows[name].with(changes)
	return nil
}
