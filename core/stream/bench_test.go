package stream

import (
	"net"
	"strings"
	"testing"
	"time"

	"github.com/takhost/takhost/hostapi"
)

// nobody takes what is published and passes it on to nobody.
type nobody struct{}

func (nobody) Publish([]*hostapi.Event) (lagging, receivers int) { return 0, 1 }
func (nobody) Leave()                                            {}

// swallow is the socket of a client that takes everything at once.
type swallow struct{ net.Conn }

func (swallow) Close() error                                    { return nil }
func (swallow) read(func() []byte, func()) (int, error)         { return 0, net.ErrClosed }
func (swallow) try(b []byte) (n int, more bool, err error)      { return len(b), false, nil }
func (swallow) wait(b []byte, _ time.Duration) (n int, e error) { return len(b), nil }

// BenchmarkRead cuts one read of 64 positions into events and publishes them.
func BenchmarkRead(b *testing.B) {
	bed := newBed(b, func(o *Options) { o.SenderRate = 1 << 30 })
	c := &conn{s: bed.Server, session: nobody{}}
	data := []byte(strings.Repeat(numbered(1), 64))
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if left := c.consume(data); len(left) > 0 {
			b.Fatalf("%d bytes are left", len(left))
		}
		c.publish()
	}
}

// BenchmarkOffer offers one event to 1000 receivers and writes it to them.
func BenchmarkOffer(b *testing.B) {
	bed := newBed(b, func(o *Options) { o.Gather = 0 })
	clients := make([]*conn, 1000)
	for i := range clients {
		clients[i] = &conn{s: bed.Server, sock: swallow{}, queue: queue{maxEvents: 1000, maxBytes: 1 << 20}}
	}
	evs := []*hostapi.Event{queued("a-f-G-U-C", "uid", 1, time.Now())}
	b.ReportAllocs()
	for b.Loop() {
		for _, c := range clients {
			c.Offer(evs)
		}
		bed.Flush()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(clients)), "ns/receiver")
}
