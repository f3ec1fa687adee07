package tests

import (
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"time"
)

// What a caller learns by REST has to be what his groups let him see.

// reads is one request of somebody, and what its answer must tell.
type reads struct {
	path    string
	uids    map[string]bool // of clients; nil: not looked at
	markers map[string]bool // nil: not looked at
}

// visible gives the markers of those events that p may read in the archive.
func (w *world) visible(p *person, is func(*sent) bool) map[string]bool {
	found := map[string]bool{}
	for m, s := range w.sent {
		if is(s) && s.to.meets(p.out) {
			found[m] = true
		}
	}
	return found
}

// newest gives the newest position of by that p may see: the latest one goes by
// the sender's groups now, those of the archive by the groups when they came.
func (w *world) newest(p, by *person) string {
	best, order := "", -1
	for m, s := range w.sent {
		if s.by != by || s.kind != "sa" || s.order < order {
			continue
		}
		if s.to.meets(p.out) || by.client != nil && by.latest == m && by.in.meets(p.out) {
			best, order = m, s.order
		}
	}
	return best
}

// reading lists what p asks for.
func (w *world) reading(p *person, begun time.Time) (list []reads) {
	connected, known := map[string]bool{}, map[string]bool{}
	for _, o := range w.people {
		switch {
		case o.client != nil && o.latest != "" && (o == p || p.sees(o)):
			connected[o.uid], known[o.uid] = true, true
		case (o.client == nil || o.latest == "") && o.here && (o == p || o.left.meets(p.out)):
			known[o.uid] = true // who is back and says nothing yet is known by the last time
		}
	}
	stamp := func(at time.Time) string { return url.QueryEscape(at.UTC().Format("2006-01-02T15:04:05.000Z")) }
	list = []reads{
		{path: "/Marti/api/contacts/all", uids: connected},
		{path: "/Marti/api/contacts/all/full", uids: connected},
		{path: "/Marti/api/subscriptions/all", uids: connected},
		{path: "/Marti/api/clientEndPoints", uids: known},
		{
			path:    "/Marti/api/cot/sa?isFiltered=false&start=" + stamp(begun.Add(-time.Second)) + "&end=" + stamp(time.Now().Add(time.Minute)),
			markers: w.visible(p, func(s *sent) bool { return s.kind == "sa" }),
		},
		{path: "/ManageEmergency/getEmergency", markers: w.visible(p, func(s *sent) bool { return s.kind == "alarm" })},
		{path: "/api/v1/emergencies?limit=1000", markers: w.visible(p, func(s *sent) bool { return s.kind == "alarm" })},
		{path: "/Marti/api/users/all"}, {path: "/Marti/api/groups/all?useCache=true"}, {path: "/api/v1/chat?limit=1000"},
		{path: "/Marti/api/cot/matchUid?search=" + url.QueryEscape("UID-"+w.name)},
	}
	for _, o := range w.people {
		list = append(list, reads{path: "/Marti/api/cot/xml/" + o.uid + "/all", markers: w.visible(p, func(s *sent) bool { return s.kind == "sa" && s.by == o })})
		latest := map[string]bool{}
		if m := w.newest(p, o); m != "" {
			latest[m] = true
		}
		list = append(list, reads{path: "/Marti/api/cot/xml/" + o.uid, markers: latest})
	}
	return list
}

// checkREST looks at what everybody reads. The archive and plugins are some
// moments behind, so what is missing may come; what is too much never may.
func (w *world) checkREST(begun time.Time) error {
	w.t.Helper()
	for _, p := range w.people {
		for _, r := range w.reading(p, begun) {
			if err := w.checkRead(p, r); err != nil {
				return err
			}
		}
		if err := w.checkChat(p); err != nil {
			return err
		}
	}
	return nil
}

func (w *world) checkRead(p *person, r reads) error {
	w.t.Helper()
	var missing error
	eventuallyOr(w.t, func() bool {
		answer := p.api.get(r.path)
		if answer.status != 200 && answer.status != 404 {
			missing = fmt.Errorf("%s: %s: got %d %s", p.name, r.path, answer.status, answer.body)
			return true
		}
		if missing = w.leak(p, r.path, answer.body); missing != nil {
			return true
		}
		if r.uids != nil {
			missing = differ(p.name+" reads "+r.path, r.uids, w.uidsIn(answer.body))
		}
		if r.markers != nil && missing == nil {
			missing = differ(p.name+" reads "+r.path, r.markers, w.own(markersIn(answer.body)))
		}
		return missing == nil
	})
	return missing
}

// own leaves out markers of other worlds on the same server.
func (w *world) own(markers map[string]bool) map[string]bool {
	found := map[string]bool{}
	for m := range markers {
		if w.sent[m] != nil {
			found[m] = true
		}
	}
	return found
}

func (w *world) uidsIn(body string) map[string]bool {
	found := map[string]bool{}
	for _, o := range w.people {
		if strings.Contains(body, `"`+o.uid+`"`) {
			found[o.uid] = true
		}
	}
	return found
}

// leak finds a marker of an event that p may not see in what he reads.
func (w *world) leak(p *person, path, body string) error {
	for m := range markersIn(body) {
		s := w.sent[m]
		if s == nil || s.to.meets(p.out) || s.by == p {
			continue
		}
		if s.by.client != nil && s.by.latest == m && s.by.in.meets(p.out) {
			continue // the latest position goes by the groups that its sender has now
		}
		return fmt.Errorf("%s reads %s by %s in %s, which went to %v; he sees %v: %s", p.name, m, s.by.name, path, s.to, p.out, body)
	}
	return nil
}

// checkChat reads all conversations that p gets to see.
func (w *world) checkChat(p *person) error {
	w.t.Helper()
	want := w.visible(p, func(s *sent) bool { return s.kind == "chat" })
	var fault error
	eventuallyOr(w.t, func() bool {
		got := map[string]bool{}
		var page struct{ Conversations []conversation }
		p.api.get("/api/v1/chat?limit=1000").is(200).into(&page)
		for _, c := range page.Conversations {
			body := p.api.get("/api/v1/chat/" + url.PathEscape(c.ID) + "?limit=1000").is(200).body
			if fault = w.leak(p, "chat "+c.Name, body); fault != nil {
				return true
			}
			var all struct{ Messages []json.RawMessage }
			if err := json.Unmarshal([]byte(body), &all); err != nil {
				fault = err
				return true
			}
			for m := range w.own(markersIn(body)) {
				got[m] = true
			}
		}
		for m := range got {
			if s := w.sent[m]; s.by == p {
				want[m] = true // whether one reads what one has sent to others is not the point
			}
		}
		fault = differ(p.name+" reads chat", want, got)
		return fault == nil
	})
	return fault
}
