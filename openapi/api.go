package openapi

import (
	"log/slog"
	"net/http"
	"reflect"

	"github.com/danielgtaylor/huma/v2"
)

// newAPI makes a huma API that answers errors in the form of the operation and
// adds nothing of its own to bodies and headers.
func newAPI(to huma.Adapter, name, version string, log *slog.Logger) huma.API {
	schemas := huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer)
	schemas.RegisterTypeAlias(reflect.TypeFor[huma.ErrorModel](), reflect.TypeFor[Problem]())
	about := abouts[name]
	api := huma.NewAPI(huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info:    &huma.Info{Title: about.title, Version: version, Description: about.text},
			Servers: []*huma.Server{{URL: "/", Description: "this server"}},
			Components: &huma.Components{
				Schemas:         schemas,
				SecuritySchemes: schemes(name),
			},
			Security: security(name, Access{Listeners: about.listeners}),
			Tags:     about.headings(),
		},
		Formats:       map[string]huma.Format{jsonType: huma.DefaultJSONFormat, "json": huma.DefaultJSONFormat},
		DefaultFormat: jsonType,
		Transformers:  []huma.Transformer{ourErrors(log)},
	}, to)
	api.UseMiddleware(ourStatus)
	return api
}

// ourErrors turns huma's own errors into Problems, since the function that makes
// them is one for the whole process, logs what was our fault, and gives all of
// them the form of the operation.
func ourErrors(log *slog.Logger) huma.Transformer {
	return func(ctx huma.Context, _ string, v any) (any, error) {
		if m, ok := v.(*huma.ErrorModel); ok {
			v = problemOfHuma(m)
		}
		p, ok := v.(*Problem)
		if !ok {
			return v, nil
		}
		if p.Status == http.StatusInternalServerError {
			u := ctx.URL()
			log.Error("HTTP request failed", slog.String("method", ctx.Method()), slog.String("path", u.Path), slog.Any("err", p.Cause))
		}
		body, contentType := p.as(formOf(ctx.Operation()))
		ctx.SetHeader("Content-Type", contentType) // the status, and with it the header, goes out later
		return body, nil
	}
}

// ourStatus answers with our statuses where huma has others.
func ourStatus(ctx huma.Context, next func(huma.Context)) { next(statusContext{ctx}) }

type humaContext = huma.Context

type statusContext struct{ humaContext }

func (c statusContext) SetStatus(status int) { c.humaContext.SetStatus(answered(status)) }

// Unwrap lets huma's adapter find its own context.
func (c statusContext) Unwrap() huma.Context { return c.humaContext }
