package store

import (
	"context"
	"database/sql"
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

// ChangeRecords is Change of records alone.
func (s *Store) ChangeRecords(ctx context.Context, put, remove []Record, audit []AuditEntry) error {
	return s.Change(ctx, RecordChange{Put: put, Remove: remove, Audit: audit})
}

func (r *Record) check() error {
	if err := checkName("record", r.Kind); err != nil {
		return err
	}
	return checkName(r.Kind, r.ID)
}
