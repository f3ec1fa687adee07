package takclient

import (
	"context"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
)

// BenchmarkReceive measures one event of an ATAK device from the connection to
// the counts.
func BenchmarkReceive(b *testing.B) {
	near, far := net.Pipe()
	c := Attach(b, near, WithoutLog())
	const batch = 50 // events in a write
	many := []byte(strings.Repeat(c.Presence(52, 13).XML(), batch))
	b.SetBytes(int64(len(many)))
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		if _, err := far.Write(many); err != nil {
			b.Fatal(err)
		}
		n += batch
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n), "ns/event")
}

// BenchmarkIdle measures what a client without a log costs that waits. Each
// round is a thousand clients; the server's ends are part of the figure.
func BenchmarkIdle(b *testing.B) {
	const clients = 1000
	for b.Loop() {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		var cs []*Client
		var far []net.Conn
		for range clients {
			near, other := net.Pipe()
			c, err := New(context.Background(), near, WithoutLog())
			if err != nil {
				b.Fatal(err)
			}
			if _, err := io.WriteString(other, simple("u")); err != nil {
				b.Fatal(err)
			}
			cs, far = append(cs, c), append(far, other)
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc+after.StackInuse-before.HeapAlloc-before.StackInuse)/clients, "B/client")
		for i := range cs {
			cs[i].Close()
			far[i].Close()
		}
	}
}
