package run

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/cot"
	"github.com/takhost/takhost/hostapi/manifest"
)

// selection says which events a subscription, a filter or a grant means.
type selection struct {
	types    typeSet
	box      *cot.Box
	groups   *groupSets // nil: all
	missions []string   // patterns
}

func newSelection(types, groups, missions []string, box *cot.Box, names func(hostapi.SetID) []string) (selection, error) {
	set, err := newTypeSet(types)
	s := selection{types: set, box: box, missions: missions}
	if len(groups) > 0 {
		s.groups = &groupSets{patterns: groups, names: names}
	}
	return s, err
}

// typeSet is a cot.TypeSet in a form that refuses quickly: it is asked for each
// event on the goroutine of the sender's connection.
type typeSet struct {
	all   bool
	globs []typeGlob
}

type typeGlob struct {
	prefix string
	open   bool // any text may follow the prefix
	exact  bool // none may
	glob   cot.TypeGlob
}

func newTypeSet(patterns []string) (typeSet, error) {
	set, err := cot.ParseTypeSet(patterns)
	if err != nil {
		return typeSet{}, err
	}
	t := typeSet{all: set.All()}
	for _, g := range set.Globs() {
		p := g.Prefix()
		t.globs = append(t.globs, typeGlob{prefix: p, open: g.String() == p+"*", exact: g.Exact(), glob: g})
	}
	return t, nil
}

func (t *typeSet) match(typ string) bool {
	if t.all {
		return true
	}
	for i := range t.globs {
		g := &t.globs[i]
		if strings.HasPrefix(typ, g.prefix) && (g.open || g.exact && len(typ) == len(g.prefix) || !g.exact && g.glob.Match(typ)) {
			return true
		}
	}
	return false
}

// match says whether e is meant. mission says that e is sent to a mission.
func (s *selection) match(e *hostapi.Event, mission bool) bool {
	if !s.types.match(e.Type) {
		return false
	}
	if s.box != nil && !(e.Flags.Has(cot.HasPoint) && s.box.Holds(e.Lat, e.Lon)) {
		return false
	}
	if mission && !s.matchMission(e) {
		return false
	}
	return s.groups == nil || s.groups.match(e.Groups)
}

func (s *selection) matchMission(e *hostapi.Event) bool {
	if len(s.missions) == 0 {
		return false
	}
	for i := range e.NumDests() {
		if d := e.Dest(i); isMission(d.Kind) && hostapi.MatchAny(s.missions, d.Value) {
			return true
		}
	}
	return false
}

func isMission(k cot.DestKind) bool { return k == cot.DestMission || k == cot.DestMissionGUID }

func toMission(e *hostapi.Event) bool {
	for i := range e.NumDests() {
		if isMission(e.Dest(i).Kind) {
			return true
		}
	}
	return false
}

// groupSets says which sets have a group whose name fits a pattern, and keeps
// the answers: there are few sets, and a set never changes.
type groupSets struct {
	patterns []string
	names    func(hostapi.SetID) []string
	known    sync.Map // SetID → bool
}

// forget makes it look at the names again.
func (g *groupSets) forget() {
	if g != nil {
		g.known.Clear()
	}
}

func (g *groupSets) match(set hostapi.SetID) bool {
	if v, ok := g.known.Load(set); ok {
		return v.(bool)
	}
	ok := false
	for _, name := range g.names(set) {
		ok = ok || hostapi.MatchAny(g.patterns, name)
	}
	g.known.Store(set, ok)
	return ok
}

// subscriptions are those of one version, bounded by its grant.
type subscriptions struct {
	grant   selection
	list    []subscription
	live    uint32 // bits of those fed from memory
	durable uint32 // bits of those fed from the archive
	latest  uint32
	limit   *rate.Limiter // of the grant's rate; nil: no bound
}

// allowed gives how many of n events the rate still lets through.
func (s *subscriptions) allowed(n int) int {
	now := time.Now()
	if s.limit.AllowN(now, n) {
		return n
	}
	ok := 0
	for ok < n && s.limit.AllowN(now, 1) {
		ok++
	}
	return ok
}

func (s *subscriptions) forget() {
	s.grant.groups.forget()
	for i := range s.list {
		s.list[i].groups.forget()
	}
}

type subscription struct {
	selection
	own  bool
	want hostapi.DetailWant
}

func newSubscriptions(m *manifest.Manifest, grants hostapi.Grants, names func(hostapi.SetID) []string) (*subscriptions, error) {
	s := &subscriptions{}
	if len(m.Subscriptions) == 0 {
		return s, nil
	}
	if n := len(m.Subscriptions); n > 32 {
		return nil, fmt.Errorf("are %d: a view has room for 32", n)
	}
	g, granted := grants[hostapi.CapEventsRead]
	if !granted {
		return nil, fmt.Errorf("need the capability %s", hostapi.CapEventsRead)
	}
	var err error
	if s.grant, err = grantSelection(g, names); err != nil {
		return nil, err
	}
	if g.Rate > 0 {
		s.limit = rate.NewLimiter(rate.Limit(g.Rate), int(min(g.Rate, 1<<30)))
	}
	for i, sub := range m.Subscriptions {
		sel, err := newSelection(sub.Types, sub.Groups, sub.Missions, (*cot.Box)(sub.Box), names)
		if err != nil {
			return nil, err
		}
		want := hostapi.WantDetail(sub.Detail)
		want.XML = sub.XML
		s.list = append(s.list, subscription{selection: sel, own: sub.Own, want: want})
		bit := uint32(1) << i
		if sub.Durable {
			s.durable |= bit
		} else {
			s.live |= bit
		}
		if sub.Latest {
			s.latest |= bit
		}
	}
	return s, nil
}

// grantSelection is what a grant of events.read or events.filter allows.
func grantSelection(g hostapi.Scope, names func(hostapi.SetID) []string) (selection, error) {
	var missions []string
	if g.Missions {
		missions = []string{"*"}
	}
	return newSelection(g.Types, g.Groups, missions, g.Box, names)
}

// match gives the subscriptions among those asked for that choose e.
func (s *subscriptions) match(e *hostapi.Event, plugin string, among uint32) (bits uint32) {
	if among == 0 {
		return 0
	}
	own := e.Origin == hostapi.FromPlugin && e.Via == plugin
	mission := e.NumDests() > 0 && toMission(e)
	for i := range s.list {
		sub := &s.list[i]
		if among>>i&1 != 0 && (!own || sub.own) && sub.match(e, mission) {
			bits |= 1 << i
		}
	}
	if bits != 0 && !s.grant.match(e, mission) {
		return 0
	}
	return bits
}

// want gives what a view must hold to serve these subscriptions.
func (s *subscriptions) want(bits uint32) (w hostapi.DetailWant) {
	first := true
	for i := range s.list {
		if bits>>i&1 == 0 {
			continue
		}
		if first {
			w, first = s.list[i].want, false
		} else {
			w = w.Union(s.list[i].want)
		}
	}
	return w
}
