package admin

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
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

// Records keep the rows of the core's own small data, and say which files it
// needs; *store.Store does.
type Records interface {
	Records(ctx context.Context) ([]store.Record, error)

	// Change makes all of a change or nothing; it is durable when it returns.
	Change(ctx context.Context, c store.RecordChange) error
}

// Files keep the content of files of any size; *store.Blobs does. What no record
// needs they remove after an hour, or when room is short.
type Files interface {
	Hold() *store.Hold
	Create(spec store.BlobSpec) (*store.BlobWriter, error)
	Put(ctx context.Context, r io.Reader, spec store.BlobSpec) (store.Blob, error)
	Open(ctx context.Context, hash string) (*store.BlobReader, error)
}

const (
	// Kinds of records.
	profileKind = "profile"
	offerKind   = "profile-offer"
	lastKind    = "profile-last-id"

	// The rows of all profiles are in memory, and a phone takes those for it at every
	// enrolment or connection.
	maxProfiles = 256
)

// ProfileOptions say what Profiles work with.
type ProfileOptions struct {
	Records Records
	Files   Files
	MaxFile func() int64     // bytes of the largest file; nil: as large as a profile may be
	Now     func() time.Time // nil: time.Now
	Log     *slog.Logger     // nil: nothing is logged
}

// Profiles are the device profiles: rows in records, and the content of their
// files in the store of files. Reading takes no lock.
type Profiles struct {
	opt      ProfileOptions
	offering chan struct{} // capacity 1: held by who makes a package to offer

	mu  sync.Mutex // of writers
	all atomic.Pointer[profileState]
}

// profileState is what the records say. It is replaced, never changed.
type profileState struct {
	profiles map[string]onboard.Profile // by their folded name
	offers   map[string]onboard.Offer   // by hash
	last     int64                      // the highest id ever given
}

func (s *profileState) clone() *profileState {
	return &profileState{maps.Clone(s.profiles), maps.Clone(s.offers), s.last}
}

// OpenProfiles reads what there is, and puts the files that an earlier version
// kept in records where they belong.
func OpenProfiles(ctx context.Context, opt ProfileOptions) (*Profiles, error) {
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.MaxFile == nil {
		opt.MaxFile = func() int64 { return onboard.MostProfileSize }
	}
	if opt.Log == nil {
		opt.Log = slog.New(slog.DiscardHandler)
	}
	p := &Profiles{opt: opt, offering: make(chan struct{}, 1)}
	rows, err := opt.Records.Records(ctx)
	if err != nil {
		return nil, fmt.Errorf("read device profiles: %w", err)
	}
	s := &profileState{profiles: map[string]onboard.Profile{}, offers: map[string]onboard.Offer{}}
	for _, row := range rows {
		var err error
		switch row.Kind {
		case profileKind:
			var v onboard.Profile
			err = json.Unmarshal(row.Body, &v)
			s.profiles[row.ID] = v
		case offerKind:
			var o onboard.Offer
			err = json.Unmarshal(row.Body, &o)
			s.offers[row.ID] = o
		case lastKind:
			err = json.Unmarshal(row.Body, &s.last)
		}
		if err != nil {
			return nil, fmt.Errorf("read device profiles: %s %s: %w", row.Kind, row.ID, err)
		}
	}
	p.all.Store(s)
	if err := p.move(ctx); err != nil {
		return nil, err
	}
	return p, nil
}

// Profiles gives all, by name. What is in them must not be changed.
func (p *Profiles) Profiles(context.Context) ([]onboard.Profile, error) {
	return slices.SortedFunc(maps.Values(p.all.Load().profiles), func(a, b onboard.Profile) int { return strings.Compare(a.Name, b.Name) }), nil
}

// Profile gives one.
func (p *Profiles) Profile(name string) (onboard.Profile, error) {
	v, ok := p.all.Load().profiles[fold(name)]
	if !ok {
		return onboard.Profile{}, noProfile(name)
	}
	return v, nil
}

func noProfile(name string) error {
	return &store.Error{Code: store.NotFound, Msg: "there is no profile " + clip(name)}
}

// Remove removes a profile, and what was offered of it.
func (p *Profiles) Remove(ctx context.Context, by identity.Actor, name string) error {
	return p.change(ctx, by, "profile.remove", name, name, func(_ onboard.Profile, there bool) (*onboard.Profile, error) {
		if !there {
			return nil, noProfile(name)
		}
		return nil, nil
	})
}

