package openapi

import (
	"log/slog"
	"net/http"
	"reflect"

	"github.com/danielgtaylor/huma/v2"
)

// bearer is the name of the security scheme in the description.
const bearer = "token"

// newAPI makes a huma API that answers errors as Problem and adds nothing of its
// own to bodies and headers.
func newAPI(to huma.Adapter, version string, log *slog.Logger) huma.API {
	schemas := huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer)
	schemas.RegisterTypeAlias(reflect.TypeFor[huma.ErrorModel](), reflect.TypeFor[Problem]())
	api := huma.NewAPI(huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info: &huma.Info{
				Title: "takhost", Version: version,
				Description: "The REST interface of takhost, a server for TAK (Team Awareness Kit), with the routes of its plugins. " +
					"All but what is marked open asks for a token in the header Authorization: Bearer.",
			},
			Servers: []*huma.Server{{URL: "/", Description: "this server"}},
			Components: &huma.Components{
				Schemas: schemas,
				SecuritySchemes: map[string]*huma.SecurityScheme{
					bearer: {Type: "http", Scheme: "bearer", Description: "The token that the server made at its first start: see the file rest.token in its data folder."},
				},
			},
			Security: []map[string][]string{{bearer: {}}},
			Tags: []*huma.Tag{
				{Name: "server", Description: "The server itself."},
				{Name: "clients", Description: "Who is connected."},
				{Name: "events", Description: "CoT events: archived, as they come, and a stream of them both ways."},
				{Name: "live", Description: "What plugins tell whoever watches."},
				{Name: "plugins", Description: "Plugins: what they do, which there are, what they may."},
				{Name: "actions", Description: "Actions of plugins by name, as FreeTAKServer has them."},
			},
		},
		Formats:       map[string]huma.Format{"application/json": huma.DefaultJSONFormat, "json": huma.DefaultJSONFormat},
		DefaultFormat: "application/json",
		Transformers:  []huma.Transformer{ourProblems(log)},
	}, to)
	api.UseMiddleware(ourStatus)
	return api
}

// ourProblems turns huma's own errors into Problems, since the function that
// makes them is one for the whole process, and logs what was our fault.
func ourProblems(log *slog.Logger) huma.Transformer {
	return func(ctx huma.Context, _ string, v any) (any, error) {
		if m, ok := v.(*huma.ErrorModel); ok {
			v = problemOfHuma(m)
		}
		if p, ok := v.(*Problem); ok && p.Status == http.StatusInternalServerError {
			u := ctx.URL()
			log.Error("HTTP request failed", slog.String("method", ctx.Method()), slog.String("path", u.Path), slog.Any("err", p.Cause))
		}
		return v, nil
	}
}

// ourStatus answers with our statuses where huma has others.
func ourStatus(ctx huma.Context, next func(huma.Context)) { next(statusContext{ctx}) }

type humaContext = huma.Context

type statusContext struct{ humaContext }

func (c statusContext) SetStatus(status int) { c.humaContext.SetStatus(answered(status)) }

// Unwrap lets huma's adapter find its own context.
func (c statusContext) Unwrap() huma.Context { return c.humaContext }
