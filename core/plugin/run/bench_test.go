package run

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/manifest"
	"github.com/takhost/takhost/hostapi/wire"
)

// BenchmarkOffer is what the router's goroutine spends on one plugin for each
// event.
func BenchmarkOffer(b *testing.B) {
	for _, bb := range []struct {
		name  string
		types []string
	}{{"none wanted", []string{"b-t-f*", "b-a-*", "u-d-*"}}, {"all wanted", []string{"*"}}} {
		b.Run(bb.name, func(b *testing.B) {
			bed := newBed(&testing.T{})
			v, _ := bed.version(events(func(*fakeGuest, hostapi.Batch, int, hostapi.View) {}), func(m *manifest.Manifest) {
				m.Subscriptions = []manifest.Subscription{{Types: bb.types}}
			})
			a := &Actor{opt: Options{Name: "p"}, q: newQueue(v.Limits.QueueEvents, v.Limits.QueueBytes), wake: make(chan struct{}, 1)}
			a.met = &meter{}
			a.opt.Now = time.Now
			a.cur.Store(v)
			evs := make([]*hostapi.Event, 16)
			for i := range evs {
				evs[i] = event(b, fmt.Sprint("u", i))
			}
			b.ReportAllocs()
			for b.Loop() {
				a.Offer(evs)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(evs)), "ns/event")
		})
	}
}

// BenchmarkBatch is one call with 64 events: from the queue to the commit, with a
// guest that looks at each uid and stages nothing.
func BenchmarkBatch(b *testing.B) {
	bed := newBed(&testing.T{})
	v, _ := bed.version(events(func(_ *fakeGuest, _ hostapi.Batch, _ int, v hostapi.View) { _ = v.UID() }))
	o := bed.options()
	a := New(o, v)
	if err := a.Activate(b.Context(), nil); err != nil {
		b.Fatal(err)
	}
	evs := make([]*hostapi.Event, 64)
	for i := range evs {
		evs[i] = event(b, fmt.Sprint("u", i), `<contact callsign="A"/>`)
	}
	b.ReportAllocs()
	for b.Loop() {
		if err := a.order(b.Context(), func(ctx context.Context) error {
			list := make([]entry, len(evs))
			for i, e := range evs {
				list[i] = entry{e, v.subs, 1}
			}
			return a.give(ctx, a.loop.main, list, 1, 0)
		}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(evs)), "ns/event")
	if err := a.Close(b.Context()); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkFilter is one verdict.
func BenchmarkFilter(b *testing.B) {
	bed := newBed(&testing.T{})
	answer := (&wire.FilterVerdict{}).Append(nil)
	v, _ := bed.version(func(*fakeGuest, hostapi.GuestOp, []byte) ([]byte, hostapi.Status) { return answer, hostapi.OK }, filterOf("open"))
	a := New(bed.options(), v)
	if err := a.Activate(b.Context(), nil); err != nil {
		b.Fatal(err)
	}
	e := event(b, "pass")
	b.ReportAllocs()
	for b.Loop() {
		if out, _ := a.Filter("tls", e); out == nil {
			b.Fatal("dropped")
		}
	}
	if err := a.Close(b.Context()); err != nil {
		b.Fatal(err)
	}
}
