package store

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/uptrace/bun"

	"github.com/takhost/takhost/core/store/storetest"
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/cot"
)

// benchEvent makes a position report of 730 bytes.
func benchEvent(uid string) *hostapi.Event {
	const head = `<event version="2.0" uid="%s" type="a-f-G-U-C" how="m-g" time="2026-03-04T12:30:00.000Z" start="2026-03-04T12:30:00.000Z" stale="2026-03-04T12:36:15.000Z"><point lat="47.376888" lon="8.541694" hae="408.2" ce="9.9" le="9999999.0"/><detail><takv os="34" version="5.2.0.4" device="PHONE" platform="ATAK-CIV"/><contact endpoint="*:-1:stcp" callsign="ANNA"/><uid Droid="ANNA"/><__group role="Team Member" name="Cyan"/><status battery="78"/><track course="271.2" speed="1.4"/><remarks>`
	const tail = `</remarks></detail></event>`
	e := &hostapi.Event{Conn: 12, Client: uid, Groups: hostapi.AnonSet}
	e.Header = cot.Header{
		UID: uid, Type: "a-f-G-U-C", How: "m-g", Time: testTime.UnixMicro(), Start: testTime.UnixMicro(),
		Stale: testTime.Add(375 * time.Second).UnixMicro(), Lat: 47.376888, Lon: 8.541694, Hae: 408.2, CE: 9.9, LE: cot.Unknown,
		Callsign: "ANNA", Team: "Cyan", Role: "Team Member", Flags: cot.HasPoint | cot.HasDetail,
	}
	text := fmt.Sprintf(head, uid)
	e.XML = text + strings.Repeat("x", 730-len(text)-len(tail)) + tail
	return e
}

func onSQLite(testing.TB) string { return storetest.SQLite }

// BenchmarkArchiveIngest offers events as fast as the archive takes them and
// reports the processor time of this process for each: with SQLite that is all
// of it, with PostgreSQL the server's is not in it.
func BenchmarkArchiveIngest(b *testing.B) {
	for _, c := range []struct {
		name string
		uids int
		max  int64 // size limit: what exceeds it is removed meanwhile
		dsn  func(testing.TB) string
	}{
		{"sqlite/uids=20", 20, 0, onSQLite},
		{"sqlite/uids=2000", 2000, 0, onSQLite},
		{"sqlite/uids=20/full", 20, 50 << 20, onSQLite},
		{"postgres/uids=20", 20, 0, storetest.Postgres},
		{"postgres/uids=2000", 2000, 0, storetest.Postgres},
		{"postgres/uids=20/full", 20, 50 << 20, storetest.Postgres},
	} {
		b.Run(c.name, func(b *testing.B) {
			o := options(b, c.dsn(b))
			o.Log = slog.New(slog.DiscardHandler)
			o.Archive.QueueEvents, o.Archive.Max = 1<<20, c.max
			s, err := Open(b.Context(), o)
			if err != nil {
				b.Fatal(err)
			}
			pool := make([]*hostapi.Event, c.uids)
			for i := range pool {
				pool[i] = benchEvent(fmt.Sprintf("ANDROID-%08x%020x", uint32(i)*2654435761, i))
			}
			ctx := context.Background()
			start := time.Now()
			b.ReportAllocs()
			b.ResetTimer()
			used := processTime()
			const chunk = 500
			for n := 0; n < b.N; n += chunk {
				evs := make([]hostapi.Event, min(chunk, b.N-n))
				refs := make([]*hostapi.Event, len(evs))
				for i := range evs {
					e := &evs[i]
					from := pool[(n+i)%len(pool)]
					e.Header, e.XML, e.Conn, e.Client, e.Groups = from.Header, from.XML, from.Conn, from.Client, from.Groups
					at := start.Add(time.Duration(n+i) * 40 * time.Microsecond)
					e.ID, e.Recv = hostapi.NewID(at, 1, (n+i)&4095), at.UnixMicro()
					refs[i] = e
				}
				for s.Archive().Stats().Queued > 8000 {
					runtime.Gosched()
					time.Sleep(time.Millisecond)
				}
				s.Archive().Routed(refs)
			}
			if err := s.Archive().Flush(ctx); err != nil {
				b.Fatal(err)
			}
			b.StopTimer()
			b.ReportMetric(float64((processTime()-used).Nanoseconds())/1000/float64(b.N), "cpu-µs/event")
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "events/s")
			st := s.Archive().Stats()
			if st.Dropped > 0 || c.max == 0 && st.Events != int64(b.N) {
				b.Errorf("stored %d of %d events, dropped %d", st.Events, b.N, st.Dropped)
			}
			if c.max > 0 {
				b.ReportMetric(float64(st.Bytes)/float64(c.max), "size/limit")
			}
			size := databaseSize(b, s)
			b.ReportMetric(float64(size)/float64(b.N)-730, "extra-bytes/event")
			if err := s.Close(ctx); err != nil {
				b.Fatal(err)
			}
		})
	}
}

