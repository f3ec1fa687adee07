package identity

import (
	"cmp"
	"slices"

	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/wire"
)

// Identity answers a plugin's question about a user, a set of groups or a
// certificate.
func (s *Service) Identity(q *wire.IdentityQuery) (*wire.Identity, error) {
	st := s.state.Load()
	asked := 0
	for _, is := range []bool{q.User != "", q.Set != 0, q.CertificateSerial != ""} {
		if is {
			asked++
		}
	}
	if asked != 1 {
		return nil, invalid("identity: asks for one of user, set and certificate")
	}
	switch {
	case q.User != "":
		a := st.user(q.User)
		if a == nil {
			return nil, notFound("user %s: there is no such user", q.User)
		}
		return a.identity(), nil
	case q.Set != 0:
		return st.setIdentity(q.Set, s.opt.Sets.Members(hostapi.SetID(q.Set)))
	}
	c := st.certs.get(serialKey(q.CertificateSerial))
	if c == nil {
		return nil, notFound("certificate %s: is not known", q.CertificateSerial)
	}
	is := &wire.Identity{User: c.User}
	if a := st.user(c.User); a != nil {
		is = a.identity()
	}
	is.Certificate, is.Revoked = c.der(), c.Revoked != nil
	return is, nil
}

func (a *account) identity() *wire.Identity {
	c := a.caller()
	return &wire.Identity{User: c.User, Name: c.Name, Roles: c.Roles, InSet: c.InSet, OutSet: c.OutSet}
}

// setIdentity names the groups of a set that there still are.
func (s *state) setIdentity(set int32, members []hostapi.GroupID) (*wire.Identity, error) {
	if len(members) == 0 {
		return nil, notFound("set %d: there is no such set", set)
	}
	is := &wire.Identity{}
	for _, id := range members {
		if g := s.groups.get(id); g != nil {
			is.Groups = append(is.Groups, g.Name)
		}
	}
	slices.SortFunc(is.Groups, cmp.Compare[string])
	return is, nil
}
