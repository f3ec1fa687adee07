package identity

import (
	"crypto/x509"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/takhost/takhost/core/route"
	"github.com/takhost/takhost/core/store"
	"github.com/takhost/takhost/core/store/storetest"
	"github.com/takhost/takhost/hostapi"
)

// Random changes against a model that is told of them, with another start now
// and then: what the Service answers is what the model says, on both databases.
func TestAgainstModel(t *testing.T) {
	storetest.Each(t, func(t *testing.T, dsn string) {
		opt := store.Options{DSN: dsn}
		if dsn == storetest.SQLite {
			opt.Dir = t.TempDir()
		}
		st, err := store.Open(t.Context(), opt)
		must(t, err)
		defer func() { must(t, st.Close(t.Context())) }()
		ca := newAuthority(t)
		round := 0
		rapid.Check(t, func(rt *rapid.T) {
			round++
			m := newModel(t, st, ca, fmt.Sprintf("r%d", round))
			rt.Repeat(map[string]func(*rapid.T){
				"": m.check, "user": m.addUser, "set": m.setUser, "remove": m.removeUser, "group": m.addGroup, "rename": m.renameGroup,
				"drop": m.removeGroup, "channels": m.setChannels, "certificate": m.addCertificate, "revoke": m.revoke,
				"token": m.addToken, "enrol": m.enrol, "time": m.sweep, "restart": m.restart,
			})
		})
	})
}

// model knows what there should be. All its names begin with prefix, as rounds
// share one database.
type model struct {
	t      testing.TB
	s      *Service
	opt    Options
	sets   *route.Groups
	clock  *clock
	ca     *authority
	prefix string

	users  map[string]*modelUser
	groups map[string]hostapi.GroupID
	lastID hostapi.GroupID
	certs  map[string]*modelCert
	tokens map[string]string // user by secret
	codes  map[string]*modelCode
}

type modelUser struct {
	groups   map[hostapi.GroupID][2]bool // in, out
	readonly bool
	disabled bool
	inactive map[string]map[hostapi.GroupID]bool // by device
}

type modelCert struct {
	cert     *x509.Certificate
	user     string
	device   string
	revoked  bool
	replaced time.Time
}

type modelCode struct {
	user string
	left int
	used map[string]bool
}

func newModel(t testing.TB, st *store.Store, ca *authority, prefix string) *model {
	m := &model{
		t: t, clock: &clock{at: start}, ca: ca, prefix: prefix, users: map[string]*modelUser{}, groups: map[string]hostapi.GroupID{},
		certs: map[string]*modelCert{}, tokens: map[string]string{}, codes: map[string]*modelCode{},
	}
	m.opt = Options{Store: st, Now: m.clock.now}
	m.open()
	for _, g := range m.s.Groups() {
		m.lastID = max(m.lastID, g.ID)
	}
	return m
}

// open starts again: sets get their ids anew, which is as good as any.
func (m *model) open() {
	m.sets = route.NewGroups(nil, func(hostapi.SetID, []hostapi.GroupID) error { return nil })
	m.opt.Sets = m.sets
	s, err := Open(m.t.Context(), m.opt)
	must(m.t, err)
	m.s = s
}

func (m *model) restart(*rapid.T) { m.open() }

func pick[V any](t *rapid.T, of map[string]V) string {
	if len(of) == 0 {
		t.Skip("there is none")
	}
	return rapid.SampledFrom(slices.Sorted(maps.Keys(of))).Draw(t, "one")
}

func want(t *rapid.T, what string, err error, code store.Code) {
	if got := store.CodeOf(err); got != code || (err == nil) != (code == "") {
		t.Fatalf("%s: got %v of code %q, want %q", what, err, got, code)
	}
}

func (m *model) name(t *rapid.T, kind string) string {
	n := fmt.Sprint(m.prefix, kind, rapid.IntRange(0, 5).Draw(t, "number"))
	if rapid.Bool().Draw(t, "upper") {
		n = strings.ToUpper(n)
	}
	return n
}

func (m *model) membership(t *rapid.T) ([]Membership, map[hostapi.GroupID][2]bool) {
	var list []Membership
	ids := map[hostapi.GroupID][2]bool{}
	for _, name := range slices.Sorted(maps.Keys(m.groups)) {
		in, out := rapid.Bool().Draw(t, "in"), rapid.Bool().Draw(t, "out")
		if in || out {
			list = append(list, Membership{Group: name, In: in, Out: out})
			ids[m.groups[name]] = [2]bool{in, out}
		}
	}
	return list, ids
}

func (m *model) addUser(t *rapid.T) {
	name := m.name(t, "u")
	groups, ids := m.membership(t)
	readonly := rapid.Bool().Draw(t, "readonly")
	u := NewUser{User: User{Name: name, Groups: groups}}
	if readonly {
		u.Roles = []string{RoleReadonly}
	}
	_, err := m.s.AddUser(m.t.Context(), admin, u)
	if m.users[fold(name)] != nil {
		want(t, "AddUser", err, store.Conflict)
		return
	}
	want(t, "AddUser", err, "")
	m.users[fold(name)] = &modelUser{groups: ids, readonly: readonly, inactive: map[string]map[hostapi.GroupID]bool{}}
}

