//go:build !race

package tests

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/takhost/takhost/tests/taktest"
)

// uploadLimit is the default of limits.upload.
const uploadLimit = 400 << 20

// A file as large as the limit goes through in all ways, one with a byte more in none,
// and leaves nothing behind.
func TestLargestFiles(t *testing.T) {
	srv := runFiles(t)
	before := filesIn(t, srv.Data)
	largest, more := content{1, uploadLimit}, content{2, uploadLimit + 1}
	for i, listener := range []string{"http", "http", "https", "web", "https", "http", "web"} {
		t.Run(ways[i].name+" by "+listener, func(t *testing.T) {
			m := srv.at(t, listener)
			m.round(t, i, largest)
			body, length, kind := more.reader(), more.size, "image/png"
			if ways[i].form {
				body, length, kind = more.form("f.bin", ways[i].nameless)
			}
			if ways[i].chunked {
				length = -1
			}
			r, err := m.send(ways[i].method, ways[i].path, kind, body, length)
			if err != nil {
				t.Fatal(err)
			}
			r.t = t
			if r.is(413); !strings.Contains(r.body, "400 MiB") {
				t.Errorf("got %s, want the limit in it", r.body)
			}
			if status, _, _, _, err := m.fetch("GET", "/Marti/sync/content?hash="+more.hash()); err != nil || status != 404 {
				t.Errorf("what was refused: got %d, %v; want 404", status, err)
			}
		})
	}
	t.Run("package by https", func(t *testing.T) {
		m, a := srv.at(t, "https"), newArchive(t, 3, uploadLimit)
		if err := m.sendPackage(a, "map.zip"); err != nil {
			t.Fatal(err)
		}
		status, _, sum, n, err := m.fetch("GET", "/Marti/sync/content?hash="+a.hash())
		if err != nil || status != 200 || sum != a.hash() || n != uploadLimit {
			t.Errorf("got %d with %d bytes of %s, %v", status, n, sum, err)
		}
		if err := m.sendPackage(newArchive(t, 4, uploadLimit+1), "more.zip"); err == nil {
			t.Error("a package of a byte more was taken")
		}
	})
	// The third is the manifest of the package, read out of it and swept later.
	want := len(before) + 3
	if got := len(filesIn(t, srv.Data)); got != want {
		t.Errorf("%d files in the store, want %d: %v", got, want, filesIn(t, srv.Data))
	}
}

// Ten files of 400 MiB that come at once make the memory of the server grow by less
// than 32 MiB.
func TestLargeUploadsTakeNoMemory(t *testing.T) {
	for _, c := range []struct {
		name, listener string
		send           func(m *mover, seed uint64) error
	}{
		{"packages as ATAK sends them", "https", func(m *mover, seed uint64) error {
			return m.sendPackage(newArchive(t, seed, uploadLimit), fmt.Sprint(seed, ".zip"))
		}},
		{"files", "http", func(m *mover, seed uint64) error {
			_, err := m.put(fmt.Sprint(seed), content{seed, uploadLimit})
			return err
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			srv := runFiles(t)
			m := srv.at(t, c.listener)
			if _, err := m.put("first", content{1, 1 << 20}); err != nil {
				t.Fatal(err)
			}
			events := relayBeside(t, srv)
			before, most, took := growth(t, srv.Child, func() error {
				var g errgroup.Group
				for i := range 10 {
					g.Go(func() error { return c.send(m, uint64(i)+10) })
				}
				return g.Wait()
			})
			// Ten clients on the same machine take all of its processors, more than a network
			// brings: events have to go on, but the time they take is theirs too.
			events.end(t)
			t.Logf("ten uploads of 400 MiB in %v, %.0f MiB/s: %d MiB before, %d MiB at most", took, 4000/took.Seconds(), before>>20, most>>20)
			if grown := most - before; grown > 32<<20 {
				t.Errorf("memory grew by %.1f MiB, 32 MiB are allowed", float64(grown)/(1<<20))
			}
		})
	}
}

// growth gives the memory of a server before something is done, and the most that it
// took meanwhile.
func growth(t *testing.T, srv *taktest.Child, do func() error) (before, most int64, took time.Duration) {
	t.Helper()
	before, _ = srv.Memory(t)
	done := make(chan error, 1)
	began := time.Now()
	var wg sync.WaitGroup
	wg.Go(func() { done <- do() })
	defer wg.Wait()
	most = before
	for {
		select {
		case err := <-done:
			if err != nil {
				t.Error(err)
			}
			return before, most, time.Since(began)
		case <-time.After(10 * time.Millisecond):
			now, _ := srv.Memory(t)
			most = max(most, now)
		}
	}
}
