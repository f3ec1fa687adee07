package identity

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"

	"github.com/takhost/takhost/core/store"
	"github.com/takhost/takhost/hostapi"
)

// loader makes the state from the records, which come in any order: what refers
// to something else is set in place at the end.
type loader struct {
	st       *state
	uses     []useRecord
	channels []channelsRecord
}

// load gives the state that the records describe. Sets are not interned yet.
func load(records []store.Record) (*state, error) {
	l := loader{st: &state{}}
	st := l.st
	st.groups.set(hostapi.AnonGroup, &Group{ID: hostapi.AnonGroup, Name: hostapi.AnonGroupName})
	for i := range records {
		if err := l.read(&records[i]); err != nil {
			return nil, fmt.Errorf("record %s %s: %w", records[i].Kind, records[i].ID, err)
		}
	}
	for id, g := range st.groups.m {
		if other, ok := st.groupNames.m[fold(g.Name)]; ok {
			return nil, fmt.Errorf("groups %d and %d have one name, %q", id, other, g.Name)
		}
		st.groupNames.set(fold(g.Name), id)
	}
	for _, a := range st.users.m {
		if err := l.haveGroups(a.members); err != nil {
			return nil, fmt.Errorf("user %s: %w", a.Name, err)
		}
	}
	for _, e := range st.enrolments.m {
		if err := l.haveGroups(e.members); err != nil {
			return nil, fmt.Errorf("enrolment %s: %w", e.ID, err)
		}
	}
	for _, u := range l.uses {
		e := st.enrolments.get(u.Enrolment)
		if e == nil {
			return nil, fmt.Errorf("use of enrolment %s: there is no such enrolment", u.Enrolment)
		}
		e.uses[u.ClientUID] = EnrolmentUse{User: u.User, ClientUID: u.ClientUID, Serial: u.Serial, At: u.At}
	}
	for _, c := range l.channels {
		a := st.user(c.User)
		if a == nil {
			return nil, fmt.Errorf("channels of user %s: there is no such user", c.User)
		}
		if a.devices == nil {
			a.devices = map[string]*device{}
		}
		a.devices[c.ClientUID] = &device{uid: c.ClientUID, inactive: c.Inactive, changed: c.Changed}
	}
	return st, nil
}

func (l *loader) haveGroups(members []member) error {
	for _, m := range members {
		if l.st.groups.get(m.Group) == nil {
			return fmt.Errorf("there is no group %d", m.Group)
		}
	}
	return nil
}

func parse[T any](r *store.Record) (body T, err error) {
	err = json.Unmarshal(r.Body, &body)
	return body, err
}

func (l *loader) read(r *store.Record) error {
	switch r.Kind {
	case kindUser:
		return l.user(r)
	case kindGroup:
		b, err := parse[groupRecord](r)
		if err != nil {
			return err
		}
		id, err := strconv.ParseInt(r.ID, 10, 32)
		if err != nil || id < int64(hostapi.AnonGroup) {
			return fmt.Errorf("its id is not that of a group")
		}
		l.st.groups.set(hostapi.GroupID(id), &Group{ID: hostapi.GroupID(id), Name: b.Name, Description: b.Description, Created: b.Created})
	case kindCounter:
		n, err := parse[int64](r)
		l.st.counters.set(r.ID, n)
		return err
	case kindCertificate:
		return l.certificate(r)
	case kindToken:
		return l.token(r)
	case kindSession:
		return l.session(r)
	case kindEnrolment:
		return l.enrolment(r)
	case kindUse:
		b, err := parse[useRecord](r)
		l.uses = append(l.uses, b)
		return err
	case kindChannels:
		b, err := parse[channelsRecord](r)
		l.channels = append(l.channels, b)
		return err
	}
	return nil
}

func (l *loader) user(r *store.Record) error {
	b, err := parse[userRecord](r)
	if err != nil {
		return err
	}
	l.st.users.set(r.ID, &account{
		User: User{
			Name: b.Name, FullName: b.FullName, Roles: slices.Clip(b.Roles), Disabled: b.Disabled, Expires: b.Expires,
			UID: b.UID, Team: b.Team, Device: b.Device, Package: b.Package, Created: b.Created, Changed: b.Changed,
		},
		key: r.ID, hash: b.Hash, members: b.Groups,
	})
	return nil
}

func (l *loader) certificate(r *store.Record) error {
	b, err := parse[certificateRecord](r)
	if err != nil {
		return err
	}
	print, err := parseDigest(b.Fingerprint, ":")
	if err != nil {
		return err
	}
	c := &Certificate{
		Serial: r.ID, Fingerprint: b.Fingerprint, User: b.User, ClientUID: b.ClientUID, Subject: b.Subject, Issuer: b.Issuer, PEM: b.PEM,
		NotBefore: b.NotBefore, NotAfter: b.NotAfter, Issued: b.Issued, Kind: b.Kind, Channels: b.Channels, Enrolment: b.Enrolment,
		Replaced: b.Replaced, Revoked: b.Revoked, Reason: b.Reason, RevokedBy: b.RevokedBy,
	}
	l.st.certs.set(c.Serial, c)
	l.st.prints.set(print, c)
	return nil
}

func (l *loader) token(r *store.Record) error {
	b, err := parse[tokenRecord](r)
	if err != nil {
		return err
	}
	t := &token{Token: Token{ID: r.ID, User: b.User, Name: b.Name, Weak: b.Weak, Created: b.Created, Expires: b.Expires}}
	if t.hash, err = parseDigest(b.Hash, ""); err != nil {
		return err
	}
	t.used, t.kept = newUsed(b.Used)
	l.st.tokens.set(t.ID, t)
	l.st.secrets.set(t.hash, holder{token: t})
	return nil
}

func (l *loader) session(r *store.Record) error {
	b, err := parse[sessionRecord](r)
	if err != nil {
		return err
	}
	s := &session{Session: Session{ID: r.ID, User: b.User, Addr: b.Addr, Bearer: b.Bearer, Created: b.Created, Expires: b.Expires}}
	s.used, s.kept = newUsed(b.Used)
	l.st.sessions.set(s.ID, s)
	if b.Hash == "" {
		return nil
	}
	if s.hash, err = parseDigest(b.Hash, ""); err != nil {
		return err
	}
	l.st.secrets.set(s.hash, holder{session: s})
	return nil
}

func (l *loader) enrolment(r *store.Record) error {
	b, err := parse[enrolmentRecord](r)
	if err != nil {
		return err
	}
	e := &enrolment{
		Enrolment: Enrolment{ID: r.ID, User: b.User, Uses: b.Uses, Expires: b.Expires, Created: b.Created, By: b.By, Note: b.Note},
		uses:      map[string]EnrolmentUse{},
	}
	if ev := b.Event; ev != nil {
		e.Event, e.members = &EventCode{Prefix: ev.Prefix, Roles: ev.Roles, Until: ev.Until}, ev.Groups
	}
	if e.hash, err = parseDigest(b.Hash, ""); err != nil {
		return err
	}
	l.st.enrolments.set(e.ID, e)
	l.st.codes.set(e.hash, e)
	return nil
}
