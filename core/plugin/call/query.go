package call

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/takhost/takhost/core/store"
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/cot"
	"github.com/takhost/takhost/hostapi/wire"
)

// Bounds of one events.query.
const (
	maxQueryUIDs = 100
	maxQueryIDs  = 100
	answerBytes  = 4 << 20 // of XML; a page ends there
	maxRounds    = 20      // queries of the archive; a page ends there, too
)

// queryScope is the grant of events.query, ready for use.
type queryScope struct {
	types cot.TypeSet
	rows  int64
}

// search is an events.query at work.
type search struct {
	c     *Call
	m     *wire.EventQuery
	scope *hostapi.Scope
	asked cot.TypeSet
	q     store.Query // what the archive itself can look for
	limit int
	eye   *eye // nil: not as caller

	writer hostapi.BatchWriter
	want   hostapi.DetailWant
	bytes  int
	rounds int
}

// queryEvents reads the archive: what is asked for, of what is granted.
func (c *Call) queryEvents(ctx context.Context, in, dst []byte) ([]byte, error) {
	const op = hostapi.HostQueryEvents
	var m wire.EventQuery
	if err := decode(op, in, &m); err != nil {
		return dst, err
	}
	if c.p.env.Archive == nil {
		return dst, &StatusError{Status: hostapi.Unsupported, Message: op.String() + ": this server has no archive"}
	}
	if len(m.IDs) > 0 {
		m = wire.EventQuery{IDs: m.IDs, AsCaller: m.AsCaller, OldestFirst: m.OldestFirst, Detail: m.Detail, XML: m.XML}
	}
	s := &search{c: c, m: &m, scope: c.p.grants[op], want: hostapi.WantDetail(m.Detail)}
	s.want.XML = m.XML
	empty, err := s.prepare()
	var next string
	switch {
	case err != nil || empty:
	case len(m.IDs) > 0:
		err = s.byID(ctx)
	case m.Latest && len(m.UIDs) > 0:
		next, err = s.latestOf(ctx)
	case len(m.UIDs) > 1:
		next, err = s.merge(ctx)
	default:
		next, err = s.pages(ctx)
	}
	if err != nil {
		return dst, err
	}
	page := wire.EventPage{Views: s.writer.Bytes(0, 0, 0), Next: next}
	return page.Append(dst), nil
}

// prepare narrows the question to the grant. empty says that the grant leaves
// nothing of it.
func (s *search) prepare() (empty bool, err error) {
	const op = hostapi.HostQueryEvents
	m := s.m
	s.limit = int(m.Limit)
	if m.Limit == 0 {
		s.limit = hostapi.DefaultPage
	}
	s.limit = min(s.limit, hostapi.MaxPage)
	if rows := s.c.p.query.rows; rows > 0 {
		s.limit = int(min(int64(s.limit), rows))
	}
	switch {
	case len(m.UIDs) > maxQueryUIDs:
		return false, beyond(op, "%d uids, at most %d are possible", len(m.UIDs), maxQueryUIDs)
	case len(m.IDs) > min(maxQueryIDs, s.limit):
		return false, beyond(op, "%d ids, at most %d are possible", len(m.IDs), min(maxQueryIDs, s.limit))
	}
	if err := s.types(); err != nil {
		return false, err
	}
	if err := s.sets(); err != nil {
		return false, err
	}
	s.q.Ascending, s.q.Box = m.OldestFirst, s.scope.Box
	if m.Box != nil {
		s.q.Box = &cot.Box{South: m.Box.South, West: m.Box.West, North: m.Box.North, East: m.Box.East}
	}
	if len(m.UIDs) == 1 {
		s.q.UID = m.UIDs[0]
	}
	if m.From != 0 {
		s.q.From = time.UnixMicro(m.From)
	}
	if m.To != 0 {
		s.q.To = time.UnixMicro(m.To)
	}
	if m.From != 0 && m.To != 0 && m.From >= m.To {
		return false, invalid(op, "from is not before to")
	}
	if s.scope.Span > 0 {
		if first := s.c.p.env.now().Add(-s.scope.Span); s.q.From.Before(first) {
			s.q.From = first
		}
		empty = !s.q.To.IsZero() && !s.q.From.Before(s.q.To)
	}
	return empty || s.q.Sets != nil && len(s.q.Sets) == 0, nil
}

