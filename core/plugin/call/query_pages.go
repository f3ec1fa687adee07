package call

import (
	"context"
	"strconv"
	"strings"

	"github.com/takhost/takhost/core/store"
	"github.com/takhost/takhost/hostapi"
)

// pages reads on until the answer is full. Each page of the archive is taken
// whole, so its end is a place from which one can go on.
func (s *search) pages(ctx context.Context) (next string, err error) {
	q := s.q
	q.After = s.m.After
	latest := map[string]hostapi.ID{}
	for {
		q.Limit = s.limit - s.writer.Len()
		p, err := s.ask(ctx, q)
		if err != nil {
			return "", err
		}
		for i := range p.Events {
			e, err := eventOf(&p.Events[i])
			if err != nil {
				return "", err
			}
			if !s.matches(e) {
				continue
			}
			if s.m.Latest {
				if yes, err := s.isLatest(ctx, e, latest); err != nil {
					return "", err
				} else if !yes {
					continue
				}
			}
			s.add(e)
		}
		q.After = p.Next
		if p.Next == "" || s.full() || s.rounds >= maxRounds {
			return p.Next, nil
		}
	}
}

// isLatest says whether no newer event of the same uid is part of the answer.
// Who reads from the newest on has seen them; others look. latest has the ids
// of those that are known.
func (s *search) isLatest(ctx context.Context, e *hostapi.Event, latest map[string]hostapi.ID) (bool, error) {
	id, known := latest[e.UID]
	if !known {
		id = e.ID
		if s.m.After != "" || s.q.Ascending {
			newest, err := s.newest(ctx, e.UID)
			if err != nil {
				return false, err
			}
			if newest != nil {
				id = newest.ID
			}
		}
		latest[e.UID] = id
	}
	return id == e.ID, nil
}

// newest gives the latest event of a uid that is part of the answer.
func (s *search) newest(ctx context.Context, uid string) (*hostapi.Event, error) {
	q := s.q
	q.UID, q.Ascending, q.Limit = uid, false, 1
	for range maxRounds {
		p, err := s.c.p.env.Archive.Query(ctx, q)
		if err != nil {
			return nil, err
		}
		for i := range p.Events {
			e, err := eventOf(&p.Events[i])
			if err != nil {
				return nil, err
			}
			if s.matches(e) {
				return e, nil
			}
		}
		if q.After = p.Next; q.After == "" {
			break
		}
		q.Limit = 20
	}
	return nil, nil
}

// latestOf gives the latest event of each uid that was named.
func (s *search) latestOf(ctx context.Context) (next string, err error) {
	last, _, err := s.place(0)
	if err != nil {
		return "", err
	}
	var found []*hostapi.Event
	for _, uid := range s.m.UIDs {
		e, err := s.newest(ctx, uid)
		if err != nil {
			return "", err
		}
		if e != nil && (last == 0 || s.behind(last, e.ID)) {
			found = append(found, e)
		}
	}
	s.sort(found)
	for i, e := range found {
		if i > 0 && e.ID == found[i-1].ID {
			continue // a uid named twice
		}
		if s.full() {
			return formatPlace(last, nil), nil
		}
		s.add(e)
		last = e.ID
	}
	return "", nil
}

// lane is the search for one uid of several.
type lane struct {
	after string // where the page at hand begins
	next  string // where the following one does
	done  bool   // there is none
	page  []store.Stored
}

// laneDone stands in a place for a lane that has nothing more.
const laneDone = "-"

// merge reads the events of several uids in one order: a lane for each, and
// always the foremost of their events. Where it stops, it says by the last id
// and the pages of the lanes.
func (s *search) merge(ctx context.Context) (next string, err error) {
	last, places, err := s.place(len(s.m.UIDs))
	if err != nil {
		return "", err
	}
	lanes := make([]lane, len(s.m.UIDs))
	for i := range lanes {
		if places != nil {
			lanes[i].next, lanes[i].done = places[i], places[i] == laneDone
		}
		if err := s.fill(ctx, &lanes[i], s.m.UIDs[i], last); err != nil {
			return "", err
		}
	}
	for !s.full() && s.rounds < maxRounds+len(lanes) {
		var first *lane
		var uid string
		for i := range lanes {
			if l := &lanes[i]; len(l.page) > 0 && (first == nil || s.behind(l.page[0].ID, first.page[0].ID)) {
				first, uid = l, s.m.UIDs[i]
			}
		}
		if first == nil {
			return "", nil
		}
		if id := first.page[0].ID; id != last { // a uid may be named twice
			e, err := eventOf(&first.page[0])
			if err != nil {
				return "", err
			}
			if s.matches(e) {
				s.add(e)
			}
			last = id
		}
		first.page = first.page[1:]
		if err := s.fill(ctx, first, uid, last); err != nil {
			return "", err
		}
	}
	texts := make([]string, len(lanes))
	more := false
	for i, l := range lanes {
		texts[i] = l.after
		if len(l.page) == 0 {
			texts[i] = laneDone
		}
		more = more || len(l.page) > 0
	}
	if !more {
		return "", nil
	}
	return formatPlace(last, texts), nil
}

// fill reads pages of a lane until one has an event behind last.
func (s *search) fill(ctx context.Context, l *lane, uid string, last hostapi.ID) error {
	for len(l.page) == 0 && !l.done {
		q := s.q
		q.UID, q.After, q.Limit = uid, l.next, min(s.limit, 100)
		p, err := s.ask(ctx, q)
		if err != nil {
			return err
		}
		l.after, l.next, l.page = l.next, p.Next, p.Events
		l.done = p.Next == ""
		for len(l.page) > 0 && last != 0 && !s.behind(last, l.page[0].ID) {
			l.page = l.page[1:]
		}
	}
	return nil
}

// place reads what formatPlace wrote: the last id of the page before, and what
// there is for n lanes; nil on the first page.
func (s *search) place(n int) (last hostapi.ID, lanes []string, err error) {
	if s.m.After == "" {
		return 0, nil, nil
	}
	parts := strings.Split(s.m.After, ".")
	id, err := strconv.ParseInt(parts[0], 36, 64)
	if err != nil || id <= 0 || len(parts) != n+1 {
		return 0, nil, invalid(hostapi.HostQueryEvents, "after: is not what next of a page of this query gave")
	}
	return hostapi.ID(id), parts[1:], nil
}

func formatPlace(last hostapi.ID, lanes []string) string {
	return strings.Join(append([]string{strconv.FormatInt(int64(last), 36)}, lanes...), ".")
}
