package web

import (
	"net/http"
	"reflect"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"

	"github.com/takhost/takhost/openapi"
)

// errorsOf describes the error answers of an operation.
func errorsOf(api huma.API, statuses ...int) map[string]*huma.Response {
	return openapi.ErrorsOf(api, statuses...)
}

// withLive describes the messages of live events, which huma cannot see.
func withLive(api huma.API, responses map[string]*huma.Response) map[string]*huma.Response {
	schema := api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[Event](), true, "Event")
	responses["200"] = &huma.Response{
		Description: "Server-sent events, each with an Event in its data",
		Content:     map[string]*huma.MediaType{"text/event-stream": {Schema: schema}},
	}
	return responses
}

// unwrap gives what net/http knows, for answers that are no single body.
func unwrap(ctx huma.Context) (*http.Request, http.ResponseWriter) { return humachi.Unwrap(ctx) }

// takesBody describes the body of an operation that reads it itself. It is to be
// called when the operation is registered: huma would read it otherwise.
func takesBody(api huma.API, op *huma.Operation, body *huma.RequestBody) {
	item := api.OpenAPI().Paths[op.Path]
	for _, registered := range []*huma.Operation{item.Get, item.Post, item.Put} {
		if registered != nil && registered.Method == op.Method {
			registered.RequestBody = body
		}
	}
}
