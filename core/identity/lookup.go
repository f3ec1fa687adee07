package identity

import "github.com/takhost/takhost/core/store"

// EnrolmentBySecret gives the enrolment of a code that a device may still use for
// the first time. The error has the code not_found for one that nobody knows, and
// is ErrSpent or ErrEnded for one that is over. Codes have 80 random bits, so
// nothing is counted.
func (s *Service) EnrolmentBySecret(secret string) (Enrolment, error) {
	hash, ok := codeHash(secret)
	if !ok {
		return Enrolment{}, &store.Error{Code: store.NotFound, Msg: "that is no enrolment code"}
	}
	st := s.state.Load()
	e := st.codes.get(hash)
	if e == nil {
		return Enrolment{}, &store.Error{Code: store.NotFound, Msg: "there is no such enrolment code"}
	}
	now := s.opt.Now()
	switch {
	case len(e.uses) >= e.Uses:
		return Enrolment{}, ErrSpent
	case !now.Before(e.Expires):
		return Enrolment{}, ErrEnded
	}
	if e.Event == nil {
		if _, err := st.known(e.User, now); err != nil {
			return Enrolment{}, err
		}
	}
	return st.showEnrolment(e), nil
}

// SetupFor says whether Setup would take the secret, and the name of the
// administrator that it resets, "" when whoever has it chooses one.
func (s *Service) SetupFor(secret string) (name string, ok bool) {
	if !s.setup.is(hashOf(secret), s.opt.Now()) {
		return "", false
	}
	name, _ = s.setup.resets()
	return name, true
}