// Add keeps a profile whose name is free.
func (p *Profiles) Add(ctx context.Context, by identity.Actor, v onboard.Profile) error {
	return p.change(ctx, by, "profile.add", v.Name, v.Name, func(_ onboard.Profile, there bool) (*onboard.Profile, error) {
		if there {
			return nil, &store.Error{Code: store.Conflict, Msg: "there is a profile " + clip(v.Name) + " already"}
		}
		return &v, nil
	})
}

// Set changes a profile that there is, but for its files.
func (p *Profiles) Set(ctx context.Context, by identity.Actor, name string, do func(*onboard.Profile) error) error {
	return p.update(ctx, by, "profile.set", name, name, do)
}

// update changes a profile that there is. do gets a copy whose list of files is
// its own.
func (p *Profiles) update(ctx context.Context, by identity.Actor, action, subject, name string, do func(*onboard.Profile) error) error {
	return p.change(ctx, by, action, subject, name, func(v onboard.Profile, there bool) (*onboard.Profile, error) {
		if !there {
			return nil, noProfile(name)
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
		err := p.Set(ctx, by, v.Name, func(v *onboard.Profile) error {
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
// The files that it needs and the audit row are in the same transaction.
func (p *Profiles) change(ctx context.Context, by identity.Actor, action, subject, name string, do func(onboard.Profile, bool) (*onboard.Profile, error)) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	next, key := p.all.Load().clone(), fold(name)
	was, there := next.profiles[key]
	v, err := do(was, there)
	if err != nil {
		return err
	}
	c := store.RecordChange{Audit: p.audit(by, action, subject, "")}
	if v == nil {
		delete(next.profiles, key)
		c.Remove = []store.Record{{Kind: profileKind, ID: key}}
		next.dropOffers(&c, func(o onboard.Offer) bool { return o.Profile == key })
	} else {
		v.Changed = p.opt.Now().UTC()
		next.number(v)
		next.profiles[key] = *v
		if err := v.Validate(); err != nil {
			return &store.Error{Code: store.Invalid, Err: err}
		}
		if len(next.profiles) > maxProfiles {
			return &store.Error{Code: store.Limit, Msg: fmt.Sprintf("at most %d device profiles are kept", maxProfiles)}
		}
		if err := next.put(&c, key); err != nil {
			return err
		}
		c.Keep = kept(key, v)
	}
	c.Release = append(c.Release, kept(key, &was)...) // what is kept too stays
	if err := p.opt.Records.Change(ctx, c); err != nil {
		return fmt.Errorf("store device profile: %w", err)
	}
	p.all.Store(next)
	return nil
}

// put adds the row of a profile, and the last id, to a change.
func (s *profileState) put(c *store.RecordChange, key string) error {
	v := s.profiles[key]
	body, err := json.Marshal(&v)
	if err != nil {
		return fmt.Errorf("write device profile: %w", err)
	}
	last, err := json.Marshal(s.last)
	if err != nil {
		return fmt.Errorf("write device profile: %w", err)
	}
	c.Put = append(c.Put, store.Record{Kind: profileKind, ID: key, Body: body}, store.Record{Kind: lastKind, ID: "id", Body: last})
	return nil
}

// number gives ids to a profile and its files that have none. None is given twice.
func (s *profileState) number(v *onboard.Profile) {
	if v.ID == 0 {
		s.last++
		v.ID = s.last
	}
	for i := range v.Files {
		if v.Files[i].ID == 0 {
			s.last++
			v.Files[i].ID = s.last
		}
	}
}

// kept says which files of the store a profile needs.
func kept(key string, v *onboard.Profile) (list []store.Kept) {
	for _, f := range v.Files {
		if !f.InMemory() {
			list = append(list, store.Kept{Owner: profileKind + " " + key, Hash: f.Hash})
		}
	}
	return list
}

func (p *Profiles) audit(by identity.Actor, action, subject, detail string) []store.AuditEntry {
	return []store.AuditEntry{{At: p.opt.Now(), User: by.User, Addr: by.Addr, Via: by.Via, Action: action, Subject: subject, Detail: detail, OK: true}}
}
