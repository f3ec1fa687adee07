package run

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/takhost/takhost/core/store"
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/manifest"
	"github.com/takhost/takhost/hostapi/wire"
)

// fakeArchive is a list of events; a cursor's ID is how many have been read.
type fakeArchive struct {
	mu   sync.Mutex
	list []store.Stored
	news chan struct{}
	err  error
}

func newArchive() *fakeArchive { return &fakeArchive{news: make(chan struct{}, 1)} }

func (f *fakeArchive) add(t *testing.T, uids ...string) {
	f.addOf(t, hostapi.FromClient, "", uids...)
}

func (f *fakeArchive) addOf(t *testing.T, o hostapi.Origin, via string, uids ...string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, uid := range uids {
		e := event(t, uid)
		f.list = append(f.list, store.Stored{ID: hostapi.ID(len(f.list) + 1), XML: e.XML, Origin: o.String(), Via: via, Groups: e.Groups, User: "anna"})
	}
	select {
	case f.news <- struct{}{}:
	default:
	}
}

func (f *fakeArchive) After(_ context.Context, c store.Cursor, limit int) ([]store.Stored, store.Cursor, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil {
		return nil, c, f.err
	}
	page := f.list[c.ID:min(int(c.ID)+limit, len(f.list))]
	return page, store.Cursor{ID: c.ID + hostapi.ID(len(page))}, nil
}

func (f *fakeArchive) End(context.Context) (store.Cursor, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return store.Cursor{ID: hostapi.ID(len(f.list))}, nil
}

func (f *fakeArchive) Committed() (<-chan struct{}, func()) { return f.news, func() {} }

func durableSub(m *manifest.Manifest) {
	m.Subscriptions = []manifest.Subscription{{Types: []string{"a-*"}, Durable: true}}
	m.Limits.BatchEvents = 4
}

func (b *bed) cursor() int {
	b.db.mu.Lock()
	defer b.db.mu.Unlock()
	if b.db.cursor == nil {
		return -1
	}
	return int(b.db.cursor.ID)
}

// The first activation begins at the archive's end; a restart goes on where the
// last commit was.
func TestDurableGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t)
		archive := newArchive()
		b.archive = archive
		archive.add(t, "before")
		v, _ := b.version(events(emitUID), durableSub)
		b.start(v)
		synctest.Wait()
		if at := b.cursor(); at != 1 {
			t.Errorf("the cursor is at %d before any event, want 1", at)
		}
		archive.add(t, uids(10)...)
		b.offer("live events are not for it")
		synctest.Wait()
		b.stop()
		archive.add(t, "while it was down")
		v, _ = b.version(events(emitUID), durableSub)
		b.start(v)
		synctest.Wait()
		b.stop()
		if diff := cmp.Diff(append(uids(10), "while it was down"), b.db.sent()); diff != "" {
			t.Errorf("events handled (-want +got):\n%s", diff)
		}
		if at := b.cursor(); at != 12 {
			t.Errorf("the cursor is at %d, want 12", at)
		}
	})
}

