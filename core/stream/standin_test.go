package stream

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/cot"
	"github.com/takhost/takhost/hostapi/takproto"
	"github.com/takhost/takhost/hostapi/wire"
)

// offers is a Large that writes down what it is asked for.
type offers struct {
	hold chan struct{}     // nil, or Keep waits until it is closed
	in   chan hostapi.ID   // nil, or told of each Keep
	for_ func(Place) error // nil, or says why a place cannot be told

	mu     sync.Mutex
	kept   []hostapi.ID
	places []Place
}

type offer struct {
	*offers
	id hostapi.ID
}

func (o *offers) Keep(e *hostapi.Event) (Notice, error) {
	if o.in != nil {
		o.in <- e.ID
	}
	if o.hold != nil {
		<-o.hold
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.kept = append(o.kept, e.ID)
	switch e.UID {
	case "refused":
		return nil, errors.New("no room")
	case "fault":
		panic("a fault")
	}
	return offer{o, e.ID}, nil
}

func (o offer) For(at Place) (string, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.places = append(o.places, at)
	if o.for_ != nil {
		if err := o.for_(at); err != nil {
			return "", err
		}
	}
	return cot.NewEvent("fresh", "b-f-t-r", "h-e", time.Now(), time.Minute).Start("detail").Start("n").AttrInt("of", int64(o.id)).Attr("at", at.Listener).String()
}

func (o *offers) seen() (kept []hostapi.ID, places []Place) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return append(kept, o.kept...), append(places, o.places...)
}

// long is an event of that uid whose message is longer than a frame may be.
func long(uid string, bytes int) string {
	return strings.Replace(event("<remarks>"+strings.Repeat("x", bytes)+"</remarks>"), `uid="`, `uid="`+uid+`" was="`, 1)
}

const tooLong = takproto.MaxFrame + 1000

// speaking gives a client of the TAK protocol.
func (b *bed) speaking(addr string) *peer {
	b.Helper()
	p := b.dial(addr).greeted()
	p.write(request)
	p.event()
	return p
}

func (p *peer) notice(of int, at string) {
	p.b.Helper()
	want := fmt.Sprintf(`<n of="%d" at="%s"/>`, of, at)
	if e := p.frame(); !strings.Contains(e, want) || !strings.Contains(e, `"b-f-t-r"`) {
		p.b.Errorf("got %.300s, want a notice with %s", e, want)
	}
}

func (p *peer) number(n int) {
	p.b.Helper()
	if e := p.frame(); !strings.Contains(e, fmt.Sprintf(`<n v="%d"/>`, n)) {
		p.b.Errorf("got %.300s, want number %d", e, n)
	}
}

func TestNoticeInPlaceOfALongEvent(t *testing.T) {
	large := &offers{}
	b := newBed(t, func(o *Options) { o.Large = large })
	one := b.listenOn(ListenConfig{Name: "one"})
	two := b.listenOn(ListenConfig{Name: "two"})
	sender, xml := b.dial(one).greeted(), b.dial(one).greeted()
	protos := map[string][]*peer{"one": {b.speaking(one), b.speaking(one)}, "two": {b.speaking(two)}}
	whole := long("L", tooLong)
	// All in one write: the order must stay.
	sender.write(numbered(1) + whole + numbered(2) + long("M", 3<<20) + numbered(3))
	if got := []string{xml.event(), xml.event(), xml.event()}; got[0] != numbered(1) || got[1] != whole || got[2] != numbered(2) {
		t.Errorf("XML client: got %.80s, %.80s, %.80s", got[0], got[1], got[2])
	}
	base := int(b.router.idOf(t, whole))
	for at, list := range protos {
		for _, p := range list {
			p.number(1)
			p.notice(base, at)
			p.number(2)
			p.notice(base+2, at)
			p.number(3)
		}
	}
	kept, places := large.seen()
	if diff := cmp.Diff([]hostapi.ID{hostapi.ID(base), hostapi.ID(base + 2)}, kept); diff != "" {
		t.Errorf("kept (-want +got):\n%s", diff)
	}
	if len(places) != 4 {
		t.Errorf("asked for notices at %v, want once for each event and place", places)
	}
	for _, at := range places {
		if at.Host != "127.0.0.1" || at.BaseURL != "" {
			t.Errorf("place: got %+v", at)
		}
	}
	if n := b.met.noticed.Load(); n != 6 {
		t.Errorf("counted %d notices, want 6", n)
	}
	if n := strings.Count(b.log.String(), "they are told where to fetch it"); n != 2 {
		t.Errorf("logged %d times, want 2", n)
	}
}

