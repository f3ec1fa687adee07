package web

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/takhost/takhost/core/store"
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/cot"
)

func TestStatus(t *testing.T) {
	oldest := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	want := Status{
		Version: "v1.2.3", PID: 12, Node: 3, Started: oldest, Uptime: 61,
		Listeners:   []Listener{{Name: "tcp", Addr: "127.0.0.1:8087", State: "open"}},
		Connections: 2, Clients: 1, Events: EventCounts{1, 2, 3},
		Archive: ArchiveStatus{State: "ok", Events: 5, Bytes: 6, Oldest: &oldest, Queued: 7, Dropped: 8},
		Data:    "/var/lib/takhost", Database: "sqlite", Memory: Memory{9, 10},
	}
	s := newSite(t, &fakeCore{status: func() (Status, error) { return want, nil }}, 0)
	resp, body := s.get(t, "/api/v1/status")
	if resp.StatusCode != http.StatusOK || resp.Header.Get("Content-Type") != "application/json" || resp.Header.Get("Link") != "" {
		t.Errorf("got %s with %v", resp.Status, resp.Header)
	}
	if strings.Contains(body, "$schema") {
		t.Errorf("body has a $schema: %s", body)
	}
	var got Status
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("status (-want +got):\n%s", diff)
	}
}

func TestClients(t *testing.T) {
	var all []Client
	for i := range 250 {
		all = append(all, Client{Conn: uint64(2 * i), Addr: "x", Protocol: "xml"})
	}
	all = all[1:] // numbers begin with 2
	s := newSite(t, &fakeCore{clients: all}, 0)
	var got []Client
	var sizes []int
	after := ""
	for {
		_, body := s.get(t, "/api/v1/clients?limit=100&after="+after)
		var page ClientPage
		if err := json.Unmarshal([]byte(body), &page); err != nil {
			t.Fatal(err)
		}
		got = append(got, page.Clients...)
		sizes = append(sizes, len(page.Clients))
		if page.Next == "" {
			break
		}
		after = page.Next
	}
	if diff := cmp.Diff(all, got); diff != "" {
		t.Errorf("clients (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]int{100, 100, 49}, sizes); diff != "" {
		t.Errorf("pages (-want +got):\n%s", diff)
	}
	s.core.clients = nil
	if _, body := s.get(t, "/api/v1/clients"); strings.TrimSpace(body) != `{"clients":[]}` {
		t.Errorf("nobody there gives %s", body)
	}
}

func TestEventsQuery(t *testing.T) {
	day := time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name, query string
		want        store.Query
	}{
		{"defaults", "", store.Query{Limit: 100}},
		{"uid", "uid=A%20B", store.Query{UID: "A B", Limit: 100}},
		{"types", "type=a-f-*&type=b-t-f", store.Query{Types: []string{"a-f-*", "b-t-f"}, Limit: 100}},
		{"span", "from=2026-11-21T00:00:00Z&to=2026-11-21T01:00:00%2B01:00", store.Query{From: day, To: day, Limit: 100}},
		{"box", "box=-10,170,20.5,-170", store.Query{Box: &cot.Box{South: -10, West: 170, North: 20.5, East: -170}, Limit: 100}},
		{"group", "group=Blue", store.Query{Sets: []hostapi.SetID{2, 5}, Limit: 100}},
		{"page", "limit=1000&after=abc&order=asc", store.Query{Limit: 1000, After: "abc", Ascending: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var got store.Query
			s := newSite(t, &fakeCore{query: func(_ context.Context, q store.Query) (store.Page, error) {
				got = q
				return store.Page{}, nil
			}}, 0)
			resp, body := s.get(t, "/api/v1/events?"+c.query)
			if resp.StatusCode != http.StatusOK || strings.TrimSpace(body) != `{"events":[]}` {
				t.Errorf("got %s %s", resp.Status, body)
			}
			if diff := cmp.Diff(c.want, got, cmp.Comparer(time.Time.Equal)); diff != "" {
				t.Errorf("query (-want +got):\n%s", diff)
			}
		})
	}
}

func TestEventsAnswer(t *testing.T) {
	stored := store.Stored{
		ID: 1 << 60, Recv: 1_790_000_000_000_001, Origin: "client", Conn: 7, User: "eve", Client: "UID-A", Groups: 1,
		Type: "a-f-G", How: "m-g", UID: "U", Time: 1_790_000_000_000_000, HasPoint: true, Lat: 1.5, Lon: -2.5, Hae: 3, CE: 4, LE: 5,
		Callsign: "C", Team: "Cyan", Role: "HQ", XML: "<event/>",
	}
	pointless := store.Stored{ID: 2, Recv: 1, Origin: "plugin", Hops: 1, Via: "geo", Type: "t-x-d-d", UID: "V", XML: "<event>\"&</event>"}
	s := newSite(t, &fakeCore{query: func(context.Context, store.Query) (store.Page, error) {
		return store.Page{Events: []store.Stored{stored, pointless}, Next: "more"}, nil
	}}, 0)
	_, body := s.get(t, "/api/v1/events")
	want := `{"events":[` +
		`{"id":"1152921504606846976","recv":"2026-09-21T14:13:20.000001Z","origin":"client","conn":7,"user":"eve","client":"UID-A",` +
		`"type":"a-f-G","how":"m-g","uid":"U","time":"2026-09-21T14:13:20Z","lat":1.5,"lon":-2.5,"hae":3,"ce":4,"le":5,` +
		`"callsign":"C","team":"Cyan","role":"HQ","xml":"<event/>"},` +
		`{"id":"2","recv":"1970-01-01T00:00:00.000001Z","origin":"plugin","hops":1,"via":"geo","type":"t-x-d-d","how":"","uid":"V","xml":"<event>\"&</event>"}` +
		`],"next":"more"}`
	if diff := cmp.Diff(want, strings.TrimSpace(body)); diff != "" {
		t.Errorf("body (-want +got):\n%s", diff)
	}
}

