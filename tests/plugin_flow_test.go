package tests

import (
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/takhost/takhost/core/web"
	"github.com/takhost/takhost/tests/takclient"
	"github.com/takhost/takhost/tests/taktest"
)

// whole is a server: in this process or in another.
type whole interface {
	Client(testing.TB, ...takclient.Option) *takclient.Client
	Clients(testing.TB) []web.Client
}

var (
	_ whole = (*taktest.Server)(nil)
	_ whole = (*taktest.Child)(nil)
)

// flow is clients that send numbered events as the guest tally counts them: for
// each uid they rise by one from 1 on. Each event is for the next client alone,
// so that as many are delivered as are sent. One more client sends timed events
// to all.
type flow struct {
	delays

	srv     whole
	clients []*takclient.Client
	timer   *takclient.Client
	sent    []atomic.Int64 // by client
	before  map[uint64]string

	quit chan struct{}
	busy sync.WaitGroup
	mu   sync.Mutex
	errs []error
}

const (
	flowClients = 4
	flowUIDs    = 250 // of each client
	timedRate   = 100 // events a second
)

// startFlow begins to send that many events a second in all.
func startFlow(t *testing.T, srv whole, rate int) *flow {
	t.Helper()
	f := &flow{srv: srv, sent: make([]atomic.Int64, flowClients), quit: make(chan struct{})}
	for i := range flowClients {
		c := srv.Client(t, takclient.WithUID(flowUID(i)), takclient.WithoutLog(), takclient.WithWatch(f.saw))
		takclient.Must(t, c.SA(1, float64(i)))
		c.Sync(t)
		f.clients = append(f.clients, c)
	}
	f.timer = srv.Client(t, takclient.WithoutLog())
	f.before = connections(t, srv)
	for i := range f.clients {
		f.busy.Go(func() { f.fail(f.send(i, rate/flowClients)) })
	}
	f.busy.Go(func() { f.fail(publish(f.timer, timedRate, 100, f.quit)) })
	t.Cleanup(f.end)
	return f
}

func flowUID(i int) string { return "FLOW-" + strconv.Itoa(i%flowClients) }

func connections(t *testing.T, srv whole) map[uint64]string {
	t.Helper()
	all := map[uint64]string{}
	for _, c := range srv.Clients(t) {
		all[c.Conn] = c.Addr
	}
	return all
}

func (f *flow) fail(err error) {
	if err != nil {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.errs = append(f.errs, err)
	}
}

// send keeps to the rate on average: what a busy machine held up follows.
func (f *flow) send(client, rate int) error {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	began, n := time.Now(), 0
	var list []string
	for {
		select {
		case <-f.quit:
			return nil
		case <-tick.C:
		}
		now := time.Now()
		times := fmt.Sprintf(`time="%s" start="%[1]s" stale="%s"`, takclient.Time(now), takclient.Time(now.Add(time.Minute)))
		due := int(now.Sub(began).Seconds() * float64(rate))
		for n < due {
			list = list[:0]
			for ; n < due && len(list) < 64; n++ {
				list = append(list, numbered(client, n%flowUIDs, 1+n/flowUIDs, times))
			}
			if err := f.clients[client].SendAll(list...); err != nil {
				return err
			}
			f.sent[client].Add(int64(len(list)))
		}
	}
}

func numbered(client, uid, n int, times string) string {
	return `<event version="2.0" uid="TALLY-` + strconv.Itoa(client) + "-" + strconv.Itoa(uid) + `" type="b-x-tally" how="m-g" ` + times +
		`><point lat="48.1" lon="11.5" hae="519" ce="9.9" le="9999999.0"/><detail><contact callsign="LINDE"/><tally n="` + strconv.Itoa(n) +
		`"/><marti><dest uid="` + flowUID(client+1) + `"/></marti></detail></event>`
}

func (f *flow) total() (n int64) {
	for i := range f.sent {
		n += f.sent[i].Load()
	}
	return n
}

// more waits until that many more events have been sent.
func (f *flow) more(t *testing.T, n int64) {
	t.Helper()
	want := f.total() + n
	eventually(t, "the flow of events", func() bool { return f.total() >= want })
}

// end stops sending.
func (f *flow) end() {
	select {
	case <-f.quit:
	default:
		close(f.quit)
	}
	f.busy.Wait()
}

// finish stops sending, checks that the clients noticed nothing, and says how many
// events were sent.
func (f *flow) finish(t *testing.T) int64 {
	t.Helper()
	f.end()
	for _, err := range f.errs {
		t.Errorf("a client: %v", err)
	}
	for i, c := range f.clients {
		c.Sync(t)
		want := f.sent[(i+flowClients-1)%flowClients].Load()
		eventually(t, "all events at client "+strconv.Itoa(i), func() bool { return int64(c.Counts().Events) >= want })
		if err := c.Err(); err != nil {
			t.Errorf("client %d: %v", i, err)
		}
	}
	after := connections(t, f.srv)
	for conn, addr := range f.before {
		if after[conn] != addr {
			t.Errorf("connection %d of %s is not there any more", conn, addr)
		}
	}
	return f.total()
}
