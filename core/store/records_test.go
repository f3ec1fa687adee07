package store

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/takhost/takhost/core/store/storetest"
)

func rec(kind, id, body string) Record { return Record{Kind: kind, ID: id, Body: []byte(body)} }

func mustRecords(t *testing.T, s *Store) []string {
	t.Helper()
	all, err := s.Records(testContext(t))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, r := range all {
		got = append(got, r.Kind+" "+r.ID+" "+string(r.Body))
	}
	return got
}

func TestRecords(t *testing.T) {
	storetest.Each(t, func(t *testing.T, dsn string) {
		o := options(t, dsn)
		s := open(t, o)
		steps := []struct {
			name        string
			put, remove []Record
			want        []string
		}{
			{"nothing", nil, nil, nil},
			{"first", []Record{rec("user", "b", `{"n":1}`), rec("user", "Жанна", `1`), rec("group", "2", `null`)}, nil,
				[]string{"group 2 null", `user b {"n":1}`, "user Жанна 1"}},
			{"replace and remove", []Record{rec("user", "b", `2`)}, []Record{rec("group", "2", ""), rec("group", "not there", "")}, []string{"user b 2", "user Жанна 1"}},
			{"in both lists", []Record{rec("user", "b", `3`)}, []Record{rec("user", "b", "")}, []string{"user b 3", "user Жанна 1"}},
			{"twice", []Record{rec("user", "b", `4`), rec("user", "b", `5`)}, nil, []string{"user b 5", "user Жанна 1"}},
		}
		for _, tt := range steps {
			if err := s.ChangeRecords(testContext(t), tt.put, tt.remove, nil); err != nil {
				t.Fatalf("%s: %v", tt.name, err)
			}
			if diff := cmp.Diff(tt.want, mustRecords(t, s)); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tt.name, diff)
			}
		}
		for _, tt := range []struct {
			name string
			put  Record
			want string
		}{
			{"kind", rec("", "x", "1"), "needs a name"},
			{"id", rec("user", "", "1"), "needs a name"},
			{"long id", rec("user", strings.Repeat("x", 513), "1"), "longer than 512"},
			{"zero byte", rec("user", "a\x00", "1"), "not valid text"},
			{"body", rec("user", "a", "{"), "not JSON"},
			{"no body", Record{Kind: "user", ID: "a"}, "not JSON"},
		} {
			err := s.ChangeRecords(testContext(t), []Record{rec("user", "c", "1"), tt.put}, nil, []AuditEntry{{Action: "x"}})
			if CodeOf(err) != Invalid || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%s: got %v, want %q", tt.name, err, tt.want)
			}
		}
		closeStore(t, s)
		s = open(t, o)
		if diff := cmp.Diff([]string{"user b 5", "user Жанна 1"}, mustRecords(t, s)); diff != "" {
			t.Errorf("after another start (-want +got):\n%s", diff)
		}
		if p, err := s.Audit(testContext(t), AuditQuery{}); err != nil || len(p.Entries) != 0 {
			t.Errorf("audit of what was refused: got %+v, %v", p, err)
		}
	})
}

// Many rows go in several statements, all in one transaction.
func TestManyRecords(t *testing.T) {
	storetest.Each(t, func(t *testing.T, dsn string) {
		s := open(t, options(t, dsn))
		var put []Record
		for i := range 1200 {
			put = append(put, rec("user", fmt.Sprintf("%04d", i), `"`+strings.Repeat("x", 2000)+`"`))
		}
		if err := s.ChangeRecords(testContext(t), put, nil, []AuditEntry{{Action: "import"}}); err != nil {
			t.Fatal(err)
		}
		if n := len(mustRecords(t, s)); n != 1200 {
			t.Errorf("got %d records, want 1200", n)
		}
		if err := s.ChangeRecords(testContext(t), nil, put[1:], nil); err != nil {
			t.Fatal(err)
		}
		if n := len(mustRecords(t, s)); n != 1 {
			t.Errorf("got %d records, want 1", n)
		}
	})
}

func auditActions(es []AuditEntry) string {
	var all []string
	for _, e := range es {
		all = append(all, e.Action)
	}
	return strings.Join(all, " ")
}

func TestAudit(t *testing.T) {
	storetest.Each(t, func(t *testing.T, dsn string) {
		now := testTime
		o := options(t, dsn)
		o.Now = func() time.Time { return now }
		s := open(t, o)
		full := AuditEntry{
			At: testTime.Add(1234567 * time.Nanosecond), User: "Жанна", Addr: "192.0.2.1", Via: "web", Action: "user.add",
			Subject: "bert", Detail: "roles user", OK: true,
		}
		if err := s.ChangeRecords(testContext(t), []Record{rec("user", "bert", "{}")}, nil, []AuditEntry{full}); err != nil {
			t.Fatal(err)
		}
		odd := AuditEntry{User: "a\x00b\xff", Action: strings.Repeat("y", 600), Detail: strings.Repeat("z", 9000)}
		if err := s.AddAudit(testContext(t), []AuditEntry{odd}); err != nil {
			t.Fatal(err)
		}
		p, err := s.Audit(testContext(t), AuditQuery{Oldest: true})
		if err != nil {
			t.Fatal(err)
		}
		full.At = testTime.Add(1234 * time.Microsecond)
		want := []AuditEntry{full, {At: testTime, User: "a\uFFFDb\uFFFD", Action: strings.Repeat("y", 512), Detail: strings.Repeat("z", 8192)}}
		if diff := cmp.Diff(want, p.Entries, cmpopts.IgnoreFields(AuditEntry{}, "ID")); diff != "" {
			t.Errorf("entries (-want +got):\n%s", diff)
		}
		if p.Entries[0].ID < 1 || p.Entries[1].ID <= p.Entries[0].ID {
			t.Errorf("ids do not rise: %d, %d", p.Entries[0].ID, p.Entries[1].ID)
		}
		if err := s.AddAudit(testContext(t), nil); err != nil {
			t.Errorf("no entries: %v", err)
		}
	})
}

