package web

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/takhost/takhost/core/store"
	"github.com/takhost/takhost/hostapi/cot"
	"github.com/takhost/takhost/openapi"
)

// Paging is the part of a list's input that all lists share (DESIGN 2.10). It is
// exported for huma, which looks into exported structs alone.
type Paging struct {
	Limit int    `query:"limit" default:"100" minimum:"1" maximum:"1000" doc:"Entries of the page, at most"`
	After string `query:"after" doc:"What the page before gave as next"`
}

// operation makes an operation of the core for administrators.
func operation(method, path, id, tag, summary string, more huma.Operation) huma.Operation {
	op := more
	op.OperationID, op.Method, op.Path, op.Summary, op.Tags = id, method, path, summary, []string{tag}
	op.RejectUnknownQueryParameters = true
	return openapi.ForRoles(op, AdminRole)
}

// coreOperations declares what the server tells of itself, of clients and of
// events.
func coreOperations(api huma.API, core Core, live *Live) {
	tag := func(op huma.Operation, id, path, summary, tag string) huma.Operation {
		return operation(http.MethodGet, path, id, tag, summary, op)
	}
	huma.Register(api, tag(huma.Operation{
		Responses: errorsOf(api, http.StatusInternalServerError),
	}, "status", "/api/v1/status", "How the server is doing", "server"),
		func(ctx context.Context, _ *struct{}) (*struct{ Body Status }, error) {
			st, err := core.Status(ctx)
			if err != nil {
				return nil, problemOf(err)
			}
			return &struct{ Body Status }{st}, nil
		})

	huma.Register(api, tag(huma.Operation{
		Description: "All connections of CoT clients, by rising number, with what is known of each client.",
		Responses:   errorsOf(api, http.StatusBadRequest),
	}, "clients", "/api/v1/clients", "Who is connected", "clients"),
		func(ctx context.Context, in *struct{ Paging }) (*struct{ Body ClientPage }, error) {
			list, err := pageOfClients(core.Clients(ctx), in.Paging)
			if err != nil {
				return nil, err
			}
			return &struct{ Body ClientPage }{list}, nil
		})

	huma.Register(api, tag(huma.Operation{
		Description: "Newest first unless order says otherwise. An event is to be found at most 50 ms after it came. " +
			"A page may have fewer events than asked for, even none, and still a next, when the search through a large archive takes long.",
		Responses: errorsOf(api, http.StatusBadRequest, http.StatusNotFound, http.StatusServiceUnavailable),
	}, "events", "/api/v1/events", "Events of the archive", "events"),
		func(ctx context.Context, in *eventsInput) (*struct{ Body EventPage }, error) {
			list, err := queryEvents(ctx, core, in)
			if err != nil {
				return nil, problemOf(err)
			}
			return &struct{ Body EventPage }{list}, nil
		})

	huma.Register(api, tag(huma.Operation{
		Description: "Server-sent events. Each message is one event, its id the event's. A message of the type lagging tells in missed " +
			"how many events were left out because the client reads too slowly. A comment comes at least every 15 s. " + aboutSocket,
		Responses: withLive(api, errorsOf(api, http.StatusBadRequest)),
	}, "events-live", "/api/v1/events/live", "Events as they come", "events"),
		func(_ context.Context, in *liveInput) (*huma.StreamResponse, error) {
			return watchEvents(live, in)
		})

	huma.Register(api, tag(huma.Operation{
		Description: "After the answer 101 the connection carries CoT both ways, as a CoT listener does. " +
			"What is sent counts as other people's events: the connection becomes no client of its own.",
		Responses: map[string]*huma.Response{
			"101":     {Description: "The stream begins"},
			"default": openapi.ErrorOf(api, "Error"),
		},
		DefaultStatus: http.StatusSwitchingProtocols, // for the description alone
	}, "stream", "/api/v1/stream", "A CoT stream", "events"),
		func(_ context.Context, in *streamInput) (*huma.StreamResponse, error) {
			return openStream(core, in)
		})
}

