package stream

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/takhost/takhost/hostapi"
)

// change puts other limits in force.
func (b *bed) change(how func(*Limits)) {
	l := *b.limits.Load()
	how(&l)
	b.SetLimits(l)
}

// heard shows that what x sends comes to y.
func heard(t *testing.T, x, y *peer, n int) {
	t.Helper()
	x.write(numbered(n))
	if e := y.event(); e != numbered(n) {
		t.Errorf("got %.100s, want %s", e, numbered(n))
	}
}

// Those who are in stay, whatever the limit; those who come are counted by the
// new one.
func TestLimitOfConnectionsChanges(t *testing.T) {
	for _, tt := range []struct {
		name string
		set  func(l *Limits, n int)
		log  string
	}{
		{"all together", func(l *Limits, n int) { l.Connections = n }, "limits.connections is 1 and"},
		{"from one address", func(l *Limits, n int) { l.PerAddress = n }, "limits.connections_per_address is 1 and"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBed(t, func(o *Options) { tt.set(&o.Limits, 2) })
			addr := b.listen(nil)
			x, y := b.dial(addr).greeted(), b.dial(addr).greeted()
			b.change(func(l *Limits) { tt.set(l, 1) })
			b.dial(addr).closed()
			b.logged(tt.log)
			heard(t, x, y, 1)
			b.change(func(l *Limits) { tt.set(l, 3) })
			z := b.dial(addr).greeted()
			heard(t, y, z, 2)
		})
	}
}

func TestLimitOfEventsChanges(t *testing.T) {
	b := newBed(t, nil)
	addr := b.listen(nil)
	x, y := b.dial(addr).greeted(), b.dial(addr).greeted()
	large := event("<remarks>" + strings.Repeat("x", 50<<10) + "</remarks>")
	for i, tt := range []struct {
		name      string
		max, scan int
		comes     bool
	}{
		{"as it was", 8 << 20, 8 << 20, true},
		{"less for the frame", 10 << 10, 8 << 20, false},
		{"less for the scan", 8 << 20, 10 << 10, false},
		{"enough again", 60 << 10, 60 << 10, true},
	} {
		b.change(func(l *Limits) { l.MaxEvent, l.Scan.Size = tt.max, tt.scan })
		x.write(large + numbered(i))
		if tt.comes {
			if e := y.event(); e != large {
				t.Errorf("%s: got %.100s", tt.name, e)
			}
		}
		if e := y.event(); e != numbered(i) {
			t.Errorf("%s: got %.100s, want %s", tt.name, e, numbered(i))
		}
	}
}

// The rate of a connection that is there changes: from none to one, also for a
// sender who waits at the time, and back.
func TestLimitOfSenderRateChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, func(o *Options) { o.QueueEvents = 10_000 })
		x, y := b.pipe(), b.pipe()
		send := func(n int) (took time.Duration) {
			began := time.Now()
			x.write(strings.Repeat(numbered(n), 100) + numbered(n+1))
			for y.event() != numbered(n+1) {
			}
			synctest.Wait()
			return time.Since(began)
		}
		if d := send(1); d > time.Second {
			t.Errorf("without a limit: took %v", d)
		}
		b.change(func(l *Limits) { l.SenderRate = 1 })
		send(2) // it waits behind these
		if n := b.met.limited.Load(); n == 0 {
			t.Error("nobody was slowed down")
		}
		b.change(func(l *Limits) { l.SenderRate = 0 })
		if d := send(3); d > 3*time.Second {
			t.Errorf("the limit is gone, and it still took %v", d)
		}
		slowed := b.met.limited.Load()
		if send(4); b.met.limited.Load() != slowed {
			t.Error("slowed down without a limit")
		}
		x.Close()
		y.Close()
		b.Server.Close()
	})
}

// pipe connects a client by a pipe, for tests in which time passes at once.
func (b *bed) pipe() *peer {
	ours, theirs := net.Pipe()
	go b.ServeClient(theirs, Peer{Listener: "pipe"}, false)
	p := b.peer(ours).greeted()
	p.SetDeadline(time.Time{})
	return p
}

func TestLimitsOfUnfinishedEventsChange(t *testing.T) {
	t.Run("bytes", func(t *testing.T) {
		b := newBed(t, nil)
		addr := b.listen(nil)
		x, y := b.dial(addr).greeted(), b.dial(addr).greeted()
		b.change(func(l *Limits) { l.Unfinished = 10 << 10 })
		x.write(head + strings.Repeat("x", 20<<10))
		b.logged("too many bytes of unfinished events")
		heard(t, y, x, 1)
	})
	t.Run("wait", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newBed(t, func(o *Options) { o.UnfinishedWait = time.Hour })
			x, y := b.pipe(), b.pipe()
			b.change(func(l *Limits) { l.UnfinishedWait = time.Second })
			x.write(event("")[:120])
			time.Sleep(2 * time.Second)
			synctest.Wait()
			if !strings.Contains(b.log.String(), "nothing more came") {
				t.Errorf("half an event is waited for longer than the limit:\n%s", b.log)
			}
			heard(t, x, y, 1)
			x.Close()
			y.Close()
			b.Server.Close()
		})
	})
}

