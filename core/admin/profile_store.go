package admin

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/takhost/takhost/core/identity"
	"github.com/takhost/takhost/core/onboard"
	"github.com/takhost/takhost/core/store"
)

// Records keep the rows of the core's own small data; *store.Store does.
type Records interface {
	Records(ctx context.Context) ([]store.Record, error)

	// ChangeRecords makes all changes or none; they are durable when it returns.
	ChangeRecords(ctx context.Context, put, remove []store.Record, audit []store.AuditEntry) error
}

const (
	profileKind = "profile"

	// All profiles are in memory, and a phone takes those for it at every
	// enrolment or connection.
	maxProfiles     = 256
	maxProfileBytes = 64 << 20
)

// Profiles are the device profiles, kept in records. Reading takes no lock.
type Profiles struct {
	records Records

	mu  sync.Mutex // of writers
	all atomic.Pointer[map[string]onboard.Profile]
}

var _ onboard.Keeper = (*Profiles)(nil)

// OpenProfiles reads what there is.
func OpenProfiles(ctx context.Context, records Records) (*Profiles, error) {
	p := &Profiles{records: records}
	rows, err := records.Records(ctx)
	if err != nil {
		return nil, fmt.Errorf("read device profiles: %w", err)
	}
	all := map[string]onboard.Profile{}
	for _, row := range rows {
		if row.Kind != profileKind {
			continue
		}
		var v onboard.Profile
		if err := json.Unmarshal(row.Body, &v); err != nil {
			return nil, fmt.Errorf("read device profile %s: %w", row.ID, err)
		}
		all[row.ID] = v
	}
	p.all.Store(&all)
	return p, nil
}

// Profiles implements onboard.Keeper: all, by name. What is in them must not be
// changed.
func (p *Profiles) Profiles(context.Context) ([]onboard.Profile, error) {
	return slices.SortedFunc(maps.Values(*p.all.Load()), func(a, b onboard.Profile) int { return strings.Compare(a.Name, b.Name) }), nil
}

// Profile gives one.
func (p *Profiles) Profile(name string) (onboard.Profile, error) {
	v, ok := (*p.all.Load())[fold(name)]
	if !ok {
		return onboard.Profile{}, &store.Error{Code: store.NotFound, Msg: "there is no profile " + clip(name)}
	}
	return v, nil
}

// PutProfile implements onboard.Keeper.
func (p *Profiles) PutProfile(ctx context.Context, v onboard.Profile) error {
	return p.change(ctx, identity.Actor{}, "profile.put", v.Name, v.Name, func(onboard.Profile, bool) (*onboard.Profile, error) { return &v, nil })
}

// RemoveProfile implements onboard.Keeper.
func (p *Profiles) RemoveProfile(ctx context.Context, name string) error {
	return p.remove(ctx, identity.Actor{}, name)
}

func (p *Profiles) remove(ctx context.Context, by identity.Actor, name string) error {
	return p.change(ctx, by, "profile.remove", name, name, func(_ onboard.Profile, there bool) (*onboard.Profile, error) {
		if !there {
			return nil, &store.Error{Code: store.NotFound, Msg: "there is no profile " + clip(name)}
		}
		return nil, nil
	})
}

// add keeps a profile whose name is free.
func (p *Profiles) add(ctx context.Context, by identity.Actor, v onboard.Profile) error {
	return p.change(ctx, by, "profile.add", v.Name, v.Name, func(_ onboard.Profile, there bool) (*onboard.Profile, error) {
		if there {
			return nil, &store.Error{Code: store.Conflict, Msg: "there is a profile " + clip(v.Name) + " already"}
		}
		return &v, nil
	})
}

// update changes a profile that there is. do gets a copy whose list of files is
// its own.
func (p *Profiles) update(ctx context.Context, by identity.Actor, action, subject, name string, do func(*onboard.Profile) error) error {
	return p.change(ctx, by, action, subject, name, func(v onboard.Profile, there bool) (*onboard.Profile, error) {
		if !there {
			return nil, &store.Error{Code: store.NotFound, Msg: "there is no profile " + clip(name)}
		}
		v.Files = slices.Clone(v.Files)
		return &v, do(&v)
	})
}

// regroup follows a group to its new name. A profile whose group is gone is for
// nobody, which is safer than for everybody.
func (p *Profiles) regroup(ctx context.Context, by identity.Actor, old, name string) error {
	all, err := p.Profiles(ctx)
	if err != nil {
		return err
	}
	for _, v := range all {
		if !slices.Contains(v.Groups, old) {
			continue
		}
		err := p.update(ctx, by, "profile.set", v.Name, v.Name, func(v *onboard.Profile) error {
			v.Groups = slices.Clone(v.Groups)
			for i := range v.Groups {
				if v.Groups[i] == old {
					v.Groups[i] = name
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// change puts what do gives in the place of the named profile: nil removes it.
// The audit row is in the same transaction.
func (p *Profiles) change(ctx context.Context, by identity.Actor, action, subject, name string, do func(onboard.Profile, bool) (*onboard.Profile, error)) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	old := *p.all.Load()
	key := fold(name)
	was, there := old[key]
	next, err := do(was, there)
	if err != nil {
		return err
	}
	all := maps.Clone(old)
	var put, remove []store.Record
	if next == nil {
		delete(all, key)
		remove = []store.Record{{Kind: profileKind, ID: key}}
	} else {
		next.Changed = time.Now().UTC()
		all[key] = *next
		if err := checkProfiles(next, all); err != nil {
			return err
		}
		body, err := json.Marshal(next)
		if err != nil {
			return fmt.Errorf("write device profile: %w", err)
		}
		put = []store.Record{{Kind: profileKind, ID: key, Body: body}}
	}
	audit := []store.AuditEntry{{At: time.Now(), User: by.User, Addr: by.Addr, Via: by.Via, Action: action, Subject: subject, OK: true}}
	if err := p.records.ChangeRecords(ctx, put, remove, audit); err != nil {
		return fmt.Errorf("store device profile: %w", err)
	}
	p.all.Store(&all)
	return nil
}

func checkProfiles(v *onboard.Profile, all map[string]onboard.Profile) error {
	if err := v.Validate(); err != nil {
		return &store.Error{Code: store.Invalid, Err: err}
	}
	size := 0
	for _, o := range all {
		for _, f := range o.Files {
			size += len(f.Data)
		}
	}
	if len(all) > maxProfiles || size > maxProfileBytes {
		return &store.Error{Code: store.Limit, Msg: fmt.Sprintf("at most %d device profiles of %d MiB in all are kept", maxProfiles, maxProfileBytes>>20)}
	}
	return nil
}
