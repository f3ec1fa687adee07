package store

import (
	"strings"
	"testing"
	"time"

	"github.com/takhost/takhost/core/store/storetest"
)

// TestChangeKeepsFiles: what a record of the server needs stays as long as it says
// so, whoever else keeps the same file, and goes an hour after.
func TestChangeKeepsFiles(t *testing.T) {
	storetest.Each(t, func(t *testing.T, dsn string) {
		s, o, advance := sweepBed(t, dsn)
		ctx := testContext(t)
		a, b := putBlob(t, s, []byte("a")), putBlob(t, s, []byte("b"))
		change := func(what string, c RecordChange, want Code) {
			t.Helper()
			wantCode(t, what, s.Change(ctx, c), want)
		}
		first := RecordChange{
			Put: []Record{rec("profile", "x", `1`)}, Keep: []Kept{{"x", a.Hash}, {"x", a.Hash}, {"y", a.Hash}}, Audit: []AuditEntry{{Action: "made"}},
		}
		change("keep", first, "")
		change("the same once more", first, "")
		keep(t, s, owner("p"), "x", b.Hash)
		advance(2*time.Hour, 2*time.Hour)
		sweep(t, s, 0)

		change("one of two", RecordChange{Release: []Kept{{"y", a.Hash}, {"y", a.Hash}, {"z", a.Hash}}}, "")
		change("released and kept", RecordChange{Release: []Kept{{"x", a.Hash}}, Keep: []Kept{{"x", a.Hash}}}, "")
		change("a plugin's file", RecordChange{Release: []Kept{{"x", b.Hash}}}, "")
		advance(2*time.Hour, 2*time.Hour)
		sweep(t, s, 0)
		kept, err := s.Plugins().Owned(ctx, "", "x")
		if err != nil || len(kept) != 1 || kept[0].Hash != a.Hash {
			t.Errorf("kept: got %v, error %v, want the file a", kept, err)
		}

		// A change that cannot be made leaves nothing behind.
		none := strings.Repeat("0", 64)
		change("a file that is not there", RecordChange{
			Put: []Record{rec("profile", "x", `2`)}, Release: []Kept{{"x", a.Hash}}, Keep: []Kept{{"x", none}}, Audit: []AuditEntry{{Action: "lost"}},
		}, NotFound)
		change("no hash", RecordChange{Keep: []Kept{{"x", "abc"}}}, Invalid)
		change("no owner", RecordChange{Release: []Kept{{"", a.Hash}}}, Invalid)
		change("packages of plugins", RecordChange{Release: []Kept{{"module", a.Hash}}}, Invalid)
		if got := mustRecords(t, s); len(got) != 1 || got[0] != "profile x 1" {
			t.Errorf("records: got %v, want the first one", got)
		}
		if p, err := s.Audit(ctx, AuditQuery{}); err != nil || len(p.Entries) != 2 || p.Entries[0].Action != "made" {
			t.Errorf("audit: got %+v, error %v, want what was done", p.Entries, err)
		}
		advance(2*time.Hour, 2*time.Hour)
		sweep(t, s, 0)

		// After a restart too. A module of the same content is another matter.
		closeStore(t, s)
		s = open(t, o)
		sum, _, err := s.PutModule(ctx, strings.NewReader("a"), 10)
		if err != nil || sum != a.Hash {
			t.Fatalf("module: got %s, error %v", sum, err)
		}
		change("release", RecordChange{Remove: []Record{rec("profile", "x", "")}, Release: []Kept{{"x", a.Hash}}}, "")
		sweep(t, s, 0)
		wantCode(t, "remove the module", s.RemoveModule(sum), "")
		if got := readBlob(t, s, a.Hash); string(got) != "a" {
			t.Errorf("given up just now: got %q", got)
		}
		advance(2*time.Hour, 2*time.Hour)
		sweep(t, s, 1)
	})
}