// ClientPage is a page of the list of clients.
type ClientPage struct {
	Clients []Client `json:"clients" nullable:"false"`
	Next    string   `json:"next,omitempty" doc:"Give it as after for the next page; absent on the last one"`
}

// pageOfClients cuts a page out of all, which rise by connection.
func pageOfClients(all []Client, p Paging) (ClientPage, error) {
	var after uint64
	if p.After != "" {
		n, err := strconv.ParseUint(p.After, 36, 64)
		if err != nil {
			return ClientPage{}, invalidf("query.after: %q is not what a page gave as next", clip(p.After))
		}
		after = n
	}
	list := ClientPage{Clients: []Client{}}
	for _, c := range all {
		switch {
		case c.Conn <= after:
		case len(list.Clients) == p.Limit:
			list.Next = strconv.FormatUint(list.Clients[p.Limit-1].Conn, 36)
			return list, nil
		default:
			list.Clients = append(list.Clients, c)
		}
	}
	return list, nil
}

// EventPage is a page of archived events.
type EventPage struct {
	Events []Event `json:"events" nullable:"false"`
	Next   string  `json:"next,omitempty" doc:"Give it as after for the next page; absent on the last one"`
}

type eventsInput struct {
	UID   string   `query:"uid" doc:"Events of this uid"`
	Type  []string `query:"type,explode" doc:"CoT types, with * for any text, such as a-f-*; several widen the search"`
	From  string   `query:"from" doc:"Received at this time or later: RFC 3339, or how long ago, such as 15m, 2h or 7d"`
	To    string   `query:"to" doc:"Received before this time, in the same forms"`
	Box   string   `query:"box" doc:"south,west,north,east in degrees; west may be greater than east, across the 180th meridian"`
	Group string   `query:"group" doc:"Sent to this group"`
	Order string   `query:"order" enum:"desc,asc" default:"desc" doc:"desc: newest first"`
	Paging
}

func queryEvents(ctx context.Context, core Core, in *eventsInput) (EventPage, error) {
	q := store.Query{UID: in.UID, Types: in.Type, Limit: in.Limit, After: in.After, Ascending: in.Order == "asc"}
	now := time.Now()
	for _, t := range []struct {
		name, text string
		to         *time.Time
	}{{"from", in.From, &q.From}, {"to", in.To, &q.To}} {
		if t.text == "" {
			continue
		}
		at, err := ParseWhen(t.text, now)
		if err != nil {
			return EventPage{}, invalidf("query.%s: %s", t.name, err)
		}
		*t.to = at
	}
	if in.Box != "" {
		b, err := cot.ParseBox(in.Box)
		if err != nil {
			return EventPage{}, invalidf("query.box: %s", err)
		}
		q.Box = &b
	}
	if in.Group != "" {
		sets, err := core.Sets(ctx, in.Group)
		if err != nil {
			return EventPage{}, err
		}
		if len(sets) == 0 { // nothing was ever sent to it; to the store, no sets mean any
			return EventPage{Events: []Event{}}, nil
		}
		q.Sets = sets
	}
	found, err := core.Query(ctx, q)
	if err != nil {
		return EventPage{}, err
	}
	list := EventPage{Events: make([]Event, len(found.Events)), Next: found.Next}
	for i := range found.Events {
		list.Events[i] = storedEvent(&found.Events[i])
	}
	return list, nil
}

type liveInput struct {
	UID  string   `query:"uid" doc:"Events of this uid"`
	Type []string `query:"type,explode" doc:"CoT types, with * for any text, such as a-f-*; several let more through"`
	Box  string   `query:"box" doc:"south,west,north,east in degrees; events without a point are left out then"`
}

func watchEvents(live *Live, in *liveInput) (*huma.StreamResponse, error) {
	f, err := NewFilter(in.UID, in.Type, in.Box)
	if err != nil {
		return nil, invalidf("query.%s", err)
	}
	return &huma.StreamResponse{Body: func(ctx huma.Context) {
		r := live.watch(f)
		defer live.drop(r)
		serveStream(ctx, r)
	}}, nil
}
