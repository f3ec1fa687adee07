package store

import (
	"bytes"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/takhost/takhost/core/store/storetest"
)

// TestDroppedHold: what a call has written that came to nothing goes at once,
// unless somebody else has an interest in it.
func TestDroppedHold(t *testing.T) {
	storetest.Each(t, func(t *testing.T, dsn string) {
		s, o, _ := sweepBed(t, dsn)
		ctx, b, p := testContext(t), s.Blobs(), owner("p")
		put := func(h *Hold, text string) Blob {
			t.Helper()
			blob, err := b.Put(ctx, bytes.NewReader([]byte(text)), BlobSpec{Hold: h})
			if err != nil {
				t.Fatal(err)
			}
			return blob
		}
		there := func(what string, blob Blob, want bool) {
			t.Helper()
			if _, err := b.Stat(ctx, blob.Hash); (err == nil) != want {
				t.Errorf("%s: got error %v, want it there: %v", what, err, want)
			}
		}
		drop := func(h *Hold) {
			t.Helper()
			if err := h.Drop(ctx); err != nil {
				t.Errorf("drop: %v", err)
			}
		}
		h := b.Hold()
		loose, kept := put(h, "loose"), put(h, "kept")
		keep(t, s, p, "x", kept.Hash)
		there("before the end", loose, true)
		drop(h)
		drop(h)
		there("loose", loose, false)
		there("kept", kept, true)

		// Somebody else wrote it before, and was told that it stays.
		first, second := b.Hold(), b.Hold()
		blob := put(first, "shared")
		first.End()
		put(second, "shared")
		drop(second)
		there("of a call that succeeded", blob, true)

		// Somebody else writes it too.
		first, second = b.Hold(), b.Hold()
		blob = put(first, "both")
		put(second, "both")
		drop(first)
		there("of a call that goes on", blob, true)
		drop(second)
		there("of two calls that failed", blob, false)

		release(t, s, p, "x", kept.Hash)
		third := b.Hold()
		put(third, "kept")
		drop(third)
		there("released before, for an hour", kept, true)
		if got := blobFilesIn(t, o.Dir); len(got) != 2 {
			t.Errorf("got the files %v, want 2", got)
		}
		if _, total := b.Total(); total != int64(len("kept")+len("shared")) {
			t.Errorf("got %d bytes", total)
		}
	})
}

// TestHoldsAreForgotten: nothing is remembered of files that have gone, or that are
// as good as any other.
func TestHoldsAreForgotten(t *testing.T) {
	s, _, advance := sweepBed(t, storetest.SQLite)
	for i := range 20 {
		h := s.Blobs().Hold()
		b, err := s.Blobs().Put(testContext(t), bytes.NewReader([]byte{byte(i)}), BlobSpec{Hold: h})
		if err != nil {
			t.Fatal(err)
		}
		r, err := s.Blobs().Open(testContext(t), b.Hash)
		if err != nil {
			t.Fatal(err)
		}
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		if i%2 == 0 {
			h.End()
		} else if err := h.Drop(testContext(t)); err != nil {
			t.Fatal(err)
		}
	}
	advance(graceTime+time.Second, graceTime+time.Second)
	putBlob(t, s, []byte("one more"))
	m := s.Blobs().plugins.holds
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.of) != 1 || len(m.ended) != 1 {
		t.Errorf("%d files and %d ends are remembered, want 1 and 1", len(m.of), len(m.ended))
	}
}

// TestPutsDropsAndSweeps: calls write the same few files, keep some, fail or
// succeed, while the quota is short. What a call keeps is there.
func TestPutsDropsAndSweeps(t *testing.T) {
	o := blobOptions(t, storetest.SQLite)
	o.Blobs.Quota = 40 * 50
	s := open(t, o)
	ctx, b := testContext(t), s.Blobs()
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			p := owner(fmt.Sprint("p", g))
			for i := range 60 {
				content := bytes.Repeat([]byte{byte(i % 7), byte(g & 1)}, 25)
				h := b.Hold()
				blob, err := b.Put(ctx, bytes.NewReader(content), BlobSpec{Hold: h, Size: 50 * int64(i%2)})
				if err != nil {
					t.Errorf("put: %v", err)
					return
				}
				if i%3 == 0 {
					if err := h.Drop(ctx); err != nil {
						t.Errorf("drop: %v", err)
					}
					continue
				}
				w := s.Plugins().Begin()
				if err = w.KeepBlob(ctx, p, "x", blob.Hash); err == nil {
					_, err = w.Commit(ctx)
				}
				if err != nil {
					t.Errorf("keep: %v", err)
				}
				h.End()
				if got := readBlob(t, s, blob.Hash); !bytes.Equal(got, content) {
					t.Errorf("got %q, want %q", got, content)
				}
				w = s.Plugins().Begin()
				if err = w.ReleaseBlob(p, "x", blob.Hash); err == nil {
					_, err = w.Commit(ctx)
				}
				if err != nil {
					t.Errorf("release: %v", err)
				}
			}
		})
	}
	wg.Wait()
	if n := b.plugins.room.promises(); n != 0 || b.writing.Load() != 0 {
		t.Errorf("%d bytes are still promised, %d written", n, b.writing.Load())
	}
	files, total := b.Total()
	if got := blobFilesIn(t, o.Dir); int64(len(got)) != files || total != 50*files {
		t.Errorf("got %d files on the disk, %d of %d bytes are counted", len(got), files, total)
	}
}
