package web

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/takhost/takhost/openapi"
)

// maxStreams is how many streams one reader may ask for.
const maxStreams = 64

// liveOperation declares the live updates of plugins. Any caller may watch; what
// comes is what the caller may see.
func liveOperation(api huma.API, updates *Updates) {
	op := operation(http.MethodGet, "/api/v1/live", "live", "live", "Updates of plugins as they come", huma.Operation{
		Description: "Server-sent events, whose data is the plugin's JSON and whose event type is the name that the plugin gave the update. " +
			"Where a newer update of the same thing makes an older one needless that was not sent yet, only the newer one comes. " +
			"A message of the type lagging tells in missed how many were left out because the client reads too slowly. " +
			"A comment comes at least every 15 s. " + aboutSocket + " There the name of the stream is in stream.",
		Responses: errorsOf(api, http.StatusBadRequest, http.StatusServiceUnavailable),
	})
	op = openapi.Anyone(op)
	op.Responses["200"] = &huma.Response{
		Description: "Server-sent events",
		Content:     map[string]*huma.MediaType{"text/event-stream": {Schema: &huma.Schema{Type: "string"}}},
	}
	huma.Register(api, op, func(ctx context.Context, in *struct {
		Stream []string `query:"stream,explode" doc:"Names of streams, with * for any text; none: all"`
	}) (*huma.StreamResponse, error) {
		if updates == nil {
			return nil, newProblem(http.StatusServiceUnavailable, "this server runs without plugins")
		}
		if len(in.Stream) > maxStreams {
			return nil, invalidf("query.stream: %d are too many: at most %d", len(in.Stream), maxStreams)
		}
		caller := CallerOf(ctx)
		return &huma.StreamResponse{Body: func(ctx huma.Context) {
			r := updates.watch(caller, in.Stream)
			defer updates.drop(r)
			serveStream(ctx, r)
		}}, nil
	})
}