func (m *model) setUser(t *rapid.T) {
	name := pick(t, m.users)
	groups, ids := m.membership(t)
	disabled := rapid.Bool().Draw(t, "disabled")
	_, err := m.s.SetUser(m.t.Context(), admin, name, func(u *User) error { u.Groups, u.Disabled = groups, disabled; return nil })
	want(t, "SetUser", err, "")
	m.users[name].groups, m.users[name].disabled = ids, disabled
}

func (m *model) removeUser(t *rapid.T) {
	name := pick(t, m.users)
	want(t, "RemoveUser", m.s.RemoveUser(m.t.Context(), admin, name), "")
	delete(m.users, name)
	for _, c := range m.certs {
		if c.user == name {
			c.revoked = true
		}
	}
	maps.DeleteFunc(m.tokens, func(_, user string) bool { return user == name })
	maps.DeleteFunc(m.codes, func(_ string, c *modelCode) bool { return c.user == name })
}

func (m *model) addGroup(t *rapid.T) {
	name := m.name(t, "g")
	g, err := m.s.AddGroup(m.t.Context(), admin, name, "")
	if _, ok := m.groups[fold(name)]; ok {
		want(t, "AddGroup", err, store.Conflict)
		return
	}
	want(t, "AddGroup", err, "")
	if g.ID <= m.lastID {
		t.Fatalf("group %s has id %d after %d", name, g.ID, m.lastID)
	}
	m.lastID = g.ID
	m.groups[fold(name)] = g.ID
}

func (m *model) renameGroup(t *rapid.T) {
	name, to := pick(t, m.groups), m.name(t, "g")
	_, err := m.s.SetGroup(m.t.Context(), admin, name, func(g *Group) error { g.Name = to; return nil })
	if _, ok := m.groups[fold(to)]; ok && fold(to) != name {
		want(t, "SetGroup", err, store.Conflict)
		return
	}
	want(t, "SetGroup", err, "")
	id := m.groups[name]
	delete(m.groups, name)
	m.groups[fold(to)] = id
}

func (m *model) removeGroup(t *rapid.T) {
	name := pick(t, m.groups)
	id, only := m.groups[name], false
	for _, u := range m.users {
		if _, ok := u.groups[id]; ok && len(u.groups) == 1 {
			only = true
		}
	}
	err := m.s.RemoveGroup(m.t.Context(), admin, name)
	if only {
		want(t, "RemoveGroup", err, store.Conflict)
		return
	}
	want(t, "RemoveGroup", err, "")
	delete(m.groups, name)
	for _, u := range m.users {
		delete(u.groups, id)
		for _, off := range u.inactive {
			delete(off, id)
		}
	}
}

func (m *model) setChannels(t *rapid.T) {
	name := pick(t, m.users)
	device := fmt.Sprint("D", rapid.IntRange(0, 2).Draw(t, "device"))
	off := map[hostapi.GroupID]bool{}
	var names []string
	for _, g := range slices.Sorted(maps.Keys(m.groups)) {
		if rapid.Bool().Draw(t, "off") {
			names = append(names, g)
			if _, ok := m.users[name].groups[m.groups[g]]; ok {
				off[m.groups[g]] = true
			}
		}
	}
	want(t, "SetChannels", m.s.SetChannels(m.t.Context(), admin, name, device, names), "")
	m.users[name].inactive[device] = off
}

func (m *model) addCertificate(t *rapid.T) {
	name := pick(t, m.users)
	device := rapid.SampledFrom([]string{"", "D0", "D1"}).Draw(t, "device")
	cert := m.ca.issue(m.t, name, m.clock.now(), year, true)
	want(t, "AddCertificate", m.s.AddCertificate(m.t.Context(), admin, NewCertificate(cert, KindEnrolled, name, device)), "")
	m.certified(name, device, cert)
}

func (m *model) certified(name, device string, cert *x509.Certificate) {
	for _, c := range m.certs {
		if device != "" && c.user == name && c.device == device && !c.revoked && c.replaced.IsZero() {
			c.replaced = m.clock.now()
		}
	}
	m.certs[SerialText(cert.SerialNumber)] = &modelCert{cert: cert, user: name, device: device}
}

func (m *model) revoke(t *rapid.T) {
	serial := pick(t, m.certs)
	want(t, "RevokeCertificate", m.s.RevokeCertificate(m.t.Context(), admin, serial, "test"), "")
	m.certs[serial].revoked = true
}

func (m *model) addToken(t *rapid.T) {
	name := pick(t, m.users)
	_, secret, err := m.s.NewToken(m.t.Context(), admin, TokenSpec{User: name})
	want(t, "NewToken", err, "")
	m.tokens[secret] = name
}

