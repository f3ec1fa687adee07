package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/takhost/takhost/core/store/storetest"
)

func hashOf(content []byte) string {
	h := sha256.Sum256(content)
	return hex.EncodeToString(h[:])
}

// blobOptions are those of a store that has a data folder on either database.
func blobOptions(t testing.TB, dsn string) Options {
	t.Helper()
	o := options(t, dsn)
	o.Dir = t.TempDir()
	return o
}

func putBlob(t testing.TB, s *Store, content []byte) Blob {
	t.Helper()
	b, err := s.Blobs().Put(testContext(t), bytes.NewReader(content), BlobSpec{ContentType: "text/plain", Name: "a.txt"})
	if err != nil {
		t.Fatalf("Put: %v", err)
	}
	return b
}

func readBlob(t testing.TB, s *Store, hash string) []byte {
	t.Helper()
	r, err := s.Blobs().Open(testContext(t), hash)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	defer r.Close()
	got, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// blobFilesIn gives the names of all files under blobs, half ones too.
func blobFilesIn(t testing.TB, dir string) (names []string) {
	t.Helper()
	err := filepath.WalkDir(filepath.Join(dir, "blobs"), func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			names = append(names, filepath.Base(filepath.Dir(path))+d.Name())
		}
		return err
	})
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return names
}

func keep(t testing.TB, s *Store, o *Owner, owner, hash string) {
	t.Helper()
	w := s.Plugins().Begin()
	if err := w.KeepBlob(testContext(t), o, owner, hash); err != nil {
		t.Fatalf("KeepBlob: %v", err)
	}
	commit(t, w)
}

func release(t testing.TB, s *Store, o *Owner, owner, hash string) {
	t.Helper()
	w := s.Plugins().Begin()
	if err := w.ReleaseBlob(o, owner, hash); err != nil {
		t.Fatalf("ReleaseBlob: %v", err)
	}
	commit(t, w)
}

func TestBlobRoundTrip(t *testing.T) {
	storetest.Each(t, func(t *testing.T, dsn string) {
		o := blobOptions(t, dsn)
		s := open(t, o)
		ctx := testContext(t)
		for _, n := range []int{0, 1, copyBuffer - 1, copyBuffer, copyBuffer + 1, flushEvery + 12345} {
			content := bytes.Repeat([]byte("0123456789abcdef!"), n/17+1)[:n]
			for range 2 { // the same again costs nothing
				b := putBlob(t, s, content)
				want := Blob{Hash: hashOf(content), Size: int64(n), ContentType: "text/plain", Name: "a.txt"}
				if diff := cmp.Diff(want, b); diff != "" {
					t.Errorf("%d bytes: put (-want +got):\n%s", n, diff)
				}
				if got, err := s.Blobs().Stat(ctx, b.Hash); err != nil || got != want {
					t.Errorf("%d bytes: stat: got %+v, error %v, want %+v", n, got, err, want)
				}
			}
			if got := readBlob(t, s, hashOf(content)); !bytes.Equal(got, content) {
				t.Errorf("%d bytes: got %d others", n, len(got))
			}
		}
		if got := blobFilesIn(t, o.Dir); len(got) != 6 {
			t.Errorf("got %d files, want 6: %v", len(got), got)
		}
		files, size := s.Blobs().Total()
		closeStore(t, s)
		s = open(t, o)
		if f, n := s.Blobs().Total(); f != files || n != size || f != 6 {
			t.Errorf("after a restart: got %d files of %d bytes, want %d of %d", f, n, files, size)
		}
		r, err := s.Blobs().Open(ctx, hashOf(bytes.Repeat([]byte("0123456789abcdef!"), copyBuffer/17+1)[:copyBuffer+1]))
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		part := make([]byte, 5)
		if _, err := r.ReadAt(part, 17); err != nil || string(part) != "01234" {
			t.Errorf("range: got %q, error %v", part, err)
		}
		if r.Modified().IsZero() || time.Since(r.Modified()) > time.Hour {
			t.Errorf("modified: got %v", r.Modified())
		}
	})
}

