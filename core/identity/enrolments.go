package identity

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"
)

const (
	maxUses = 10_000

	// boundFor is how long a device may use its code again after it got its
	// certificate: for its profile, and for an answer that was lost.
	boundFor = 15 * time.Minute

	// renewBefore is when a device may get its next certificate by the code it
	// has stored; of short-lived ones, in the last half of their life.
	renewBefore = 30 * 24 * time.Hour
)

// NewEnrolment makes an enrolment code. It is given here and never again.
func (s *Service) NewEnrolment(ctx context.Context, by Actor, spec EnrolmentSpec) (Enrolment, string, error) {
	code, hash := newCode()
	var made Enrolment
	err := s.change(ctx, by, func(d *draft) error {
		e := &enrolment{hash: hash, uses: map[string]EnrolmentUse{}, Enrolment: Enrolment{
			ID: newID(), Uses: cmp.Or(spec.Uses, 1), Expires: micros(spec.Expires), Created: d.now, By: by.User, Note: spec.Note,
		}}
		if err := d.fillEnrolment(e, &spec); err != nil {
			return err
		}
		d.putEnrolment(e)
		d.note("enrolment.add", cmp.Or(e.User, e.prefix()),
			fmt.Sprintf("%s, uses: %d, until %s", e.ID, e.Uses, e.Expires.Format(time.RFC3339)))
		made = d.showEnrolment(e)
		return nil
	})
	if err != nil {
		return Enrolment{}, "", err
	}
	return made, code, nil
}

func (d *draft) fillEnrolment(e *enrolment, spec *EnrolmentSpec) error {
	switch {
	case e.Uses < 1 || e.Uses > maxUses:
		return invalid("enrolment: 1 to %d uses", maxUses)
	case !d.now.Before(e.Expires):
		return invalid("enrolment: its end must be in the future")
	case (spec.User == "") == (spec.Event == nil):
		return invalid("enrolment: is for a user or for an event")
	}
	if err := checkText("note", spec.Note); err != nil {
		return err
	}
	if spec.Event == nil {
		a := d.user(spec.User)
		if a == nil {
			return notFound("user %s: there is no such user", spec.User)
		}
		e.User = a.Name
		return nil
	}
	if err := checkName("event", eventName(spec.Event.Prefix, maxUses)); err != nil {
		return err
	}
	if until := spec.Event.Until; until != nil && !d.now.Before(*until) {
		return invalid("event: the end of its users must be in the future")
	}
	roles, err := checkRoles(spec.Event.Roles)
	if err != nil {
		return err
	}
	if slices.Contains(roles, RoleAdmin) || slices.Contains(roles, RoleOperator) {
		return invalid("event: makes users of role %s or %s", RoleUser, RoleReadonly)
	}
	if e.members, err = d.members(spec.Event.Groups); err != nil {
		return err
	}
	e.Event = &EventCode{Prefix: spec.Event.Prefix, Roles: roles, Until: copyTime(spec.Event.Until)}
	return nil
}

func eventName(prefix string, n int64) string { return fmt.Sprintf("%s-%04d", prefix, n) }

func (e *enrolment) prefix() string {
	if e.Event == nil {
		return ""
	}
	return e.Event.Prefix
}

func (d *draft) putEnrolment(e *enrolment) {
	d.enrolments.set(e.ID, e)
	d.codes.set(e.hash, e)
	d.save(e.record())
}

func (d *draft) dropEnrolment(e *enrolment) {
	d.enrolments.del(e.ID)
	d.codes.del(e.hash)
	d.drop(kindEnrolment, e.ID)
	for _, u := range e.uses {
		d.forget(u.record(e.ID))
	}
}

// Enrolments gives all enrolment codes, the last one made first.
func (s *Service) Enrolments() []Enrolment {
	st := s.state.Load()
	all := make([]Enrolment, 0, len(st.enrolments.m))
	for _, e := range st.enrolments.m {
		all = append(all, st.showEnrolment(e))
	}
	slices.SortFunc(all, func(a, b Enrolment) int { return cmp.Or(b.Created.Compare(a.Created), cmp.Compare(a.ID, b.ID)) })
	return all
}

func (s *state) showEnrolment(e *enrolment) Enrolment {
	c := e.Enrolment
	if e.Event != nil {
		ev := *e.Event
		ev.Roles, ev.Groups, ev.Until = slices.Clone(ev.Roles), s.memberships(e.members), copyTime(ev.Until)
		c.Event = &ev
	}
	c.Used = slices.SortedFunc(maps.Values(e.uses), func(a, b EnrolmentUse) int {
		return cmp.Or(a.At.Compare(b.At), cmp.Compare(a.ClientUID, b.ClientUID))
	})
	return c
}

// RemoveEnrolment removes an enrolment code. Devices that have used it keep their
// certificates, but cannot renew them by it.
func (s *Service) RemoveEnrolment(ctx context.Context, by Actor, id string) error {
	return s.change(ctx, by, func(d *draft) error {
		e := d.enrolments.get(id)
		if e == nil {
			return notFound("enrolment %s: there is no such enrolment", id)
		}
		d.dropEnrolment(e)
		d.note("enrolment.remove", cmp.Or(e.User, e.prefix()), e.ID)
		return nil
	})
}

// renewable tells whether a device may get its next certificate now in place of
// this one.
func (c *Certificate) renewable(now time.Time) bool {
	if c == nil || c.Revoked != nil || !now.Before(c.NotAfter) {
		return false
	}
	return c.NotAfter.Sub(now) <= min(renewBefore, c.NotAfter.Sub(c.NotBefore)/2)
}

// access is what a code is good for at present.
type access uint8

const (
	accessNone  access = iota
	accessFirst        // a device may get its first certificate
	accessBound        // one has got it just now
	accessRenew        // one may get its next certificate
)

func (a access) String() string {
	return [...]string{"none", "first", "again", "renewal"}[a]
}

// byUse tells what a device may that has used a code.
func (s *state) byUse(u EnrolmentUse, now time.Time) access {
	if a := s.user(u.User); a == nil || !a.usable(now) {
		return accessNone
	}
	c := s.certs.get(u.Serial)
	switch {
	case c != nil && c.Revoked != nil:
		return accessNone
	case c.renewable(now):
		return accessRenew
	case now.Sub(u.At).Abs() < boundFor:
		return accessBound
	}
	return accessNone
}

// byCode tells what a device may by a code. A client may leave out its uid
// before it asks for the certificate; then any device of the code will do.
func (s *state) byCode(e *enrolment, uid string, now time.Time) (access, EnrolmentUse, error) {
	if u, ok := e.uses[uid]; ok && uid != "" {
		if a := s.byUse(u, now); a != accessNone {
			return a, u, nil
		}
		return accessNone, u, ErrSpent
	}
	if len(e.uses) < e.Uses && now.Before(e.Expires) {
		a := s.user(e.User)
		switch {
		case e.Event == nil && (a == nil || !a.usable(now)), e.Event != nil && e.Event.Until != nil && !now.Before(*e.Event.Until):
			return accessNone, EnrolmentUse{}, ErrEnded
		}
		return accessFirst, EnrolmentUse{}, nil
	}
	if uid == "" {
		for _, u := range sortedValues(e.uses) {
			if a := s.byUse(u, now); a != accessNone {
				u.ClientUID = ""
				return a, u, nil
			}
		}
	}
	if len(e.uses) >= e.Uses {
		return accessNone, EnrolmentUse{}, ErrSpent
	}
	return accessNone, EnrolmentUse{}, ErrEnded
}
