package identity

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

const (
	// usedEvery is how exact a stored time of last use is.
	usedEvery = 5 * time.Minute

	// endedFor is how long what has ended stays in the lists.
	endedFor = 7 * 24 * time.Hour

	pruneEvery = time.Hour

	// clockJump is how far the wall clock may part from the one that nobody sets
	// before the age of the audit is no longer believed.
	clockJump = time.Hour
)

// sweeper remembers what Sweep did last.
type sweeper struct {
	mu     sync.Mutex
	last   time.Time // accounts that end after that have not been told of
	pruned time.Time
	begun  time.Time // with the monotonic reading
}

// begin lets the audit be pruned an hour from now: after a start with a wrong
// clock there was time to set it.
func (w *sweeper) begin(now time.Time) { w.last, w.begun, w.pruned = now, now, now }

// Sweep does what time brings: certificates that were replaced are revoked after
// their 24 hours; sessions, tokens, enrolment codes and old records end; users
// whose time is over are told of; times of last use are stored; the audit learns
// of many failed logins and loses what is too old. The server calls it every
// minute.
func (s *Service) Sweep(ctx context.Context) error {
	s.swept.mu.Lock()
	defer s.swept.mu.Unlock()
	now := s.opt.Now()
	s.names.sweep(now)
	err := s.change(ctx, Actor{Via: "server"}, func(d *draft) error {
		d.sweepCertificates()
		d.sweepSessions()
		d.sweepTokens(s.swept.last)
		d.sweepEnrolments()
		d.sweepUsers(s.swept.last)
		return nil
	})
	if err == nil {
		s.swept.last = now
	} else {
		err = fmt.Errorf("sweep: %w", err)
	}
	if serr := s.tellSums(ctx); serr != nil {
		err = errors.Join(err, fmt.Errorf("tell the audit of failed logins: %w", serr))
	}
	return errors.Join(err, s.prune(ctx, now))
}

func (d *draft) sweepCertificates() {
	for _, c := range sortedValues(d.old.certs.m) {
		switch {
		case d.now.Sub(c.NotAfter) > expiredFor:
			print, _ := parseDigest(c.Fingerprint, ":")
			d.certs.del(c.Serial)
			d.prints.del(print)
			d.drop(kindCertificate, c.Serial)
		case c.Replaced != nil && c.Revoked == nil && d.now.Sub(*c.Replaced) > replacedFor && d.now.Before(c.NotAfter):
			d.revoke(c, "replaced by a newer one")
			d.note("certificate.revoke", c.Serial, "of "+c.User+": replaced by a newer one")
		}
	}
}

func (d *draft) sweepSessions() {
	for _, in := range sortedValues(d.old.sessions.m) {
		used := in.used.Load()
		switch {
		case !d.now.Before(in.Expires):
			d.dropSession(in)
		case stale(used, in.kept.Load()):
			d.save(in.record())
			in.kept.Store(used)
		}
	}
}

func (d *draft) sweepTokens(last time.Time) {
	for _, t := range sortedValues(d.old.tokens.m) {
		used := t.used.Load()
		if t.Expires != nil && t.Expires.After(last) && !d.now.Before(*t.Expires) {
			d.ended(t.User)
			d.note("token.end", t.User, t.ID+" "+t.Name)
		}
		switch {
		case t.Expires != nil && d.now.Sub(*t.Expires) > endedFor:
			d.dropToken(t)
		case stale(used, t.kept.Load()):
			d.save(t.record())
			t.kept.Store(used)
		}
	}
}

func stale(used, kept int64) bool {
	return used-kept >= usedEvery.Microseconds() || kept == 0 && used > 0
}

// sweepEnrolments removes codes that no device can use any more.
func (d *draft) sweepEnrolments() {
	for _, e := range sortedValues(d.old.enrolments.m) {
		if d.now.Sub(e.Expires) > endedFor && !d.renewsOnce(e) {
			d.dropEnrolment(e)
		}
	}
}

// renewsOnce tells whether a device that has used the code may come again.
func (d *draft) renewsOnce(e *enrolment) bool {
	for _, u := range e.uses {
		if c := d.certs.get(u.Serial); c != nil && c.Revoked == nil && d.now.Before(c.NotAfter) {
			return true
		}
	}
	return false
}

// sweepUsers tells of users whose time has come to its end since last.
func (d *draft) sweepUsers(last time.Time) {
	for _, a := range sortedValues(d.old.users.m) {
		if a.Expires != nil && a.Expires.After(last) && !d.now.Before(*a.Expires) {
			d.endSessions(a.Name)
			d.gone(a.Name)
			d.note("user.end", a.Name, "the account ended "+a.Expires.Format(time.RFC3339))
		}
	}
}

// prune removes old entries of the audit, unless the clock cannot be believed.
func (s *Service) prune(ctx context.Context, now time.Time) error {
	w := &s.swept
	if s.opt.Keep == 0 || now.Sub(w.pruned) < pruneEvery {
		return nil
	}
	if skew := now.Round(0).Sub(w.begun.Round(0)) - now.Sub(w.begun); skew.Abs() > clockJump {
		return nil
	}
	w.pruned = now
	if _, err := s.opt.Store.PruneAudit(ctx, now.Add(-s.opt.Keep)); err != nil {
		return fmt.Errorf("remove old entries of the audit: %w", err)
	}
	return nil
}
