package admin_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/takhost/takhost/core/admin"
	"github.com/takhost/takhost/core/onboard"
	"github.com/takhost/takhost/core/store"
	"github.com/takhost/takhost/core/store/storetest"
)

func hashOf(content string) string {
	h := sha256.Sum256([]byte(content))
	return hex.EncodeToString(h[:])
}

func (b *bed) content(p *admin.Profiles, f onboard.File) string {
	b.t.Helper()
	r, err := f.Open(func(hash string) (io.ReadSeekCloser, error) { return p.Open(b.t.Context(), hash) })
	b.must(err)
	defer r.Close()
	text, err := io.ReadAll(r)
	b.must(err)
	return string(text)
}

// shelf is a store with profiles, and a clock for both.
type shelf struct {
	*testing.T
	opt      store.Options
	store    *store.Store
	profiles *admin.Profiles
	mu       sync.Mutex
	now      time.Time
}

func newShelf(t *testing.T, dsn string) *shelf {
	t.Helper()
	s := &shelf{T: t, now: time.Now().UTC()}
	s.opt = store.Options{
		DSN: dsn, Dir: t.TempDir(), Now: s.clock,
		FreeDisk: func(string) (uint64, uint64, error) { return 1 << 40, 1 << 40, nil },
	}
	s.open()
	t.Cleanup(func() { s.must(s.store.Close(context.Background())) })
	return s
}

func (s *shelf) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func (s *shelf) clock() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.now
}

func (s *shelf) open() {
	s.Helper()
	var err error
	s.store, err = store.Open(s.Context(), s.opt)
	s.must(err)
	s.profiles, err = admin.OpenProfiles(s.Context(), admin.ProfileOptions{Records: s.store, Files: s.store.Blobs(), Now: s.clock})
	s.must(err)
}

// again closes the store and opens it as another server would, so much later:
// within one run a clock that goes on so far counts as one that jumped.
func (s *shelf) again(later time.Duration) {
	s.Helper()
	s.must(s.store.Close(s.Context()))
	s.mu.Lock()
	s.now = s.now.Add(later)
	s.mu.Unlock()
	s.open()
}

// swept removes what nobody needs, and tells how many files stay.
func (s *shelf) swept() int64 {
	s.Helper()
	_, err := s.store.Blobs().Sweep(s.Context())
	s.must(err)
	n, _ := s.store.Blobs().Total()
	return n
}

func (s *shelf) put(profile, name, content string) onboard.File {
	s.Helper()
	f, err := s.profiles.PutFile(s.Context(), root, profile, name, int64(len(content)), strings.NewReader(content))
	s.must(err)
	return f
}

func (s *shelf) profile(name string) onboard.Profile {
	s.Helper()
	v, err := s.profiles.Profile(name)
	s.must(err)
	return v
}

// TestProfileFilesStay: the sweep takes no file that a profile needs, and each that
// none needs any longer.
func TestProfileFilesStay(t *testing.T) {
	storetest.Each(t, func(t *testing.T, dsn string) {
		s := newShelf(t, dsn)
		ctx := t.Context()
		for _, name := range []string{"One", "two"} {
			s.must(s.profiles.Add(ctx, root, onboard.Profile{Name: name, Kind: onboard.OnConnection, Active: true}))
		}
		a := s.put("one", "a", "the same")
		s.put("two", "b", "the same")
		s.put("two", "empty", "")
		s.put("one", "c", "first")
		if c := s.put("one", "c", "second"); c.ID != s.profile("one").Files[1].ID || c.Hash != hashOf("second") || c.Size != 6 {
			t.Errorf("put again: got %+v", c)
		}
		if a.ID == 0 || a.Hash != hashOf("the same") || a.CRC != crc32.ChecksumIEEE([]byte("the same")) {
			t.Errorf("got %+v", a)
		}
		s.again(2 * time.Hour)
		if got := s.swept(); got != 2 { // first and the empty one go
			t.Errorf("got %d files, want 2", got)
		}
		s.must(s.profiles.RemoveFile(ctx, root, "ONE", "a"))
		s.again(2 * time.Hour)
		if got := s.swept(); got != 2 {
			t.Errorf("one of two needs it: got %d files, want 2", got)
		}
		if got := s.profile("two").Files[0]; got.Hash != a.Hash {
			t.Errorf("got %+v", got)
		}
		last := s.profile("two").Files[1].ID
		s.must(s.profiles.Remove(ctx, root, "two"))
		if got := s.swept(); got != 2 {
			t.Errorf("before the hour is over: got %d files, want 2", got)
		}
		s.again(2 * time.Hour)
		if got := s.swept(); got != 1 {
			t.Errorf("got %d files, want 1", got)
		}
		if f := s.put("one", "d", "third"); f.ID <= last {
			t.Errorf("the id %d was given before", f.ID)
		}
	})
}

