package store

import (
	"bufio"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/takhost/takhost/core/store/storetest"
	"github.com/takhost/takhost/hostapi/index"
)

// commitDSN and commitDir tell the child of TestKillDuringCommits what to write
// to.
const (
	commitDSN = "STORE_TEST_COMMIT_DSN"
	commitDir = "STORE_TEST_COMMIT_DIR"
)

// TestKillDuringCommits kills a process that commits for several plugins: what it
// was told to be committed is there, and of each Work all or nothing.
func TestKillDuringCommits(t *testing.T) {
	if os.Getenv(commitDSN) != "" {
		commitForEver()
		return
	}
	storetest.Each(t, func(t *testing.T, dsn string) {
		o := options(t, dsn)
		child := exec.Command(os.Args[0], "-test.run=^TestKillDuringCommits$")
		child.Env = append(os.Environ(), commitDSN+"="+dsn, commitDir+"="+o.Dir)
		child.Stderr = t.Output()
		out, err := child.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		const enough = 300
		told := map[string][]string{}
		n := 0
		for lines := bufio.NewScanner(out); lines.Scan(); {
			plugin, id, ok := strings.Cut(lines.Text(), " ")
			if !ok || !strings.HasSuffix(id, ".") { // half a line
				continue
			}
			told[plugin] = append(told[plugin], strings.TrimSuffix(id, "."))
			if n++; n == enough {
				if err := child.Process.Kill(); err != nil {
					t.Fatal(err)
				}
			}
		}
		_ = child.Wait() // it was killed
		if n < enough {
			t.Fatalf("the child ended by itself after %d commits", n)
		}
		s := open(t, o)
		checkIntegrity(t, s)
		for plugin, ids := range told {
			own := owner(plugin)
			w := s.Plugins().Begin()
			stored := map[string]bool{}
			for _, id := range pages(t, w, own, DocQuery{Collection: "users"}) {
				stored[id] = true
			}
			for _, id := range ids {
				if !stored[id] {
					t.Errorf("%s: document %s is missing, its commit was told", plugin, id)
				}
			}
			// Each Work also wrote a second document and took from a counter.
			if got := pages(t, w, own, DocQuery{Collection: "plain", Limit: 1000}); len(got) != len(stored) {
				t.Errorf("%s: got %d and %d documents of each Work", plugin, len(stored), len(got))
			}
			if got := pages(t, w, own, DocQuery{Collection: "users", Index: "name", Limit: 1000}); len(got) != len(stored) {
				t.Errorf("%s: got %d documents, %d by name", plugin, len(stored), len(got))
			}
			if next, err := w.Next(testContext(t), own, "c"); err != nil || next != int64(len(stored))+1 {
				t.Errorf("%s: got %d from the counter, error %v, want %d", plugin, next, err, len(stored)+1)
			}
			checkUsage(t, s, plugin)
		}
	})
}

// commitForEver commits for four plugins at once and prints what is committed,
// until it is killed.
func commitForEver() {
	s, err := Open(context.Background(), Options{
		DSN: os.Getenv(commitDSN), Dir: os.Getenv(commitDir), Log: slog.New(slog.NewTextHandler(os.Stderr, nil)),
	})
	if err != nil {
		fmt.Println("open:", err)
		return
	}
	failed := make(chan error)
	for i := range 4 {
		go func() {
			o := owner(fmt.Sprintf("p%d", i))
			for n := 0; ; n++ {
				if err := commitOne(s, o, fmt.Sprint(n)); err != nil {
					failed <- err
					return
				}
				fmt.Printf("%s %d.\n", o.Plugin, n)
			}
		}()
	}
	fmt.Println("failed:", <-failed)
}

func commitOne(s *Store, o *Owner, id string) error {
	ctx := context.Background()
	key, err := index.AppendTuple(nil, index.String(id))
	if err != nil {
		return err
	}
	w := s.Plugins().Begin()
	if err := w.Put(ctx, o, Document{Collection: "users", ID: id, Body: []byte(id)}, []Key{{"name", key}}, true); err != nil {
		return err
	}
	if err := w.Put(ctx, o, Document{Collection: "plain", ID: id, Body: []byte(id)}, nil, true); err != nil {
		return err
	}
	if _, err := w.Next(ctx, o, "c"); err != nil {
		return err
	}
	_, err = w.Commit(ctx)
	return err
}
