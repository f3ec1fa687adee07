package store

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/takhost/takhost/core/store/storetest"
	"github.com/takhost/takhost/hostapi/index"
	"github.com/takhost/takhost/hostapi/manifest"
)

// BenchmarkDocuments commits documents of 300 bytes: N counts documents. Each id
// comes twice, so that half of the puts replace.
func BenchmarkDocuments(b *testing.B) {
	databases := []struct {
		name string
		dsn  func(testing.TB) string
	}{{"sqlite", onSQLite}, {"postgres", storetest.Postgres}}
	for _, d := range databases {
		for _, c := range []struct{ indexes, perWork, plugins int }{
			{0, 64, 1}, {1, 64, 1}, {3, 64, 1}, {1, 1, 1}, {1, 1, 8}, {1, 64, 8},
		} {
			b.Run(fmt.Sprintf("%s/indexes=%d/puts=%d/plugins=%d", d.name, c.indexes, c.perWork, c.plugins), func(b *testing.B) {
				o := options(b, d.dsn(b))
				o.Log = slog.New(slog.DiscardHandler)
				s := open(b, o)
				coll := manifest.Collection{Name: "tracks"}
				for i := range c.indexes {
					coll.Indexes = append(coll.Indexes, manifest.Index{Name: fmt.Sprintf("by%d", i), Fields: []string{"string", "int"}})
				}
				body := make([]byte, 300)
				for i := range body {
					body[i] = byte('a' + i%26)
				}
				var next atomic.Int64
				var wait sync.WaitGroup
				b.ReportAllocs()
				b.ResetTimer()
				for p := range c.plugins {
					wait.Go(func() {
						own := &Owner{Plugin: fmt.Sprintf("plugin%d", p), Data: 1, Collections: []manifest.Collection{coll}}
						for {
							from := next.Add(int64(c.perWork)) - int64(c.perWork)
							if from >= int64(b.N) {
								return
							}
							w := s.Plugins().Begin()
							for n := from; n < min(from+int64(c.perWork), int64(b.N)); n++ {
								var keys []Key
								for i := range c.indexes {
									k, err := index.AppendTuple(nil, index.String(fmt.Sprintf("group%d", n%50)), index.Int(n*int64(i+1)))
									if err != nil {
										b.Error(err)
									}
									keys = append(keys, Key{coll.Indexes[i].Name, k})
								}
								id := fmt.Sprintf("ANDROID-%016x", n%max(int64(b.N)/2, 1)*7919)
								if err := w.Put(context.Background(), own, Document{Collection: "tracks", ID: id, Body: body}, keys, false); err != nil {
									b.Error(err)
									return
								}
							}
							if _, err := w.Commit(context.Background()); err != nil {
								b.Error(err)
								return
							}
						}
					})
				}
				wait.Wait()
				b.StopTimer()
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "docs/s")
			})
		}
	}
}

// BenchmarkGet reads one document.
func BenchmarkGet(b *testing.B) {
	o := options(b, storetest.SQLite)
	o.Log = slog.New(slog.DiscardHandler)
	s := open(b, o)
	own := owner("a")
	w := s.Plugins().Begin()
	for i := range 1000 {
		mustPut(b, w, own, "plain", fmt.Sprintf("id%d", i), "some text")
	}
	commit(b, w)
	ctx := context.Background()
	b.ReportAllocs()
	for n := 0; b.Loop(); n++ {
		docs, err := s.Plugins().Begin().Get(ctx, own, "plain", []string{fmt.Sprintf("id%d", n%1000)}, nil)
		if err != nil || len(docs) != 1 {
			b.Fatal(docs, err)
		}
	}
}
