package store

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/takhost/takhost/core/store/storetest"
)

// unread hides everything of a reader but Read.
type unread struct{ io.Reader }

func zeros(n int64) io.Reader { return unread{io.LimitReader(zeroReader{}, n)} }

type zeroReader struct{}

func (zeroReader) Read(p []byte) (int, error) { clear(p); return len(p), nil }

// TestQuotaAtOnce: of uploads that come together, those that fit get in and no more.
func TestQuotaAtOnce(t *testing.T) {
	const size, fit = 3 << 20, 4
	for name, announced := range map[string]int64{"announced": size, "unknown": 0} {
		t.Run(name, func(t *testing.T) {
			o := blobOptions(t, storetest.SQLite)
			o.Blobs.Quota = fit*size + size/2
			s := open(t, o)
			var begun, ended sync.WaitGroup
			begun.Add(12)
			errs := make([]error, 12)
			for i := range errs {
				ended.Go(func() {
					w, err := s.Blobs().Create(BlobSpec{Size: announced})
					begun.Done()
					begun.Wait()
					if err == nil {
						defer w.Drop()
						_, err = w.ReadFrom(io.MultiReader(strings.NewReader(fmt.Sprintf("%2d", i)), zeros(size-2)))
					}
					if err == nil {
						_, err = w.Keep(testContext(t))
					}
					errs[i] = err
				})
			}
			ended.Wait()
			done := 0
			for _, err := range errs {
				if err == nil {
					done++
				} else if CodeOf(err) != Limit || errors.Is(err, ErrTooLarge) {
					t.Errorf("got error %v, want that of all files together", err)
				}
			}
			files, total := s.Blobs().Total()
			if files != int64(done) || total != int64(done)*size || total > o.Blobs.Quota {
				t.Errorf("got %d files of %d bytes, %d were taken, the quota is %d", files, total, done, o.Blobs.Quota)
			}
			// Without a length, those that are refused may have been in one another's way.
			if announced > 0 && done != fit {
				t.Errorf("got %d in, want %d", done, fit)
			}
			if n := s.Blobs().plugins.room.promises(); n != 0 {
				t.Errorf("%d bytes are still promised", n)
			}
			for i := range fit - done {
				if _, err := s.Blobs().Put(testContext(t), io.MultiReader(strings.NewReader(fmt.Sprint("again", i)), zeros(size-6)), BlobSpec{}); err != nil {
					t.Errorf("one more that fits: %v", err)
				}
			}
		})
	}
}

func TestQuotaOfUnknownLength(t *testing.T) {
	o := blobOptions(t, storetest.SQLite)
	o.Blobs.Quota = 1_000_000
	s := open(t, o)
	b, p := s.Blobs(), owner("p")
	first, err := b.Put(testContext(t), zeros(900_000), BlobSpec{})
	if err != nil {
		t.Fatalf("one that fits: %v", err)
	}
	keep(t, s, p, "x", first.Hash)
	_, err = b.Put(testContext(t), io.MultiReader(strings.NewReader("x"), zeros(899_999)), BlobSpec{})
	wantCode(t, "a second one", err, Limit)
	// What is there already costs nothing in the end, but needs its room meanwhile.
	_, err = b.Put(testContext(t), zeros(900_000), BlobSpec{})
	wantCode(t, "the same again", err, Limit)
	b.SetQuota(1_800_000)
	for range 3 {
		_, err = b.Put(testContext(t), zeros(900_000), BlobSpec{})
		wantCode(t, "the same, with room for both", err, "")
	}
	if _, total := b.Total(); total != 900_000 {
		t.Errorf("got %d bytes, want 900000", total)
	}
	if n := b.plugins.room.promises(); n != 0 {
		t.Errorf("%d bytes are still promised", n)
	}
}

