package marti

import (
	"net/http"
	"slices"

	"github.com/takhost/takhost/core/web"
	"github.com/takhost/takhost/hostapi"
)

func (a *api) homeOperations() {
	get := func(path, id, summary, doc string) op {
		return op{method: http.MethodGet, path: path, id: id, summary: summary, doc: doc, tag: tagServer, on: onAll}
	}
	o := get("/Marti/api/home", "home", "Where the web interface is", "A path on listen.web.")
	o.answers = okAs(textType, "The path")
	add(a, o, func(*call, *none) (*reply, error) { return text("/"), nil })

	o = get("/Marti/api/util/isAdmin", "is-admin", "Whether the caller is an administrator", "Everybody else gets 403, as from the official server.")
	o.answers, o.access = ok[bool](a, "true"), forAdmin
	add(a, o, func(c *call, _ *none) (*reply, error) { return bare(c.isAdmin()) })

	o = get("/Marti/api/util/user/roles", "user-roles", "Roles of the caller", "ROLE_READONLY is among them when he may send to no group.")
	o.answers = ok[[]string](a, "The official server's names of roles")
	add(a, o, func(c *call, _ *none) (*reply, error) { return bare(c.roles()) })
}

const roleOperator = "operator"

func (c *call) isAdmin() bool { return slices.Contains(c.caller.Roles, web.AdminRole) }

func (c *call) isOperator() bool { return c.isAdmin() || slices.Contains(c.caller.Roles, roleOperator) }

// roles translates ours into the official server's (1).
func (c *call) roles() []string {
	roles := []string{}
	for _, r := range []struct{ ours, theirs string }{
		{web.AdminRole, "ROLE_ADMIN"}, {roleOperator, "ROLE_NON_ADMIN_UI"},
	} {
		if slices.Contains(c.caller.Roles, r.ours) {
			roles = append(roles, r.theirs)
		}
	}
	if slices.Contains(c.caller.Roles, "readonly") || len(c.Groups.Members(hostapi.SetID(c.caller.InSet))) == 0 {
		roles = append(roles, "ROLE_READONLY")
	}
	if c.caller.CertificateSerial == "" && c.caller.User != "" {
		roles = append(roles, "ROLE_NO_CLIENT_CERT")
	}
	return append(roles, "ROLE_ANONYMOUS")
}