// earlier is how the version before kept profiles.
const earlier = `{"name":"Old","kind":"enrollment","groups":["Blue"],"active":true,"changed":"2026-01-02T03:04:05Z","files":[` +
	`{"name":"a.pref","data":"aGVsbG8=","changed":"2026-01-01T00:00:00Z"},{"name":"empty","data":"","changed":"2026-01-01T00:00:00Z"}]}`

func TestProfilesOfEarlierVersion(t *testing.T) {
	storetest.Each(t, func(t *testing.T, dsn string) {
		s := newShelf(t, dsn)
		ctx := t.Context()
		s.must(s.store.ChangeRecords(ctx, []store.Record{{Kind: "profile", ID: "old", Body: []byte(earlier)}}, nil, nil))
		var ids [3]int64
		for n := range 3 { // the first start moves them
			s.again(2 * time.Hour)
			if got := s.swept(); got != 1 {
				t.Errorf("start %d: got %d files, want 1", n, got)
			}
			v := s.profile("old")
			if v.Name != "Old" || !v.Active || v.Groups[0] != "Blue" || len(v.Files) != 2 || v.Changed.Year() != 2026 {
				t.Fatalf("start %d: got %+v", n, v)
			}
			f := v.Files[0]
			if f.Data != nil || f.Hash != hashOf("hello") || f.Size != 5 || f.CRC != crc32.ChecksumIEEE([]byte("hello")) || f.Changed.Month() != time.January {
				t.Errorf("start %d: got %+v", n, f)
			}
			if n == 0 {
				ids = [3]int64{v.ID, f.ID, v.Files[1].ID}
			}
			if got := [3]int64{v.ID, f.ID, v.Files[1].ID}; got != ids || ids[0] == 0 || ids[1] == ids[2] {
				t.Errorf("start %d: got the ids %v, first %v", n, got, ids)
			}
			a, err := onboard.Zip("P", v)
			s.must(err)
			r := a.Open(func(hash string) (io.ReadSeekCloser, error) { return s.profiles.Open(ctx, hash) })
			if b, err := io.ReadAll(r); err != nil || !bytes.Contains(b, []byte("hello")) {
				t.Errorf("start %d: package of %d bytes, error %v", n, len(b), err)
			}
			s.must(r.Close())
		}
	})
}

// TestEarlierProfilesWithoutRoom: clients get their files all the same.
func TestEarlierProfilesWithoutRoom(t *testing.T) {
	s := newShelf(t, storetest.SQLite)
	s.must(s.store.ChangeRecords(t.Context(), []store.Record{{Kind: "profile", ID: "old", Body: []byte(earlier)}}, nil, nil))
	s.opt.Blobs.Quota = 1
	s.again(0)
	s.must(s.profiles.Set(t.Context(), root, "old", func(v *onboard.Profile) error { v.Active = false; return nil }))
	s.again(0)
	f := s.profile("old").Files[0]
	if string(f.Data) != "hello" || f.Hash != hashOf("hello") || f.Size != 5 {
		t.Errorf("got %+v", f)
	}
	s.opt.Blobs.Quota = 0
	s.again(0)
	if f := s.profile("old").Files[0]; f.Data != nil || f.Size != 5 {
		t.Errorf("with room again: got %+v", f)
	}
	if n, size := s.store.Blobs().Total(); n != 1 || size != 5 {
		t.Errorf("got %d files of %d bytes", n, size)
	}
}

// flaky fails when it is told so.
type flaky struct {
	*store.Store
	fails error
}

func (f *flaky) Change(ctx context.Context, c store.RecordChange) error {
	if f.fails != nil {
		return f.fails
	}
	return f.Store.Change(ctx, c)
}

