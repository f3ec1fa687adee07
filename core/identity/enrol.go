package identity

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/takhost/takhost/core/store"
	"github.com/takhost/takhost/hostapi/wire"
)

const viaEnrol = "enrol"

// EnrolLogin lets a device in where certificates are got: by the password of its
// user, or by an enrolment code in its place. clientUID may be empty as long as
// the client does not say it.
//
// A code that nobody has used up is good for any client uid; a device that has
// used it may come again for 15 minutes, and when its certificate is near its
// end. The name that is given with an event code does not matter: the user is
// made at the first use, until then the caller is nobody.
//
// Errors are those of Login; to somebody with the right code ErrSpent and
// ErrEnded tell more.
func (s *Service) EnrolLogin(ctx context.Context, user, secret, clientUID, addr string) (*wire.Caller, *Grant, error) {
	if err := checkDevice(clientUID); err != nil {
		return nil, nil, err
	}
	st := s.state.Load()
	if hash, ok := codeHash(secret); ok {
		if e := st.codes.get(hash); e != nil && (e.Event != nil || fold(e.User) == userKey(user)) {
			return s.enrolByCode(ctx, st, e, &Grant{Login: user, Enrolment: e.ID, clientUID: clientUID, addr: addr})
		}
	}
	caller, err := s.Login(ctx, user, secret, addr)
	if err != nil {
		return nil, nil, err
	}
	caller.Client = clientUID
	return caller, &Grant{Login: user, User: caller.User, clientUID: clientUID, addr: addr}, nil
}

func (s *Service) enrolByCode(ctx context.Context, st *state, e *enrolment, g *Grant) (*wire.Caller, *Grant, error) {
	now := s.opt.Now()
	may, use, err := st.byCode(e, g.clientUID, now)
	if err != nil {
		if s.guard.list(now) {
			s.Record(ctx, Actor{User: e.User, Addr: g.addr, Via: viaEnrol}, "enrolment.refused", cmp.Or(e.User, e.prefix()), e.ID+": "+err.Error(), false)
		}
		return nil, nil, err
	}
	g.User, g.Renewal = cmp.Or(use.User, e.User), may == accessRenew
	if may == accessFirst && e.Event != nil {
		if g.clientUID != "" {
			if g.User, err = s.names.reserve(st, e, g.clientUID, now); err != nil {
				return nil, nil, err
			}
		}
		return &wire.Caller{Name: "Enrolment", Roles: anonymousRoles, Client: g.clientUID}, g, nil
	}
	if e.Event != nil && g.clientUID == "" {
		g.User = "" // one of several
		return &wire.Caller{Name: "Enrolment", Roles: anonymousRoles}, g, nil
	}
	a, err := st.known(g.User, now)
	if err != nil {
		return nil, nil, err
	}
	caller := a.caller()
	caller.Client = g.clientUID
	return caller, g, nil
}

// SpendEnrolment spends a code for the device that gets the certificate of that
// serial number. Of two devices with a code for one, the first one wins; the
// other's error has the code conflict and ErrSpent in its chain. With an event
// code the user of the grant is made. A grant by password spends nothing.
func (s *Service) SpendEnrolment(ctx context.Context, g *Grant, clientUID, serial string) error {
	return s.enrol(ctx, g, clientUID, serial, nil)
}

// Enrol spends the code and records the certificate, both or nothing: it is what
// signClient does before it gives out the certificate. An error means that the
// certificate must not be given out.
func (s *Service) Enrol(ctx context.Context, g *Grant, c Certificate) error {
	c.Kind, c.Enrolment, c.Serial = cmp.Or(c.Kind, KindEnrolled), g.Enrolment, serialKey(c.Serial)
	if fold(c.User) != fold(g.User) {
		return invalid("enrol: the certificate is for %s, not for %s", c.User, g.User)
	}
	return s.enrol(ctx, g, c.ClientUID, c.Serial, &c)
}

