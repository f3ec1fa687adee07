package call

import (
	"context"
	"log/slog"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/takhost/takhost/hostapi"
)

// fetchesAtOnce is how many HTTP requests one plugin may have under way.
const fetchesAtOnce = 4

// account is what all versions of one plugin share.
type account struct {
	env *Env
	log *slog.Logger

	nRefused atomic.Uint64
	nEmitted atomic.Uint64
	nFetched atomic.Uint64

	lines   lineLimit     // of the guest's log
	refusal lineLimit     // of the lines about refusals
	emit    pace          // of events
	fetches chan struct{} // holds one entry for each request under way
	timers  timerCount
	blobs   written
	sets    madeSets
	series  seriesTable
}

func (e *Env) account(name string) (*account, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.metrics.register(e.Metrics); err != nil {
		return nil, err
	}
	if a := e.accounts[name]; a != nil {
		return a, nil
	}
	log := e.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	a := &account{
		env: e, log: log.With(slog.String("plugin", name)),
		fetches: make(chan struct{}, fetchesAtOnce),
	}
	a.lines = lineLimit{most: hostapi.DefaultLogLines, told: "log lines of the plugin left out", level: slog.LevelWarn}
	a.refusal = lineLimit{most: 1, told: "more operations were refused", level: slog.LevelWarn}
	a.series = seriesTable{plugin: name, names: &e.metrics}
	if e.accounts == nil {
		e.accounts = map[string]*account{}
	}
	e.accounts[name] = a
	e.metrics.add(name, &a.series)
	return a, nil
}

// Forget removes what is shared by the versions of a plugin, its metrics among
// them, when it is no longer installed. Its versions have been closed.
func (e *Env) Forget(name string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if a := e.accounts[name]; a != nil {
		e.metrics.remove(name)
		a.settle()
		delete(e.accounts, name)
	}
}

// Settle tells in the log what was left out of it and not told yet. It is for
// the end of the server.
func (e *Env) Settle() {
	e.mu.Lock()
	all := maps.Clone(e.accounts)
	e.mu.Unlock()
	for _, a := range all {
		a.settle()
	}
}

func (a *account) settle() {
	a.lines.settle(a.log)
	a.refusal.settle(a.log)
}

// Counts are what a plugin did by its calls since the server started.
type Counts struct {
	Emits   uint64 // events sent
	Refused uint64 // operations refused because they are not granted
	Fetches uint64 // HTTP requests sent
}

// Counts gives those of all versions of the plugin's name.
func (p *Plugin) Counts() Counts {
	return Counts{Emits: p.acct.nEmitted.Load(), Refused: p.acct.nRefused.Load(), Fetches: p.acct.nFetched.Load()}
}

// refused counts a refusal and logs it.
func (a *account) refused(p *Plugin, op hostapi.HostOp, why string) {
	a.nRefused.Add(1)
	if a.refusal.take(a.env.now(), a.log) {
		p.log.LogAttrs(context.Background(), slog.LevelWarn, "an operation of the plugin was refused",
			slog.String("op", op.String()), slog.String("why", why))
	}
}

// sent counts and takes what was sent.
func (a *account) sent(n int) {
	a.nEmitted.Add(uint64(n))
	a.emit.take(a.env.now(), n)
}

// lineLimit lets so many lines a second pass and tells how many did not, at
// most once a second: with the next line, and when that does not come, by a
// timer. The zero time begins a second. Safe for concurrent use.
type lineLimit struct {
	most  int
	told  string
	level slog.Level

	mu      sync.Mutex
	second  time.Time // begin of the second at hand
	passed  int
	left    int // left out and not told
	pending *time.Timer
}

// take says whether a line may pass.
func (l *lineLimit) take(now time.Time, log *slog.Logger) bool {
	l.mu.Lock()
	left := 0
	if d := now.Sub(l.second); d >= time.Second || d < 0 {
		left = l.turn(now)
	}
	ok := l.passed < l.most
	if ok {
		l.passed++
	} else if l.left++; l.pending == nil {
		// The timer goes by the real clock: it is a net for lines that nothing
		// follows, not a measure.
		l.pending = time.AfterFunc(time.Second, func() { l.settle(log) })
	}
	l.mu.Unlock()
	l.tell(log, left)
	return ok
}

// turn begins a new second and gives what is to be told. l.mu is held.
func (l *lineLimit) turn(now time.Time) (left int) {
	left, l.left, l.passed, l.second = l.left, 0, 0, now
	if l.pending != nil {
		l.pending.Stop()
		l.pending = nil
	}
	return left
}

func (l *lineLimit) settle(log *slog.Logger) {
	l.mu.Lock()
	left := l.left
	l.left = 0
	if l.pending != nil {
		l.pending.Stop()
		l.pending = nil
	}
	l.mu.Unlock()
	l.tell(log, left)
}

func (l *lineLimit) tell(log *slog.Logger, left int) {
	if left > 0 {
		log.LogAttrs(context.Background(), l.level, l.told, slog.Int("count", left))
	}
}
