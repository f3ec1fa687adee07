package fts

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/takhost/takhost/core/identity"
	"github.com/takhost/takhost/core/web"
	"github.com/takhost/takhost/openapi"
)

const (
	tag = "FreeTAKServer"

	roleAdmin    = "admin"
	roleOperator = "operator"

	jsonType = "application/json"
	textType = "text/html; charset=utf-8" // what FreeTAKServer calls its texts
)

// registrar adds operations to one description.
type registrar struct {
	api huma.API
	d   Deps
}

// Request is what a handler gets. It is exported for huma.
type Request struct {
	r    *http.Request
	body []byte
}

// bodied is a request with a body. Bodies come with any content type, and with
// any method (spec/rest.md 1.1).
type bodied struct {
	Request
	RawBody []byte // of no type that huma would look into
}

// Resolve implements huma.Resolver.
func (q *Request) Resolve(ctx huma.Context) []error {
	q.r, _ = web.Unwrap(ctx)
	return nil
}

func (q *Request) query(name string) string { return q.r.URL.Query().Get(name) }

// decode reads the body. Keys match without regard to case, and those that are
// not known are passed over.
func (q *Request) decode(into any) error {
	err := json.Unmarshal(q.body, into)
	var wrong *json.UnmarshalTypeError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &wrong):
		// What it says of our types is for nobody else.
		return &badRequest{strings.TrimLeft(wrong.Field+" cannot be read: it is not of the kind that is expected", " .")}
	}
	return &badRequest{"the body cannot be read: " + err.Error()}
}

// Reply is an answer as it goes out. It is exported for huma.
type Reply struct {
	Status      int
	ContentType string `header:"Content-Type"`
	Retry       string `header:"Retry-After"`
	Body        []byte
}

func text(status int, s string) *Reply {
	return &Reply{Status: status, ContentType: textType, Body: []byte(s)}
}

// asJSON writes a value without escaping what HTML would need, as clients read
// it as JSON alone.
func asJSON(status int, v any) *Reply {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		panic(err) // the values are made of strings and numbers here
	}
	return &Reply{Status: status, ContentType: jsonType, Body: bytes.TrimSuffix(b.Bytes(), []byte("\n"))}
}

// message is the body of most answers. Errors say what FreeTAKServer does not.
type message struct {
	Message string   `json:"message"`
	Errors  []string `json:"errors,omitempty"`
}

// failed answers as FreeTAKServer does, which hardly says what was wrong, and
// adds it.
func (r registrar) failed(q *Request, text string, errs ...error) *Reply {
	m := message{Message: text}
	for _, err := range errs {
		m.Errors = append(m.Errors, r.reason(q, err))
	}
	return asJSON(http.StatusInternalServerError, m)
}

// op makes an operation. body describes what it takes, nil for nothing; kind is
// the content type of its answer.
func (r registrar) op(method, path, id, summary, about, kind string) huma.Operation {
	return openapi.Refuse(huma.Operation{
		OperationID: "fts-" + id, Method: method, Path: path, Summary: summary, Description: about, Tags: []string{tag},
		Responses: map[string]*huma.Response{"200": answers("Done", kind)},
	}, "fts")
}

func answers(text, kind string) *huma.Response {
	s := &huma.Schema{Type: "object", AdditionalProperties: true}
	if kind != jsonType {
		s = &huma.Schema{Type: "string"}
	}
	return &huma.Response{Description: text, Content: map[string]*huma.MediaType{kind: {Schema: s}}}
}

func admins(op huma.Operation) huma.Operation { return openapi.ForRoles(op, roleAdmin) }

func operators(op huma.Operation) huma.Operation {
	return openapi.ForRoles(op, roleAdmin, roleOperator)
}

// add registers an operation that takes no body.
func (r registrar) add(op huma.Operation, handle func(context.Context, *Request) *Reply) {
	huma.Register(r.api, op, func(ctx context.Context, in *Request) (*Reply, error) { return handle(ctx, in), nil })
}

// addBody registers an operation that takes a body.
func (r registrar) addBody(op huma.Operation, body *huma.Schema, handle func(context.Context, *Request) *Reply) {
	huma.Register(r.api, op, func(ctx context.Context, in *bodied) (*Reply, error) {
		in.body = in.RawBody
		return handle(ctx, &in.Request), nil
	})
	item := r.api.OpenAPI().Paths[op.Path]
	for _, registered := range []*huma.Operation{item.Get, item.Post, item.Put, item.Delete} {
		if registered != nil && registered.Method == op.Method {
			// Only now: huma would check the body by this, and refuse to go without.
			registered.RequestBody = &huma.RequestBody{
				Description: "JSON, whatever the content type; keys that are not known are passed over.",
				Content:     map[string]*huma.MediaType{jsonType: {Schema: body}},
			}
		}
	}
}

// param describes a parameter of the query.
func param(name, about string) *huma.Param {
	return &huma.Param{Name: name, In: "query", Description: about, Schema: &huma.Schema{Type: "string"}}
}

// object describes a JSON object of texts.
func object(names ...string) *huma.Schema {
	s := &huma.Schema{Type: "object", AdditionalProperties: true, Properties: map[string]*huma.Schema{}}
	for _, n := range names {
		s.Properties[n] = &huma.Schema{Type: "string"}
	}
	return s
}

// listed describes an object that holds a list of objects.
func listed(name string, example map[string]any, names ...string) *huma.Schema {
	return &huma.Schema{Type: "object", AdditionalProperties: true, Properties: map[string]*huma.Schema{
		name: {Type: "array", Items: object(names...)},
	}, Examples: []any{map[string]any{name: []any{example}}}}
}

// actor says for the audit who sends the request.
func actor(ctx context.Context) identity.Actor {
	return identity.Actor{User: web.CallerOf(ctx).User, Addr: web.AddrOf(ctx), Via: web.ListenerOf(ctx)}
}

// loose is a text that may come as a number, a truth value or null.
type loose string

// UnmarshalJSON implements json.Unmarshaler.
func (l *loose) UnmarshalJSON(b []byte) error {
	var s string
	switch {
	case len(b) > 0 && b[0] == '"':
		if err := json.Unmarshal(b, &s); err != nil {
			return err
		}
	case len(b) > 0 && strings.IndexByte("{[", b[0]) >= 0:
		return &badRequest{"a text was expected"}
	case string(b) != "null":
		s = string(b)
	}
	*l = loose(s)
	return nil
}