func TestBlobRefusals(t *testing.T) {
	o := blobOptions(t, storetest.SQLite)
	o.Blobs.Quota = 1000
	free := uint64(50 << 30)
	var mu sync.Mutex
	o.FreeDisk = func(string) (uint64, uint64, error) {
		mu.Lock()
		defer mu.Unlock()
		return free, 100 << 30, nil
	}
	s := open(t, o)
	ctx := testContext(t)
	b := s.Blobs()
	put := func(n int, spec BlobSpec) error {
		_, err := b.Put(ctx, bytes.NewReader(bytes.Repeat([]byte{'x'}, n)), spec)
		return err
	}
	t.Run("too large", func(t *testing.T) {
		err := put(11, BlobSpec{Max: 10})
		if wantCode(t, "write", err, Limit); !errors.Is(err, ErrTooLarge) {
			t.Errorf("got error %v, want that it is too large", err)
		}
		err = put(0, BlobSpec{Max: 10, Size: 11})
		if wantCode(t, "announced", err, Limit); !errors.Is(err, ErrTooLarge) {
			t.Errorf("got error %v, want that it is too large", err)
		}
		wantCode(t, "just fits", put(10, BlobSpec{Max: 10, Size: 10}), "")
	})
	t.Run("quota", func(t *testing.T) {
		err := put(991, BlobSpec{})
		if wantCode(t, "write", err, Limit); errors.Is(err, ErrTooLarge) {
			t.Errorf("got error %v, want that of all files together", err)
		}
		wantCode(t, "announced", put(0, BlobSpec{Size: 991}), Limit)
		b.SetQuota(2000)
		wantCode(t, "with a larger quota", put(991, BlobSpec{}), "")
	})
	t.Run("disk full", func(t *testing.T) {
		mu.Lock()
		free = 2 << 30
		mu.Unlock()
		err := put(5, BlobSpec{})
		if wantCode(t, "write", err, Unavailable); !errors.Is(err, ErrNoSpace) {
			t.Errorf("got error %v, want that there is no room", err)
		}
		mu.Lock()
		free = 50 << 30
		mu.Unlock()
		wantCode(t, "with room again", put(5, BlobSpec{}), "")
	})
	t.Run("reader that fails", func(t *testing.T) {
		if _, err := b.Put(ctx, io.MultiReader(strings.NewReader("half"), failing{}), BlobSpec{}); !errors.Is(err, errFailing) {
			t.Errorf("got error %v", err)
		}
		if _, err := b.Put(ctx, io.MultiReader(strings.NewReader("half"), cut{}), BlobSpec{}); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("cut: got error %v", err)
		}
		ended, cancel := context.WithCancel(ctx)
		cancel()
		if _, err := b.Put(ended, strings.NewReader("x"), BlobSpec{}); !errors.Is(err, context.Canceled) {
			t.Errorf("context ended: got error %v", err)
		}
	})
	t.Run("not there", func(t *testing.T) {
		none := strings.Repeat("0", 64)
		_, err := b.Open(ctx, none)
		wantCode(t, "open", err, NotFound)
		_, err = b.Stat(ctx, none)
		wantCode(t, "stat", err, NotFound)
		wantCode(t, "keep", s.Plugins().Begin().KeepBlob(ctx, owner("p"), "a", none), NotFound)
		for _, bad := range []string{"", "xyz", "../../state.db", strings.Repeat("A", 64), none + "0", strings.Repeat("0", 62) + "/."} {
			_, err := b.Open(ctx, bad)
			wantCode(t, "open "+bad, err, Invalid)
			_, err = b.Stat(ctx, bad)
			wantCode(t, "stat "+bad, err, Invalid)
			wantCode(t, "keep "+bad, s.Plugins().Begin().KeepBlob(ctx, owner("p"), "a", bad), Invalid)
			wantCode(t, "release "+bad, s.Plugins().Begin().ReleaseBlob(owner("p"), "a", bad), Invalid)
		}
	})
	t.Run("file that is gone", func(t *testing.T) {
		blob := putBlob(t, s, []byte("will go"))
		if err := os.Remove(filepath.Join(o.Dir, "blobs", blob.Hash[:2], blob.Hash[2:])); err != nil {
			t.Fatal(err)
		}
		_, err := b.Open(ctx, blob.Hash)
		wantCode(t, "open", err, NotFound)
		_, err = b.Stat(ctx, blob.Hash)
		wantCode(t, "stat", err, NotFound)
		putBlob(t, s, []byte("will go"))
		if got := readBlob(t, s, blob.Hash); string(got) != "will go" {
			t.Errorf("written again: got %q", got)
		}
	})
	if got := blobFilesIn(t, o.Dir); len(got) != 4 {
		t.Errorf("got the files %v, want 4 and no half one", got)
	}
	if n := b.writing.Load(); n != 0 {
		t.Errorf("%d bytes count as being written, want 0", n)
	}
}

