package admin

import (
	"context"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"github.com/takhost/takhost/core/identity"
	"github.com/takhost/takhost/core/onboard"
	"github.com/takhost/takhost/core/web"
	"github.com/takhost/takhost/openapi"
)

const zipType = "application/zip"

// PackageInput is what a request for a package brings.
type PackageInput struct {
	User        string `json:"user" minLength:"1" maxLength:"64" example:"ann"`
	For         string `json:"for" enum:"atak,wintak,itak" doc:"Client that imports it"`
	Certificate bool   `json:"certificate,omitempty" doc:"With a certificate of its own and the key: whoever has the package is the user. Without, the client asks for user name and password or code and enrols"`
	Password    string `json:"password,omitempty" maxLength:"128" doc:"Of the key stores in it; none: as configured. It stands in the package too"`
	Host        string `json:"host,omitempty" maxLength:"253" doc:"Name or address in the place of the first of public"`
}

// KeptPackage is a package that was made with its user.
type KeptPackage struct {
	Name string `json:"name" example:"ann.zip"`
	User string `json:"user" example:"ann"`
}

// PackagePage is a page of the list of kept packages.
type PackagePage struct {
	Packages []KeptPackage `json:"packages" nullable:"false"`
	Next     string        `json:"next,omitempty" doc:"Give it as after for the next page; absent on the last one"`
}

func (r registrar) packages() {
	const tag = "enrolment"
	ids := r.d.Identity

	make := operators(r.op("POST", "/connection-packages", "connection-package-make", tag, "Make a package",
		"A zip that the client imports, with what it trusts and where the server is. Operators make packages for those whose only role is user.", missing, away))
	make.Responses["200"] = binary("The package", zipType)
	huma.Register(r.api, make, func(ctx context.Context, in *struct{ Body PackageInput }) (*Bytes, error) {
		u, err := r.userFor(ctx, in.Body.User)
		if err != nil {
			return nil, problemOf(err)
		}
		reach, err := r.reach(in.Body.Host)
		if err != nil {
			return nil, problemOf(err)
		}
		name, zip, err := r.d.Packages.Make(ctx, actor(ctx), PackageSpec{
			User: u.Name, For: onboard.For(in.Body.For), Reach: reach, Certificate: in.Body.Certificate, Password: in.Body.Password,
		})
		if err == nil {
			err = r.mayStill(ctx, u.Name, func(ctx context.Context) error { return r.disown(ctx, u.Name) })
		}
		if err != nil {
			return nil, problemOf(err)
		}
		return &Bytes{zipType, attached(name), zip}, nil
	})

	huma.Register(r.api, operators(r.op("GET", "/connection-packages", "connection-packages", tag, "Packages that are kept",
		"Those that FreeTAKServer's API made with their users, by name.")),
		func(_ context.Context, in *struct{ web.Paging }) (*Answer[PackagePage], error) {
			var all []KeptPackage
			for _, u := range ids.Users() {
				if u.Package != "" {
					all = append(all, KeptPackage{u.Package, u.Name})
				}
			}
			key := func(p KeptPackage) string { return p.Name }
			list, next := page(sortedBy(all, key), in.Paging, key)
			return answer(PackagePage{list, next}, nil)
		})

	get := openapi.Anyone(r.op("GET", "/connection-packages/{name}", "connection-package", tag, "A package that is kept",
		"It holds the key of its user. Administrators get all, operators those of users whose only role is user, others their own.", missing))
	get.Responses["200"] = binary("The package", zipType)
	huma.Register(r.api, get, func(ctx context.Context, in *struct {
		Name string `path:"name" maxLength:"256" doc:"Name of the package" example:"ann.zip"`
	}) (*Bytes, error) {
		users := ids.Users()
		i := slices.IndexFunc(users, func(u identity.User) bool { return u.Package == in.Name && in.Name != "" })
		if i < 0 || !mayTake(web.CallerOf(ctx), users[i]) {
			return nil, problemOf(noPackage(in.Name))
		}
		zip, err := r.d.Packages.Read(in.Name)
		if err != nil {
			return nil, problemOf(err)
		}
		ids.Record(ctx, actor(ctx), "package.take", users[i].Name, in.Name, true)
		return &Bytes{zipType, attached(in.Name), zip}, nil
	})

	r.sheet()
}

// mayTake says whether the caller may have the key of a user.
func mayTake(c *caller, of identity.User) bool {
	return isAdmin(c) || isOperator(c) && plain(of) || c.User != "" && c.User == of.Name
}

// attached has a browser save an answer under a name.
func attached(name string) string {
	if !isPackageName(name) {
		return "attachment"
	}
	return `attachment; filename="` + name + `"`
}
