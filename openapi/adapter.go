package openapi

import (
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humachi"
	"github.com/go-chi/chi/v5"
)

// Keys of an operation's metadata that say who may use it.
const (
	openKey  = "open"
	rolesKey = "roles"
)

// ForRoles says that callers of an operation of the core need one of these
// roles.
func ForRoles(op huma.Operation, roles ...string) huma.Operation {
	op.Metadata = map[string]any{rolesKey: roles}
	op.Extensions = map[string]any{"x-takhost-roles": roles}
	return op
}

// Open says that nobody has to log in for an operation of the core.
func Open(op huma.Operation) huma.Operation {
	op.Metadata = map[string]any{openKey: true}
	op.Security = []map[string][]string{}
	return op
}

// adapter puts the guard in front of each operation of the core.
type adapter struct {
	mux       *chi.Mux
	guard     func(Access, http.Handler) http.Handler
	listeners []string
}

var _ huma.Adapter = (*adapter)(nil)

// Handle implements huma.Adapter.
func (a *adapter) Handle(op *huma.Operation, handler func(huma.Context)) {
	roles, _ := op.Metadata[rolesKey].([]string)
	open, _ := op.Metadata[openKey].(bool)
	a.mux.Method(op.Method, op.Path, a.guard(Access{Listeners: a.listeners, Open: open, Roles: roles},
		http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			handler(humachi.NewContext(op, r, w))
		})))
}

// ServeHTTP implements huma.Adapter.
func (a *adapter) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.mux.ServeHTTP(w, r) }
