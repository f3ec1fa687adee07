package identity

import (
	"cmp"
	"crypto/sha256"
	"maps"
	"slices"
	"sync/atomic"
	"time"

	"github.com/takhost/takhost/hostapi"
)

// digest is the SHA-256 of a secret or a certificate.
type digest [sha256.Size]byte

// table is a map that is copied before the first change to it in a draft.
type table[K comparable, V any] struct {
	m   map[K]V
	own bool // of the draft; means nothing to readers
}

func (t *table[K, V]) get(k K) V { return t.m[k] }

func (t *table[K, V]) set(k K, v V) {
	t.copy()
	t.m[k] = v
}

func (t *table[K, V]) del(k K) {
	if _, ok := t.m[k]; ok {
		t.copy()
		delete(t.m, k)
	}
}

func (t *table[K, V]) copy() {
	if !t.own {
		t.m, t.own = maps.Clone(t.m), true
		if t.m == nil {
			t.m = map[K]V{}
		}
	}
}

// state is everything, at one moment. Nothing that it leads to changes, but for
// the times of last use.
type state struct {
	users      table[string, *account]        // by folded name
	groups     table[hostapi.GroupID, *Group] // with __ANON__
	groupNames table[string, hostapi.GroupID] // by folded name
	counters   table[string, int64]           // the last number given
	certs      table[string, *Certificate]    // by serial
	prints     table[digest, *Certificate]    // by fingerprint
	tokens     table[string, *token]          // by id
	sessions   table[string, *session]        // by id
	secrets    table[digest, holder]          // of tokens and sessions
	enrolments table[string, *enrolment]      // by id
	codes      table[digest, *enrolment]      // by secret
}

// holder is what a secret belongs to: one of the two.
type holder struct {
	token   *token
	session *session
}

// account is a user with what goes with him. User.Groups is empty here: groups
// change their names.
type account struct {
	User
	key     string // folded name
	hash    string // of the password; empty: none
	members []member
	devices map[string]*device // whose channels were chosen, by client uid
	in, out hostapi.SetID
}

// member is a Membership by id, sorted by it; without any, __ANON__ both ways.
type member struct {
	Group hostapi.GroupID `json:"group"`
	In    bool            `json:"in,omitempty"`
	Out   bool            `json:"out,omitempty"`
}

// device keeps which groups are inactive: one that is new to it is active.
type device struct {
	uid      string
	inactive []hostapi.GroupID
	changed  time.Time
	in, out  hostapi.SetID
}

type token struct {
	Token // Used is in used
	hash  digest
	used  *atomic.Int64 // µs; shared by all copies
	kept  *atomic.Int64 // what of used is stored
}

type session struct {
	Session        // Used is in used
	hash    digest // without a secret zero
	used    *atomic.Int64
	kept    *atomic.Int64
}

// enrolment has the groups of its event as ids.
type enrolment struct {
	Enrolment // without Used; the event without groups
	members   []member
	hash      digest
	uses      map[string]EnrolmentUse // by client uid
}

// next gives a state to change; its tables are copied when they are.
func (s *state) next() *state {
	n := *s
	n.users.own, n.groups.own, n.groupNames.own, n.counters.own = false, false, false, false
	n.certs.own, n.prints.own, n.tokens.own, n.sessions.own = false, false, false, false
	n.secrets.own, n.enrolments.own, n.codes.own = false, false, false
	return &n
}

func (s *state) user(name string) *account { return s.users.get(fold(name)) }

func (s *state) group(name string) *Group {
	id, ok := s.groupNames.m[fold(name)]
	if !ok {
		return nil
	}
	return s.groups.get(id)
}

// names gives the groups as route.Groups wants them.
func (s *state) names() map[string]hostapi.GroupID {
	names := make(map[string]hostapi.GroupID, len(s.groups.m))
	for id, g := range s.groups.m {
		names[g.Name] = id
	}
	return names
}

// memberships gives the form for others.
func (s *state) memberships(members []member) []Membership {
	if len(members) == 0 {
		return nil
	}
	out := make([]Membership, 0, len(members))
	for _, m := range members {
		out = append(out, Membership{Group: s.groups.get(m.Group).Name, In: m.In, Out: m.Out})
	}
	slices.SortFunc(out, func(a, b Membership) int { return cmp.Compare(a.Group, b.Group) })
	return out
}

// members finds the groups.
func (s *state) members(groups []Membership) ([]member, error) {
	all := map[hostapi.GroupID]member{}
	for _, m := range groups {
		g := s.group(m.Group)
		switch {
		case g == nil:
			return nil, invalid("group %q: there is no such group", m.Group)
		case !m.In && !m.Out:
			return nil, invalid("group %q: needs a direction, in or out or both", m.Group)
		}
		was := all[g.ID]
		all[g.ID] = member{Group: g.ID, In: m.In || was.In, Out: m.Out || was.Out}
	}
	return slices.SortedFunc(maps.Values(all), func(a, b member) int { return cmp.Compare(a.Group, b.Group) }), nil
}

// show gives the user as others see him.
func (s *state) show(a *account) User {
	u := a.User
	u.Roles = slices.Clone(u.Roles)
	u.Groups = s.memberships(a.members)
	u.HasPassword = a.hash != ""
	u.Expires = copyTime(u.Expires)
	return u
}

func (a *account) is(role string) bool { return slices.Contains(a.Roles, role) }

// anon is what a user without groups is a member of.
var anon = []member{{Group: hostapi.AnonGroup, In: true, Out: true}}

func (a *account) memberOf() []member {
	if len(a.members) == 0 {
		return anon
	}
	return a.members
}

// usable says why the user may not come in; empty: he may.
func (a *account) refused(now time.Time) (reason, detail string) {
	switch {
	case a.Disabled:
		return ReasonDisabled, "the user is disabled"
	case a.Expires != nil && !now.Before(*a.Expires):
		return ReasonExpired, "the user's account ended " + a.Expires.UTC().Format(time.RFC3339)
	}
	return "", ""
}

func (a *account) usable(now time.Time) bool {
	reason, _ := a.refused(now)
	return reason == ""
}

func copyTime(t *time.Time) *time.Time {
	if t == nil {
		return nil
	}
	c := t.UTC().Truncate(time.Microsecond)
	return &c
}
