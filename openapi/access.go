package openapi

import (
	"maps"
	"net/http"
	"slices"

	"github.com/danielgtaylor/huma/v2"
)

// Access says who may use an operation, and where.
type Access struct {
	Listeners []string // that have the operation; on others it is not found
	Open      bool     // nobody has to log in
	Roles     []string // the caller needs one of them; none: any caller will do
	Errors    string   // form of refusals: problem, marti or fts
	Basic     bool     // a name with a password is taken too (RFC 7617)
	Enrol     bool     // Basic credentials are those of enrolment
	Writes    bool     // it is not for callers who may only read
}

// Keys of an operation's metadata that make up its Access.
const (
	openKey      = "open"
	rolesKey     = "roles"
	listenersKey = "listeners"
	errorsKey    = "errors"
	basicKey     = "basic"
	enrolKey     = "enrol"
	readsKey     = "reads"
)

// Functions that mark an operation of the core. They go together in any order;
// of ForRoles, Anyone and Open the last one counts. An operation with none of
// them is for any caller.

// ForRoles says that callers need one of these roles.
func ForRoles(op huma.Operation, roles ...string) huma.Operation {
	return marked(closed(op), rolesKey, roles, "x-takhost-roles", roles)
}

// Anyone says that all callers may use an operation, whatever their roles, but
// nobody without credentials.
func Anyone(op huma.Operation) huma.Operation { return closed(op) }

// Open says that nobody has to log in.
func Open(op huma.Operation) huma.Operation {
	op = marked(closed(op), openKey, true, "", nil)
	op.Security = []map[string][]string{}
	return op
}

// On says which listeners have an operation. Without it, those of the
// description have.
func On(op huma.Operation, listeners ...string) huma.Operation {
	return marked(op, listenersKey, slices.Clone(listeners), "", nil)
}

// Refuse says in which form errors are answered: problem, marti or fts.
func Refuse(op huma.Operation, form string) huma.Operation {
	return marked(op, errorsKey, form, "", nil)
}

// Basic says that a name with a password is taken too.
func Basic(op huma.Operation) huma.Operation { return marked(op, basicKey, true, "", nil) }

// Enrol says that Basic credentials are taken, whose password may be an enrolment
// token.
func Enrol(op huma.Operation) huma.Operation { return marked(Basic(op), enrolKey, true, "", nil) }

// Reads says that an operation counts as reading whatever its method: those who
// may only read have it too, such as a logout.
func Reads(op huma.Operation) huma.Operation { return marked(op, readsKey, true, "", nil) }

// closed takes back what ForRoles and Open have said.
func closed(op huma.Operation) huma.Operation {
	op.Metadata, op.Extensions = maps.Clone(op.Metadata), maps.Clone(op.Extensions)
	if op.Metadata[openKey] != nil {
		op.Security = nil
	}
	delete(op.Metadata, openKey)
	delete(op.Metadata, rolesKey)
	delete(op.Extensions, "x-takhost-roles")
	return op
}

// marked leaves the maps of the operation that it was given as they are: it may
// stand for several.
func marked(op huma.Operation, key string, value any, extension string, shown any) huma.Operation {
	op.Metadata = maps.Clone(op.Metadata)
	if op.Metadata == nil {
		op.Metadata = map[string]any{}
	}
	op.Metadata[key] = value
	if extension != "" {
		op.Extensions = maps.Clone(op.Extensions)
		if op.Extensions == nil {
			op.Extensions = map[string]any{}
		}
		op.Extensions[extension] = shown
	}
	return op
}

// accessOf reads what an operation of the core was marked with.
func accessOf(op *huma.Operation, listeners []string) Access {
	m := op.Metadata
	a := Access{Listeners: listeners, Errors: formOf(op)}
	if list, ok := m[listenersKey].([]string); ok {
		a.Listeners = list
	}
	a.Open, _ = m[openKey].(bool)
	a.Roles, _ = m[rolesKey].([]string)
	a.Basic, _ = m[basicKey].(bool)
	a.Enrol, _ = m[enrolKey].(bool)
	reads, _ := m[readsKey].(bool)
	a.Writes = !reads && !isRead(op.Method)
	return a
}

func formOf(op *huma.Operation) string {
	if op == nil {
		return ""
	}
	form, _ := op.Metadata[errorsKey].(string)
	return form
}

func isRead(method string) bool { return method == http.MethodGet || method == http.MethodHead }

// access is that of a plugin's route.
func (r *Route) access() Access {
	return Access{Listeners: r.Listeners, Open: r.Open, Roles: r.Roles, Errors: r.Errors, Writes: r.Writes || !isRead(r.Method)}
}
