package web

import (
	"net/http"
	"reflect"
	"strconv"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"
)

// errorsOf describes the error answers of an operation.
func errorsOf(api huma.API, statuses ...int) map[string]*huma.Response {
	responses := map[string]*huma.Response{}
	for _, s := range statuses {
		responses[strconv.Itoa(s)] = problemResponse(api, http.StatusText(s))
	}
	return responses
}

func problemResponse(api huma.API, text string) *huma.Response {
	schema := api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[Problem](), true, "Problem")
	return &huma.Response{Description: text, Content: map[string]*huma.MediaType{problemType: {Schema: schema}}}
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
