package store

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/takhost/takhost/core/store/storetest"
)

// sweepBed is a store with clocks that stand until they are moved.
func sweepBed(t *testing.T, dsn string) (s *Store, o Options, advance func(wall, real time.Duration)) {
	var mu sync.Mutex
	now, up := testTime, time.Duration(0)
	o = blobOptions(t, dsn)
	o.Now = func() time.Time { mu.Lock(); defer mu.Unlock(); return now }
	o.test.elapsed = func() time.Duration { mu.Lock(); defer mu.Unlock(); return up }
	o.Metrics = prometheus.NewRegistry()
	return open(t, o), o, func(wall, real time.Duration) {
		mu.Lock()
		defer mu.Unlock()
		now, up = now.Add(wall), up+real
	}
}

func sweep(t *testing.T, s *Store, want int) {
	t.Helper()
	if n, err := s.Blobs().Sweep(testContext(t)); err != nil || n != want {
		t.Errorf("sweep: got %d, error %v, want %d", n, err, want)
	}
}

func TestBlobSweep(t *testing.T) {
	storetest.Each(t, func(t *testing.T, dsn string) {
		s, o, advance := sweepBed(t, dsn)
		ctx := testContext(t)
		p := owner("p")
		kept, loose := putBlob(t, s, []byte("kept")), putBlob(t, s, []byte("loose"))
		keep(t, s, p, "x", kept.Hash)
		r, err := s.Blobs().Open(ctx, loose.Hash)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		advance(30*time.Minute, 30*time.Minute)
		again := putBlob(t, s, []byte("again"))
		sweep(t, s, 0)
		advance(31*time.Minute, 31*time.Minute)
		w := s.Plugins().Begin() // sees it, and comes too late
		if err := w.KeepBlob(ctx, p, "late", loose.Hash); err != nil {
			t.Fatal(err)
		}
		sweep(t, s, 1)
		_, err = w.Commit(ctx)
		wantCode(t, "keep what is gone", err, NotFound)
		if got, err := io.ReadAll(r); err != nil || string(got) != "loose" {
			t.Errorf("read on: got %q, error %v", got, err)
		}
		_, err = s.Blobs().Open(ctx, loose.Hash)
		wantCode(t, "open what is gone", err, NotFound)
		if f, n := s.Blobs().Total(); f != 2 || n != 9 {
			t.Errorf("total: got %d files of %d bytes, want 2 of 9", f, n)
		}
		// Written once more, it stays another hour; given up, too.
		putBlob(t, s, []byte("again"))
		release(t, s, p, "x", kept.Hash)
		advance(59*time.Minute, 59*time.Minute)
		sweep(t, s, 0)
		if got := readBlob(t, s, again.Hash); string(got) != "again" {
			t.Errorf("got %q", got)
		}
		// A clock that jumps removes nothing.
		advance(48*time.Hour, time.Second)
		sweep(t, s, 0)
		advance(-48*time.Hour, 0)
		advance(2*time.Minute, 2*time.Minute)
		sweep(t, s, 2)
		if got := blobFilesIn(t, o.Dir); len(got) != 0 {
			t.Errorf("got the files %v, want none", got)
		}
		if got := gathered(t, o.Metrics, "takhost_blobs_swept_total"); got != 3 {
			t.Errorf("swept: counted %v, want 3", got)
		}
	})
}

// TestBlobSweepAndPut writes the same few files again and again while they are
// swept: what Put returned is there.
func TestBlobSweepAndPut(t *testing.T) {
	s, _, advance := sweepBed(t, storetest.SQLite)
	ctx := testContext(t)
	done := make(chan struct{})
	var swept int
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
			}
			advance(BlobTTL+time.Second, BlobTTL+time.Second)
			n, err := s.Blobs().Sweep(ctx)
			if swept += n; err != nil {
				t.Errorf("sweep: %v", err)
			}
		}
	})
	p := owner("p")
	for i := range 60 {
		content := []byte(fmt.Sprint("file ", i%3))
		for {
			b := putBlob(t, s, content)
			w := s.Plugins().Begin()
			err := w.KeepBlob(ctx, p, "x", b.Hash)
			if err == nil {
				_, err = w.Commit(ctx)
			}
			if CodeOf(err) == NotFound { // the clock runs fast here
				continue
			}
			if err != nil {
				t.Fatal(err)
			}
			if got := readBlob(t, s, b.Hash); !bytes.Equal(got, content) {
				t.Fatalf("got %q, want %q", got, content)
			}
			release(t, s, p, "x", b.Hash)
			break
		}
	}
	close(done)
	wg.Wait()
	if swept == 0 {
		t.Error("nothing was swept meanwhile")
	}
}

func TestModuleAndBlobOfTheSameContent(t *testing.T) {
	s, _, advance := sweepBed(t, storetest.SQLite)
	ctx := testContext(t)
	content := "a package"
	sum, _, err := s.PutModule(ctx, strings.NewReader(content), 100)
	if err != nil {
		t.Fatal(err)
	}
	_, err = s.Blobs().Open(ctx, sum)
	wantCode(t, "a package is no file of plugins", err, NotFound)
	putBlob(t, s, []byte(content))
	advance(2*time.Hour, 2*time.Hour)
	sweep(t, s, 0)
	f, err := s.OpenModule(sum)
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	putBlob(t, s, []byte(content))
	wantCode(t, "remove", s.RemoveModule(sum), "")
	if got := readBlob(t, s, sum); string(got) != content {
		t.Errorf("uploaded too: got %q", got)
	}
	advance(2*time.Hour, 2*time.Hour)
	sweep(t, s, 1)
}

func TestRemovePluginGivesUpFiles(t *testing.T) {
	storetest.Each(t, func(t *testing.T, dsn string) {
		s, _, advance := sweepBed(t, dsn)
		a, b := putBlob(t, s, []byte("a")), putBlob(t, s, []byte("b"))
		keep(t, s, owner("p"), "x", a.Hash)
		keep(t, s, owner("p"), "y", a.Hash)
		keep(t, s, owner("p"), "x", b.Hash)
		keep(t, s, owner("q"), "x", b.Hash)
		advance(2*time.Hour, 2*time.Hour)
		if _, err := s.Plugins().RemovePlugin(testContext(t), "p"); err != nil {
			t.Fatal(err)
		}
		sweep(t, s, 0)
		advance(2*time.Hour, 2*time.Hour)
		sweep(t, s, 1)
		if got := readBlob(t, s, b.Hash); string(got) != "b" {
			t.Errorf("of the other plugin: got %q", got)
		}
	})
}

func gathered(t *testing.T, reg prometheus.Registerer, name string) float64 {
	t.Helper()
	families, err := reg.(*prometheus.Registry).Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		if f.GetName() == name {
			return f.GetMetric()[0].GetCounter().GetValue()
		}
	}
	t.Fatalf("there is no metric %s", name)
	return 0
}
