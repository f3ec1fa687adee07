package identity

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/takhost/takhost/core/store"
	"github.com/takhost/takhost/hostapi"
)

// draft is the next state while it is made, and what the store has to be told.
type draft struct {
	*state
	old *state
	by  Actor
	now time.Time

	records   map[recordKey][]byte // what is to be stored; nil: to be removed
	audit     []store.AuditEntry
	change    Change
	touched   []*account // whose sets are to be found anew
	regrouped bool       // the names of groups changed
	after     []func()   // called when it is in place, before the next change
}

type recordKey struct{ kind, id string }

func (s *Service) draft(by Actor) *draft {
	old := s.state.Load()
	return &draft{state: old.next(), old: old, by: by, now: s.now(), records: map[recordKey][]byte{}}
}

// save and forget say what becomes of a record; the last word counts.
func (d *draft) save(r store.Record) { d.records[recordKey{r.Kind, r.ID}] = r.Body }

func (d *draft) forget(r store.Record) { d.drop(r.Kind, r.ID) }

func (d *draft) drop(kind, id string) { d.records[recordKey{kind, id}] = nil }

// lists gives the records in the order of their names, so that two servers on
// one database lock them alike.
func (d *draft) lists() (put, remove []store.Record) {
	keys := slices.SortedFunc(maps.Keys(d.records), func(a, b recordKey) int {
		return cmp.Or(cmp.Compare(a.kind, b.kind), cmp.Compare(a.id, b.id))
	})
	for _, k := range keys {
		r := store.Record{Kind: k.kind, ID: k.id, Body: d.records[k]}
		if r.Body == nil {
			remove = append(remove, r)
		} else {
			put = append(put, r)
		}
	}
	return put, remove
}

// note adds a row to the audit.
func (d *draft) note(action, subject, detail string) {
	d.audit = append(d.audit, store.AuditEntry{
		At: d.now, User: d.by.User, Addr: d.by.Addr, Via: d.by.Via, Action: action, Subject: subject, Detail: detail, OK: true,
	})
}

func (d *draft) putAccount(a *account) {
	d.users.set(a.key, a)
	d.save(a.record())
	d.touched = append(d.touched, a)
	d.tell(a.Name)
}

// tell says that something of a user has changed.
func (d *draft) tell(user string) {
	if !slices.Contains(d.change.Users, user) {
		d.change.Users = append(d.change.Users, user)
	}
}

// ended says that a token or a session of a user is no longer good.
func (d *draft) ended(user string) {
	if !slices.Contains(d.change.Logins, user) {
		d.change.Logins = append(d.change.Logins, user)
	}
}

// gone says that a user may not be here any more.
func (d *draft) gone(user string) {
	d.tell(user)
	if !slices.Contains(d.change.Removed, user) {
		d.change.Removed = append(d.change.Removed, user)
	}
}

// count gives the next number of a counter.
func (d *draft) count(name string, atLeast int64) int64 {
	n := max(d.counters.get(name)+1, atLeast)
	d.counters.set(name, n)
	d.save(record(kindCounter, name, n))
	return n
}

// now gives the time as the store keeps it.
func (s *Service) now() time.Time { return micros(s.opt.Now()) }

// change makes the next state by fn, commits it and puts it in place, all under
// the writer lock. fn may look at d.old and must not touch what that leads to. A
// draft that holds nothing to store is dropped.
func (s *Service) change(ctx context.Context, by Actor, fn func(*draft) error) error {
	err := s.changeAlone(ctx, by, fn)
	s.deliver()
	return err
}