func TestAuditQueries(t *testing.T) {
	storetest.Each(t, func(t *testing.T, dsn string) {
		s := open(t, options(t, dsn))
		var es []AuditEntry
		for i, e := range []AuditEntry{
			{Action: "user.add", User: "anna", Subject: "bert"}, {Action: "user.set", User: "anna", Subject: "carl"}, {Action: "user_x", User: "bert", Subject: "bert"},
			{Action: "group.add", User: "Anna", Subject: "Blue"}, {Action: "user.add", User: "anna", Subject: "dora"},
		} {
			e.At = testTime.Add(time.Duration(i) * time.Hour)
			es = append(es, e)
		}
		if err := s.AddAudit(testContext(t), es); err != nil {
			t.Fatal(err)
		}
		for _, tt := range []struct {
			name  string
			query AuditQuery
			want  string
		}{
			{"all", AuditQuery{}, "user.add group.add user_x user.set user.add"},
			{"oldest first", AuditQuery{Oldest: true}, "user.add user.set user_x group.add user.add"},
			{"user", AuditQuery{User: "anna"}, "user.add user.set user.add"},
			{"subject", AuditQuery{Subject: "bert"}, "user_x user.add"},
			{"action", AuditQuery{Action: "user.add"}, "user.add user.add"},
			{"actions", AuditQuery{Action: "user.*"}, "user.add user.set user.add"},
			{"all actions", AuditQuery{Action: "*"}, "user.add group.add user_x user.set user.add"},
			{"time", AuditQuery{From: testTime.Add(time.Hour), To: testTime.Add(3 * time.Hour)}, "user_x user.set"},
			{"several", AuditQuery{User: "anna", Action: "user.*", Subject: "carl"}, "user.set"},
			{"nobody", AuditQuery{User: "eve"}, ""},
			{"no text", AuditQuery{User: "\x00"}, ""},
			{"no text of an action", AuditQuery{Action: "\xff*"}, ""},
		} {
			t.Run(tt.name, func(t *testing.T) {
				p, err := s.Audit(testContext(t), tt.query)
				if err != nil {
					t.Fatal(err)
				}
				if got := auditActions(p.Entries); got != tt.want || p.Next != "" {
					t.Errorf("got %q, next %q, want %q", got, p.Next, tt.want)
				}
				// Page by page it is the same.
				var got []AuditEntry
				tt.query.Limit = 1
				for {
					page, err := s.Audit(testContext(t), tt.query)
					if err != nil {
						t.Fatal(err)
					}
					got = append(got, page.Entries...)
					if tt.query.After = page.Next; page.Next == "" {
						break
					}
				}
				if auditActions(got) != tt.want {
					t.Errorf("by pages: got %q, want %q", auditActions(got), tt.want)
				}
			})
		}
		page, err := s.Audit(testContext(t), AuditQuery{Limit: 1})
		if err != nil {
			t.Fatal(err)
		}
		for _, q := range []AuditQuery{{Limit: -1}, {Limit: 1001}, {After: "x"}, {After: page.Next, Oldest: true}} {
			if _, err := s.Audit(testContext(t), q); CodeOf(err) != Invalid {
				t.Errorf("Audit(%+v): got %v, want an invalid query", q, err)
			}
		}
		n, err := s.PruneAudit(testContext(t), testTime.Add(2*time.Hour))
		if err != nil || n != 2 {
			t.Errorf("PruneAudit: got %d, %v, want 2", n, err)
		}
		if p, err := s.Audit(testContext(t), AuditQuery{}); err != nil || auditActions(p.Entries) != "user.add group.add user_x" {
			t.Errorf("after PruneAudit: got %q, %v", auditActions(p.Entries), err)
		}
	})
}

func TestPruneAuditInChunks(t *testing.T) {
	storetest.Each(t, func(t *testing.T, dsn string) {
		s := open(t, options(t, dsn))
		es := make([]AuditEntry, 2*auditChunk+7)
		for i := range es {
			es[i] = AuditEntry{At: testTime.Add(time.Duration(i) * time.Second), Action: "x"}
		}
		if err := s.AddAudit(testContext(t), es); err != nil {
			t.Fatal(err)
		}
		n, err := s.PruneAudit(testContext(t), testTime.Add(time.Duration(len(es)-1)*time.Second))
		if err != nil || n != int64(len(es)-1) {
			t.Errorf("got %d, %v, want %d", n, err, len(es)-1)
		}
	})
}

// A change that fails in the middle has changed nothing.
func TestRecordsAndAuditAreOneTransaction(t *testing.T) {
	storetest.Each(t, func(t *testing.T, dsn string) {
		s := open(t, options(t, dsn))
		execute(t, s.state, "DROP TABLE audit")
		err := s.ChangeRecords(testContext(t), []Record{rec("user", "a", "1")}, nil, []AuditEntry{{Action: "x"}})
		if err == nil || errors.Is(err, ErrOutcome) {
			t.Errorf("got %v, want an error", err)
		}
		if got := mustRecords(t, s); len(got) != 0 {
			t.Errorf("got records %v, want none", got)
		}
	})
}
