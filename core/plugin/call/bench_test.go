package call

import (
	"strconv"
	"testing"

	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/wire"
)

func BenchmarkClock(b *testing.B) {
	d := newBed(b)
	d.env.Now = nil
	c := d.spec(Spec{Name: "p", Manifest: &testManifest, Limits: limits(0, 1<<40)}).Begin(Options{})
	dst := make([]byte, 0, 64)
	b.ReportAllocs()
	ctx := b.Context()
	for b.Loop() {
		if _, s := c.Serve(ctx, hostapi.HostClock, nil, dst); s != hostapi.OK {
			b.Fatal(s)
		}
	}
}

func BenchmarkRefused(b *testing.B) {
	d := newBed(b)
	c := d.spec(Spec{Name: "p", Manifest: &testManifest, Limits: limits(0, 1<<40)}).Begin(Options{})
	dst := make([]byte, 0, 256)
	b.ReportAllocs()
	ctx := b.Context()
	for b.Loop() {
		if _, s := c.Serve(ctx, hostapi.HostPut, nil, dst); s != hostapi.Forbidden {
			b.Fatal(s)
		}
	}
}

func BenchmarkEmit(b *testing.B) {
	d := newBed(b)
	g := hostapi.Grants{hostapi.CapEventsEmit: {Types: []string{"*"}, Rate: 1 << 40}}
	p := d.plugin("p", g)
	in := emitOf(emitted("b-a-o-tbl", "alert", wire.Audience{All: true})).Append(nil)
	b.ReportAllocs()
	ctx := b.Context()
	for b.Loop() {
		c := p.Begin(Options{})
		if _, s := c.Serve(ctx, hostapi.HostEmit, in, nil); s != hostapi.OK {
			b.Fatal(s)
		}
		c.Discard()
	}
}

// A get and a put of 64 documents in one call, and its commit.
func BenchmarkGetPut(b *testing.B) {
	d := newBed(b)
	p := d.spec(Spec{Name: "p", Manifest: &testManifest, Grants: hostapi.Grants{hostapi.CapStore: {Bytes: 1 << 40}}})
	const docs = 64
	var gets, puts [docs][]byte
	for i := range docs {
		id := "doc-" + strconv.Itoa(i)
		gets[i] = (&wire.Get{Collection: "things", IDs: []string{id}}).Append(nil)
		puts[i] = (&wire.Put{Collection: "things", ID: id, Body: make([]byte, 300), Keys: key(id)}).Append(nil)
	}
	b.ReportAllocs()
	ctx := b.Context()
	for b.Loop() {
		c := p.Begin(Options{})
		for i := range docs {
			if _, s := c.Serve(ctx, hostapi.HostGet, gets[i], nil); s != hostapi.OK {
				b.Fatal(s)
			}
			if _, s := c.Serve(ctx, hostapi.HostPut, puts[i], nil); s != hostapi.OK {
				b.Fatal(s)
			}
		}
		if err := c.Commit(ctx); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N*docs)/b.Elapsed().Seconds(), "docs/s")
}
