package marti

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/takhost/takhost/core/store"
	"github.com/takhost/takhost/hostapi/cot"
)

const (
	tagEvents = "events"

	// searchTime bounds the search for the latest events in a large archive of
	// which the caller may see little.
	searchTime = 20 * time.Second

	maxUIDs     = 1000           // of one request
	maxInterval = 24 * time.Hour // of cot/sa (8)
	maxMatches  = 5              // of matchUid (8)
)

type historyInput struct {
	UID    string `path:"uid"`
	SecAgo string `query:"secago" doc:"Received within so many seconds"`
	Start  string `query:"start" doc:"Received at this time or later"`
	End    string `query:"end" doc:"Received before this time"`
}

type eventInput struct {
	UID   string `path:"uid"`
	Event string `query:"event" doc:"Id of the event that is meant, which need not be the latest; from the notice that told of it"`
	Key   string `query:"key" doc:"From the same notice, if it has one"`
}

type saInput struct {
	Start    string `query:"start" doc:"Received at this time or later; needed"`
	End      string `query:"end" doc:"Received before this time, at most a day after start; needed"`
	Left     string `query:"left" doc:"West edge in degrees; all four edges or none"`
	Bottom   string `query:"bottom" doc:"South edge in degrees"`
	Right    string `query:"right" doc:"East edge in degrees"`
	Top      string `query:"top" doc:"North edge in degrees"`
	Filtered string `query:"isFiltered" doc:"true, the default: the latest position of each uid; false: all of them"`
}

type matchInput struct {
	Search string `query:"search" doc:"A part of the uid or of the callsign"`
}

func (a *api) cotOperations() {
	xml := func(o op) op {
		o.tag, o.on = tagEvents, onAll
		o.answers = with(okAs(xmlType, "As XML"), "404", "There is none; without a body")
		return o
	}
	add(a, xml(op{
		method: http.MethodGet, path: "/Marti/api/cot/xml/{uid}", id: "cot", summary: "The latest event of a uid",
		doc: "Of those that reached the caller's groups. One event, with an XML declaration. " +
			"Clients of the TAK protocol fetch events here that are too long for a frame.",
	}), oneEvent)
	add(a, xml(op{
		method: http.MethodGet, path: "/Marti/api/cot/xml/{uid}/all", id: "cot-all", summary: "All events of a uid",
		doc: "Of those that reached the caller's groups, oldest first, in an element events.",
	}), history)
	add(a, xml(op{
		method: http.MethodGet, path: "/Marti/api/cot/sa", id: "cot-sa", summary: "Positions of a time span",
		doc: "Of those that reached the caller's groups, newest first, in an element events.",
	}), positions)

	uids := &huma.Schema{Type: "array", Items: &huma.Schema{Type: "string"}}
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		o := xml(op{
			method: method, path: "/Marti/api/cot", id: "cot-list-" + strings.ToLower(method), summary: "The latest events of several uids",
			doc: "The body is a JSON list of at most 1,000 uids. Uids without an event are left out.", body: jsonBody("The uids", uids),
		})
		delete(o.answers, "404")
		o.access = reading
		add(a, o, eventsOf)
	}
	add(a, op{
		method: http.MethodGet, path: "/Marti/api/cot/matchUid", id: "cot-match", tag: tagEvents, on: onAll,
		summary: "Uids that match a text", doc: "Clients that the caller may know of, and whatever has exactly that uid; at most five.",
		answers: with(ok[[]string](a, "The uids"), "404", "There is none; without a body"),
	}, matchUID)
}

func xmlReply(body []byte) *reply { return &reply{contentType: xmlType, body: body} }

func oneEvent(c *call, in *eventInput) (*reply, error) {
	if in.Event != "" {
		return exactEvent(c, in)
	}
	xml, err := c.latest(c, in.UID)
	if err != nil {
		return nil, err
	}
	if xml == "" {
		return empty(http.StatusNotFound), nil // a body would be taken for the event
	}
	return xmlReply([]byte(xmlHeader + xml)), nil
}

// latest gives the newest event of a uid that reached the caller, "" when there
// is none.
func (c *call) latest(ctx context.Context, uid string) (string, error) {
	xml, at := "", int64(0)
	for _, e := range c.Core.Latest(uid) {
		if c.sees(e.Groups) && e.Recv > at {
			xml, at = e.XML, e.Recv
		}
	}
	ctx, cancel := context.WithTimeout(ctx, searchTime)
	defer cancel()
	q := store.Query{UID: uid, Sets: c.setsSeen(), Limit: 1}
	for {
		p, err := c.Core.Query(ctx, q)
		if err != nil {
			return "", archiveFault(err)
		}
		if len(p.Events) > 0 {
			if e := &p.Events[0]; int64(e.Recv) >= at {
				xml = e.XML
			}
			break
		}
		if q.After = p.Next; p.Next == "" {
			break
		}
	}
	return withoutMarti(xml), nil
}

// archiveFault: what the archive cannot look for is not there. A uid of ten
// thousand bytes is nobody's.
func archiveFault(err error) error {
	if store.CodeOf(err) == store.Invalid {
		return invalidf("Invalid Request: %s", err)
	}
	return err
}