// TestQuotaLowered: what was written is looked at once more when it has come.
func TestQuotaLowered(t *testing.T) {
	s := open(t, blobOptions(t, storetest.SQLite))
	w, err := s.Blobs().Create(BlobSpec{Size: 1000})
	if err != nil {
		t.Fatal(err)
	}
	defer w.Drop()
	if _, err := w.Write(make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	s.Blobs().SetQuota(999)
	wantCode(t, "finish", w.Finish(), Limit)
	_, err = w.Keep(testContext(t))
	wantCode(t, "keep", err, Limit)
}

// TestFullIsSwept: what nobody keeps makes room for what comes, at once.
func TestFullIsSwept(t *testing.T) {
	storetest.Each(t, func(t *testing.T, dsn string) {
		s, o, advance := sweepBed(t, dsn)
		ctx, b, p := testContext(t), s.Blobs(), owner("p")
		b.SetQuota(1000)
		content := func(i int) []byte { return bytes.Repeat([]byte{byte(i)}, 100) }
		for i := range 10 {
			keep(t, s, p, "x", putBlob(t, s, content(i)).Hash)
		}
		put := func(n int, spec BlobSpec) error {
			_, err := b.Put(ctx, zeros(int64(n)), spec)
			return err
		}
		wantCode(t, "all are kept", put(100, BlobSpec{}), Limit)
		for i := range 5 {
			release(t, s, p, "x", hashOf(content(i)))
		}
		wantCode(t, "more than can be freed", put(501, BlobSpec{Size: 501}), Limit)
		if files, _ := b.Total(); files != 10 {
			t.Errorf("%d files are left, want all 10: removing them would not have helped", files)
		}
		advance(time.Second, time.Second)
		wantCode(t, "released", put(250, BlobSpec{Size: 250}), "")
		if files, total := b.Total(); files != 8 || total != 950 {
			t.Errorf("got %d files of %d bytes, want 8 of 950: no more goes than must", files, total)
		}
		// Freshly written, and nobody keeps it: it stays a minute, whatever comes.
		wantCode(t, "freshly written", put(260, BlobSpec{}), Limit) // 200 are free with the two that were released
		advance(graceTime+time.Second, graceTime+time.Second)
		wantCode(t, "a minute later", put(260, BlobSpec{}), "")
		for i := 5; i < 10; i++ {
			if got := readBlob(t, s, hashOf(content(i))); !bytes.Equal(got, content(i)) {
				t.Errorf("kept file %d: got %q", i, got)
			}
		}
		if got := blobFilesIn(t, o.Dir); len(got) != 6 {
			t.Errorf("got the files %v, want 6", got)
		}
	})
}

// TestFullOfWhatWasDeleted: what a call wrote and kept has no grace when it is given up.
func TestFullOfWhatWasDeleted(t *testing.T) {
	s, _, _ := sweepBed(t, storetest.SQLite)
	ctx, b, p := testContext(t), s.Blobs(), owner("p")
	b.SetQuota(100)
	for i := range 3 {
		h := b.Hold()
		blob, err := b.Put(ctx, bytes.NewReader(bytes.Repeat([]byte{byte(i)}, 90)), BlobSpec{Hold: h})
		if err != nil {
			t.Fatalf("file %d: %v", i, err)
		}
		keep(t, s, p, "x", blob.Hash)
		h.End()
		release(t, s, p, "x", blob.Hash)
	}
}

// TestFullDiskIsSwept is the same for a disk, which has room for 100 bytes.
func TestFullDiskIsSwept(t *testing.T) {
	o := blobOptions(t, storetest.SQLite)
	var s *Store
	o.FreeDisk = func(string) (uint64, uint64, error) {
		used := int64(0)
		if s != nil {
			_, used = s.Blobs().Total()
		}
		return uint64(diskReserve + 100 - used), 100 << 30, nil
	}
	s = open(t, o)
	p := owner("p")
	put := func(n int, what byte) (Blob, error) {
		return s.Blobs().Put(testContext(t), bytes.NewReader(bytes.Repeat([]byte{what}, n)), BlobSpec{Size: int64(n)})
	}
	for what, n := range map[byte]int{'a': 60, 'b': 30} {
		b, err := put(n, what)
		if err != nil {
			t.Fatal(err)
		}
		keep(t, s, p, "x", b.Hash)
	}
	if _, err := put(35, 'c'); !errors.Is(err, ErrNoSpace) {
		t.Errorf("got error %v, want no space", err)
	}
	release(t, s, p, "x", hashOf(bytes.Repeat([]byte("b"), 30)))
	if _, err := put(41, 'c'); !errors.Is(err, ErrNoSpace) {
		t.Errorf("more than can be freed: got error %v, want no space", err)
	}
	if files, _ := s.Blobs().Total(); files != 2 {
		t.Errorf("got %d files, want 2", files)
	}
	if _, err := put(35, 'c'); err != nil {
		t.Errorf("with what was released: %v", err)
	}
	if _, total := s.Blobs().Total(); total != 95 {
		t.Errorf("got %d bytes, want 95", total)
	}
}

// TestFullAndInUse: what somebody reads, or a call that has not ended has written,
// is left alone.
func TestFullAndInUse(t *testing.T) {
	s, _, advance := sweepBed(t, storetest.SQLite)
	ctx, b, p := testContext(t), s.Blobs(), owner("p")
	b.SetQuota(100)
	kept := putBlob(t, s, bytes.Repeat([]byte("a"), 60))
	keep(t, s, p, "x", kept.Hash)
	r, err := b.Open(ctx, kept.Hash)
	if err != nil {
		t.Fatal(err)
	}
	release(t, s, p, "x", kept.Hash)
	full := func(what string) {
		t.Helper()
		_, err := b.Put(ctx, zeros(50), BlobSpec{})
		wantCode(t, what, err, Limit)
	}
	full("while it is read")
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	if err := r.Close(); err == nil {
		t.Error("a second Close: got no error")
	}
	hold := b.Hold()
	held, err := b.Put(ctx, zeros(50), BlobSpec{Hold: hold})
	if err != nil {
		t.Fatalf("when it is read no longer: %v", err)
	}
	advance(2*time.Hour, 2*time.Hour)
	sweep(t, s, 0)
	_, err = b.Put(ctx, io.MultiReader(strings.NewReader("x"), zeros(59)), BlobSpec{})
	wantCode(t, "while a call has it", err, Limit)
	hold.End()
	hold.End()
	_, err = b.Put(ctx, io.MultiReader(strings.NewReader("x"), zeros(59)), BlobSpec{})
	wantCode(t, "just when the call has ended", err, Limit)
	advance(graceTime+time.Second, graceTime+time.Second)
	if _, err = b.Put(ctx, io.MultiReader(strings.NewReader("x"), zeros(59)), BlobSpec{}); err != nil {
		t.Errorf("a minute later: %v", err)
	}
	_, err = b.Stat(ctx, held.Hash)
	wantCode(t, "it", err, NotFound)
}
