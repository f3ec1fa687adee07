package store

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/takhost/takhost/core/store/storetest"
)

// readWrite is what a committed Work has seen and done.
type readWrite struct {
	id       string // of a document that it alone writes, which has its revision
	reads    map[docKey]string
	writes   map[docKey]string // empty: deleted
	count    int64             // value of the common counter; 0: not taken
	revision uint64
}

// TestSerializable: many goroutines run Works on the documents of several plugins
// at once, again when there is a conflict. In the order of their revisions, each
// must have read what the ones before it wrote.
func TestSerializable(t *testing.T) {
	storetest.Each(t, func(t *testing.T, dsn string) {
		s := open(t, options(t, dsn))
		const workers, each = 6, 40
		var mu sync.Mutex
		var all []*readWrite
		var conflicts int
		var wait sync.WaitGroup
		for i := range workers {
			wait.Go(func() {
				r := rand.New(rand.NewPCG(5, uint64(i)))
				for n := range each {
					// The same choices again after a conflict.
					seed := [2]uint64{r.Uint64(), r.Uint64()}
					for {
						rw, err := readAndWrite(t, s, rand.New(rand.NewPCG(seed[0], seed[1])), fmt.Sprintf("%d-%d", i, n))
						mu.Lock()
						if err == nil {
							all = append(all, rw)
						} else {
							conflicts++
						}
						mu.Unlock()
						if CodeOf(err) == Conflict {
							continue
						}
						if err != nil {
							t.Error(err)
							return
						}
						break
					}
				}
			})
		}
		wait.Wait()
		for _, rw := range all {
			docs, err := s.Plugins().Begin().Get(testContext(t), owner("log"), "plain", []string{rw.id}, nil)
			if err != nil || len(docs) != 1 {
				t.Fatalf("Work %s: got %d documents, error %v", rw.id, len(docs), err)
			}
			rw.revision = docs[0].Revision
		}
		slices.SortFunc(all, func(a, b *readWrite) int { return int(int64(a.revision) - int64(b.revision)) })
		state := map[docKey]string{}
		count := int64(0)
		for _, rw := range all {
			for k, got := range rw.reads {
				if got != state[k] {
					t.Errorf("Work %s with revision %d read %q of %v, want %q", rw.id, rw.revision, got, k, state[k])
				}
			}
			for k, v := range rw.writes {
				state[k] = v
			}
			if rw.count > 0 {
				if count++; rw.count != count {
					t.Errorf("Work %s with revision %d got %d from the counter, want %d", rw.id, rw.revision, rw.count, count)
				}
			}
		}
		if len(all) != workers*each || conflicts == 0 {
			t.Errorf("got %d Works and %d conflicts, want %d and some", len(all), conflicts, workers*each)
		}
		t.Logf("%d Works, %d conflicts", len(all), conflicts)
	})
}

func readAndWrite(t *testing.T, s *Store, r *rand.Rand, id string) (*readWrite, error) {
	ctx := testContext(t)
	w := s.Plugins().Begin()
	rw := &readWrite{id: id, reads: map[docKey]string{}, writes: map[docKey]string{}}
	for range 2 + r.IntN(4) {
		o := owner([]string{"a", "b"}[r.IntN(2)])
		name := fmt.Sprint(r.IntN(5))
		k := docKey{o.Plugin, name}
		_, own := rw.writes[k]
		if r.IntN(2) == 0 {
			docs, err := w.Get(ctx, o, "plain", []string{name}, nil)
			if err != nil {
				return nil, err
			}
			got := ""
			if len(docs) == 1 {
				got = string(docs[0].Body)
			}
			if own {
				if got != rw.writes[k] {
					return nil, fmt.Errorf("Work %s read %q of what it wrote itself, want %q", id, got, rw.writes[k])
				}
			} else if was, again := rw.reads[k]; again && was != got {
				// Somebody was faster: the commit must notice.
				mustPut(t, w, owner("log"), "plain", id, "")
				if _, err := w.Commit(ctx); CodeOf(err) != Conflict {
					return nil, fmt.Errorf("Work %s read two states of %v: got error %w, want a conflict", id, k, errors.Join(err))
				}
				return nil, &Error{Code: Conflict, Msg: "two states"}
			} else {
				rw.reads[k] = got
			}
			continue
		}
		if r.IntN(4) == 0 {
			existed, err := w.Delete(ctx, o, "plain", name)
			if err != nil {
				return nil, err
			}
			if existed {
				rw.writes[k] = ""
			}
			continue
		}
		rw.writes[k] = fmt.Sprintf("%s-%d", id, r.IntN(100))
		mustPut(t, w, o, "plain", name, rw.writes[k])
	}
	if r.IntN(3) == 0 {
		var err error
		if rw.count, err = w.Next(ctx, owner("a"), "common"); err != nil {
			return nil, err
		}
	}
	mustPut(t, w, owner("log"), "plain", id, "")
	_, err := w.Commit(ctx)
	return rw, err
}