// idOf gives the id of an event that was routed.
func (r *everyone) idOf(t testing.TB, xml string) hostapi.ID {
	t.Helper()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.routed {
		if e.XML == xml {
			return e.ID
		}
	}
	t.Fatalf("not routed: %.100s", xml)
	return 0
}

func TestNoWorkOnLongEventsThatNobodyNeeds(t *testing.T) {
	large := &offers{}
	b := newBed(t, func(o *Options) { o.Large = large })
	addr := b.listen(nil)
	x, y := b.speaking(addr), b.dial(addr).greeted()
	x.write(long("L", tooLong) + numbered(1)) // of which it gets nothing itself
	y.event()
	if e := y.event(); e != numbered(1) {
		t.Errorf("got %.100s", e)
	}
	if kept, _ := large.seen(); len(kept) != 0 {
		t.Errorf("kept %v", kept)
	}
}

func TestLongXMLOfAShortMessageGoesWhole(t *testing.T) {
	large := &offers{}
	b := newBed(t, func(o *Options) { o.Large = large })
	addr := b.listen(nil)
	x, y := b.dial(addr).greeted(), b.speaking(addr)
	// The text of the callsign is far shorter once it is decoded.
	e := event(`<contact callsign="` + strings.Repeat("&#x0000041;", 7000) + `"/>`)
	if len(e) <= takproto.MaxFrame {
		t.Fatalf("the event of the test has %d bytes", len(e))
	}
	x.write(e)
	if got := y.frame(); !strings.Contains(got, strings.Repeat("A", 7000)) {
		t.Errorf("got %.200s", got)
	}
	if kept, _ := large.seen(); len(kept) != 0 {
		t.Errorf("kept %v", kept)
	}
}

func TestLongEventsThatClientsCannotBeToldOf(t *testing.T) {
	large := &offers{for_: func(at Place) error {
		if at.Listener == "shut" {
			return errors.New("nothing to fetch it by")
		}
		return nil
	}}
	b := newBed(t, func(o *Options) { o.Large = large })
	open, shut := b.listenOn(ListenConfig{Name: "open"}), b.listenOn(ListenConfig{Name: "shut"})
	x, y, z := b.dial(open).greeted(), b.speaking(open), b.speaking(shut)
	first := long("L", tooLong)
	x.write(first + long("refused", tooLong) + long("fault", tooLong) + numbered(1))
	z.number(1)
	y.notice(int(b.router.idOf(t, first)), "open")
	y.number(1)
	for _, text := range []string{"nothing to fetch it by", "no room", "please report this"} {
		b.logged(text)
	}
	if n := b.met.tooLong.Load(); n != 3 {
		t.Errorf("counted %d as left out, want 3", n)
	}
	if n := b.met.panics.Load(); n != 1 {
		t.Errorf("counted %d faults, want 1", n)
	}
}

// While one event is made ready, everybody else gets what is sent, and its
// sender is not read on.
func TestLongEventsHoldUpNobodyElse(t *testing.T) {
	large := &offers{hold: make(chan struct{}), in: make(chan hostapi.ID, 10)}
	b := newBed(t, func(o *Options) { o.Large = large })
	addr := b.listen(nil)
	flood, x := b.dial(addr).greeted(), b.dial(addr).greeted()
	xml, proto := b.dial(addr).greeted(), b.speaking(addr)
	first := long("L", tooLong)
	flood.write(first)
	<-large.in
	flood.write(numbered(99))
	if e := xml.event(); e != first {
		t.Errorf("got %.100s", e)
	}
	for n := range 100 {
		x.write(numbered(n))
		if e := xml.event(); e != numbered(n) { // and not number 99 of the flood
			t.Fatalf("got %.200s, want number %d", e, n)
		}
	}
	close(large.hold)
	proto.notice(int(b.router.idOf(t, first)), "test1")
	for n := range 100 {
		proto.number(n)
	}
	proto.number(99)
}

