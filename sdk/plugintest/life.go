package plugintest

import (
	"errors"
	"fmt"
	"time"

	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/wire"
	"github.com/takhost/takhost/sdk"
)

// fault is what shall go wrong in the next call.
type fault struct {
	reason string
	after  int // operations of the host; 0: at the end
}

// Trap makes the instance crash in the next call (of events, a request, a timer, an
// action, clients or a filter): at its nth operation of the host, or with 0, or fewer
// operations, at the end, before anything is committed. What follows is the server's
// way: nothing of the call is committed, a new instance without the old one's memory
// comes, events and timers are given once more.
func (k *Kit) Trap(nth int) { k.fault = &fault{"trap", nth} }

// Deadline makes the next call end because it took too long, as Trap does.
func (k *Kit) Deadline() { k.fault = &fault{"deadline", 0} }

// Conflict makes the next n commits fail, since somebody else wrote the same documents.
// The plugin is called again each time; after the fourth, the call fails as Conflict.
func (k *Kit) Conflict(n int) { k.conflict = n }

// Calls counts the calls of the plugin so far, those that were made again included.
func (k *Kit) Calls() int { return k.calls }

// Health asks the plugin how it is.
func (k *Kit) Health() error {
	k.t.Helper()
	_, err := k.call(hostapi.OpHealth, nil, how{readOnly: true})
	return err
}

// Swap puts another instance in the place of the one that runs, as the server does
// with a new version: "state": "memory" hands its snapshot over, "state": "store"
// begins without memory. On an error the instance that ran goes on, as after a swap
// that is rolled back; that is not played with a plugin in a process of its own, where
// the test ends.
func (k *Kit) Swap() error {
	k.t.Helper()
	var memory []byte
	if k.manifest.State == "memory" {
		out, err := k.call(hostapi.OpSnapshot, nil, how{readOnly: true})
		if err != nil {
			return fmt.Errorf("snapshot: %w", err)
		}
		memory = out
	}
	if _, err := k.call(hostapi.OpStop, nil, how{}); err != nil {
		return fmt.Errorf("stop: %w", err)
	}
	before, local := k.guest.(*inProcess)
	var old *sdk.Instance
	if local {
		old = before.inst
	}
	err := k.renew(k.version)
	if err == nil && k.manifest.State == "memory" {
		if _, err = k.call(hostapi.OpRestore, memory, how{readOnly: true}); err != nil {
			err = fmt.Errorf("restore: %w", err)
		}
	}
	if err != nil {
		if !local {
			k.t.Fatalf("swap: %v", err)
		}
		before.inst = old
	}
	return err
}

// Restart stops the server for a time: memory is lost, and timers that were due
// meanwhile come late, once each. Those of the manifest begin anew.
func (k *Kit) Restart(down time.Duration) {
	k.t.Helper()
	if _, err := k.call(hostapi.OpStop, nil, how{}); err != nil && !errors.Is(err, errCrashed) {
		k.t.Errorf("stop plugin: %v", err)
	}
	k.online = nil
	k.now = k.now.Add(down)
	for _, t := range k.manifest.Timers {
		every := time.Duration(t.Every).Microseconds()
		k.state.timers[t.Name] = timerState{due: k.now.UnixMicro() + every, every: every}
	}
	if err := k.renew(k.version); err != nil {
		k.t.Fatalf("start plugin again: %v", err)
	}
	k.fire(k.now.UnixMicro())
}

// Reconfigure changes the plugin's section of the config, as JSON: a plugin without
// that operation gets a new instance.
func (k *Kit) Reconfigure(section string) error {
	k.t.Helper()
	config, err := configTree(k.manifest, section)
	if err != nil {
		return err
	}
	before := k.config
	k.config = config
	err = k.init("", hostapi.OpReconfigure)
	if sdk.Is(err, sdk.Unsupported) {
		err = k.renew("")
	}
	if err != nil {
		k.config = before
	}
	return err
}

// Advance moves the clock on and calls the timers that come due on the way, in their
// order, each at its time.
func (k *Kit) Advance(d time.Duration) {
	k.t.Helper()
	to := k.now.Add(d)
	for {
		name, t, ok := k.nextTimer()
		if !ok || t.due > to.UnixMicro() {
			break
		}
		k.now = time.UnixMicro(max(t.due, k.now.UnixMicro())).UTC()
		k.fireOne(name, t)
	}
	k.now = to
}

