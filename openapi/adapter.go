package openapi

import (
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"
	"github.com/go-chi/chi/v5"
)

// adapter takes the operations of the core from huma, to register them when all
// are known.
type adapter struct{ operations []coreOperation }

type coreOperation struct {
	op      *huma.Operation
	handler func(huma.Context)
}

var _ huma.Adapter = (*adapter)(nil)

// Handle implements huma.Adapter.
func (a *adapter) Handle(op *huma.Operation, handler func(huma.Context)) {
	a.operations = append(a.operations, coreOperation{op, handler})
}

// ServeHTTP implements huma.Adapter. Requests come by the generation.
func (a *adapter) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	NewProblem(http.StatusNotFound, "there is no "+r.URL.Path).Write(w)
}

// ServeHTTP implements http.Handler.
func (c coreOperation) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	c.handler(humachi.NewContext(c.op, r, w))
}

// Router serves the operations of several descriptions on one listener. It is
// filled by their builds, one after the other, and not changed afterwards.
type Router struct {
	listener string // empty: of a generation, for all its listeners
	mux      *chi.Mux
	table    table
}

// NewRouter gives a router without operations.
func NewRouter(listener string) *Router { return &Router{listener: listener, mux: chi.NewMux()} }

// ServeHTTP implements http.Handler.
func (r *Router) ServeHTTP(w http.ResponseWriter, req *http.Request) { r.mux.ServeHTTP(w, req) }