func (s *Service) changeAlone(ctx context.Context, by Actor, fn func(*draft) error) error {
	select {
	case s.writer <- struct{}{}:
		defer func() { <-s.writer }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if err := s.settle(ctx); err != nil {
		return err
	}
	d := s.draft(by)
	if err := fn(d); err != nil {
		return err
	}
	if len(d.records) == 0 && len(d.audit) == 0 {
		return nil
	}
	if err := s.internAll(d.state, d.touched); err != nil {
		return err
	}
	put, remove := d.lists()
	err := s.opt.Store.ChangeRecords(ctx, put, remove, d.audit)
	if errors.Is(err, store.ErrOutcome) {
		s.doubt = append(s.doubt, d.change)
	}
	if err != nil {
		return err
	}
	s.putInPlace(d.state, d.regrouped)
	for _, fn := range d.after {
		fn()
	}
	s.queue(d.change)
	return nil
}

func (s *Service) putInPlace(st *state, regrouped bool) {
	s.state.Store(st)
	if regrouped {
		s.opt.Sets.SetNames(st.names())
	}
}

// settle reads everything again after a commit of which it is not known whether
// it took place. Whoever listens is told of it in both cases: what did not
// change, he finds as it was. The caller holds the writer lock.
func (s *Service) settle(ctx context.Context) error {
	if len(s.doubt) == 0 {
		return nil
	}
	st, err := s.read(ctx)
	if err != nil {
		return fmt.Errorf("after a commit whose outcome is not known: %w", err)
	}
	st.keepUsed(s.state.Load())
	s.putInPlace(st, true)
	for _, c := range s.doubt {
		s.queue(c)
	}
	s.doubt = nil
	s.opt.Log.Info("users and certificates were read again from the database")
	return nil
}

// keepUsed carries over the times of last use, which are stored late.
func (s *state) keepUsed(old *state) {
	for id, t := range s.tokens.m {
		if was := old.tokens.get(id); was != nil {
			t.used.Store(max(t.used.Load(), was.used.Load()))
		}
	}
	for id, t := range s.sessions.m {
		if was := old.sessions.get(id); was != nil {
			t.used.Store(max(t.used.Load(), was.used.Load()))
		}
	}
}

// queue keeps a change until it is told. The caller holds the writer lock, so
// changes wait in their order.
func (s *Service) queue(c Change) {
	if s.opt.OnChange == nil || len(c.Users) == 0 && !c.Groups && len(c.Certificates) == 0 && len(c.Removed) == 0 && len(c.Logins) == 0 {
		return
	}
	s.waiting.Lock()
	s.changes = append(s.changes, c)
	s.waiting.Unlock()
}

// deliver tells what waits. When it returns, what waited at its call has been
// told, be it by another goroutine.
func (s *Service) deliver() {
	if s.opt.OnChange == nil {
		return
	}
	s.telling.Lock()
	defer s.telling.Unlock()
	for {
		s.waiting.Lock()
		changes := s.changes
		s.changes = nil
		s.waiting.Unlock()
		if len(changes) == 0 {
			return
		}
		for _, c := range changes {
			s.opt.OnChange(c)
		}
	}
}

// internAll finds the sets of accounts and of their devices. These belong to st
// alone yet.
func (s *Service) internAll(st *state, accounts []*account) error {
	for _, a := range accounts {
		in, out, err := s.intern(a, nil)
		if err != nil {
			return fmt.Errorf("groups of user %s: %w", a.Name, err)
		}
		a.in, a.out = in, out
		for _, d := range a.devices {
			if d.in, d.out, err = s.intern(a, d.inactive); err != nil {
				return fmt.Errorf("groups of user %s: %w", a.Name, err)
			}
		}
	}
	return nil
}

// intern gives the sets of a user's groups without those that are inactive. Who
// may only read sends to nobody.
func (s *Service) intern(a *account, inactive []hostapi.GroupID) (in, out hostapi.SetID, err error) {
	var ins, outs []hostapi.GroupID
	for _, m := range a.memberOf() {
		if slices.Contains(inactive, m.Group) {
			continue
		}
		if m.In && !a.is(RoleReadonly) {
			ins = append(ins, m.Group)
		}
		if m.Out {
			outs = append(outs, m.Group)
		}
	}
	if len(ins) > 0 {
		if in, err = s.opt.Sets.Intern(ins...); err != nil {
			return 0, 0, err
		}
	}
	if len(outs) > 0 {
		out, err = s.opt.Sets.Intern(outs...)
	}
	return in, out, err
}