// fire calls the timers that are due by now, once each.
func (k *Kit) fire(now int64) {
	k.t.Helper()
	for {
		name, t, ok := k.nextTimer()
		if !ok || t.due > now {
			return
		}
		k.fireOne(name, t)
	}
}

func (k *Kit) nextTimer() (name string, t timerState, ok bool) {
	for n, s := range k.state.timers {
		if !ok || s.due < t.due || s.due == t.due && n < name {
			name, t, ok = n, s, true
		}
	}
	return name, t, ok
}

// fireOne calls one timer. It moves on, or goes, in the same commit, unless the call
// itself set it anew.
func (k *Kit) fireOne(name string, t timerState) {
	k.t.Helper()
	now := k.now.UnixMicro()
	next, missed := int64(0), int64(0)
	if t.every > 0 {
		missed = max(0, (now-t.due)/t.every)
		next = t.due + (missed+1)*t.every
	}
	stage := func(s *state) {
		have, there := s.timers[name]
		if !there || have.set != t.set {
			return
		}
		if t.every == 0 {
			delete(s.timers, name)
			return
		}
		have.due = next
		s.timers[name] = have
	}
	m := wire.Timer{Name: name, Due: t.due, Missed: uint32(missed), Data: t.data}
	k.twice(hostapi.OpTimer, m.Append(nil), how{stage: stage}, name)
}

// Timer gives when a timer is due, and whether it is set.
func (k *Kit) Timer(name string) (due time.Time, ok bool) {
	t, ok := k.state.timers[name]
	return time.UnixMicro(t.due).UTC(), ok
}

// Action calls one of the plugin's actions, for a caller or, with nil, for another
// plugin itself.
func (k *Kit) Action(name string, body []byte, caller *sdk.Caller) (sdk.ActionResult, error) {
	k.t.Helper()
	m := wire.Action{Name: name, Body: body, Caller: caller}
	h := how{caller: caller}
	known := false
	for _, a := range k.manifest.Provides {
		if a.Name == name {
			known, m.Version, h.readOnly = true, uint32(a.Version), !a.Writes
		}
	}
	if !known {
		k.t.Fatalf("action: the manifest provides no %q", name)
	}
	var res sdk.ActionResult
	out, err := k.call(hostapi.OpAction, m.Append(nil), h)
	if err != nil {
		return res, err
	}
	if err := res.Decode(out); err != nil {
		return res, fmt.Errorf("read the answer of %s: %w", name, err)
	}
	return res, nil
}

// Reindex asks for the keys of all documents of a collection, as the server does when
// an index is new, and writes them.
func (k *Kit) Reindex(collection string, indexes ...string) error {
	k.t.Helper()
	c, ok := k.manifest.Collection(collection)
	if !ok {
		k.t.Fatalf("reindex: the manifest has no collection %q", collection)
	}
	m := wire.Reindex{Indexes: indexes}
	ids := k.Documents(collection)
	for _, id := range ids {
		m.Documents = append(m.Documents, k.state.documents[collection][id].wire(collection, id, nil, false))
	}
	out, err := k.call(hostapi.OpReindex, m.Append(nil), how{readOnly: true})
	if err != nil {
		return err
	}
	var res wire.Reindexed
	if err := res.Decode(out); err != nil {
		return fmt.Errorf("read the answer to reindex: %w", err)
	}
	if len(res.Documents) != len(ids) {
		return fmt.Errorf("reindex: keys of %d documents, want %d", len(res.Documents), len(ids))
	}
	w := &work{k: k, state: k.state.clone()}
	for i, id := range ids {
		keys, err := w.keys(c, id, res.Documents[i].Keys)
		if err != nil {
			return err
		}
		d := *w.state.documents[collection][id]
		all := map[string][]byte{}
		for n, key := range d.keys {
			all[n] = key
		}
		for n, key := range keys {
			all[n] = key
		}
		d.keys = all
		w.state.documents[collection][id] = &d
	}
	k.state = w.state
	return nil
}