func (s *Service) enrol(ctx context.Context, g *Grant, clientUID, serial string, c *Certificate) error {
	if err := checkDevice(clientUID); err != nil {
		return err
	}
	switch {
	case g == nil:
		return invalid("enrol: needs what EnrolLogin gave")
	case g.Enrolment != "" && clientUID == "":
		return invalid("enrol: a code needs the client uid of the device")
	case g.clientUID != "" && g.clientUID != clientUID:
		return invalid("enrol: the client uid is not that of the login")
	case g.User == "":
		return invalid("enrol: an event code needs a login with the client uid")
	}
	by := Actor{User: g.User, Addr: g.addr, Via: viaEnrol}
	err := s.change(ctx, by, func(d *draft) error {
		if g.Enrolment != "" {
			if err := s.spend(d, g, clientUID, serialKey(serial)); err != nil {
				return err
			}
		}
		if _, err := d.known(g.User, d.now); err != nil {
			return err
		}
		if c == nil {
			return nil
		}
		return d.addCertificate(c)
	})
	if err == nil {
		s.names.done(g.Enrolment, clientUID)
	}
	return err
}

func (s *Service) spend(d *draft, g *Grant, uid, serial string) error {
	was := d.enrolments.get(g.Enrolment)
	if was == nil {
		return &store.Error{Code: store.Conflict, Msg: "enrol", Err: ErrEnded}
	}
	may, use, err := d.byCode(was, uid, d.now)
	if err != nil {
		return &store.Error{Code: store.Conflict, Msg: "enrol", Err: err}
	}
	if may == accessFirst {
		use = EnrolmentUse{User: g.User, ClientUID: uid}
		if was.Event != nil {
			if err := d.makeEventUser(was, g.User); err != nil {
				return err
			}
		}
	} else if use.User != g.User {
		return conflict("enrol: this device is that of another user")
	}
	use.Serial = serial
	if may != accessBound {
		use.At = d.now // or the minutes for an answer that was lost would never end
	}
	e := *was
	e.uses = maps.Clone(was.uses)
	e.uses[uid] = use
	d.enrolments.set(e.ID, &e)
	d.codes.set(e.hash, &e)
	d.save(use.record(e.ID))
	d.note("enrolment.use", use.User, fmt.Sprintf("%s, %s, for %s", e.ID, may, uid))
	return nil
}

func counterEvent(prefix string) string { return "event/" + fold(prefix) }

func (d *draft) makeEventUser(e *enrolment, name string) error {
	if d.user(name) != nil {
		return conflict("enrol: there is a user %s already; try again", name)
	}
	n := int64(0)
	if _, err := fmt.Sscanf(name[len(e.Event.Prefix):], "-%d", &n); err != nil {
		return fmt.Errorf("enrol: %q is not a name of event %s", name, e.Event.Prefix)
	}
	u := NewUser{User: User{Name: name, Roles: e.Event.Roles, Groups: d.memberships(e.members), Expires: e.Event.Until}}
	if _, err := d.addUser(&u, ""); err != nil {
		return err
	}
	if key := counterEvent(e.Event.Prefix); n > d.counters.get(key) {
		d.counters.set(key, n)
		d.save(record(kindCounter, key, n))
	}
	return nil
}

// reservations are names of event users that are promised to devices: the
// certificate has the name, and the user is made only when it is recorded. They
// are forgotten after some minutes and with the process; numbers may be left out.
type reservations struct {
	mu    sync.Mutex
	next  map[string]int64 // by counter
	names map[[2]string]reservation
}

type reservation struct {
	name string
	at   time.Time
}

// maxReserved bounds how many devices may be on their way with one code beyond
// those that will find it spent.
const maxReserved = 64

func (r *reservations) reserve(st *state, e *enrolment, uid string, now time.Time) (string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.names == nil {
		r.names, r.next = map[[2]string]reservation{}, map[string]int64{}
	}
	key := [2]string{e.ID, uid}
	if had, ok := r.names[key]; ok && st.user(had.name) == nil {
		r.names[key] = reservation{name: had.name, at: now}
		return had.name, nil
	}
	n := 0
	for k := range r.names {
		if k[0] == e.ID {
			n++
		}
	}
	if n >= e.Uses-len(e.uses)+maxReserved {
		return "", &TooMany{Wait: time.Minute, Busy: true}
	}
	counter := counterEvent(e.Event.Prefix)
	for {
		r.next[counter] = max(r.next[counter], st.counters.get(counter)) + 1
		name := eventName(e.Event.Prefix, r.next[counter])
		if st.user(name) == nil {
			r.names[key] = reservation{name: name, at: now}
			return name, nil
		}
	}
}

// done gives up the reservation of a device that has its user.
func (r *reservations) done(enrolment, uid string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.names, [2]string{enrolment, uid})
}

func (r *reservations) sweep(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for k, had := range r.names {
		if now.Sub(had.at) > boundFor {
			delete(r.names, k)
		}
	}
}
