package route

import (
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/cot"
	"github.com/takhost/takhost/hostapi/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// bed is a router with a clock that stands until it is moved.
type bed struct {
	*testing.T
	*Router
	conns  uint64
	tap    inbox
	news   []string                  // what the watcher was told
	filter func(*hostapi.Event) bool // says what passes; nil passes all

	mu  sync.Mutex
	now time.Time
}

func newBed(t *testing.T) *bed {
	b := &bed{T: t, now: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)}
	ids := NewIDs(1, 0, b.clock)
	b.Router = New(Options{
		IDs: ids, Groups: NewGroups(nil, func(hostapi.SetID, []hostapi.GroupID) error { return nil }),
		Taps: []Tap{&b.tap}, Filter: b, Watcher: b, Now: b.clock, Log: slog.New(slog.NewTextHandler(testWriter{t}, nil)),
	})
	t.Cleanup(b.Router.Close)
	return b
}

// Changed implements Watcher.
func (b *bed) Changed(c wire.ClientChange) {
	kind := map[wire.ClientChangeKind]string{
		wire.ClientChangeKindConnected: "connected", wire.ClientChangeKindChanged: "changed", wire.ClientChangeKindDisconnected: "disconnected",
	}[c.Kind]
	b.news = append(b.news, kind+" "+c.Client.UID+" "+c.Client.Callsign)
}

// Filter implements Filter.
func (b *bed) Filter(_ *Who, evs []*hostapi.Event) []*hostapi.Event {
	if b.filter == nil {
		return evs
	}
	return slices.DeleteFunc(evs, func(e *hostapi.Event) bool { return !b.filter(e) })
}

func (b *bed) clock() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.now
}

func (b *bed) advance(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.now = b.now.Add(d)
}

// inbox is a receiver that keeps what it gets, as uid/type or chat text.
type inbox struct {
	mu     sync.Mutex
	events []*hostapi.Event
	closed string
}

func (i *inbox) Offer(evs []*hostapi.Event) bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.events = append(i.events, evs...)
	return false
}
func (i *inbox) Replay(evs []*hostapi.Event) { i.Offer(evs) }
func (i *inbox) Routed(evs []*hostapi.Event) { i.Offer(evs) }
func (i *inbox) Close(why string) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.closed = why
}

// take gives what came since the last take: type and uid of each event.
func (i *inbox) take() []string {
	var out []string
	for _, e := range i.takeEvents() {
		out = append(out, e.Type+" "+e.UID)
	}
	return out
}

func (i *inbox) takeEvents() []*hostapi.Event {
	i.mu.Lock()
	defer i.mu.Unlock()
	evs := i.events
	i.events = nil
	return evs
}

// user is one connection under test.
type user struct {
	*inbox
	*Session
	b             *bed
	uid, callsign string
}

// join connects without a position.
func (b *bed) join(who Who) *user {
	b.Helper()
	b.conns++
	who.Conn = b.conns
	if who.In == 0 && who.Out == 0 {
		who.In, who.Out = hostapi.AnonSet, hostapi.AnonSet
	}
	u := &user{inbox: &inbox{}, b: b}
	u.Session = b.Router.Join(u.inbox, who)
	return u
}

// client connects and reports a position.
func (b *bed) client(uid, callsign string, who Who) *user {
	b.Helper()
	u := b.join(who)
	u.uid, u.callsign = uid, callsign
	u.sa()
	return u
}

func (u *user) sa() {
	u.send("a-f-G-U-C", u.uid, fmt.Sprintf(`<contact callsign="%s" endpoint="*:-1:stcp"/>`, u.callsign))
}

// send publishes one event with that detail.
func (u *user) send(typ, uid, detail string) {
	u.b.Helper()
	u.Publish([]*hostapi.Event{u.b.event(typ, uid, detail)})
}

// dest sends a chat message to destinations such as `callsign="B"`.
func (u *user) dest(uid string, dests ...string) {
	u.b.Helper()
	var s strings.Builder
	for _, d := range dests {
		s.WriteString("<dest " + d + "/>")
	}
	u.send("b-t-f", uid, "<marti>"+s.String()+"</marti>")
}

func (b *bed) event(typ, uid, detail string) *hostapi.Event {
	b.Helper()
	now := b.clock()
	xml, err := cot.NewEvent(uid, typ, "m-g", now, time.Minute).Point(50, 8, 0, 0, 0).Start("detail").Raw(detail).String()
	if err != nil {
		b.Fatalf("event %s: %v", uid, err)
	}
	return b.scan(xml)
}

func (b *bed) scan(xml string) *hostapi.Event {
	b.Helper()
	e := &hostapi.Event{XML: xml}
	if err := cot.Scan(xml, &e.Header); err != nil {
		b.Fatalf("scan: %v\n%s", err, xml)
	}
	id, at := b.opt.IDs.Next()
	e.ID, e.Recv = id, at.UnixMicro()
	return e
}

// set interns a set of groups numbered from 2 on, so that none is __ANON__.
func (b *bed) set(groups ...hostapi.GroupID) hostapi.SetID {
	b.Helper()
	id, err := b.opt.Groups.Intern(groups...)
	if err != nil {
		b.Fatal(err)
	}
	return id
}

type testWriter struct{ t *testing.T }

func (w testWriter) Write(p []byte) (int, error) {
	w.t.Log(strings.TrimSpace(string(p)))
	return len(p), nil
}

var _ Receiver = (*inbox)(nil)
