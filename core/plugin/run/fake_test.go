package run

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/takhost/takhost/core/plugin/call"
	"github.com/takhost/takhost/core/plugin/guest"
	"github.com/takhost/takhost/core/store"
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/wire"
)

// script is what a fake guest does. It is called for every operation but those
// that it leaves to the default by giving Unsupported.
type script func(g *fakeGuest, op hostapi.GuestOp, in []byte) ([]byte, hostapi.Status)

// fakeModule runs a script in process.
type fakeModule struct {
	script script
	refuse func() error // of New

	mu     sync.Mutex
	live   int
	made   int
	closed bool
}

func (m *fakeModule) New(_ context.Context, h guest.Host) (guest.Instance, error) {
	if m.refuse != nil {
		if err := m.refuse(); err != nil {
			return nil, err
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.live++
	m.made++
	return &fakeGuest{m: m, host: h, number: m.made, memory: 1 << 20, state: map[string]int{}, closed: make(chan struct{})}, nil
}

func (m *fakeModule) Size() int64 { return 1000 }

func (m *fakeModule) Close(context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.live != 0 {
		return fmt.Errorf("closed with %d instances", m.live)
	}
	m.closed = true
	return nil
}

func (m *fakeModule) counts() (live, made int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.live, m.made
}

// fakeGuest is one instance.
type fakeGuest struct {
	m      *fakeModule
	host   guest.Host
	number int // of the instance, 1 first
	memory int64
	state  map[string]int // lost with the instance
	init   wire.Init
	dead   bool

	ctx    context.Context
	once   sync.Once
	closed chan struct{}
}

// crash is what a script panics with to die.
type crash struct{ c guest.Crash }

func (g *fakeGuest) trap(output string) {
	panic(crash{guest.Crash{Reason: guest.Trapped, Err: errors.New("unreachable"), Output: output}})
}

// hang is an endless loop, which the deadline ends.
func (g *fakeGuest) hang() {
	select {
	case <-g.ctx.Done():
		panic(crash{guest.Crash{Reason: guest.Deadline, Err: g.ctx.Err()}})
	case <-g.closed:
		panic(crash{guest.Crash{Reason: guest.Closed}})
	}
}

// wait blocks until c is closed, as a slow call does.
func (g *fakeGuest) wait(c <-chan struct{}) {
	select {
	case <-c:
	case <-g.ctx.Done():
		g.hang()
	}
}

func (g *fakeGuest) Call(ctx context.Context, op hostapi.GuestOp, in, dst []byte) (out []byte, s hostapi.Status, err error) {
	if g.dead {
		return nil, 0, &guest.Crash{Op: op, Reason: guest.Exited, Err: errors.New("called although it is dead")}
	}
	defer func() {
		if r := recover(); r != nil {
			c, ok := r.(crash)
			if !ok {
				panic(r)
			}
			g.dead = true
			c.c.Op = op
			out, s, err = nil, 0, &c.c
		}
	}()
	g.ctx = ctx
	if op == hostapi.OpInit {
		if err := g.init.Decode(slices.Clone(in)); err != nil {
			return nil, 0, &guest.Crash{Op: op, Reason: guest.Broken, Err: err}
		}
	}
	answer, s := g.m.script(g, op, in)
	if s == hostapi.Unsupported && (op == hostapi.OpInit || op == hostapi.OpStop) {
		s = hostapi.OK
	}
	return append(dst, answer...), s, nil
}

func (g *fakeGuest) Memory() int64 { return g.memory }

func (g *fakeGuest) Close(context.Context) error {
	g.once.Do(func() {
		close(g.closed)
		g.m.mu.Lock()
		g.m.live--
		g.m.mu.Unlock()
	})
	return nil
}

// op asks the fake host.
func (g *fakeGuest) op(op hostapi.HostOp, in string) (string, hostapi.Status) {
	out, s := g.host.Serve(g.ctx, op, []byte(in), nil)
	return string(out), s
}

// add adds one to a document and gives its value.
func (g *fakeGuest) add(doc string) string {
	have, _ := g.op(hostapi.HostGet, doc)
	n := 0
	fmt.Sscan(have, &n)
	next := fmt.Sprint(n + 1)
	g.op(hostapi.HostPut, doc+"="+next)
	return next
}

// events is the script of a guest that handles each event by do.
func events(do func(g *fakeGuest, b hostapi.Batch, i int, v hostapi.View)) script {
	return func(g *fakeGuest, op hostapi.GuestOp, in []byte) ([]byte, hostapi.Status) {
		if op != hostapi.OpEvents {
			return nil, hostapi.Unsupported
		}
		b := hostapi.Batch(in)
		for i, v := range b.All() {
			do(g, b, i, v)
		}
		return nil, hostapi.OK
	}
}

// fakeDB is documents with revisions, and everything else that a commit changes.
type fakeDB struct {
	mu      sync.Mutex
	docs    map[string]string
	revs    map[string]int
	emits   []string
	timers  map[string]store.Timer
	cursor  *store.Cursor
	letters []store.DeadLetter
	data    uint32
	commits int
	notice  func([]store.Timer)
	before  func() error // of each commit: an error to fail with
	after   func() error // the same once it has been made
	buried  chan store.DeadLetter
}

func newDB() *fakeDB {
	return &fakeDB{docs: map[string]string{}, revs: map[string]int{}, timers: map[string]store.Timer{}, buried: make(chan store.DeadLetter, 1000)}
}

func (db *fakeDB) Cursor(context.Context, string) (store.Cursor, error) {
	db.mu.Lock()
	defer db.mu.Unlock()
	if db.cursor == nil {
		return store.Cursor{}, &store.Error{Code: store.NotFound, Msg: "none"}
	}
	return *db.cursor, nil
}

func (db *fakeDB) AddDeadLetter(_ context.Context, d store.DeadLetter) (int64, error) {
	db.mu.Lock()
	defer db.mu.Unlock()
	db.bury(d)
	return int64(len(db.letters)), nil
}

func (db *fakeDB) bury(d store.DeadLetter) {
	db.letters = append(db.letters, d)
	db.buried <- d
}

func (db *fakeDB) DataVersion(context.Context, string) (uint32, error) {
	db.mu.Lock()
	defer db.mu.Unlock()
	return db.data, nil
}

func (db *fakeDB) doc(name string) string {
	db.mu.Lock()
	defer db.mu.Unlock()
	return db.docs[name]
}

func (db *fakeDB) sent() []string {
	db.mu.Lock()
	defer db.mu.Unlock()
	return slices.Clone(db.emits)
}

func (db *fakeDB) dead() []store.DeadLetter {
	db.mu.Lock()
	defer db.mu.Unlock()
	return slices.Clone(db.letters)
}

// fakeCalls makes calls on a fakeDB.
type fakeCalls struct {
	db  *fakeDB
	act func(ctx context.Context, parent *fakeCall, name string) (string, hostapi.Status)
	v   *Version
}

func (f *fakeCalls) Begin(o call.Options) Call {
	return &fakeCall{f: f, o: o, puts: map[string]string{}, reads: map[string]int{}}
}

type fakeCall struct {
	f       *fakeCalls
	o       call.Options
	root    *fakeCall // of a child
	puts    map[string]string
	reads   map[string]int
	emits   []string
	timers  []store.Timer
	cursor  *store.Cursor
	letters []store.DeadLetter
	ended   bool
}

func (c *fakeCall) child(o call.Options) *fakeCall {
	return &fakeCall{f: c.f, o: o, root: c.top()}
}

func (c *fakeCall) top() *fakeCall {
	if c.root != nil {
		return c.root
	}
	return c
}

func (c *fakeCall) Serve(ctx context.Context, op hostapi.HostOp, in, dst []byte) ([]byte, hostapi.Status) {
	t := c.top()
	if t.ended {
		return append(dst, "the call has ended"...), hostapi.Failed
	}
	if op != hostapi.HostLog && c.o.Pure {
		return dst, hostapi.Forbidden
	}
	switch op {
	case hostapi.HostGet:
		if v, ok := t.puts[string(in)]; ok {
			return append(dst, v...), hostapi.OK
		}
		c.f.db.mu.Lock()
		defer c.f.db.mu.Unlock()
		if _, ok := t.reads[string(in)]; !ok {
			t.reads[string(in)] = c.f.db.revs[string(in)]
		}
		return append(dst, c.f.db.docs[string(in)]...), hostapi.OK
	case hostapi.HostPut:
		if c.o.ReadOnly {
			return append(dst, (&wire.Error{Message: "read-only"}).Append(nil)...), hostapi.Forbidden
		}
		k, v, _ := strings.Cut(string(in), "=")
		t.puts[k] = v
	case hostapi.HostEmit:
		t.emits = append(t.emits, string(in))
	case hostapi.HostTimerSet:
		var m wire.TimerSet
		if err := m.Decode(in); err != nil {
			return dst, hostapi.Invalid
		}
		t.timers = append(t.timers, store.Timer{Name: m.Name, Due: time.UnixMicro(m.At), Every: time.Duration(m.Every) * time.Microsecond})
	case hostapi.HostTimerCancel:
		t.timers = append(t.timers, store.Timer{Name: string(in), Cancelled: true})
	case hostapi.HostCall:
		out, s := c.f.act(ctx, c, string(in))
		return append(dst, out...), s
	default:
		return dst, hostapi.Unsupported
	}
	return dst, hostapi.OK
}

func (c *fakeCall) SetTimer(t store.Timer) error { c.timers = append(c.timers, t); return nil }
func (c *fakeCall) DropTimer(name string) error {
	c.timers = append(c.timers, store.Timer{Name: name, Cancelled: true})
	return nil
}
func (c *fakeCall) SetCursor(at store.Cursor) error { c.cursor = &at; return nil }
func (c *fakeCall) AddDeadLetter(d store.DeadLetter) error {
	c.letters = append(c.letters, d)
	return nil
}

func (c *fakeCall) Commit(context.Context) error {
	if c.ended {
		return errors.New("ended twice")
	}
	c.ended = true
	db := c.f.db
	if c.o.Trial || len(c.puts) == 0 && len(c.emits) == 0 && len(c.timers) == 0 && c.cursor == nil && len(c.letters) == 0 {
		return nil
	}
	if before := db.before; before != nil {
		if err := before(); err != nil {
			return err
		}
	}
	db.mu.Lock()
	for doc, rev := range c.reads {
		if db.revs[doc] != rev {
			db.mu.Unlock()
			return &store.Error{Code: store.Conflict, Msg: doc + " has changed"}
		}
	}
	for doc, v := range c.puts {
		db.docs[doc] = v
		db.revs[doc]++
	}
	last := map[string]store.Timer{}
	for _, t := range c.timers {
		last[t.Name] = t
	}
	for name, t := range last {
		if t.Cancelled {
			delete(db.timers, name)
		} else {
			db.timers[name] = t
		}
	}
	if c.cursor != nil {
		db.cursor = c.cursor
	}
	db.emits = append(db.emits, c.emits...)
	for _, d := range c.letters {
		db.bury(d)
	}
	if len(c.puts) > 0 && c.f.v != nil {
		db.data = max(db.data, uint32(c.f.v.Manifest.Data))
	}
	db.commits++
	notice := db.notice
	db.mu.Unlock()
	if notice != nil && len(last) > 0 {
		notice(slices.Collect(maps.Values(last)))
	}
	if db.after != nil {
		return db.after()
	}
	return nil
}

func (c *fakeCall) Discard() { c.ended = true }
