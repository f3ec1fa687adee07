package store

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/takhost/takhost/core/store/storetest"
	"github.com/takhost/takhost/hostapi/index"
)

// holdCommits keeps the committer from beginning until release is called.
func holdCommits(s *Store) (release func()) {
	s.plugins.writing.Lock()
	return s.plugins.writing.Unlock
}

// tookWorks waits until the committer has taken so many Works in all.
func tookWorks(t testing.TB, s *Store, n int) {
	t.Helper()
	eventually(t, fmt.Sprintf("%d Works that were taken", n), func() bool {
		q := s.plugins.queue
		q.mu.Lock()
		defer q.mu.Unlock()
		return q.taken == n
	})
}

// waiting waits until so many Works wait for the committer.
func waiting(t testing.TB, s *Store, n int) {
	t.Helper()
	eventually(t, fmt.Sprintf("%d Works that wait", n), func() bool {
		q := s.plugins.queue
		q.mu.Lock()
		defer q.mu.Unlock()
		return len(q.waiting) == n
	})
}

// TestGroupCommit: Works of many plugins join one transaction, and one that fails
// its checks leaves the others alone.
func TestGroupCommit(t *testing.T) {
	storetest.Each(t, func(t *testing.T, dsn string) {
		s := open(t, options(t, dsn))
		ctx := testContext(t)
		a := owner("a")
		w := s.Plugins().Begin()
		mustPut(t, w, a, "plain", "seen", "1")
		commit(t, w)

		const n = 20
		release := holdCommits(s)
		first := s.Plugins().Begin()
		mustPut(t, first, a, "plain", "first", "")
		go func() { _, _ = first.Commit(context.Background()) }()
		tookWorks(t, s, 2)
		var wait sync.WaitGroup
		errs := make([]error, n)
		for i := range n {
			own := owner(fmt.Sprintf("p%02d", i))
			w := s.Plugins().Begin()
			mustPut(t, w, own, "users", "x", "1", keyOf(t, "name", index.String("x")))
			if i%4 == 0 { // one of these can win
				if _, err := w.Get(ctx, a, "plain", []string{"seen"}, nil); err != nil {
					t.Fatal(err)
				}
				mustPut(t, w, a, "plain", "seen", fmt.Sprint(i))
			}
			wait.Go(func() { _, errs[i] = w.Commit(ctx) })
			waiting(t, s, i+1)
		}
		release()
		wait.Wait()
		revisions := map[uint64]bool{}
		for i, err := range errs {
			want := Code("")
			if i%4 == 0 && i > 0 {
				want = Conflict
			}
			wantCode(t, fmt.Sprintf("Work %d", i), err, want)
			docs, err := s.Plugins().Begin().Get(ctx, owner(fmt.Sprintf("p%02d", i)), "users", []string{"x"}, nil)
			if err != nil || len(docs) == 1 != (want == "") {
				t.Errorf("Work %d: got %d documents, error %v", i, len(docs), err)
			}
			for _, d := range docs {
				if revisions[d.Revision] {
					t.Errorf("Work %d: its revision %d was given twice", i, d.Revision)
				}
				revisions[d.Revision] = true
			}
		}
		docs, err := s.Plugins().Begin().Get(ctx, a, "plain", []string{"seen"}, nil)
		if err != nil || len(docs) != 1 || string(docs[0].Body) != "0" {
			t.Errorf("seen: got %v, error %v, want the first one's", docs, err)
		}
	})
}

// TestRefusedStatement: what the database refuses against expectation fails
// alone.
func TestRefusedStatement(t *testing.T) {
	storetest.Each(t, func(t *testing.T, dsn string) {
		s := open(t, options(t, dsn))
		ctx := testContext(t)
		switch {
		case s.state.sqlite:
			execute(t, s.state, "CREATE TRIGGER refuse BEFORE INSERT ON documents WHEN NEW.coll = 'bad/plain' BEGIN SELECT RAISE(ABORT, 'refused'); END")
		default:
			execute(t, s.state, "ALTER TABLE documents ADD CONSTRAINT refuse CHECK (coll <> 'bad/plain')")
		}
		release := holdCommits(s)
		first := s.Plugins().Begin()
		mustPut(t, first, owner("p"), "plain", "first", "")
		var wait sync.WaitGroup
		wait.Go(func() { _, _ = first.Commit(ctx) })
		tookWorks(t, s, 1)
		names := []string{"a", "bad", "c"}
		errs := make([]error, len(names))
		for i, name := range names {
			w := s.Plugins().Begin()
			mustPut(t, w, owner(name), "plain", "x", "")
			wait.Go(func() { _, errs[i] = w.Commit(ctx) })
		}
		waiting(t, s, len(names))
		release()
		wait.Wait()
		for i, want := range []Code{"", Invalid, ""} {
			wantCode(t, names[i], errs[i], want)
			docs, err := s.Plugins().Begin().Get(ctx, owner(names[i]), "plain", []string{"x"}, nil)
			if err != nil || len(docs) == 1 != (want == "") {
				t.Errorf("%s: got %d documents, error %v", names[i], len(docs), err)
			}
		}
	})
}

