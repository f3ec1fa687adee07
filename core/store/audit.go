package store

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"github.com/takhost/takhost/hostapi"
)

// AuditEntry says who did what, and when.
type AuditEntry struct {
	ID      int64     // rises; 0 before it is stored
	At      time.Time // zero: now; kept in whole µs
	User    string    // who did it; empty: nobody logged in
	Addr    string    // where from
	Via     string    // admin, web, rest, enrol, cli …
	Action  string    // user.add, certificate.revoke …
	Subject string    // what it was done to: a user, a serial number …
	Detail  string    // for people
	OK      bool      // false: it was refused
}

const (
	auditField  = 512     // bytes of any field but the detail; what is longer is cut
	auditDetail = 8 << 10 // bytes
	auditChunk  = 1000    // entries removed in one transaction
)

const auditColumns = `at, "user", addr, via, action, subject, detail, ok`

var insertAudit = insertRows("audit", auditColumns, "", "")

// cleanAudit makes entries fit for both databases. A name that somebody tried
// may be anything.
func cleanAudit(audit []AuditEntry, now time.Time) []AuditEntry {
	out := make([]AuditEntry, len(audit))
	for i, e := range audit {
		if e.At.IsZero() {
			e.At = now
		}
		for _, s := range []*string{&e.User, &e.Addr, &e.Via, &e.Action, &e.Subject} {
			*s = cutText(*s, auditField)
		}
		e.Detail = cutText(e.Detail, auditDetail)
		out[i] = e
	}
	return out
}

func cutText(s string, bytes int) string {
	s = s[:min(len(s), bytes)]
	if !validText(s) {
		s = strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
	}
	return s
}

func (t *stateTx) addAudit(audit []AuditEntry) error {
	return t.exec(&insertAudit, len(audit), func(i int, to []any) []any {
		e := &audit[i]
		return append(to, e.At.UnixMicro(), e.User, e.Addr, e.Via, e.Action, e.Subject, e.Detail, e.OK)
	})
}

// AddAudit adds to the audit.
func (s *Store) AddAudit(ctx context.Context, audit []AuditEntry) error {
	audit = cleanAudit(audit, s.plugins.now())
	return s.plugins.change(ctx, "add to the audit", func(t *stateTx) error { return t.addAudit(audit) })
}

// AuditQuery asks for a page of the audit. Fields that are empty do not narrow it.
type AuditQuery struct {
	User     string
	Action   string // exact, or all that begin with what stands before a final *
	Subject  string
	From, To time.Time // from From on, before To
	Oldest   bool      // oldest first; else newest first
	Limit    int       // 1 to hostapi.MaxPage; 0: hostapi.DefaultPage
	After    string    // Next of the page before
}

// AuditPage is one page of the audit.
type AuditPage struct {
	Entries []AuditEntry
	Next    string // gives the following page; empty: there is none
}

// Audit gives a page of the audit.
func (s *Store) Audit(ctx context.Context, q AuditQuery) (AuditPage, error) {
	page, err := s.audit(ctx, q)
	if err != nil {
		return AuditPage{}, fmt.Errorf("read the audit: %w", err)
	}
	return page, nil
}

func (s *Store) audit(ctx context.Context, q AuditQuery) (page AuditPage, err error) {
	if q.Limit < 0 || q.Limit > hostapi.MaxPage {
		return page, invalidf("limit %d: must be 1 to %d", q.Limit, hostapi.MaxPage)
	}
	setDefault(&q.Limit, hostapi.DefaultPage)
	after, err := parseCursor(q.After, q.Oldest)
	if err != nil {
		return page, err
	}
	where, args := []string{"1 = 1"}, []any{}
	add := func(cond string, values ...any) { where, args = append(where, cond), append(args, values...) }
	for _, f := range []struct{ cond, value string }{{`"user" = ?`, q.User}, {"subject = ?", q.Subject}} {
		if !validText(f.value) {
			return page, nil // none can be stored
		}
		if f.value != "" {
			add(f.cond, f.value)
		}
	}
	switch prefix, more := strings.CutSuffix(q.Action, "*"); {
	case !validText(q.Action):
		return page, nil
	case more && prefix != "":
		add("action >= ? AND action < ?", prefix, prefix+"\U0010FFFF")
	case !more && q.Action != "":
		add("action = ?", q.Action)
	}
	if !q.From.IsZero() {
		add("at >= ?", q.From.UnixMicro())
	}
	if !q.To.IsZero() {
		add("at < ?", q.To.UnixMicro())
	}
	order := "DESC"
	if q.Oldest {
		order = "ASC"
	}
	switch {
	case after != 0 && q.Oldest:
		add("id > ?", int64(after))
	case after != 0:
		add("id < ?", int64(after))
	}
	text := "SELECT id, " + auditColumns + " FROM audit WHERE " + strings.Join(where, " AND ") + " ORDER BY id " + order + " LIMIT ?"
	err = s.plugins.list(ctx, func() { page.Entries = []AuditEntry{} }, text, append(args, q.Limit+1), func(rows *sql.Rows) error {
		var e AuditEntry
		var at int64
		err := rows.Scan(&e.ID, &at, &e.User, &e.Addr, &e.Via, &e.Action, &e.Subject, &e.Detail, &e.OK)
		e.At = time.UnixMicro(at).UTC()
		page.Entries = append(page.Entries, e)
		return err
	})
	if err == nil && len(page.Entries) > q.Limit {
		page.Entries = page.Entries[:q.Limit]
		page.Next = formatCursor(hostapi.ID(page.Entries[q.Limit-1].ID), q.Oldest)
	}
	return page, err
}

// PruneAudit removes the entries made before a time and tells how many.
func (s *Store) PruneAudit(ctx context.Context, before time.Time) (removed int64, err error) {
	for more := true; more; {
		err := s.plugins.change(ctx, "prune the audit", func(t *stateTx) error {
			n, err := t.run("DELETE FROM audit WHERE id IN (SELECT id FROM audit WHERE at < ? ORDER BY at LIMIT ?)", before.UnixMicro(), auditChunk)
			removed += n
			more = n == auditChunk
			return err
		})
		if err != nil {
			return removed, err
		}
	}
	return removed, nil
}