func TestDurableFailures(t *testing.T) {
	left := func(s hostapi.Status) func(*fakeGuest, hostapi.Batch, int) ([]byte, hostapi.Status) {
		return func(_ *fakeGuest, b hostapi.Batch, i int) ([]byte, hostapi.Status) {
			return (&wire.BatchResult{Results: []wire.EventResult{{Event: uint32(i), Status: uint32(s), Message: "no"}}}).Append(nil), hostapi.OK
		}
	}
	tests := []struct {
		name   string
		bad    func(g *fakeGuest, b hostapi.Batch, i int) ([]byte, hostapi.Status)
		letter string // empty: none
		bad2   bool   // the bad event is handled in the end
	}{
		{"trap", func(g *fakeGuest, _ hostapi.Batch, _ int) ([]byte, hostapi.Status) {
			g.trap("stack")
			return nil, 0
		}, "events: trap: unreachable", false},
		{"trap once", func(g *fakeGuest, b hostapi.Batch, _ int) ([]byte, hostapi.Status) {
			if b.Attempt() == 0 {
				g.trap("stack")
			}
			return nil, hostapi.OK
		}, "", true},
		{"refused", func(*fakeGuest, hostapi.Batch, int) ([]byte, hostapi.Status) { return nil, hostapi.Invalid }, "invalid", false},
		{"left out", left(hostapi.Failed), "failed: no", true},
		{"later, for ever", left(hostapi.Retry), "retry: no", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBed(t)
				archive := newArchive()
				b.archive = archive
				v, _ := b.version(func(g *fakeGuest, op hostapi.GuestOp, in []byte) ([]byte, hostapi.Status) {
					if op != hostapi.OpEvents {
						return nil, hostapi.Unsupported
					}
					var answer []byte
					s := hostapi.OK
					for i, v := range hostapi.Batch(in).All() {
						emitUID(g, nil, 0, v)
						if v.UID() == "bad" {
							answer, s = tt.bad(g, hostapi.Batch(in), i)
						}
					}
					return answer, s
				}, durableSub)
				b.start(v)
				synctest.Wait()
				archive.add(t, "a", "b", "bad", "c", "d", "e")
				synctest.Wait()
				b.stop()
				want := []string{"a", "b", "bad", "c", "d", "e"}
				if !tt.bad2 {
					want = []string{"a", "b", "c", "d", "e"}
				}
				if diff := cmp.Diff(want, b.db.sent()); diff != "" {
					t.Errorf("events handled (-want +got):\n%s", diff)
				}
				got := ""
				for _, d := range b.db.dead() {
					got += d.Subject + " " + d.Error
				}
				if tt.letter != "" && got != "bad "+tt.letter || tt.letter == "" && got != "" {
					t.Errorf("dead letters %q, want %q", got, tt.letter)
				}
				if at := b.cursor(); at != 6 {
					t.Errorf("the cursor is at %d, want 6", at)
				}
			})
		})
	}
}

// The archive, too, tells a plugin's own events from those of others.
func TestDurableOwnEvents(t *testing.T) {
	for _, tt := range []struct {
		name string
		own  bool
		want []string
	}{
		{"not asked for", false, []string{"a client's", "another plugin's"}},
		{"asked for", true, []string{"a client's", "its own", "another plugin's"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBed(t)
				archive := newArchive()
				b.archive = archive
				v, _ := b.version(events(emitUID), durableSub, func(m *manifest.Manifest) { m.Subscriptions[0].Own = tt.own })
				b.start(v)
				synctest.Wait()
				archive.add(t, "a client's")
				archive.addOf(t, hostapi.FromPlugin, "p", "its own")
				archive.addOf(t, hostapi.FromPlugin, "q", "another plugin's")
				synctest.Wait()
				b.stop()
				if diff := cmp.Diff(tt.want, b.db.sent()); diff != "" {
					t.Errorf("events handled (-want +got):\n%s", diff)
				}
			})
		})
	}
}

// Events that no subscription chooses cost no call, and the cursor follows.
func TestDurablePassesOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t)
		archive := newArchive()
		b.archive = archive
		v, _ := b.version(events(emitUID), durableSub, func(m *manifest.Manifest) { m.Subscriptions[0].Types = []string{"b-*"} })
		b.start(v)
		synctest.Wait()
		archive.add(t, uids(500)...)
		time.Sleep(time.Second)
		if at := b.cursor(); at < 200 {
			t.Errorf("the cursor is at %d after 500 events", at)
		}
		archive.mu.Lock()
		archive.err = &store.Error{Code: store.Unavailable, Msg: "away"}
		archive.mu.Unlock()
		archive.add(t, "x")
		time.Sleep(time.Minute)
		archive.mu.Lock()
		archive.err = nil
		archive.mu.Unlock()
		time.Sleep(20 * time.Second)
		archive.add(t, "y")
		synctest.Wait()
		if at := b.cursor(); at != 502 {
			t.Errorf("the cursor is at %d, want 502", at)
		}
		if c := b.a.Counts(); c.Events != 0 || c.Crashes != 0 {
			t.Errorf("got %+v", c)
		}
		b.stop()
	})
}