// BenchmarkArchiveLate offers 25,000 events a second and reports how long they
// wait until they are committed. N counts events: -benchtime 250000x is ten
// seconds.
func BenchmarkArchiveLate(b *testing.B) {
	const rate, uids = 25_000, 200
	for _, c := range []struct {
		name string
		dsn  func(testing.TB) string
	}{{"sqlite", onSQLite}, {"postgres", storetest.Postgres}} {
		b.Run(c.name, func(b *testing.B) {
			o := options(b, c.dsn(b))
			o.Log = slog.New(slog.DiscardHandler)
			s := open(b, o)
			var pool [uids]*hostapi.Event
			for i := range pool {
				pool[i] = benchEvent(fmt.Sprintf("ANDROID-%08x%020x", uint32(i)*2654435761, i))
			}
			var late []time.Duration
			start := time.Now()
			for n := 0; n < b.N; {
				var refs []*hostapi.Event
				for due := min(b.N, int(time.Since(start).Seconds()*rate)); n < due; n++ {
					at := start.Add(time.Duration(n) * time.Second / rate)
					from := pool[n%uids]
					e := &hostapi.Event{ID: hostapi.NewID(at, 1, n&4095), Recv: at.UnixMicro(), XML: from.XML, Conn: from.Conn, Client: from.Client, Groups: from.Groups}
					e.Header = from.Header
					refs = append(refs, e)
				}
				s.Archive().Routed(refs)
				// At this rate what waits tells how long the oldest of it has waited.
				late = append(late, time.Duration(s.Archive().Stats().Queued)*time.Second/rate)
				time.Sleep(time.Millisecond)
			}
			b.StopTimer()
			put(b, s)
			slices.Sort(late)
			for _, p := range []struct {
				name string
				part float64
			}{{"p50-ms", .5}, {"p99-ms", .99}, {"p99.9-ms", .999}, {"max-ms", 1}} {
				b.ReportMetric(float64(late[int(p.part*float64(len(late)-1))].Microseconds())/1000, p.name)
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}

// BenchmarkRouted is what the archive costs the one who routes.
func BenchmarkRouted(b *testing.B) {
	types, err := cot.ParseTypeSet([]string{"b-*", "a-f-*"})
	if err != nil {
		b.Fatal(err)
	}
	e := benchEvent("ANDROID-0123456789abcdef")
	evs := slices.Repeat([]*hostapi.Event{e}, 16)
	q := newQueue(types, 65_536, 64<<20)
	b.RunParallel(func(pb *testing.PB) {
		var taken []*hostapi.Event
		for n := 0; pb.Next(); n++ {
			q.put(evs)
			if n%64 == 0 {
				taken = q.take(taken[:0])
				q.release(taken)
			}
		}
	})
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/16, "ns/event")
}

// databaseSize is what the events with their indexes take on the disk.
func databaseSize(b *testing.B, s *Store) (size int64) {
	b.Helper()
	d := s.Archive().db
	text := "SELECT pg_total_relation_size('events')"
	if d.sqlite {
		text = "SELECT page_count * page_size FROM pragma_page_count, pragma_page_size"
	}
	err := d.with(b.Context(), d.read, func(c bun.Conn) error { return c.NewRaw(text).Scan(b.Context(), &size) })
	if err != nil {
		b.Fatal(err)
	}
	return size
}
