package store

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/takhost/takhost/core/store/storetest"
	"github.com/takhost/takhost/hostapi"
)

func TestSettings(t *testing.T) {
	storetest.Each(t, func(t *testing.T, dsn string) {
		o := options(t, dsn)
		s := open(t, o)
		ctx := testContext(t)
		if _, err := s.Setting(ctx, "color"); CodeOf(err) != NotFound {
			t.Errorf("missing: got error %v with code %q, want code %q", err, CodeOf(err), NotFound)
		}
		for _, v := range []string{"blue", "", "it's \"β\" \\ ? $1"} {
			if err := s.SetSetting(ctx, "color", v); err != nil {
				t.Fatalf("SetSetting(%q): %v", v, err)
			}
			if got, err := s.Setting(ctx, "color"); err != nil || got != v {
				t.Errorf("got %q, error %v, want %q", got, err, v)
			}
		}
		for _, bad := range [][2]string{{"", "x"}, {"k", "a\x00"}, {"a\x00", "v"}} {
			if err := s.SetSetting(ctx, bad[0], bad[1]); CodeOf(err) != Invalid {
				t.Errorf("SetSetting(%q, %q): got error %v, want code %q", bad[0], bad[1], err, Invalid)
			}
		}
		closeStore(t, s)
		s = open(t, o)
		if got, err := s.Setting(ctx, "color"); err != nil || got != "it's \"β\" \\ ? $1" {
			t.Errorf("after opening again: got %q, error %v", got, err)
		}
	})
}

func TestGroupSets(t *testing.T) {
	storetest.Each(t, func(t *testing.T, dsn string) {
		s := open(t, options(t, dsn))
		ctx := testContext(t)
		cases := []struct {
			name   string
			id     hostapi.SetID
			groups []hostapi.GroupID
			want   Code
		}{
			{"new", 2, []hostapi.GroupID{3, 1}, ""},
			{"again", 2, []hostapi.GroupID{1, 3, 3}, ""},
			{"the fixed one", 1, []hostapi.GroupID{1}, ""},
			{"other groups for an id", 2, []hostapi.GroupID{1, 4}, Conflict},
			{"other groups for the fixed one", 1, []hostapi.GroupID{2}, Conflict},
			{"other id for the groups", 3, []hostapi.GroupID{3, 1}, Conflict},
			{"largest ids", 1<<31 - 1, []hostapi.GroupID{1<<31 - 1}, ""},
			{"no group", 5, nil, Invalid},
			{"group 0", 5, []hostapi.GroupID{0, 1}, Invalid},
			{"set 0", 0, []hostapi.GroupID{1}, Invalid},
		}
		for _, c := range cases {
			err := s.SaveSet(ctx, c.id, c.groups)
			if got := CodeOf(err); got != c.want || (err == nil) != (c.want == "") {
				t.Errorf("%s: got error %v with code %q, want code %q", c.name, err, got, c.want)
			}
		}
		got, err := s.LoadSets(ctx)
		if err != nil {
			t.Fatal(err)
		}
		want := map[hostapi.SetID][]hostapi.GroupID{1: {1}, 2: {1, 3}, 1<<31 - 1: {1<<31 - 1}}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("sets (-want +got):\n%s", diff)
		}
	})
}

func TestMaxID(t *testing.T) {
	storetest.Each(t, func(t *testing.T, dsn string) {
		o := options(t, dsn)
		s := open(t, o)
		check := func(what string, want hostapi.ID) {
			t.Helper()
			if got, err := s.MaxID(testContext(t)); err != nil || got != want {
				t.Errorf("%s: got %v, error %v, want %v", what, got, err, want)
			}
		}
		save := func(id hostapi.ID) {
			t.Helper()
			if err := s.SaveHighID(testContext(t), id); err != nil {
				t.Fatalf("SaveHighID(%v): %v", id, err)
			}
		}
		check("new", 0)
		e := event(1, testTime)
		put(t, s, e)
		check("one event", e.ID)
		save(e.ID + 1000)
		check("a mark above", e.ID+1000)
		save(e.ID - 5)
		check("a lower mark", e.ID+1000)
		save(9) // shorter as text, lower as a number
		check("a much lower mark", e.ID+1000)
		late := event(2, testTime.Add(time.Hour))
		put(t, s, late)
		check("a later event", late.ID)
		closeStore(t, s)

		o.Now = func() time.Time { return testTime.Add(-365 * 24 * time.Hour) }
		s = open(t, o)
		check("after opening again, clock set back", late.ID)
		save(1<<63 - 1)
		check("the highest", 1<<63-1)
	})
}