func TestClients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t)
		gate := make(chan struct{})
		v, _ := b.version(func(g *fakeGuest, op hostapi.GuestOp, in []byte) ([]byte, hostapi.Status) {
			switch op {
			case hostapi.OpEvents:
				g.wait(gate)
			case hostapi.OpClients:
				var m wire.ClientChanges
				if err := m.Decode(in); err != nil {
					return nil, hostapi.Invalid
				}
				for _, c := range m.Changes {
					if c.Client.UID == "bad" {
						g.trap("")
					}
					g.op(hostapi.HostEmit, fmt.Sprint(c.Client.UID, " ", c.Kind))
				}
			}
			return nil, hostapi.OK
		}, func(m *manifest.Manifest) {
			m.Clients = true
			m.Limits.EventsTime = manifest.Duration(time.Hour)
		})
		b.start(v)
		b.a.ClientsChanged([]wire.ClientChange{changeOf(1, "a", 0), changeOf(2, "bad", 0), changeOf(3, "c", 0)})
		time.Sleep(gathered)
		synctest.Wait()
		if diff := cmp.Diff([]string{"a 0", "c 0"}, b.db.sent()); diff != "" {
			t.Errorf("changes (-want +got):\n%s", diff)
		}
		if d := b.letter(); d.Subject != "bad" || d.Op != "clients" || !strings.Contains(string(d.Detail), `"change":"connected"`) {
			t.Errorf("got the dead letter %+v", d)
		}
		// While the plugin is busy many come: of each connection the latest counts.
		b.offer("x")
		synctest.Wait()
		var many []wire.ClientChange
		for i := range 5000 {
			many = append(many, changeOf(uint64(i%1000), fmt.Sprint("u", i%1000), wire.ClientChangeKind(i/2000)))
		}
		b.a.ClientsChanged(many)
		time.Sleep(gathered)
		close(gate)
		synctest.Wait()
		sent := b.db.sent()[2:]
		if len(sent) != 1000 || sent[0] != "u0 2" || sent[999] != "u999 2" {
			t.Errorf("%d changes, the first %q", len(sent), sent[:min(3, len(sent))])
		}
		b.stop()
	})
}

func changeOf(conn uint64, uid string, kind wire.ClientChangeKind) wire.ClientChange {
	return wire.ClientChange{Kind: kind, Client: &wire.Client{UID: uid, Connection: conn, InSet: 1, OutSet: 1}}
}

// gathered is when changes of clients do not wait for more any longer, in the time
// of a bubble.
const gathered = 51 * time.Millisecond

// A crowd that joins costs one call, not one for each, and nobody waits longer for
// coming first in it.
func TestCrowdGathers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t)
		var got []string
		var began time.Time
		v, _ := b.version(func(_ *fakeGuest, op hostapi.GuestOp, in []byte) ([]byte, hostapi.Status) {
			if op == hostapi.OpClients {
				var m wire.ClientChanges
				if err := m.Decode(in); err != nil {
					return nil, hostapi.Invalid
				}
				got = append(got, fmt.Sprint(time.Since(began).Round(10*time.Millisecond), " ", len(m.Changes)))
			}
			return nil, hostapi.OK
		}, func(m *manifest.Manifest) { m.Clients = true })
		b.start(v)
		began = time.Now()
		for i := range 300 {
			b.a.ClientsChanged([]wire.ClientChange{changeOf(uint64(i), "u", 0)})
			if i == 100 {
				time.Sleep(20 * time.Millisecond)
			}
		}
		time.Sleep(100 * time.Millisecond)
		b.a.ClientsChanged([]wire.ClientChange{changeOf(1, "u", 0)})
		time.Sleep(100 * time.Millisecond)
		synctest.Wait()
		if diff := cmp.Diff([]string{"50ms 256", "50ms 44", "170ms 1"}, got); diff != "" {
			t.Errorf("calls: when, and of how many changes (-want +got):\n%s", diff)
		}
		b.stop()
	})
}

func TestClientsOfOtherGroups(t *testing.T) {
	b := newBed(t)
	v, _ := b.version(events(emitUID), func(m *manifest.Manifest) { m.Clients = true })
	v.Grants[hostapi.CapClients] = hostapi.Scope{Groups: []string{"set2"}}
	if err := v.Prepare(func(set hostapi.SetID) []string { return []string{fmt.Sprint("set", set)} }); err != nil {
		t.Fatal(err)
	}
	var p people
	p.put([]wire.ClientChange{
		{Client: &wire.Client{UID: "none", InSet: 1, OutSet: 3}}, {Client: &wire.Client{UID: "in", InSet: 2}},
		{Client: &wire.Client{UID: "out", OutSet: 2}}, {},
	}, v)
	var got []string
	for _, c := range p.take(10) {
		got = append(got, c.Client.UID)
	}
	if strings.Join(got, " ") != "in out" {
		t.Errorf("got %q, want in out", got)
	}
}