func eventsOf(c *call, _ *none) (*reply, error) {
	var uids []string
	if err := c.readJSON(&uids); err != nil {
		return nil, err
	}
	if len(uids) == 0 || len(uids) > maxUIDs {
		return nil, invalidf("Invalid Request: the body is a list of 1 to %d uids", maxUIDs)
	}
	ctx, cancel := context.WithTimeout(c, searchTime)
	defer cancel()
	// One after the other: the answer is as large as the events are.
	var buf bytes.Buffer
	buf.WriteString(xmlHeader + "<events>")
	done := map[string]bool{}
	for _, uid := range uids {
		if done[uid] {
			continue
		}
		done[uid] = true
		xml, err := c.latest(ctx, uid)
		if err != nil {
			return nil, err
		}
		if xml != "" {
			buf.WriteString(xml + "\n")
		}
		if buf.Len() > maxAnswer {
			return nil, faultf(http.StatusRequestEntityTooLarge, "these events are more than %d MiB: ask for fewer", maxAnswer>>20)
		}
	}
	buf.WriteString("</events>")
	return xmlReply(buf.Bytes()), nil
}

// maxAnswer bounds answers that are made whole.
const maxAnswer = 64 << 20

func history(c *call, in *historyInput) (*reply, error) {
	s, err := c.spanOf(in.SecAgo, in.Start, in.End)
	if err != nil {
		return nil, err
	}
	if in.UID == "" {
		return empty(http.StatusNotFound), nil
	}
	return c.events(store.Query{UID: in.UID, From: s.from, To: s.to, Ascending: true}, nil)
}

func positions(c *call, in *saInput) (*reply, error) {
	if in.Start == "" || in.End == "" {
		return nil, invalidf("Invalid Request: start and end are needed")
	}
	s, err := c.spanOf("", in.Start, in.End)
	if err != nil {
		return nil, err
	}
	if s.to.Sub(s.from) > maxInterval {
		return nil, invalidf("Invalid Request: start and end are more than 24 hours apart")
	}
	q := store.Query{Types: []string{"a-*"}, From: s.from, To: s.to}
	if q.Box, err = boxOf(in); err != nil {
		return nil, err
	}
	if !flag(in.Filtered) {
		return c.events(q, nil)
	}
	seen := map[string]bool{}
	return c.events(q, func(e *store.Stored) bool {
		first := !seen[e.UID]
		seen[e.UID] = true
		return first
	})
}

func boxOf(in *saInput) (*cot.Box, error) {
	var b cot.Box
	given := 0
	for _, e := range []struct {
		text string
		to   *float64
	}{{in.Left, &b.West}, {in.Bottom, &b.South}, {in.Right, &b.East}, {in.Top, &b.North}} {
		if e.text == "" {
			continue
		}
		v, err := strconv.ParseFloat(e.text, 64)
		if err != nil {
			return nil, invalidf("Invalid Request: %q is not a number of degrees", e.text)
		}
		*e.to = v
		given++
	}
	switch {
	case given == 0:
		return nil, nil
	case given < 4:
		return nil, invalidf("Invalid Request: a box has left, bottom, right and top")
	case !b.Valid():
		return nil, invalidf("Invalid Request: the box has bottom <= top within -90 to 90, left and right within -180 to 180")
	}
	return &b, nil
}

// events answers with those that keep lets through, a page of the archive at a
// time; with 404 and no body when there are none. A nil keep takes all.
func (c *call) events(q store.Query, keep func(*store.Stored) bool) (*reply, error) {
	q.Sets, q.Limit = c.setsSeen(), 500
	next := func() (found []byte, more bool, err error) {
		p, err := c.Core.Query(c, q)
		if err != nil {
			return nil, false, archiveFault(err)
		}
		for i := range p.Events {
			if e := &p.Events[i]; keep == nil || keep(e) {
				found = append(append(found, withoutMarti(e.XML)...), '\n')
			}
		}
		q.After = p.Next
		return found, p.Next != "", nil
	}
	// The status has to be known before the first byte goes out.
	found, more, err := next()
	for err == nil && more && len(found) == 0 {
		found, more, err = next()
	}
	if err != nil {
		return nil, err
	}
	if len(found) == 0 {
		return empty(http.StatusNotFound), nil
	}
	rep := xmlReply(append([]byte(xmlHeader+"<events>"), found...))
	rep.stream = func(w io.Writer) error {
		for more {
			if found, more, err = next(); err != nil {
				return err
			}
			if _, err := w.Write(found); err != nil {
				return err
			}
		}
		_, err := io.WriteString(w, "</events>")
		return err
	}
	return rep, nil
}

// withoutMarti takes out who an event was sent to.
func withoutMarti(xml string) string {
	var h cot.Header
	if !strings.Contains(xml, "<marti") || cot.Scan(xml, &h) != nil {
		return xml
	}
	return strings.Join(cot.WithoutMarti(xml, &h), "")
}

func matchUID(c *call, in *matchInput) (*reply, error) {
	search := strings.TrimSpace(in.Search)
	if search == "" {
		return empty(http.StatusNotFound), nil
	}
	uids := []string{}
	take := func(uid string) {
		for _, u := range uids {
			if u == uid {
				return
			}
		}
		if len(uids) < maxMatches {
			uids = append(uids, uid)
		}
	}
	if xml, err := c.latest(c, search); err == nil && xml != "" {
		take(search)
	} else if err != nil && store.CodeOf(err) == store.Unavailable {
		return nil, err
	}
	part := strings.ToLower(search)
	for _, e := range c.endpoints(false) {
		if strings.Contains(strings.ToLower(e.UID), part) || strings.Contains(strings.ToLower(e.Callsign), part) {
			take(e.UID)
		}
	}
	if len(uids) == 0 {
		return empty(http.StatusNotFound), nil
	}
	return bare(uids)
}
