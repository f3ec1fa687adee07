package tests

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/takhost/takhost/core/config"
	"github.com/takhost/takhost/tests/takclient"
	"github.com/takhost/takhost/tests/taktest"
)

// mutations in all; each is of a stream of one to three valid events.
const (
	mutations    = 10_000
	mutators     = 16                    // connections, half of them in protobuf
	mutationWait = 20 * time.Millisecond // limits.unfinished_wait
)

// The server lives, clean clients get each other's every event, and what a
// mutating client sends unmutated afterwards arrives on the same connection.
// TAK_TEST_SEED repeats a run as far as the timing of reads allows.
func TestMutatedStreams(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv("TAK_TEST_SEED"); s != "" {
		var err error
		seed, err = strconv.ParseUint(s, 10, 64)
		takclient.Must(t, err)
	}
	t.Logf("TAK_TEST_SEED=%d", seed)
	srv := taktest.Start(t, taktest.WithLimitedLog(), limits(func(l *config.Limits) { l.UnfinishedWait = config.Duration(mutationWait) }))
	w := newWitness()
	w.client = srv.Client(t, takclient.WithoutLog(), takclient.WithUID("WITNESS"), takclient.WithWatch(w.saw))
	takclient.Must(t, w.client.SA(0, 0))
	w.client.Sync(t)

	stop := make(chan struct{})
	pair := cleanPair(t, srv, stop)
	var g errgroup.Group
	for i := range mutators {
		var opts []takclient.Option
		if i%2 == 1 {
			opts = encodings["protobuf"]
		}
		m := &mutator{
			w: w, r: rand.New(rand.NewPCG(seed, uint64(i))),
			c: srv.Client(t, append(opts, takclient.WithoutLog(), takclient.WithUID(fmt.Sprintf("MUTATOR-%d", i)))...),
		}
		takclient.Must(t, m.c.SA(1, 1))
		m.c.Sync(t)
		g.Go(func() error {
			for n := range mutations / mutators {
				if err := m.round(n); err != nil {
					return fmt.Errorf("mutator %d, round %d: %w", i, n, err)
				}
			}
			return nil
		})
	}
	err := g.Wait()
	close(stop)
	takclient.Must(t, err)
	pair(t)
	st := srv.Status(t)
	t.Logf("%d mutated streams: %d events received, %d dropped as malformed, %d probes lost in a broken frame", mutations, st.Events.Received, st.Events.Malformed, w.lost.Load())
	if st.Connections != mutators+3 {
		t.Errorf("connections: got %d, want all %d", st.Connections, mutators+3)
	}
	if st.Events.Malformed < mutations/10 {
		t.Errorf("malformed events: got %d, want at least a tenth of %d: are they mutated at all?", st.Events.Malformed, mutations)
	}
}

// witness receives the probes.
type witness struct {
	client *takclient.Client
	lost   atomic.Int64

	mu      sync.Mutex
	waiting map[string]chan struct{}
}

func newWitness() *witness { return &witness{waiting: map[string]chan struct{}{}} }

func (w *witness) saw(r *takclient.Received) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if ch := w.waiting[r.Header.UID]; ch != nil {
		close(ch)
		delete(w.waiting, r.Header.UID)
	}
}

func (w *witness) expect(uid string) <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	ch := make(chan struct{})
	w.waiting[uid] = ch
	return ch
}

// mutator is one connection that sends mutated streams.
type mutator struct {
	w *witness
	r *rand.Rand
	c *takclient.Client
}

