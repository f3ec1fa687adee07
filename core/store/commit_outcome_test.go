package store

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"

	"github.com/takhost/takhost/core/store/storetest"
)

// TestOutcome: what became of a commit whose answer was lost is found in the
// database, also while the server itself is still at it.
func TestOutcome(t *testing.T) {
	s := open(t, options(t, storetest.Postgres(t)))
	p := s.plugins
	begin := func() *stateTx {
		t.Helper()
		tx, err := p.begin(1)
		if err != nil {
			t.Fatal(err)
		}
		return tx
	}
	tx := begin()
	if err := tx.commit(); err != nil {
		t.Fatal(err)
	}
	if err := p.outcome(tx.last, io.EOF); err != nil {
		t.Errorf("committed: got %v", err)
	}
	rolledBack := begin()
	rolledBack.rollback()
	if err := p.outcome(rolledBack.last, io.EOF); !errors.Is(err, io.EOF) || errors.Is(err, ErrOutcome) {
		t.Errorf("rolled back: got %v, want the cause", err)
	}
	for _, want := range []bool{true, false} {
		tx := begin()
		done := make(chan error, 1)
		go func() { done <- p.outcome(tx.last, io.EOF) }()
		var blocked int
		eventually(t, "the question waits for the transaction", func() bool {
			err := s.state.read.NewRaw("SELECT COUNT(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%commit_marks%FOR UPDATE%' AND datname = current_database()").Scan(testContext(t), &blocked)
			if err != nil {
				t.Error(err)
			}
			return err != nil || blocked > 0
		})
		if want {
			if err := tx.commit(); err != nil {
				t.Fatal(err)
			}
		} else {
			tx.rollback()
		}
		if err := <-done; (err == nil) != want {
			t.Errorf("committed %v while it was asked: got %v", want, err)
		}
	}
	// Close does not wait for what cannot be known.
	go close(p.abort)
	if err := s.state.write.Close(); err != nil {
		t.Fatal(err)
	}
	if err := p.outcome(1, io.EOF); !errors.Is(err, ErrOutcome) || CodeOf(err) != Unavailable {
		t.Errorf("no database: got %v, want ErrOutcome", err)
	}
	p.abort = make(chan struct{})
}

// TestCutConnections: connections break again and again while Works are
// committed. What is stored is what Commit said.
func TestCutConnections(t *testing.T) {
	s := open(t, options(t, storetest.Postgres(t)))
	ctx := testContext(t)
	const workers, each = 4, 60
	cut := make(chan struct{}, 1)
	var cutter, wait sync.WaitGroup
	cutter.Go(func() {
		r := rand.New(rand.NewPCG(3, 4))
		for range cut {
			for range r.IntN(3000) { // any place of a transaction
				runtime.Gosched()
			}
			s.state.abort()
		}
	})
	type result struct {
		id string
		ok bool
	}
	results := make([][]result, workers)
	for i := range workers {
		wait.Go(func() {
			o := owner(fmt.Sprintf("p%d", i))
			for n := range each {
				w := s.Plugins().Begin()
				id := fmt.Sprintf("%03d", n)
				if err := w.Put(ctx, o, Document{Collection: "plain", ID: id, Body: []byte(id)}, nil, false); err != nil {
					t.Errorf("put: %v", err)
					return
				}
				if n%5 == i {
					poke(cut)
				}
				_, err := w.Commit(ctx)
				if errors.Is(err, ErrOutcome) {
					continue
				}
				results[i] = append(results[i], result{id, err == nil})
			}
		})
	}
	wait.Wait()
	close(cut)
	cutter.Wait()
	committed := 0
	for i := range workers {
		for _, r := range results[i] {
			docs, err := s.Plugins().Begin().Get(ctx, owner(fmt.Sprintf("p%d", i)), "plain", []string{r.id}, nil)
			if err != nil || len(docs) == 1 != r.ok {
				t.Errorf("worker %d, %s: Commit said %v, got %d documents, error %v", i, r.id, r.ok, len(docs), err)
			}
			if r.ok {
				committed++
			}
		}
	}
	if committed < workers*each/4 {
		t.Errorf("%d of %d were committed", committed, workers*each)
	}
	t.Logf("%d of %d were committed", committed, workers*each)
}