func TestOpenRefuses(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	garbage := t.TempDir()
	if err := os.WriteFile(filepath.Join(garbage, "archive.db"), []byte(strings.Repeat("no database ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	if err := os.MkdirAll(filepath.Join(folder, "state.db"), 0o700); err != nil {
		t.Fatal(err)
	}
	cases := []struct {
		name string
		o    Options
		want string
	}{
		{"folder below a file", Options{DSN: "sqlite", Dir: filepath.Join(file, "data")}, "create data folder: "},
		{"folder is a file", Options{DSN: "sqlite", Dir: file}, "create data folder: "},
		{"no folder", Options{DSN: "sqlite"}, "data folder: no name given"},
		{"damaged file", Options{DSN: "sqlite", Dir: garbage}, "when the file is damaged, move it away or put a backup in its place"},
		{"folder in the place of a file", Options{DSN: "sqlite", Dir: folder}, "takhost must be able to read and write it"},
		{"other database", Options{DSN: "mysql://u:secret@h/d"}, "must be sqlite or postgres://"},
		{"nobody listens", Options{DSN: "postgres://u:secret@127.0.0.1:1/d"}, "is the server running"},
		{"types", Options{DSN: "sqlite", Dir: t.TempDir(), Archive: ArchiveOptions{Types: []string{"a b"}}}, `archive types: "a b" is no CoT type`},
		{"negative keep", Options{DSN: "sqlite", Dir: t.TempDir(), Archive: ArchiveOptions{Keep: -1}}, "archive keep: -1ns is negative"},
		{"negative size", Options{DSN: "sqlite", Dir: t.TempDir(), Archive: ArchiveOptions{Max: -1}}, "archive max: -1 is negative"},
		{"negative queue", Options{DSN: "sqlite", Dir: t.TempDir(), Archive: ArchiveOptions{QueueBytes: -1}}, "must not be negative"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s, err := Open(testContext(t), c.o)
			if err == nil {
				closeStore(t, s)
				t.Fatal("opened")
			}
			if !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "secret") {
				t.Errorf("got error %q, want one with %q and no password", err, c.want)
			}
		})
	}
}

func TestFilesArePrivate(t *testing.T) {
	o := options(t, storetest.SQLite)
	o.Dir = filepath.Join(o.Dir, "a?b%20 c#", "data") // characters that mean something in a URI
	s := open(t, o)
	put(t, s, event(1, testTime))
	if err := s.SetSetting(testContext(t), "k", "v"); err != nil {
		t.Fatal(err)
	}
	dir, err := os.Stat(o.Dir)
	if err != nil {
		t.Fatal(err)
	}
	if got := dir.Mode().Perm(); got != 0o700 {
		t.Errorf("folder: got mode %o, want 700", got)
	}
	entries, err := os.ReadDir(o.Dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != 0o600 {
			t.Errorf("%s: got mode %o, want 600", e.Name(), got)
		}
	}
	want := []string{"archive.db", "archive.db-shm", "archive.db-wal", "state.db", "state.db-shm", "state.db-wal"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

// TestSQLiteSettings: what durability and speed rest on is really set.
func TestSQLiteSettings(t *testing.T) {
	s := open(t, options(t, storetest.SQLite))
	closeWriter(t, s)
	for _, c := range []struct {
		db     *database
		pragma string
		want   string
	}{
		{s.state, "journal_mode", "wal"}, {s.state, "synchronous", "2"}, {s.state, "foreign_keys", "1"},
		{s.archive.db, "journal_mode", "wal"}, {s.archive.db, "synchronous", "1"}, {s.archive.db, "auto_vacuum", "2"},
		{s.archive.db, "page_size", "4096"}, {s.archive.db, "cache_size", "-16000"}, {s.archive.db, "wal_autocheckpoint", "64000"},
	} {
		var got string
		if err := c.db.write.NewRaw("PRAGMA "+c.pragma).Scan(testContext(t), &got); err != nil || got != c.want {
			t.Errorf("%s: %s: got %q, error %v, want %q", filepath.Base(c.db.path), c.pragma, got, err, c.want)
		}
	}
}

// closeWriter ends the goroutine that has the one connection.
func closeWriter(t *testing.T, s *Store) {
	t.Helper()
	if err := s.archive.Close(testContext(t)); err != nil {
		t.Fatal(err)
	}
}

func TestMetrics(t *testing.T) {
	reg := prometheus.NewRegistry()
	o := options(t, storetest.SQLite)
	o.Metrics = reg
	s := open(t, o)
	put(t, s, events(5, testTime, time.Second)...)
	if _, err := Open(testContext(t), Options{DSN: "sqlite", Dir: t.TempDir(), Metrics: reg}); err == nil {
		t.Error("a second store with the same registry was opened")
	}
	got := map[string]float64{}
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		for _, m := range f.Metric {
			name := f.GetName()
			if len(m.Label) > 0 {
				name += "/" + m.Label[0].GetValue()
			}
			got[name] += m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	delete(got, "takhost_archive_batch_seconds")
	want := map[string]float64{
		"takhost_archive_stored_total": 5, "takhost_archive_removed_total": 0, "takhost_archive_events": 5,
		"takhost_archive_bytes": float64(s.Archive().Stats().Bytes), "takhost_archive_queue_events": 0,
		"takhost_archive_queue_bytes": 0, "takhost_archive_up": 1, "takhost_archive_dropped_total/queue full": 0,
		"takhost_archive_dropped_total/disk nearly full": 0, "takhost_archive_dropped_total/refused": 0, "takhost_archive_dropped_total/closed": 0,
		"takhost_blobs_files": 0, "takhost_blobs_bytes": 0, "takhost_blobs_unfinished_bytes": 0, "takhost_blobs_promised_bytes": 0, "takhost_blobs_written_bytes_total": 0, "takhost_blobs_swept_total": 0,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("metrics (-want +got):\n%s", diff)
	}
	closeStore(t, s)
	open(t, o) // the registry is free again
}