// types finds patterns for the archive: those asked for, or those granted where
// these are narrower. Where neither is, what is found is looked at again.
func (s *search) types() error {
	const op = hostapi.HostQueryEvents
	if len(s.m.Types) == 0 {
		s.q.Types = s.scope.Types
		return nil
	}
	var err error
	if s.asked, err = cot.ParseTypeSet(s.m.Types); err != nil {
		return invalid(op, "types: %v", err)
	}
	for _, ask := range s.m.Types {
		if hostapi.MatchAny(s.scope.Types, ask) { // a * in ask is matched by a * alone
			s.q.Types = append(s.q.Types, ask)
			continue
		}
		if !strings.Contains(ask, "*") {
			return outside(op, "types", ask, strings.Join(s.scope.Types, ", "))
		}
		n := len(s.q.Types)
		for _, have := range s.scope.Types {
			if cot.MatchGlob(ask, have) {
				s.q.Types = append(s.q.Types, have)
			}
		}
		if len(s.q.Types) == n {
			s.q.Types = append(s.q.Types, ask)
		}
	}
	return nil
}

// sets finds the sets of groups whose events may be given.
func (s *search) sets() error {
	const op = hostapi.HostQueryEvents
	env := s.c.p.env
	groups, bound := env.granted(s.scope.Groups)
	if len(s.m.Groups) > 0 {
		asked, err := s.c.named(op, s.m.Groups, s.scope.Groups)
		if err != nil {
			return err
		}
		groups, bound = asked, true
	}
	if bound {
		s.q.Sets = env.setsWith(groups)
	}
	if !s.m.AsCaller {
		return nil
	}
	caller, err := s.c.caller(op)
	if err != nil {
		return err
	}
	out := hostapi.SetID(caller.OutSet)
	seen := env.setsWith(env.Groups.Members(out))
	if bound {
		seen = slices.DeleteFunc(seen, func(set hostapi.SetID) bool { return !slices.Contains(s.q.Sets, set) })
	}
	s.q.Sets = seen
	s.eye = &eye{env: env, caller: caller}
	return nil
}

// granted says whether the grant covers an event, which the archive's own search
// may not have asked for, and whether the caller may see it.
func (s *search) granted(e *hostapi.Event) bool {
	switch {
	case !s.c.p.query.types.Match(e.Type),
		!s.scope.Missions && toMission(e),
		s.scope.Box != nil && !(e.Flags.Has(cot.HasPoint) && s.scope.Box.Holds(e.Lat, e.Lon)),
		s.eye != nil && !s.eye.sees(e):
		return false
	}
	return true
}

// matches says whether a stored event is part of the answer.
func (s *search) matches(e *hostapi.Event) bool {
	return s.granted(e) && (s.asked.Empty() || s.asked.Match(e.Type))
}

func (s *search) add(e *hostapi.Event) {
	s.writer.Add(e, s.want, 0)
	s.bytes += len(e.XML)
}

// full says whether the page ends here.
func (s *search) full() bool { return s.writer.Len() >= s.limit || s.bytes >= answerBytes }

// ask reads one page of the archive, cut to what the answer may still take.
func (s *search) ask(ctx context.Context, q store.Query) (store.Page, error) {
	s.rounds++
	p, err := s.c.p.env.Archive.Query(ctx, q)
	if err != nil {
		return p, err
	}
	size := 0
	for i := range p.Events {
		if size += len(p.Events[i].XML); i > 0 && size > answerBytes-s.bytes {
			// Again with fewer: only the archive can say where that page ends.
			s.rounds++
			q.Limit = i
			return s.c.p.env.Archive.Query(ctx, q)
		}
	}
	return p, nil
}

// byID gives events by their ids. Of the rest of the question nothing counts.
func (s *search) byID(ctx context.Context) error {
	var found []*hostapi.Event
	size := 0
	for _, id := range s.m.IDs {
		e, err := s.c.event(ctx, hostapi.HostQueryEvents, hostapi.ID(id))
		if StatusIs(err, hostapi.NotFound) {
			continue
		}
		if err != nil {
			return err
		}
		if !s.inSets(e) || !s.inSpan(e) || !s.granted(e) {
			continue
		}
		if size += len(e.XML); size > 4*answerBytes {
			return beyond(hostapi.HostQueryEvents, "the events have more than %d bytes together: ask for fewer", 4*answerBytes)
		}
		found = append(found, e)
	}
	s.sort(found)
	for _, e := range slices.CompactFunc(found, func(a, b *hostapi.Event) bool { return a.ID == b.ID }) {
		s.add(e)
	}
	return nil
}

func (s *search) inSets(e *hostapi.Event) bool {
	return s.q.Sets == nil || slices.Contains(s.q.Sets, e.Groups)
}

func (s *search) inSpan(e *hostapi.Event) bool {
	return s.scope.Span == 0 || e.Recv >= s.c.p.env.now().Add(-s.scope.Span).UnixMicro()
}

func (s *search) sort(list []*hostapi.Event) {
	slices.SortFunc(list, func(a, b *hostapi.Event) int {
		if s.behind(a.ID, b.ID) {
			return -1
		}
		if a.ID == b.ID {
			return 0
		}
		return 1
	})
}

// behind says whether b comes after a in the order that was asked for.
func (s *search) behind(a, b hostapi.ID) bool { return a != b && (a < b) == s.q.Ascending }
