package tests

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/takhost/takhost/tests/takclient"
	"github.com/takhost/takhost/tests/taktest"
)

// delays collects how long events took from their sender to a receiver.
type delays struct {
	mu  sync.Mutex
	all []time.Duration
}

const timedUID = "timed-" // and the ns since 1970 when it was sent

func (d *delays) saw(r *takclient.Received) {
	ns, ok := strings.CutPrefix(r.Header.UID, timedUID)
	if !ok {
		return
	}
	sent, err := strconv.ParseInt(ns, 10, 64)
	if err != nil {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.all = append(d.all, r.At.Sub(time.Unix(0, sent)))
}

// take gives the p99 of what was collected since the last call.
func (d *delays) take() (p99 time.Duration, n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	all := d.all
	d.all = nil
	if len(all) == 0 {
		return 0, 0
	}
	slices.Sort(all)
	return all[len(all)*99/100], len(all)
}

// publish sends timed events at a rate until quit is closed.
func publish(c *takclient.Client, rate, size int, quit <-chan struct{}) error {
	tick := time.NewTicker(time.Second / time.Duration(rate))
	defer tick.Stop()
	pad := "<remarks>" + strings.Repeat("a", size) + "</remarks>"
	for {
		select {
		case <-quit:
			return nil
		case <-tick.C:
		}
		e := takclient.Event{UID: timedUID + strconv.FormatInt(time.Now().UnixNano(), 10), Type: "b-m-p-s-m", How: "m-g", Detail: pad}
		if err := c.Send(e.XML()); err != nil {
			return err
		}
	}
}

// A receiver that stops reading costs the others nothing, takes bounded memory
// and is cut and counted in the end: when it has taken nothing for limits.stall,
// or when its queue is full before that.
func TestStalledReader(t *testing.T) {
	for _, tt := range []struct {
		name, why string
		opts      []takclient.Option
		args      []string
	}{
		{"XML", "slow: it took nothing for 2s", nil, []string{"--set", "limits.stall=2s"}},
		{"protobuf", "slow: it took nothing for 2s", encodings["protobuf"], []string{"--set", "limits.stall=2s"}},
		{"full queue", "slow: it reads less than it is sent, and its queue is full", nil, []string{"--set", "limits.queue_events=100"}},
	} {
		t.Run(tt.name, func(t *testing.T) { stalledReader(t, tt.why, tt.opts, tt.args) })
	}
}

func stalledReader(t *testing.T, why string, opts []takclient.Option, args []string) {
	const (
		receivers = 10
		rate      = 200     // events a second
		size      = 8 << 10 // bytes of one: they fill what the system buffers, and not the queue in 2 s
	)
	srv := taktest.Run(t, append(append(args, "--set", "archive.types=[]"), withoutPlugins...)...)
	d := &delays{}
	var all []*takclient.Client
	for range receivers {
		all = append(all, srv.Client(t, takclient.WithoutLog(), takclient.WithWatch(d.saw)))
	}
	stalled := srv.Client(t, append(opts, takclient.WithoutLog(), takclient.WithReadBuffer(64<<10))...)
	pub := srv.Client(t, takclient.WithoutLog())
	quit, done := make(chan struct{}), make(chan error, 1)
	go func() { done <- publish(pub, rate, size, quit) }()
	load := func(seconds int) {
		n := all[0].Counts().Events + seconds*rate
		all[0].ExpectCounts(t, "some seconds of load", func(c takclient.Counts) bool { return c.Events >= n })
	}
	load(1) // to warm up
	d.take()
	load(2)
	before, n := d.take()
	memory, _ := srv.Memory(t)

	takclient.Must(t, stalled.StopReading())
	began := time.Now()
	srv.Logged(t, "connection closed", stalled.LocalAddr().String(), why)
	took := time.Since(began)
	after, m := d.take()
	now, peak := srv.Memory(t)
	close(quit)
	takclient.Must(t, <-done)
	t.Logf("p99 of %d deliveries before: %v, of %d with a stalled reader: %v; cut after %v; memory %.1f MB before, %.1f MB after, %.1f MB at most",
		n, before, m, after, took.Round(time.Millisecond), float64(memory)/1e6, float64(now)/1e6, float64(peak)/1e6)
	if bound := max(5*before, 100*time.Millisecond); after > bound || m < receivers*rate/2 {
		t.Errorf("p99 of %d deliveries to the others: got %v, want at least %d and at most %v", m, after, receivers*rate/2, bound)
	}
	if grown := peak - memory; grown > 64<<20 {
		t.Errorf("memory grew by %d bytes, want at most 64 MiB", grown)
	}
	if n := srv.Metric(t, "takhost_stream_slow_closed_total"); n != 1 {
		t.Errorf("closed as slow: counted %v, want 1", n)
	}
	waitForConnections(t, srv.Admin, receivers+1)
	served(t, pub, all)
}

// served has from send one more event, which all get.
func served(t *testing.T, from *takclient.Client, all []*takclient.Client) {
	t.Helper()
	e, _ := takclient.NewMarker()
	takclient.Must(t, from.Send(e.XML()))
	for i, c := range all {
		if c == from {
			continue
		}
		eventually(t, fmt.Sprintf("the last event at client %d", i), func() bool { return c.CountUID(e.UID) == 1 })
	}
}

// When more is sent than can be delivered, memory stays bounded, senders are
// slowed down, and everybody goes on being served.
func TestFlood(t *testing.T) {
	const publishers, receivers = 5, 20
	span := 3 * time.Second
	srv := taktest.Run(t, withoutPlugins...)
	var all, pubs []*takclient.Client
	for i := range receivers {
		opts := []takclient.Option{takclient.WithoutLog()}
		if i%4 == 0 {
			opts = append(opts, takclient.WithProto())
		}
		all = append(all, srv.Client(t, opts...))
	}
	for range publishers {
		pubs = append(pubs, srv.Client(t, takclient.WithoutLog()))
	}
	before, _ := srv.Memory(t)
	errs := make(chan error, publishers)
	until := time.Now().Add(span)
	for i, c := range pubs {
		go func() {
			var err error
			for n := 0; err == nil && time.Now().Before(until); n += 20 {
				var batch []string
				for k := range 20 {
					e := c.Presence(float64(k), 2, "<remarks>flood</remarks>")
					e.UID = fmt.Sprintf("FLOOD-%d-%d", i, (n+k)%100) // positions of 100 each
					batch = append(batch, e.XML())
				}
				err = c.SendAll(batch...)
			}
			errs <- err
		}()
	}
	for range publishers {
		takclient.Must(t, <-errs)
	}
	for _, p := range pubs {
		served(t, p, all)
	}
	now, peak := srv.Memory(t)
	st := srv.Status(t)
	t.Logf("flood of %v: %d events received, %d delivered; superseded %v, slowed %v; memory %.1f MB before, %.1f MB after, %.1f MB at most",
		span, st.Events.Received, st.Events.Delivered, srv.Metric(t, "takhost_stream_superseded_total"), srv.Metric(t, "takhost_stream_slowed_total"),
		float64(before)/1e6, float64(now)/1e6, float64(peak)/1e6)
	if st.Connections != publishers+receivers {
		t.Errorf("connections: got %d, want all %d", st.Connections, publishers+receivers)
	}
	// The queues of all receivers and of the archive, full, and the garbage.
	if most := int64(512 << 20); peak > most {
		t.Errorf("memory: got %d bytes at most, want %d", peak, most)
	}
	for i, c := range all {
		if n := c.Counts().Events; n < 1000 {
			t.Errorf("receiver %d got %d events, want at least 1,000", i, n)
		}
	}
}