type cut struct{}

func (cut) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

func TestBlobTags(t *testing.T) {
	storetest.Each(t, func(t *testing.T, dsn string) {
		s := open(t, blobOptions(t, dsn))
		long := strings.Repeat("ä", 300)
		for name, want := range map[string]string{
			"plain.zip": "plain.zip", "nul\x00.zip": "nul\ufffd.zip", "bad\xff": "bad\ufffd", long: long[:512], "Übung 火.zip": "Übung 火.zip",
		} {
			b, err := s.Blobs().Put(testContext(t), strings.NewReader(name), BlobSpec{Name: name, ContentType: name})
			if err != nil {
				t.Fatal(err)
			}
			if got, err := s.Blobs().Stat(testContext(t), b.Hash); err != nil || got.Name != want || got.ContentType != want {
				t.Errorf("%q: got %+v, error %v, want %q", name, got, err, want)
			}
		}
	})
}

func TestBlobsKept(t *testing.T) {
	storetest.Each(t, func(t *testing.T, dsn string) {
		s := open(t, blobOptions(t, dsn))
		ctx := testContext(t)
		p, q := owner("p"), owner("q")
		a, b := putBlob(t, s, []byte("aaaa")), putBlob(t, s, []byte("bb"))
		usage := func(plugin string, blobs, size int64) {
			t.Helper()
			if u, err := s.Plugins().Usage(ctx, plugin); err != nil || u.Blobs != blobs || u.BlobBytes != size {
				t.Errorf("usage of %s: got %+v, error %v, want %d files of %d bytes", plugin, u, err, blobs, size)
			}
		}
		list := func(w *Work, o *Owner, owner string, want ...string) {
			t.Helper()
			blobs, err := w.KeptBlobs(ctx, o, owner)
			if err != nil {
				t.Fatal(err)
			}
			got := []string{}
			for _, b := range blobs {
				got = append(got, b.Hash)
			}
			if diff := cmp.Diff(append([]string{}, want...), got); diff != "" {
				t.Errorf("kept by %q (-want +got):\n%s", owner, diff)
			}
		}
		w := s.Plugins().Begin()
		for range 2 {
			if err := w.KeepBlob(ctx, p, "one", a.Hash); err != nil {
				t.Fatal(err)
			}
		}
		list(w, p, "one", a.Hash)
		list(s.Plugins().Begin(), p, "one")
		mark := w.Mark()
		if err := w.KeepBlob(ctx, p, "one", b.Hash); err != nil {
			t.Fatal(err)
		}
		w.Undo(mark)
		commit(t, w)
		list(s.Plugins().Begin(), p, "one", a.Hash)
		usage("p", 1, 4)
		keep(t, s, p, "two", a.Hash) // the same file once more
		keep(t, s, p, "two", b.Hash)
		keep(t, s, q, "one", a.Hash)
		usage("p", 2, 6)
		usage("q", 1, 4)
		w = s.Plugins().Begin()
		if err := w.ReleaseBlob(p, "two", b.Hash); err != nil {
			t.Fatal(err)
		}
		list(w, p, "two", a.Hash)
		commit(t, w)
		list(s.Plugins().Begin(), p, "two", a.Hash)
		usage("p", 1, 4)
		release(t, s, p, "one", a.Hash)
		release(t, s, p, "one", a.Hash) // is not kept: no error
		release(t, s, p, "three", a.Hash)
		usage("p", 1, 4)
		release(t, s, p, "two", a.Hash)
		usage("p", 0, 0)

		small := owner("small")
		small.BlobQuota = 5
		keep(t, s, small, "x", a.Hash)
		keep(t, s, small, "y", a.Hash)
		w = s.Plugins().Begin()
		if err := w.KeepBlob(ctx, small, "x", b.Hash); err != nil {
			t.Fatal(err)
		}
		_, err := w.Commit(ctx)
		wantCode(t, "commit beyond the quota", err, Limit)
		large := putBlob(t, s, []byte("large one"))
		wantCode(t, "keep a file beyond the quota", s.Plugins().Begin().KeepBlob(ctx, small, "x", large.Hash), Limit)
		// Given up and taken in one commit.
		w = s.Plugins().Begin()
		for _, owner := range []string{"x", "y"} {
			if err := w.ReleaseBlob(small, owner, a.Hash); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.KeepBlob(ctx, small, "x", b.Hash); err != nil {
			t.Fatal(err)
		}
		commit(t, w)
		usage("small", 1, 2)
	})
}