// TestContextOfCommit: a context that ends withdraws a Work that waits, and only
// that.
func TestContextOfCommit(t *testing.T) {
	s := open(t, options(t, storetest.SQLite))
	a := owner("a")
	put := func(id string) *Work {
		w := s.Plugins().Begin()
		mustPut(t, w, a, "plain", id, "")
		return w
	}
	ended, cancel := context.WithCancel(testContext(t))
	cancel()
	_, err := put("never").Commit(ended)
	if !errors.Is(err, context.Canceled) || CodeOf(err) != Unavailable {
		t.Errorf("context ended before: got error %v", err)
	}
	release := holdCommits(s)
	ctx, cancel := context.WithCancel(testContext(t))
	results := map[string]chan error{}
	start := func(id string, ctx context.Context) {
		w, done := put(id), make(chan error, 1)
		results[id] = done
		go func() { _, err := w.Commit(ctx); done <- err }()
	}
	start("taken", ctx)
	tookWorks(t, s, 1)
	start("withdrawn", ctx)
	waiting(t, s, 1)
	start("stays", testContext(t))
	waiting(t, s, 2)
	cancel()
	if err := <-results["withdrawn"]; !errors.Is(err, context.Canceled) {
		t.Errorf("withdrawn: got error %v", err)
	}
	select {
	case err := <-results["taken"]:
		t.Errorf("taken: got an outcome while the commit was held: %v", err)
	default:
	}
	release()
	for _, id := range []string{"taken", "stays"} {
		if err := <-results[id]; err != nil {
			t.Errorf("%s: got error %v", id, err)
		}
	}
	docs, err := s.Plugins().Begin().Get(testContext(t), a, "plain", []string{"never", "taken", "withdrawn", "stays"}, nil)
	if got := idsAndKeys(DocPage{Documents: docs}); err != nil || fmt.Sprint(got) != "[taken stays]" {
		t.Errorf("stored: got %v, error %v, want taken and stays", got, err)
	}
}

func TestCommitAfterClose(t *testing.T) {
	storetest.Each(t, func(t *testing.T, dsn string) {
		s := open(t, options(t, dsn))
		w := s.Plugins().Begin()
		mustPut(t, w, owner("a"), "plain", "x", "")
		waits := s.Plugins().Begin()
		mustPut(t, waits, owner("a"), "plain", "y", "")
		release := holdCommits(s)
		done := make(chan error, 1)
		go func() { _, err := waits.Commit(context.Background()); done <- err }()
		tookWorks(t, s, 1)
		closed := make(chan struct{})
		go func() { defer close(closed); closeStore(t, s) }()
		eventually(t, "the queue is closed", func() bool {
			q := s.plugins.queue
			q.mu.Lock()
			defer q.mu.Unlock()
			return q.closed
		})
		_, err := w.Commit(testContext(t))
		wantCode(t, "commit after Close", err, Unavailable)
		release()
		if err := <-done; err != nil {
			t.Errorf("commit before Close: %v", err)
		}
		<-closed
	})
}

// TestStateAway: PostgreSQL goes away and comes back.
func TestStateAway(t *testing.T) {
	c := storetest.NewCluster(t, storetest.Config{})
	s := open(t, options(t, c.DSN("postgres")))
	ctx := testContext(t)
	a := owner("a")
	try := func(body string) (rerr, cerr error) {
		w := s.Plugins().Begin()
		_, rerr = w.Get(ctx, a, "plain", []string{"x"}, nil)
		w = s.Plugins().Begin()
		mustPut(t, w, a, "plain", "x", body)
		_, cerr = w.Commit(ctx)
		return rerr, cerr
	}
	if rerr, cerr := try("before"); rerr != nil || cerr != nil {
		t.Fatal(rerr, cerr)
	}
	if err := c.Stop(); err != nil {
		t.Fatal(err)
	}
	rerr, cerr := try("meanwhile")
	wantCode(t, "read meanwhile", rerr, Unavailable)
	wantCode(t, "commit meanwhile", cerr, Unavailable)
	if errors.Is(cerr, ErrOutcome) {
		t.Error("commit meanwhile: its outcome is known, as it never began")
	}
	wantCode(t, "dead letter meanwhile", func() error { _, err := s.Plugins().AddDeadLetter(ctx, DeadLetter{Plugin: "a"}); return err }(), Unavailable)
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	if rerr, cerr := try("after"); rerr != nil || cerr != nil {
		t.Errorf("afterwards: got errors %v and %v", rerr, cerr)
	}
	docs, err := s.Plugins().Begin().Get(ctx, a, "plain", []string{"x"}, nil)
	if err != nil || len(docs) != 1 || string(docs[0].Body) != "after" {
		t.Errorf("afterwards: got %v, error %v", docs, err)
	}
}
