package wasm

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/takhost/takhost/core/plugin/guest"
	"github.com/takhost/takhost/hostapi"
)

func BenchmarkCall(b *testing.B) {
	m := load(b, guest.Code{})
	i := newInstance(b, m, echo)
	ask := append([]byte{2, 255}, strings.Repeat("x", 200)...)
	tests := []struct {
		name string
		op   hostapi.GuestOp
		in   []byte
	}{
		{"empty", opNothing, nil},
		{"1KiB", opEcho, make([]byte, 1024)},
		{"view", opViews, batch(b, 1)},
		{"views64", opViews, batch(b, 64)},
		{"ask", opAsk, ask},
		{"ask1000", opAskMany, []byte{0xe8, 3, 0, 0}},
	}
	for _, tt := range tests {
		b.Run(tt.name, func(b *testing.B) {
			var dst []byte
			b.ReportAllocs()
			for b.Loop() {
				// As a caller does it: a deadline for each call.
				ctx, cancel := context.WithTimeout(b.Context(), 10*time.Second)
				out, _, err := i.Call(ctx, tt.op, tt.in, dst[:0])
				cancel()
				if err != nil {
					b.Fatal(err)
				}
				dst = out
			}
		})
	}
}

func BenchmarkLoad(b *testing.B) {
	for _, warm := range []bool{false, true} {
		name := map[bool]string{false: "cold", true: "warm"}[warm]
		b.Run(name, func(b *testing.B) {
			dir := b.TempDir() + "/code"
			r := newRuntime(b, Options{CacheDir: dir})
			if warm {
				m, err := r.Load(b.Context(), guest.Code{Module: goGuest})
				if err != nil {
					b.Fatal(err)
				}
				if err := m.Close(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
			for b.Loop() {
				if !warm {
					b.StopTimer()
					if err := os.RemoveAll(dir); err != nil {
						b.Fatal(err)
					}
					r = newRuntime(b, Options{CacheDir: dir})
					b.StartTimer()
				}
				m, err := r.Load(b.Context(), guest.Code{Module: goGuest})
				if err != nil {
					b.Fatal(err)
				}
				if err := m.Close(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkNew(b *testing.B) {
	m := load(b, guest.Code{})
	for b.Loop() {
		i, err := m.New(b.Context(), echo)
		if err != nil {
			b.Fatal(err)
		}
		if err := i.Close(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkMemory tells what code and instances take in resident memory (Linux).
func BenchmarkMemory(b *testing.B) {
	const instances = 20
	before := resident(b)
	m := load(b, guest.Code{})
	code := resident(b)
	all := make([]guest.Instance, instances)
	for k := range all {
		all[k] = newInstance(b, m, echo)
	}
	made := resident(b)
	in := batch(b, 16)
	for b.Loop() {
		for _, i := range all {
			for range 1000 {
				if _, _, err := i.Call(b.Context(), opViews, in, nil); err != nil {
					b.Fatal(err)
				}
			}
		}
	}
	used := resident(b)
	const mb = 1e6
	b.ReportMetric((code-before)/mb, "MB/code")
	b.ReportMetric(float64(m.Size())/mb, "MB/Size")
	b.ReportMetric((made-code)/instances/mb, "MB/instance")
	b.ReportMetric((used-code)/instances/mb, "MB/used-instance")
	b.ReportMetric(float64(all[0].Memory())/mb, "MB/Memory")
}

func resident(b *testing.B) float64 {
	b.Helper()
	runtime.GC()
	debug.FreeOSMemory()
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		b.Skip("left out: resident memory (it needs /proc)")
	}
	var all, pages int
	if _, err := fmt.Sscan(string(text), &all, &pages); err != nil {
		b.Fatal(err)
	}
	return float64(pages * os.Getpagesize())
}
