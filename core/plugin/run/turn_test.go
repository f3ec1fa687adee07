package run

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/takhost/takhost/core/store"
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/cot"
	"github.com/takhost/takhost/hostapi/manifest"
	"github.com/takhost/takhost/hostapi/wire"
)

// commit puts an event into the archive, as it was routed.
func (f *fakeArchive) commit(e *hostapi.Event) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.list = append(f.list, store.Stored{ID: e.ID, XML: e.XML, Origin: e.Origin.String(), Groups: e.Groups, User: "anna"})
	select {
	case f.news <- struct{}{}:
	default:
	}
}

// In a swap the subscription turns from live to durable, or back, or stays. Events
// flow all the time, and the archive is up to 50 ms late: each of them is handled
// once. The plugin is slow, so that many wait in its queue at each swap.
func TestTurn(t *testing.T) {
	live := func(types ...string) manifest.Subscription { return manifest.Subscription{Types: types} }
	durable := func(types ...string) manifest.Subscription {
		return manifest.Subscription{Types: types, Durable: true}
	}
	tests := []struct {
		name     string
		versions [][]manifest.Subscription
	}{
		{"live to durable", [][]manifest.Subscription{{live("*")}, {durable("*")}}},
		{"durable to live", [][]manifest.Subscription{{durable("*")}, {live("*")}}},
		{"there and back", [][]manifest.Subscription{{live("*")}, {durable("*")}, {live("*")}, {live("*")}, {durable("*")}, {durable("*")}}},
		{"one of two, crossing", [][]manifest.Subscription{{live("a-*"), durable("b-*")}, {durable("a-*"), live("b-*")}, {live("*")}}},
		{"fewer and more types", [][]manifest.Subscription{{live("*")}, {durable("b-*"), live("a-*")}, {live("*")}}},
	}
	for _, tt := range tests {
		for seed := range uint64(5) {
			t.Run(fmt.Sprint(tt.name, " ", seed), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					time.Sleep(27 * 365 * 24 * time.Hour) // ids begin in 2020
					r := rand.New(rand.NewPCG(seed, 7))
					b := newBed(t)
					archive := newArchive()
					b.archive = archive
					subscribe := func(i int) *Version {
						v, _ := b.version(func(g *fakeGuest, op hostapi.GuestOp, in []byte) ([]byte, hostapi.Status) {
							time.Sleep(3 * time.Millisecond)
							return events(emitUID)(g, op, in)
						}, func(m *manifest.Manifest) {
							m.Version = fmt.Sprintf("1.%d.0", i)
							m.Subscriptions = tt.versions[i]
							m.Limits.BatchEvents = 4
						})
						return v
					}
					b.start(subscribe(0))
					synctest.Wait()

					var want []string
					for i := range tt.versions {
						if i > 0 {
							if err := b.a.Swap(t.Context(), Plan{Next: subscribe(i), NoProbation: i%2 == 0}); err != nil {
								t.Fatal(err)
							}
						}
						for range 100 + r.IntN(100) {
							e := eventOfType(t, []string{"a-f-G", "b-x"}[r.IntN(2)], fmt.Sprint(len(want)))
							e.ID = hostapi.NewID(time.Now(), 3, len(want))
							want = append(want, e.UID)
							b.a.Offer([]*hostapi.Event{e})
							time.AfterFunc(upTo(r, 50*time.Millisecond), func() { archive.commit(e) })
							if r.IntN(3) == 0 {
								time.Sleep(upTo(r, 10*time.Millisecond))
							}
						}
					}
					time.Sleep(10 * time.Second)
					synctest.Wait()
					b.stop()
					if diff := cmp.Diff(count(want), count(b.db.sent())); diff != "" {
						t.Errorf("how often each event was handled (-want +got):\n%s", diff)
					}
				})
			})
		}
	}
}

func upTo(r *rand.Rand, d time.Duration) time.Duration { return time.Duration(r.Int64N(int64(d))) }

func eventOfType(t *testing.T, typ, uid string) *hostapi.Event {
	e := event(t, uid)
	e.XML = strings.Replace(e.XML, e.Type, typ, 1)
	if err := cot.Scan(e.XML, &e.Header); err != nil {
		t.Fatal(err)
	}
	return e
}

func count(uids []string) map[string]int {
	n := map[string]int{}
	for _, uid := range uids {
		n[uid]++
	}
	return n
}

// The version with a durable subscription crashes in probation: what it had not
// handled is handled by the one before, which is live.
func TestTurnBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(27 * 365 * 24 * time.Hour)
		b := newBed(t)
		archive := newArchive()
		b.archive = archive
		v, _ := b.version(events(emitUID))
		b.start(v)
		var bad atomic.Bool
		next, _ := b.version(func(g *fakeGuest, op hostapi.GuestOp, in []byte) ([]byte, hostapi.Status) {
			if op == hostapi.OpHTTP && bad.Load() {
				g.trap("")
			}
			return events(emitUID)(g, op, in)
		}, durableSub, func(m *manifest.Manifest) { m.Version = "1.1.0" })
		var want []string
		send := func(n int) {
			for range n {
				e := event(t, fmt.Sprint(len(want)))
				e.ID = hostapi.NewID(time.Now(), 3, len(want))
				want = append(want, e.UID)
				b.a.Offer([]*hostapi.Event{e})
				time.AfterFunc(40*time.Millisecond, func() { archive.commit(e) })
				time.Sleep(time.Millisecond)
			}
		}
		send(50)
		back := make(chan string, 1)
		if err := b.a.Swap(t.Context(), Plan{Next: next, Back: func(reason string) { back <- reason }}); err != nil {
			t.Fatal(err)
		}
		send(3000) // past the bound of the first swap
		bad.Store(true)
		for range 3 {
			_, _ = b.a.HTTP(context.Background(), &wire.HTTPRequest{Route: "get"}) // it is to crash
			send(5)
		}
		<-back
		send(3000)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		b.stop()
		if diff := cmp.Diff(count(want), count(b.db.sent())); diff != "" {
			t.Errorf("how often each event was handled (-want +got):\n%s", diff)
		}
	})
}
