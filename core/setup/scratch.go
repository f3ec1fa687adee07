package setup

import (
	"context"
	"time"

	"github.com/takhost/takhost/core/identity"
	"github.com/takhost/takhost/core/route"
	"github.com/takhost/takhost/core/store"
	"github.com/takhost/takhost/hostapi"
)

// scratchStore has records that were read, and forgets what is changed: for a
// look at users, and for trying what a change would give.
type scratchStore struct{ records []store.Record }

var _ identity.Store = scratchStore{}

// Records implements identity.Store.
func (s scratchStore) Records(context.Context) ([]store.Record, error) { return s.records, nil }

// ChangeRecords implements identity.Store.
func (scratchStore) ChangeRecords(context.Context, []store.Record, []store.Record, []store.AuditEntry) error {
	return nil
}

// Audit implements identity.Store.
func (scratchStore) Audit(context.Context, store.AuditQuery) (store.AuditPage, error) {
	return store.AuditPage{}, nil
}

// AddAudit implements identity.Store.
func (scratchStore) AddAudit(context.Context, []store.AuditEntry) error { return nil }

// PruneAudit implements identity.Store.
func (scratchStore) PruneAudit(context.Context, time.Time) (int64, error) { return 0, nil }

// openScratch gives the users of a database that was looked at, to read and to
// try on.
func openScratch(ctx context.Context, l store.Look) (*identity.Service, error) {
	groups := route.NewGroups(l.Sets, func(hostapi.SetID, []hostapi.GroupID) error { return nil })
	return identity.Open(ctx, identity.Options{Store: scratchStore{l.Records}, Sets: groups})
}
