package store

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/uptrace/bun"

	"github.com/takhost/takhost/core/store/storetest"
	"github.com/takhost/takhost/hostapi"
)

// What a killed server may lose, and what a loaded machine that checks for races
// adds to it.
const (
	lossAllowed = 50 * time.Millisecond
	lossSlack   = 250 * time.Millisecond
)

// crashDSN and crashDir tell the child of TestKill what to write to.
const (
	crashDSN = "STORE_TEST_CRASH_DSN"
	crashDir = "STORE_TEST_CRASH_DIR"
)

// TestKill kills a process that archives, at the hardest moment for it, and
// looks at what it left.
func TestKill(t *testing.T) {
	if os.Getenv(crashDSN) != "" {
		archiveForEver()
		return
	}
	storetest.Each(t, func(t *testing.T, dsn string) {
		// A machine with more to do than processors may be late now and then; an
		// archive that is late is so each time.
		var loss time.Duration
		for range 3 {
			if loss = kill(t, dsn); loss <= lossAllowed+lossSlack {
				return
			}
		}
		t.Errorf("lost an event from %v before the end, want at most %v", loss, lossAllowed+lossSlack)
	})
}

// kill runs and kills a child once, checks all else, and tells how long before
// the end the first missing event had been queued.
func kill(t *testing.T, dsn string) (loss time.Duration) {
	t.Helper()
	o := options(t, dsn)
	child := exec.Command(os.Args[0], "-test.run=^TestKill$")
	child.Env = append(os.Environ(), crashDSN+"="+dsn, crashDir+"="+o.Dir)
	child.Stderr = t.Output()
	out, err := child.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := child.Start(); err != nil {
		t.Fatal(err)
	}
	const enough = 3000
	queued := map[hostapi.ID]time.Time{}
	var killed time.Time
	for lines := bufio.NewScanner(out); lines.Scan(); {
		var id hostapi.ID
		var at int64
		if _, err := fmt.Sscan(lines.Text(), &id, &at); err != nil {
			if !killed.IsZero() {
				break // half a line
			}
			t.Logf("child: %s", lines.Text())
			continue
		}
		queued[id] = time.UnixMicro(at)
		if len(queued) == enough {
			killed = time.Now()
			if err := child.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	_ = child.Wait() // it was killed
	if killed.IsZero() {
		t.Fatalf("the child ended by itself after %d events", len(queued))
	}

	s := open(t, o)
	stored := map[hostapi.ID]bool{}
	var top hostapi.ID
	for _, e := range all(t, s, Query{Limit: 1000}) {
		stored[e.ID] = true
		top = max(top, e.ID)
	}
	missing := 0
	for id, at := range queued {
		if !stored[id] {
			missing++
			loss = max(loss, killed.Sub(at))
		}
	}
	t.Logf("%d events queued, %d missing, the oldest of them %v before the end", len(queued), missing, loss)
	if got, err := s.MaxID(testContext(t)); err != nil || got != top {
		t.Errorf("MaxID: got %v, error %v, want %v", got, err, top)
	}
	checkTotals(t, s)
	checkIntegrity(t, s)
	next := event(1, time.Now().Add(time.Minute))
	put(t, s, next)
	if p := query(t, s, Query{Limit: 1}); len(p.Events) != 1 || p.Events[0].ID != next.ID {
		t.Errorf("archiving does not go on: got %v, want %v", idsOf(p.Events), next.ID)
	}
	return loss
}

func checkIntegrity(t *testing.T, s *Store) {
	t.Helper()
	for _, d := range []*database{s.state, s.archive.db} {
		if !d.sqlite {
			continue
		}
		var got string
		err := d.with(testContext(t), d.read, func(c bun.Conn) error { return c.NewRaw("PRAGMA integrity_check").Scan(t.Context(), &got) })
		if err != nil || got != "ok" {
			t.Errorf("%s: integrity: got %q, error %v, want ok", d.name, got, err)
		}
	}
}

// archiveForEver archives a few thousand events a second and prints the id and
// the time of each, until it is killed.
func archiveForEver() {
	s, err := Open(context.Background(), Options{
		DSN: os.Getenv(crashDSN), Dir: os.Getenv(crashDir), Archive: ArchiveOptions{Types: []string{"*"}},
		Log: slog.New(slog.NewTextHandler(os.Stderr, nil)),
	})
	if err != nil {
		fmt.Println("open:", err)
		return
	}
	for n := 0; ; n++ {
		now := time.Now()
		e := event(n%4096, now)
		s.Archive().Routed([]*hostapi.Event{e})
		fmt.Println(e.ID, now.UnixMicro())
		if n%2 == 0 {
			time.Sleep(time.Millisecond) // the pace of the load
		}
	}
}
