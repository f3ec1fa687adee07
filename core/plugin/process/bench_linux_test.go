package process

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/cot"
	"github.com/takhost/takhost/hostapi/wire"
)

// BenchmarkStart is a whole life: checksum, certificates, process, handshake, one
// call, end.
func BenchmarkStart(b *testing.B) {
	rt := newRuntime(b)
	c := code(b, "serve")
	c.Log = nil
	rt.log = slog.New(slog.DiscardHandler)
	m, err := rt.Load(b.Context(), c)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		i, err := m.New(b.Context(), echo)
		if err != nil {
			b.Fatal(err)
		}
		ask(b, i, "echo x")
		if err := i.Close(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCall(b *testing.B) {
	i := start(b, code(b, "serve"), echo)
	kib := []byte("echo " + strings.Repeat("x", 1<<10))
	batch := []byte("count " + strings.Repeat("x", 64*800))
	var out []byte
	call := func(b *testing.B, in []byte) {
		b.ReportAllocs()
		for b.Loop() {
			var err error
			if out, _, err = i.Call(b.Context(), hostapi.OpEvents, in, out[:0]); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.Run("1KiB each way", func(b *testing.B) { call(b, kib) })
	b.Run("batch of 64 events", func(b *testing.B) { call(b, batch) })
	b.Run("1000 host calls", func(b *testing.B) { call(b, []byte("calls 1000")) })
	b.Run("1000 host calls at once", func(b *testing.B) { call(b, []byte("crowd 1000")) })
}

func BenchmarkPython(b *testing.B) {
	c := pack(b, "testdata/sample.py")
	c.Log = nil
	b.Run("start", func(b *testing.B) {
		rt := newRuntime(b)
		rt.log = slog.New(slog.DiscardHandler)
		m, err := rt.Load(b.Context(), c)
		if err != nil {
			b.Fatal(err)
		}
		for b.Loop() {
			i, err := m.New(b.Context(), echo)
			if err != nil {
				b.Fatal(err)
			}
			mustCall(b, i, hostapi.OpDescribe, nil, nil)
			if err := i.Close(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
	})
	h := &recorder{}
	i := start(b, c, h)
	mustCall(b, i, hostapi.OpInit, &wire.Init{}, nil)
	b.Logf("memory: %d MiB", i.Memory()>>20)
	b.Run("call", func(b *testing.B) {
		for b.Loop() {
			mustCall(b, i, hostapi.OpHealth, nil, nil)
		}
	})
	b.Run("batch of 64 events with a document each", func(b *testing.B) {
		e := &hostapi.Event{XML: pythonEvent, Recv: 1}
		if err := cot.Scan(pythonEvent, &e.Header); err != nil {
			b.Fatal(err)
		}
		var w hostapi.BatchWriter
		for range 64 {
			w.Add(e, hostapi.DetailWant{}, 1)
		}
		batch := w.Bytes(1, 0, 0)
		for b.Loop() {
			h.puts = h.puts[:0]
			if _, s, err := i.Call(b.Context(), hostapi.OpEvents, batch, nil); s != hostapi.OK || err != nil {
				b.Fatal(s, err)
			}
			if len(h.puts) != 64 {
				b.Fatalf("got %d documents, want 64", len(h.puts))
			}
		}
	})
}
