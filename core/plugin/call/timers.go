package call

import (
	"context"
	"sync"
	"time"

	"github.com/takhost/takhost/core/store"
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/wire"
)

// Bounds of a timer.
const (
	maxTimerName = 256
	maxTimerData = 64 << 10
	leastEvery   = 100 * time.Millisecond
	longestEvery = 10 * 365 * 24 * time.Hour
)

// timerCount knows the names of a plugin's timers, so that their number need
// not be asked of the database each time. It may have too many, of calls that
// were discarded: who is refused was counted anew. What was committed it never
// leaves out, though word of commits comes in any order, and may come while the
// rows are being counted. Safe for concurrent use.
type timerCount struct {
	mu      sync.Mutex
	counted bool // names has the rows, too
	names   map[string]knownTimer
	news    uint64 // counts words of commits
}

// knownTimer is a timer that is there, or may be.
type knownTimer struct {
	revision uint64 // of its row; 0: a call is about to set it
	heard    uint64 // which word of a commit told of it; 0: none
}

// room says whether one more timer fits; name may be there already.
func (t *timerCount) room(name string, most int64) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.counted {
		return false
	}
	if _, there := t.names[name]; there {
		return true
	}
	if int64(len(t.names)) >= most {
		return false
	}
	t.names[name] = knownTimer{}
	return true
}

// heard counts what commits have told so far. It is asked before the rows are read.
func (t *timerCount) heard() uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.news
}

// recount takes the rows over. What a commit has told since then, the rows may not
// have yet.
func (t *timerCount) recount(rows []store.Timer, since uint64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	names := make(map[string]knownTimer, len(rows))
	for name, k := range t.names {
		if k.heard > since {
			names[name] = k
		}
	}
	for _, row := range rows {
		if k, there := names[row.Name]; !there || k.revision < row.Revision {
			names[row.Name] = knownTimer{revision: row.Revision}
		}
	}
	t.names, t.counted = names, true
}

func (t *timerCount) committed(changed []store.Timer) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.news++
	if t.names == nil {
		t.names = map[string]knownTimer{}
	}
	for _, row := range changed {
		k, there := t.names[row.Name]
		switch {
		case there && k.revision > row.Revision: // an older word
		case row.Cancelled:
			delete(t.names, row.Name)
		default:
			t.names[row.Name] = knownTimer{row.Revision, t.news}
		}
	}
}

func (c *Call) timerSet(ctx context.Context, in []byte) error {
	const op = hostapi.HostTimerSet
	if err := c.stages(op); err != nil {
		return err
	}
	var m wire.TimerSet
	if err := decode(op, in, &m); err != nil {
		return err
	}
	every := time.Duration(m.Every) * time.Microsecond
	switch {
	case m.Name == "":
		return invalid(op, "the timer has no name")
	case len(m.Name) > maxTimerName:
		return beyond(op, "a name of %d bytes, at most %d are possible", len(m.Name), maxTimerName)
	case len(m.Data) > maxTimerData:
		return beyond(op, "%d bytes of data, at most %d are possible", len(m.Data), maxTimerData)
	case m.Every != 0 && (m.Every < leastEvery.Microseconds() || m.Every > longestEvery.Microseconds()):
		return invalid(op, "every: from %v to ten years", leastEvery)
	case m.At < 0 || m.At == 0 && m.Every == 0:
		return invalid(op, "timer %s has no time: give at, every, or both", show(m.Name))
	}
	for _, t := range c.p.spec.Manifest.Timers {
		if t.Name == m.Name {
			return &StatusError{Status: hostapi.Conflict, Message: op.String() + ": timer " + show(m.Name) + " is one of the manifest's, which always run"}
		}
	}
	due := time.UnixMicro(m.At)
	if m.At == 0 {
		due = c.p.env.now().Add(every)
	}
	if most := amount(c.p.spec.Grants, hostapi.CapTimers, "number"); most > 0 && !c.p.acct.timers.room(m.Name, most) {
		since := c.p.acct.timers.heard()
		timers, err := c.Work().Timers(ctx, &c.p.owner)
		if err != nil {
			return err
		}
		c.p.acct.timers.recount(timers, since)
		if !c.p.acct.timers.room(m.Name, most) {
			return beyond(op, "the plugin has %d timers, and no more are granted", len(timers))
		}
	}
	return c.Work().SetTimer(&c.p.owner, store.Timer{Name: m.Name, Due: due, Every: every, Data: append([]byte(nil), m.Data...)})
}

func (c *Call) timerCancel(_ context.Context, in []byte) error {
	const op = hostapi.HostTimerCancel
	if err := c.stages(op); err != nil {
		return err
	}
	var m wire.TimerName
	if err := decode(op, in, &m); err != nil {
		return err
	}
	return c.Work().CancelTimer(&c.p.owner, m.Name)
}