// A client that is behind keeps notices and not the events.
func TestNoticesWaitWithoutTheirEvents(t *testing.T) {
	b := newBed(t, func(o *Options) { o.Large, o.QueueBytes = &offers{}, 1<<20 })
	addr := b.listen(nil)
	x := b.dial(addr).greeted()
	c := &conn{s: b.Server, state: writing, tak: true, queue: queue{maxEvents: 1000, maxBytes: 1 << 20}}
	c.proto.Store(true)
	var evs []*hostapi.Event
	for i := range 50 {
		e := &hostapi.Event{ID: hostapi.ID(i + 1), XML: long(fmt.Sprint("L", i), 500<<10)}
		if err := cot.Scan(e.XML, &e.Header); err != nil {
			t.Fatal(err)
		}
		evs = append(evs, e)
	}
	given := append([]*hostapi.Event(nil), evs...)
	b.conns.Add(1)
	c.Offer(evs)
	c.Replay(evs)
	b.conns.Done()
	if diff := cmp.Diff(given, evs, cmp.Comparer(func(a, b *hostapi.Event) bool { return a == b })); diff != "" {
		t.Errorf("the slice that was offered has changed: %s", diff)
	}
	for _, e := range evs {
		b.await(e)
	}
	if c.closed || c.queue.bytes != 50*noticeSize {
		t.Errorf("closed: %v; %d bytes are queued, want %d", c.closed, c.queue.bytes, 50*noticeSize)
	}
	for _, q := range c.queue.events[:50] {
		if in := stoodFor(q); in == nil || in.event != nil {
			t.Fatalf("what is queued still has its event: %v", in)
		}
	}
	c.Forget(func(e *hostapi.Event) bool { return e.UID == "L7" })
	if got := c.queue.waiting(); got != 98 {
		t.Errorf("%d wait after one was forgotten, want 98", got)
	}
	x.Close()
}

func TestNoticesByWebSocket(t *testing.T) {
	large := &offers{}
	b := newBed(t, func(o *Options) { o.Large = large })
	x := b.dial(b.listen(nil)).greeted()
	near, far := net.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		b.ServeClient(far, Peer{Listener: "web", Addr: "192.0.2.1:1", Caller: &wire.Caller{BaseURL: "https://tak.example.org"}}, true)
	}()
	y := b.peer(near)
	b.router.joined(t, 2)
	x.write(long("L", tooLong))
	if e := y.frame(); !strings.Contains(e, `at="web"`) {
		t.Errorf("got %.200s", e)
	}
	_, places := large.seen()
	if diff := cmp.Diff([]Place{{Listener: "web", BaseURL: "https://tak.example.org"}}, places); diff != "" {
		t.Error(diff)
	}
	near.Close()
	<-done
}

// joined waits until so many clients have.
func (r *everyone) joined(t testing.TB, n int) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		r.mu.Lock()
		now := len(r.member)
		r.mu.Unlock()
		if now == n {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%d clients have joined, want %d", now, n)
		}
	}
}

// What the server stops with is written before.
func TestStopWritesNotices(t *testing.T) {
	b := newBed(t, func(o *Options) { o.Large, o.Shutdown = &offers{}, 10*time.Second })
	addr := b.listen(nil)
	x, y, z := b.dial(addr).greeted(), b.speaking(addr), b.dial(addr).greeted()
	whole := long("L", tooLong)
	x.write(whole)
	if e := z.event(); e != whole { // so it was routed
		t.Errorf("got %.100s", e)
	}
	b.Close()
	y.notice(int(b.router.idOf(t, whole)), "test1")
	y.closed()
}
