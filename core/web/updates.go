package web

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"slices"
	"strings"
	"sync"

	"github.com/takhost/takhost/core/plugin/call"
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/wire"
)

// What one reader of live updates may be behind. Then the oldest go.
const (
	updatesKept  = 1024
	updatesBytes = 4 << 20
)

// Audiences knows whom an audience reaches. Its methods are called from many
// goroutines at once and must not block.
type Audiences interface {
	// Intersects says whether two sets have a group in common.
	Intersects(a, b hostapi.SetID) bool
	// Holds says whether the client of that uid has one of the callsigns, or is a
	// member of one of the topics.
	Holds(client string, callsigns, topics []string) bool
}

// Updates passes the live updates of plugins on to whoever watches. It is a
// call.Live.
type Updates struct {
	who Audiences
	log *slog.Logger

	mu      sync.Mutex // guards what is below
	closed  bool
	readers []*updateReader
}

var _ call.Live = (*Updates)(nil)

// NewUpdates gives Updates that nobody watches yet. Without Audiences, sets
// have a group in common only when they are equal.
func NewUpdates(who Audiences, log *slog.Logger) *Updates { return &Updates{who: who, log: log} }

// Publish implements call.Live. Nobody is waited for: who reads too slowly
// misses updates, and is told how many.
func (u *Updates) Publish(updates []call.Update) {
	u.mu.Lock()
	readers := slices.Clone(u.readers)
	u.mu.Unlock()
	if len(readers) == 0 {
		return
	}
	for i := range updates {
		up := &updates[i]
		var line bytes.Buffer
		if err := json.Compact(&line, up.Data); err != nil {
			u.log.Error("live update left out: it is no JSON", slog.String("plugin", up.Plugin), slog.String("stream", up.Stream), slog.Any("err", err))
			continue
		}
		p := push{kind: oneLine(up.Event), stream: up.Stream, data: line.Bytes()}
		if p.kind == "" {
			p.kind = oneLine(up.Stream)
		}
		for _, r := range readers {
			if r.wants(up.Stream) && u.reaches(r.caller, up) {
				r.push(p, up.Key)
			}
		}
	}
}

// oneLine makes a name fit into a line of its own.
func oneLine(name string) string {
	return strings.Map(func(c rune) rune {
		if c < ' ' || c == 0x7f {
			return -1
		}
		return c
	}, name)
}

// reaches says whether the caller may see an update. Administrators see all.
func (u *Updates) reaches(c *wire.Caller, up *call.Update) bool {
	if isAdmin(c) {
		return true
	}
	to := &up.To
	if to.Groups != 0 && !u.intersects(to.Groups, hostapi.SetID(c.OutSet)) {
		return false
	}
	if !to.Named() {
		return to.Groups != 0
	}
	if c.Client == "" {
		return false
	}
	return slices.Contains(to.UIDs, c.Client) || u.who != nil && u.who.Holds(c.Client, to.Callsigns, to.Topics)
}

func (u *Updates) intersects(a, b hostapi.SetID) bool {
	if u.who == nil {
		return a == b
	}
	return u.who.Intersects(a, b)
}

// Close ends all watching, now and later.
func (u *Updates) Close() {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.closed {
		return
	}
	u.closed = true
	for _, r := range u.readers {
		close(r.done)
	}
	u.readers = nil
}

// watch begins to collect updates of these streams, or of all, that the caller
// may see.
func (u *Updates) watch(caller *wire.Caller, streams []string) *updateReader {
	r := &updateReader{caller: caller, streams: streams, wake: make(chan struct{}, 1), done: make(chan struct{})}
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.closed {
		close(r.done)
		return r
	}
	u.readers = append(u.readers, r)
	return r
}

func (u *Updates) drop(r *updateReader) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.readers = slices.DeleteFunc(u.readers, func(q *updateReader) bool { return q == r })
}

// updateReader is one who watches. wake has room for one: a second signal before
// the first is seen tells nothing new.
type updateReader struct {
	caller  *wire.Caller
	streams []string
	wake    chan struct{}
	done    chan struct{} // closed when there will be no more

	mu     sync.Mutex
	queue  []keyed
	keys   map[string]int // place in queue, counted from the first update that ever was
	first  int            // what the first of queue counts as
	bytes  int
	missed uint64 // since the last drain
}

type keyed struct {
	push
	key string // with its stream; empty: no later one replaces it
}

var _ source = (*updateReader)(nil)

func (r *updateReader) woken() <-chan struct{} { return r.wake }
func (r *updateReader) ended() <-chan struct{} { return r.done }

// wants says whether the reader asked for a stream. A pattern with * at its end
// stands for all that begin with it.
func (r *updateReader) wants(stream string) bool {
	return len(r.streams) == 0 || hostapi.MatchAny(r.streams, stream)
}

func (r *updateReader) push(p push, key string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	defer func() {
		select {
		case r.wake <- struct{}{}:
		default:
		}
	}()
	if key != "" {
		key = p.stream + "\x00" + key
		if at, ok := r.keys[key]; ok {
			old := &r.queue[at-r.first]
			r.bytes += len(p.data) - len(old.data)
			old.push = p
			for r.bytes > updatesBytes && len(r.queue) > 1 {
				r.forget()
				r.missed++
			}
			return
		}
	}
	for len(r.queue) > 0 && (len(r.queue) >= updatesKept || r.bytes+len(p.data) > updatesBytes) {
		r.forget()
		r.missed++
	}
	if key != "" {
		if r.keys == nil {
			r.keys = map[string]int{}
		}
		r.keys[key] = r.first + len(r.queue)
	}
	r.queue = append(r.queue, keyed{p, key})
	r.bytes += len(p.data)
}

// forget drops the first of the queue.
func (r *updateReader) forget() {
	k := r.queue[0]
	r.queue[0] = keyed{}
	r.queue = r.queue[1:]
	r.first++
	r.bytes -= len(k.data)
	delete(r.keys, k.key)
}

// drain implements source.
func (r *updateReader) drain(out func(push) error) error {
	r.mu.Lock()
	queue, missed := r.queue, r.missed
	r.first += len(queue)
	r.queue, r.keys, r.bytes, r.missed = nil, nil, 0, 0
	r.mu.Unlock()
	if missed > 0 {
		if err := out(lagging(missed)); err != nil {
			return err
		}
	}
	for i := range queue {
		if err := out(queue[i].push); err != nil {
			return err
		}
	}
	return nil
}
