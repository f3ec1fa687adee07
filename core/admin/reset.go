package admin

import (
	"context"

	"github.com/danielgtaylor/huma/v2"

	"github.com/takhost/takhost/core/identity"
	"github.com/takhost/takhost/openapi"
)

// Reset is the way back in for an administrator.
type Reset struct {
	Name string `json:"name,omitempty" doc:"Whom the link gives a new password; none: there is no administrator, and it makes one"`
	Link string `json:"link" doc:"Page on listen.web that takes the new password; good once, and for an hour"`
	File string `json:"file" doc:"File of the data folder that has the link as well"`
}

// reset is for the admin socket alone: whoever lost the password has nothing
// else.
func (r registrar) reset() {
	huma.Register(r.api, openapi.On(admins(r.op("POST", "/admin/reset", "admin-reset", "session", "A new set-up link for an administrator",
		"On the admin socket alone. The link works on listen.web, once and within an hour.", away)), "admin"),
		func(ctx context.Context, _ *struct{}) (*Answer[Reset], error) {
			if r.d.Reset == nil {
				return nil, openapi.NewProblem(away, "this server makes no set-up links")
			}
			res, err := r.d.Reset(ctx, actor(ctx))
			if err != nil {
				return nil, problemOf(err)
			}
			return answer(res, nil)
		})
}

// Resetter makes a set-up link.
type Resetter func(ctx context.Context, by identity.Actor) (Reset, error)
