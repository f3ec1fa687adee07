package web

import (
	"log/slog"
	"net/http"
	"reflect"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"
	"github.com/go-chi/chi/v5"
)

// NewAPI makes a huma API on router that answers errors as Problem and adds
// nothing of its own to bodies and headers.
func NewAPI(router chi.Router, version string, log *slog.Logger) huma.API {
	schemas := huma.NewMapRegistry("#/components/schemas/", huma.DefaultSchemaNamer)
	schemas.RegisterTypeAlias(reflect.TypeFor[huma.ErrorModel](), reflect.TypeFor[Problem]())
	api := humachi.New(router, huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI:    "3.1.0",
			Info:       &huma.Info{Title: "takhost", Version: version},
			Components: &huma.Components{Schemas: schemas},
		},
		Formats:       map[string]huma.Format{"application/json": huma.DefaultJSONFormat, "json": huma.DefaultJSONFormat},
		DefaultFormat: "application/json",
		Transformers:  []huma.Transformer{ourProblems(log)},
	})
	api.UseMiddleware(ourStatus)
	router.NotFound(func(w http.ResponseWriter, r *http.Request) {
		writeProblem(w, newProblem(http.StatusNotFound, "there is no "+r.URL.Path))
	})
	router.MethodNotAllowed(func(w http.ResponseWriter, r *http.Request) {
		writeProblem(w, newProblem(http.StatusMethodNotAllowed, r.Method+" is not possible on "+r.URL.Path))
	})
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
			log.Error("HTTP request failed", slog.String("method", ctx.Method()), slog.String("path", u.Path), slog.Any("err", p.cause))
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

func writeProblem(w http.ResponseWriter, p *Problem) {
	w.Header().Set("Content-Type", problemType)
	w.WriteHeader(p.Status)
	// An error here means that the client is gone.
	_ = huma.DefaultJSONFormat.Marshal(w, p)
}