func (m *model) enrol(t *rapid.T) {
	if len(m.codes) == 0 || rapid.IntRange(0, 3).Draw(t, "new") == 0 {
		name, uses := pick(t, m.users), rapid.IntRange(1, 2).Draw(t, "uses")
		_, code, err := m.s.NewEnrolment(m.t.Context(), admin, EnrolmentSpec{User: name, Uses: uses, Expires: start.AddDate(10, 0, 0)})
		want(t, "NewEnrolment", err, "")
		m.codes[code] = &modelCode{user: name, left: uses, used: map[string]bool{}}
		return
	}
	code := pick(t, m.codes)
	c := m.codes[code]
	device := fmt.Sprint("E", rapid.IntRange(0, 3).Draw(t, "device"), code)
	_, g, err := m.s.EnrolLogin(m.t.Context(), c.user, code, device, home)
	// Time stands still between a use and the look at it, or jumps by more than
	// those 15 minutes; revoked devices are left out here.
	may := c.left > 0 && !c.used[device] && !m.users[c.user].disabled
	if !may {
		if err == nil && !c.used[device] {
			t.Fatalf("code with %d uses left lets %s in", c.left, device)
		}
		return
	}
	want(t, "EnrolLogin", err, "")
	cert := m.ca.issue(m.t, g.User, m.clock.now(), year, true)
	want(t, "Enrol", m.s.Enrol(m.t.Context(), g, NewCertificate(cert, KindEnrolled, g.User, device)), "")
	m.certified(c.user, device, cert)
	c.left--
	c.used[device] = true
}

func (m *model) sweep(t *rapid.T) {
	m.clock.add(time.Duration(rapid.IntRange(1, 30).Draw(t, "hours")) * time.Hour)
	want(t, "Sweep", m.s.Sweep(m.t.Context()), "")
	for _, c := range m.certs {
		if !c.replaced.IsZero() && m.clock.now().Sub(c.replaced) > replacedFor && m.clock.now().Before(c.cert.NotAfter) {
			c.revoked = true
		}
	}
}

// sets gives the groups of a user that the model has.
func (u *modelUser) sets(device string) (in, out []hostapi.GroupID) {
	groups := u.groups
	if len(groups) == 0 {
		groups = map[hostapi.GroupID][2]bool{hostapi.AnonGroup: {true, true}}
	}
	for _, id := range slices.Sorted(maps.Keys(groups)) {
		if u.inactive[device][id] {
			continue
		}
		if groups[id][0] && !u.readonly {
			in = append(in, id)
		}
		if groups[id][1] {
			out = append(out, id)
		}
	}
	return in, out
}

func (m *model) check(t *rapid.T) {
	var names []string
	for _, u := range m.s.Users() {
		if strings.HasPrefix(fold(u.Name), m.prefix+"u") {
			names = append(names, fold(u.Name))
		}
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(m.users)), slices.Sorted(slices.Values(names))); diff != "" {
		t.Fatalf("users (-want +got):\n%s", diff)
	}
	for name, u := range m.users {
		for _, device := range []string{"D0", "D1", "D2", "none"} {
			in, out, err := m.s.SetsOf(name, device, true)
			if u.disabled {
				want(t, "SetsOf", err, store.Forbidden)
				continue
			}
			want(t, "SetsOf", err, "")
			wantIn, wantOut := u.sets(device)
			if diff := cmp.Diff([2][]hostapi.GroupID{wantIn, wantOut}, [2][]hostapi.GroupID{m.sets.Members(in), m.sets.Members(out)}); diff != "" {
				t.Fatalf("groups of %s on %s (-want +got):\n%s", name, device, diff)
			}
		}
	}
	for name, id := range m.groups {
		g, ok := m.s.Group(name)
		named, routed := m.sets.Named(g.Name)
		if !ok || g.ID != id || !routed || named != id {
			t.Fatalf("group %s: got %+v, the router has %d; want %d", name, g, named, id)
		}
	}
	for serial, c := range m.certs {
		u := m.users[c.user]
		caller, err := m.s.ByCertificate(c.cert)
		may := u != nil && !u.disabled && !c.revoked && m.clock.now().Before(c.cert.NotAfter)
		if (err == nil) != may {
			t.Fatalf("certificate %s of %s: got %v, want it to let in: %v", serial, c.user, err, may)
		}
		if may && (fold(caller.User) != c.user || caller.Client != c.device) {
			t.Fatalf("certificate %s lets in %+v", serial, caller)
		}
	}
	for secret, user := range m.tokens {
		caller, err := m.s.ByToken(m.t.Context(), secret, home)
		if (err == nil) == m.users[user].disabled || err == nil && fold(caller.User) != user {
			t.Fatalf("token of %s: got %+v, %v", user, caller, err)
		}
	}
}