// TestProfileStoreFails shows that memory keeps to what is stored.
func TestProfileStoreFails(t *testing.T) {
	s := newShelf(t, storetest.SQLite)
	ctx := t.Context()
	rows := &flaky{Store: s.store}
	p, err := admin.OpenProfiles(ctx, admin.ProfileOptions{Records: rows, Files: s.store.Blobs()})
	s.must(err)
	s.must(p.Add(ctx, root, onboard.Profile{Name: "maps", Kind: onboard.OnEnrolment}))
	_, err = p.PutFile(ctx, root, "maps", "a", 0, strings.NewReader("a"))
	s.must(err)
	rows.fails = errors.New("the database is away")
	for what, err := range map[string]error{
		"add":         p.Add(ctx, root, onboard.Profile{Name: "more", Kind: onboard.OnEnrolment}),
		"remove":      p.Remove(ctx, root, "maps"),
		"file":        func() error { _, err := p.PutFile(ctx, root, "maps", "b", 0, strings.NewReader("b")); return err }(),
		"preferences": p.SetPreferences(ctx, root, "maps", onboard.Preferences{"a": true}),
		"offer":       func() error { _, err := p.Offer(ctx, root, "maps", nil); return err }(),
	} {
		if !errors.Is(err, rows.fails) {
			t.Errorf("%s: got error %v", what, err)
		}
	}
	if all, _ := p.Profiles(ctx); len(all) != 1 || all[0].Name != "maps" || len(all[0].Files) != 1 {
		t.Errorf("got %+v", all)
	}
	if n, _ := s.store.Blobs().Total(); n != 1 {
		t.Errorf("got %d files, want the one that is stored", n)
	}
	rows.fails = nil
	if err := p.Remove(ctx, root, "none"); store.CodeOf(err) != store.NotFound {
		t.Errorf("got %v", err)
	}
	s.again(2 * time.Hour)
	if got := s.swept(); got != 1 {
		t.Errorf("got %d files, want the one that is stored", got)
	}
}

// TestProfileUploadFails: after an error nothing of a file is there, and the one of
// that name stays.
func TestProfileUploadFails(t *testing.T) {
	s := newShelf(t, storetest.SQLite)
	ctx := t.Context()
	s.opt.Blobs.Quota = 100
	s.again(0)
	p, err := admin.OpenProfiles(ctx, admin.ProfileOptions{Records: s.store, Files: s.store.Blobs(), MaxFile: func() int64 { return 50 }})
	s.must(err)
	s.must(p.Add(ctx, root, onboard.Profile{Name: "maps", Kind: onboard.OnEnrolment}))
	put := func(name string, size int64, r io.Reader) error {
		_, err := p.PutFile(ctx, root, "maps", name, size, r)
		return err
	}
	s.must(put("a", 0, strings.NewReader("good")))
	cut := errors.New("cut")
	for _, tt := range []struct {
		name string
		err  error
		want string
	}{
		{"too large", put("a", 0, strings.NewReader(strings.Repeat("x", 51))), "larger than 50"},
		{"announced too large", put("a", 51, strings.NewReader("x")), "larger than 50"},
		{"cut", put("a", 0, io.MultiReader(strings.NewReader("half"), errReader{cut})), "cut"},
		{"name", put("../a", 0, errReader{errors.New("it was read")}), "folders"},
	} {
		if tt.err == nil || !strings.Contains(tt.err.Error(), tt.want) {
			t.Errorf("%s: got error %v, want one with %q", tt.name, tt.err, tt.want)
		}
	}
	s.must(put("b", 0, strings.NewReader(strings.Repeat("b", 50))))
	if err := put("c", 0, strings.NewReader(strings.Repeat("c", 50))); store.CodeOf(err) != store.Limit || errors.Is(err, store.ErrTooLarge) {
		t.Errorf("quota: got error %v", err)
	}
	if _, err := p.Offer(ctx, root, "maps", nil); store.CodeOf(err) != store.Limit {
		t.Errorf("quota of an offer: got error %v", err)
	}
	v, err := p.Profile("maps")
	s.must(err)
	if len(v.Files) != 2 || v.Files[0].Hash != hashOf("good") {
		t.Errorf("got %+v", v.Files)
	}
	for i := range onboard.MostFiles - 2 {
		s.must(put(fmt.Sprint("n", i), 0, strings.NewReader("")))
	}
	if err := put("one more", 0, errReader{errors.New("it was read")}); store.CodeOf(err) != store.Invalid || !strings.Contains(err.Error(), "100 files") {
		t.Errorf("too many: got error %v", err)
	}
}

type errReader struct{ err error }

func (e errReader) Read([]byte) (int, error) { return 0, e.err }