func TestEmptyGroup(t *testing.T) {
	s := newSite(t, &fakeCore{query: func(context.Context, store.Query) (store.Page, error) {
		t.Error("the archive was asked: no sets would mean any")
		return store.Page{}, nil
	}}, 0)
	if resp, body := s.get(t, "/api/v1/events?group=Empty"); resp.StatusCode != 200 || strings.TrimSpace(body) != `{"events":[]}` {
		t.Errorf("got %s %s", resp.Status, body)
	}
}

func TestErrors(t *testing.T) {
	fail := func(err error) *fakeCore {
		return &fakeCore{
			status: func() (Status, error) { return Status{}, err },
			query:  func(context.Context, store.Query) (store.Page, error) { return store.Page{}, err },
		}
	}
	for _, c := range []struct {
		name, path string
		core       *fakeCore
		status     int
		code       string
		detail     string
	}{
		{"no such path", "/api/v2", nil, 404, "not_found", "there is no /api/v2"},
		{"limit is no number", "/api/v1/events?limit=abc", nil, 400, "invalid", "query.limit: invalid integer"},
		{"limit too high", "/api/v1/clients?limit=1001", nil, 400, "invalid", "query.limit: expected number <= 1000"},
		{"limit zero", "/api/v1/events?limit=0", nil, 400, "invalid", "query.limit: expected number >= 1"},
		{"unknown parameter", "/api/v1/events?typ=a", nil, 400, "invalid", "query.typ: unknown query parameter"},
		{"bad order", "/api/v1/events?order=up", nil, 400, "invalid", `query.order: expected value to be one of "desc, asc"`},
		{"bad from", "/api/v1/events?from=yesterday", nil, 400, "invalid", `query.from: "yesterday" is no time`},
		{"bad to", "/api/v1/events?to=-5m", nil, 400, "invalid", `query.to: "-5m" is no time`},
		{"bad box", "/api/v1/events?box=1,2,3", nil, 400, "invalid", `query.box: "1,2,3" is no box`},
		{"bad after", "/api/v1/clients?after=!", nil, 400, "invalid", `query.after: "!" is not what a page gave as next`},
		{"bad live type", "/api/v1/events/live?type=%3Cx", nil, 400, "invalid", `query.type: "<x" is no CoT type`},
		{"bad live box", "/api/v1/events/live?box=2,0,1,0", nil, 400, "invalid", "south is north of its north"},
		{"group", "/api/v1/events?group=Red", nil, 404, "not_found", `there is no group "Red"`},
		{"store says invalid", "/api/v1/events?after=x", fail(&store.Error{Code: store.Invalid, Msg: "no cursor"}), 400, "invalid", "no cursor"},
		{"store away", "/api/v1/events", fail(&store.Error{Code: store.Unavailable, Msg: "database away"}), 503, "unavailable", "database away"},
		{"too long", "/api/v1/events", fail(context.DeadlineExceeded), 503, "unavailable", "took too long"},
		{"internal", "/api/v1/status", fail(errors.New("secret cause")), 500, "internal", "the server failed at this; its log says why"},
	} {
		t.Run(c.name, func(t *testing.T) {
			core := c.core
			if core == nil {
				core = &fakeCore{}
			}
			s := newSite(t, core, 0)
			resp, body := s.get(t, c.path)
			var p Problem
			if err := json.Unmarshal([]byte(body), &p); err != nil {
				t.Fatalf("body %q: %v", body, err)
			}
			if resp.StatusCode != c.status || p.Status != c.status || p.Code != c.code || !strings.Contains(p.Detail, c.detail) || p.Title == "" {
				t.Errorf("got %s %s, want %d %s %q", resp.Status, body, c.status, c.code, c.detail)
			}
			if ct := resp.Header.Get("Content-Type"); ct != problemType {
				t.Errorf("got content type %q", ct)
			}
			if strings.Contains(body, "secret") {
				t.Errorf("the cause of an internal error came out: %s", body)
			}
			if c.status == 500 && !strings.Contains(s.log.String(), "secret cause") {
				t.Errorf("the cause of an internal error is not in the log:\n%s", s.log)
			}
		})
	}
}

func TestWrongMethod(t *testing.T) {
	s := newSite(t, &fakeCore{}, 0)
	resp, err := s.http.Post("http://takhost/api/v1/status", "text/plain", strings.NewReader("x"))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var p Problem
	if err := json.NewDecoder(resp.Body).Decode(&p); err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode != http.StatusMethodNotAllowed || p.Code != "method_not_allowed" {
		t.Errorf("got %s %+v", resp.Status, p)
	}
}

func TestPanicIsContained(t *testing.T) {
	s := newSite(t, &fakeCore{status: func() (Status, error) { panic("boom") }}, 0)
	if resp, err := s.http.Get("http://takhost/api/v1/status"); err == nil {
		resp.Body.Close()
		t.Errorf("got %s, want a cut connection", resp.Status)
	}
	s.log.await(t, "panic=boom")
	if _, body := s.get(t, "/api/v1/clients"); strings.TrimSpace(body) != `{"clients":[]}` {
		t.Errorf("after the panic: %s", body)
	}
}