// round sends a mutated stream, and probes until one arrives.
func (m *mutator) round(n int) error {
	var stream []byte
	for range 1 + m.r.IntN(3) {
		xml := m.event(n)
		if !m.c.Proto() {
			stream = append(stream, xml...)
			continue
		}
		b, err := encode(xml)
		if err != nil {
			return err
		}
		stream = append(stream, b...)
	}
	mutated := mutate(m.r, stream)
	if err := m.c.SendRaw(mutated); err != nil {
		return err
	}
	// A frame whose length grew takes what comes behind for its own, so a
	// probe may be lost with it. In XML none may be.
	tries, wait := 1, takclient.DefaultWait
	if m.c.Proto() {
		tries, wait = 100, 3*mutationWait
	}
	for range tries {
		e, _ := takclient.NewMarker()
		e.Detail += takclient.Marti(takclient.Dest{Kind: "uid", Value: m.w.client.UID()})
		seen := m.w.expect(e.UID)
		if err := m.c.Send(e.XML()); err != nil {
			return err
		}
		timer := time.NewTimer(wait)
		select {
		case <-seen:
			timer.Stop()
			return nil
		case <-timer.C:
			m.w.lost.Add(1)
		}
	}
	return fmt.Errorf("no probe arrived behind %q, which was %q", mutated, stream)
}

// event gives one of several kinds, some for everybody and some for one.
func (m *mutator) event(n int) string {
	e := takclient.Event{UID: fmt.Sprintf("%s-%d", m.c.UID(), n), Type: "b-m-p-s-m", How: "m-g", Lat: 1, Lon: 2}
	switch m.r.IntN(6) {
	case 0:
		return m.c.Presence(3, 4).XML()
	case 1:
		e = m.c.GeoChat("Zoë: <&> 東京 🚒 "+strings.Repeat("text ", m.r.IntN(20)), takclient.Peer{UID: "WITNESS"})
	case 2:
		e.Type, e.Detail = "u-d-f", strings.Repeat(`<link point="47.4,10.2"/>`, m.r.IntN(40))
	case 3:
		e.Detail = `<remarks><![CDATA[</event>]]></remarks><!-- </event> --><x a='1'/>`
	case 4:
		e.Detail = strings.Repeat("<a>", 20) + "deep" + strings.Repeat("</a>", 20)
	case 5:
		e.Type, e.Detail = "b-m-r", `<marti><dest callsign="NOBODY"/></marti>`
	}
	return e.XML()
}

// cleanPair has two clients send to each other until stop is closed. The
// function that it gives waits for them and checks that nothing is missing.
func cleanPair(t *testing.T, srv *taktest.Server, stop <-chan struct{}) func(t *testing.T) {
	t.Helper()
	a := srv.Client(t, takclient.WithoutLog(), takclient.WithUID("CLEAN-XML"))
	b := srv.Client(t, takclient.WithoutLog(), takclient.WithUID("CLEAN-PROTOBUF"), takclient.WithProto())
	var sent [2]int
	var g errgroup.Group
	for i, c := range []*takclient.Client{a, b} {
		g.Go(func() error {
			tick := time.NewTicker(5 * time.Millisecond)
			defer tick.Stop()
			for ; ; sent[i]++ {
				select {
				case <-stop:
					return nil
				case <-tick.C:
				}
				e := takclient.Event{UID: fmt.Sprintf("%s-%d", c.UID(), sent[i]), Type: "b-m-p-s-m", How: "m-g", Detail: "<remarks>clean</remarks>"}
				if err := c.Send(e.XML()); err != nil {
					return err
				}
			}
		})
	}
	return func(t *testing.T) {
		t.Helper()
		takclient.Must(t, g.Wait())
		for i, pair := range [][2]*takclient.Client{{a, b}, {b, a}} {
			eventually(t, "last event of the clean pair", func() bool {
				return pair[1].CountUID(fmt.Sprintf("%s-%d", pair[0].UID(), sent[i]-1)) == 1
			})
			for n := range sent[i] {
				if got := pair[1].CountUID(fmt.Sprintf("%s-%d", pair[0].UID(), n)); got != 1 {
					t.Errorf("%s got event %d of %s %d times, want once", pair[1].UID(), n, pair[0].UID(), got)
				}
			}
		}
		t.Logf("the clean pair exchanged %d and %d events", sent[0], sent[1])
	}
}
