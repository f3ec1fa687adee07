package identity

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/takhost/takhost/core/store"
	"github.com/takhost/takhost/hostapi/wire"
)

const viaLogin = "login"

// Login lets a user in by his password. The error is ErrBadCredentials, a
// *TooMany, that of ctx, or a failure. It takes the same time whether there is
// such a user or not, but for users with an imported hash until their first login.
func (s *Service) Login(ctx context.Context, user, password, addr string) (*wire.Caller, error) {
	t, err := s.guard.enter(ctx, user, addr)
	if err != nil {
		s.metrics.login(err)
		return nil, err
	}
	defer t.end()
	caller, err := s.login(ctx, t, user, password, addr)
	s.metrics.login(err)
	return caller, err
}

func (s *Service) login(ctx context.Context, t *try, user, password, addr string) (*wire.Caller, error) {
	a := s.state.Load().user(user)
	hash, known := dummyHash, ""
	if a != nil {
		known = a.Name
		if a.hash != "" && a.usable(s.opt.Now()) {
			hash = a.hash
		}
	}
	if len(password) > maxPassword {
		password, hash = password[:maxPassword], dummyHash
	}
	ok, old, err := s.hasher.compare(ctx, hash, password)
	if err != nil {
		var many *TooMany
		if errors.As(err, &many) || ctx.Err() != nil {
			return nil, err
		}
		return nil, fmt.Errorf("password of user %s: %w", known, err)
	}
	if !ok || hash == dummyHash || isWellKnown(password) {
		s.loginFailed(ctx, t.failed(known), known, addr)
		return nil, ErrBadCredentials
	}
	// The account may have changed meanwhile.
	if a = s.state.Load().user(user); a == nil || a.hash != hash || !a.usable(s.opt.Now()) {
		return nil, ErrBadCredentials
	}
	t.succeeded()
	if old {
		s.rehash(ctx, a, hash, password)
	}
	return a.caller(), nil
}

// rehash gives a password that was imported, or is of former parameters, its new
// hash. If that fails it is done at the next login.
func (s *Service) rehash(ctx context.Context, a *account, hash, password string) {
	fresh, err := s.hasher.hash(ctx, password)
	if err == nil {
		err = s.change(ctx, Actor{User: a.Name, Via: viaLogin}, func(d *draft) error {
			was := d.user(a.Name)
			if was == nil || was.hash != hash {
				return nil
			}
			c := was.clone()
			c.hash = fresh
			d.putAccount(c)
			return nil
		})
	}
	if err != nil {
		s.opt.Log.Warn("password not hashed anew", "user", a.Name, "error", err)
	}
}

// loginFailed tells of a failure. The name is given only if there is such a
// user: people type passwords into the field for the name.
func (s *Service) loginFailed(ctx context.Context, v verdict, known, addr string) {
	who := known
	if who == "" {
		who = "(unknown)"
	}
	log := s.opt.Log.With("user", who, "addr", addr)
	var rows []store.AuditEntry
	row := func(action, detail string) {
		rows = append(rows, store.AuditEntry{At: s.now(), Addr: addr, Via: viaLogin, Action: action, Subject: known, Detail: detail})
	}
	if v.list {
		log.Warn("login failed")
		row("login.failed", "wrong name or password")
	}
	if v.locked > 0 {
		s.metrics.lockouts.Inc()
		log.Warn("logins locked out after failures", "failures", v.fails, "for", v.locked)
		row("login.locked", fmt.Sprintf("%d failures, the user is locked out at this address for %v", v.fails, v.locked))
	}
	if v.addrLocked > 0 {
		s.metrics.lockouts.Inc()
		log.Warn("logins from an address locked out after failures", "failures", v.addrFails, "for", v.addrLocked)
		row("login.locked", fmt.Sprintf("%d failures of several users, all are locked out at this address for %v", v.addrFails, v.addrLocked))
	}
	if v.slowed {
		log.Warn("logins of a user fail at many addresses and are slowed, but for those he uses")
		row("login.slowed", "failures at many addresses")
	}
	s.addAudit(ctx, rows)
}

// tellSums writes what loginFailed left out.
func (s *Service) tellSums(ctx context.Context) error {
	sums, others := s.guard.sums()
	now := s.now()
	var rows []store.AuditEntry
	for _, m := range sums {
		rows = append(rows, store.AuditEntry{
			At: now, Addr: m.addr, Via: viaLogin, Action: "login.failed", Subject: m.known,
			Detail: fmt.Sprintf("%d more failures, %d tries while locked out", m.failed, m.refused),
		})
	}
	if others > 0 {
		rows = append(rows, store.AuditEntry{At: now, Via: viaLogin, Action: "login.failed", Detail: fmt.Sprintf("%d more failures of others", others)})
	}
	if len(rows) == 0 {
		return nil
	}
	return s.opt.Store.AddAudit(ctx, rows)
}

// caller gives a record of its own, which the receiver may change.
func (a *account) caller() *wire.Caller {
	c := &wire.Caller{User: a.Name, Name: a.FullName, Roles: a.Roles, InSet: int32(a.in), OutSet: int32(a.out)}
	if c.Name == "" {
		c.Name = a.Name
	}
	return c
}

// CallerOf gives the record of a user who may come in; the error has the code
// not_found or forbidden.
func (s *Service) CallerOf(user string) (*wire.Caller, error) {
	a, err := s.state.Load().known(user, s.opt.Now())
	if err != nil {
		return nil, err
	}
	return a.caller(), nil
}

// anonymousRoles are not to be changed, as no roles of callers are.
var anonymousRoles = []string{RoleAnonymous}

// Anonymous gives the record of somebody without credentials, where those are
// let in: he is in __ANON__ and has no more rights than that.
func (s *Service) Anonymous() *wire.Caller {
	return &wire.Caller{Name: "Anonymous", Roles: anonymousRoles, InSet: anonymousSet, OutSet: anonymousSet}
}

// Record adds to the audit what somebody else did. As that is done already, a
// failure is only logged.
func (s *Service) Record(ctx context.Context, by Actor, action, subject, detail string, ok bool) {
	s.addAudit(ctx, []store.AuditEntry{{
		At: s.now(), User: by.User, Addr: by.Addr, Via: by.Via, Action: action, Subject: subject, Detail: detail, OK: ok,
	}})
}

func (s *Service) addAudit(ctx context.Context, rows []store.AuditEntry) {
	if len(rows) == 0 {
		return
	}
	// Who was refused and went away is told of all the same.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), auditWait)
	defer cancel()
	if err := s.opt.Store.AddAudit(ctx, rows); err != nil {
		s.opt.Log.Warn("audit not written", "action", rows[0].Action, "subject", rows[0].Subject, "user", rows[0].User, "error", err)
	}
}

const auditWait = 10 * time.Second

// AuditLog gives a page of the audit.
func (s *Service) AuditLog(ctx context.Context, q store.AuditQuery) (store.AuditPage, error) {
	return s.opt.Store.Audit(ctx, q)
}