func TestLimitOfHandshakeChanges(t *testing.T) {
	for _, tt := range []struct {
		name string
		conf ListenConfig
	}{
		{"TLS", ListenConfig{Name: "tls", TLS: selfSigned(t)}},
		{"login", ListenConfig{Name: "tcp", Login: true}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBed(t, func(o *Options) { o.Handshake = time.Hour })
			addr := b.listenOn(tt.conf)
			early := b.dial(addr)
			for b.waitingToJoin() == 0 {
				time.Sleep(time.Millisecond)
			}
			b.change(func(l *Limits) { l.Handshake = 50 * time.Millisecond })
			b.dial(addr).closed()
			b.logged("limits.handshake (50ms)")
			if n := b.waitingToJoin(); n != 1 {
				t.Errorf("%d wait, want the one that came before", n)
			}
			early.Close()
		})
	}
}

func TestLimitOfStallChanges(t *testing.T) {
	b := newBed(t, func(o *Options) { o.Stall, o.QueueBytes, o.QueueEvents = time.Hour, 64<<20, 100_000 })
	addr := b.listen(nil)
	x, y, z := b.dial(addr).greeted(), b.dial(addr).greeted(), b.dial(addr).greeted()
	b.change(func(l *Limits) { l.Stall = 300 * time.Millisecond })
	large := event("<remarks>" + strings.Repeat("x", 50<<10) + "</remarks>")
	for range 200 { // more than any socket buffers take
		x.write(large)
		if e := y.event(); e != large {
			t.Fatalf("got %.100s", e)
		}
	}
	b.logged("slow: it took nothing for 300ms")
	z.closed()
}

func TestLimitOfGatherChanges(t *testing.T) {
	b := newBed(t, nil)
	window := func() [2]time.Duration {
		b.hub.mu.Lock()
		defer b.hub.mu.Unlock()
		return [2]time.Duration{b.hub.long, b.hub.short}
	}
	b.change(func(l *Limits) { l.Gather = 30 * time.Millisecond })
	if got, want := window(), [2]time.Duration{30 * time.Millisecond, 10 * time.Millisecond}; got != want {
		t.Errorf("the windows are %v, want %v", got, want)
	}
	b.change(func(l *Limits) { l.Shutdown = time.Hour })
	b.Server.Close()
	if left := time.Until(b.closeBy()); left < 50*time.Minute {
		t.Errorf("a stop may take %v, want an hour", left)
	}
	b.change(func(l *Limits) { l.Gather = time.Second })
	if got := window(); got != [2]time.Duration{} {
		t.Errorf("in a stop the windows are %v, want none", got)
	}
}

func TestQueueBound(t *testing.T) {
	type bounds struct{ Events, Bytes int }
	for _, tt := range []struct {
		name          string
		events, bytes int // in the queue
		set, want     bounds
	}{
		{"more", 10, 1000, bounds{200, 20_000}, bounds{200, 20_000}},
		{"less, and it is empty", 0, 0, bounds{10, 1000}, bounds{10, 1000}},
		{"less, and half of it is free", 10, 1000, bounds{20, 2000}, bounds{20, 2000}},
		{"less than waits", 60, 6000, bounds{20, 2000}, bounds{100, 10_000}},
		{"so few that it would be full soon", 15, 1500, bounds{20, 2000}, bounds{100, 10_000}},
		{"less bytes only", 10, 6000, bounds{20, 2000}, bounds{20, 10_000}},
		{"less events only", 60, 1000, bounds{20, 2000}, bounds{100, 2000}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			q := queue{maxEvents: 100, maxBytes: 10_000, events: make([]*hostapi.Event, tt.events), bytes: tt.bytes}
			q.bound(tt.set.Events, tt.set.Bytes)
			if diff := cmp.Diff(tt.want, bounds{q.maxEvents, q.maxBytes}); diff != "" {
				t.Errorf("bounds (-want +got):\n%s", diff)
			}
		})
	}
}

// A client that is behind is not closed because its queue may be less now, but
// once it has caught up the new bound holds for it.
func TestLimitOfQueueChanges(t *testing.T) {
	b := newBed(t, nil)
	c := &conn{s: b.Server, sock: swallow{}, state: writing, queue: queue{maxEvents: 1000, maxBytes: 1 << 20}}
	offer := func(n int) {
		for i := range n {
			c.Offer([]*hostapi.Event{queued("b-t-f", fmt.Sprint("uid", i), i, time.Now())})
		}
	}
	offer(50)
	b.change(func(l *Limits) { l.QueueEvents = 20 })
	offer(50)
	if c.closed || c.queue.len() != 100 {
		t.Fatalf("closed: %v; %d events wait, want 100", c.closed, c.queue.len())
	}
	for !c.queue.empty() {
		c.queue.take(nil, writeSize)
	}
	offer(19)
	if c.closed {
		t.Fatal("closed with less than the new bound")
	}
	offer(2)
	if !c.closed {
		t.Errorf("%d events wait, the bound is 20", c.queue.len())
	}
}
