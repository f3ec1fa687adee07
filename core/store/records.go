package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
)

// Record is one row of the core's own small data, which its owner holds in
// memory as a whole. Kind and ID together are its name.
type Record struct {
	Kind string // of the owner's choice: user, group …
	ID   string
	Body []byte // JSON
}

var (
	putRecords    = insertRows("records", "kind, id, body", "kind, id", "body")
	deleteRecords = onRows("DELETE", "records", "kind", "id")
)

// Records gives all of them, by kind and id.
func (s *Store) Records(ctx context.Context) ([]Record, error) {
	var all []Record
	err := s.plugins.list(ctx, func() { all = nil }, "SELECT kind, id, body FROM records ORDER BY kind, id", nil, func(rows *sql.Rows) error {
		var r Record
		err := rows.Scan(&r.Kind, &r.ID, &r.Body)
		all = append(all, r)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read records: %w", err)
	}
	return all, nil
}

// ChangeRecords removes records, puts others, and adds to the audit, all in one
// transaction. One that is to be removed need not be there; one that is put
// replaces that of the same name, and is there in the end even if it is in both
// lists. With ErrOutcome in the error's chain it is not known whether that was
// done.
func (s *Store) ChangeRecords(ctx context.Context, put, remove []Record, audit []AuditEntry) error {
	const what = "change records"
	for _, list := range [][]Record{put, remove} {
		for i := range list {
			if err := list[i].check(); err != nil {
				return fmt.Errorf("%s: %w", what, err)
			}
		}
	}
	for _, r := range put {
		if !json.Valid(r.Body) {
			return fmt.Errorf("%s: %w", what, invalidf("%s %s: its body is not JSON", r.Kind, r.ID))
		}
	}
	// PostgreSQL refuses a statement that puts one row twice.
	last := map[[2]string]int{}
	for i, r := range put {
		last[[2]string{r.Kind, r.ID}] = i
	}
	if len(last) < len(put) {
		var once []Record
		for i, r := range put {
			if last[[2]string{r.Kind, r.ID}] == i {
				once = append(once, r)
			}
		}
		put = once
	}
	audit = cleanAudit(audit, s.plugins.now())
	return s.plugins.change(ctx, what, func(t *stateTx) error {
		err := t.exec(&deleteRecords, len(remove), func(i int, to []any) []any { return append(to, remove[i].Kind, remove[i].ID) })
		if err != nil {
			return err
		}
		err = t.exec(&putRecords, len(put), func(i int, to []any) []any { return append(to, put[i].Kind, put[i].ID, put[i].Body) })
		if err != nil {
			return err
		}
		return t.addAudit(audit)
	})
}

func (r *Record) check() error {
	if err := checkName("record", r.Kind); err != nil {
		return err
	}
	return checkName(r.Kind, r.ID)
}
