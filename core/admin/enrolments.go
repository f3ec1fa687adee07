package admin

import (
	"context"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/takhost/takhost/core/identity"
	"github.com/takhost/takhost/core/onboard"
	"github.com/takhost/takhost/core/web"
	"github.com/takhost/takhost/openapi"
)

const (
	// codeLife is how long an enrolment code is good unless the request says more:
	// it is handed over by hand, and whoever finds it on paper later gets nothing.
	codeLife = 24 * time.Hour

	// sheetLife is for codes that are printed for many.
	sheetLife = 7 * 24 * time.Hour
)

// Enrolment is an enrolment code without its secret.
type Enrolment struct {
	ID      string         `json:"id"`
	User    string         `json:"user,omitempty" doc:"Whose devices use it; none: it is an event code" example:"ann"`
	Event   *EventCode     `json:"event,omitempty"`
	Uses    int            `json:"uses" doc:"Devices that may use it"`
	Used    []EnrolmentUse `json:"used" nullable:"false" doc:"Devices that have"`
	State   string         `json:"state" enum:"open,spent,ended" doc:"Whether further devices may use it"`
	Expires time.Time      `json:"expires" doc:"Until when a device may use it for the first time"`
	Created time.Time      `json:"created"`
	By      string         `json:"by,omitempty" doc:"Who made it"`
	Note    string         `json:"note,omitempty"`
}

// EventCode says which users an event code makes.
type EventCode struct {
	Prefix string       `json:"prefix" minLength:"1" maxLength:"48" doc:"The users are called so, with a number behind it" example:"rescue"`
	Groups []Membership `json:"groups,omitempty" maxItems:"256" doc:"Groups of these users; none: __ANON__ both ways"`
	Roles  []string     `json:"roles,omitempty" maxItems:"1" enum:"user,readonly" doc:"None: user"`
	Until  *time.Time   `json:"until,omitempty" doc:"When the accounts of these users end"`
}

// EnrolmentUse is a device that has used a code.
type EnrolmentUse struct {
	User   string    `json:"user"`
	Device string    `json:"device,omitempty" doc:"Client uid"`
	Serial string    `json:"serial,omitempty" doc:"Of the certificate that it got last"`
	At     time.Time `json:"at"`
}

// EnrolmentPage is a page of the list of enrolment codes.
type EnrolmentPage struct {
	Enrolments []Enrolment `json:"enrolments" nullable:"false"`
	Next       string      `json:"next,omitempty" doc:"Give it as after for the next page; absent on the last one"`
}

// EnrolmentInput is what a request for an enrolment code brings.
type EnrolmentInput struct {
	User    string     `json:"user,omitempty" maxLength:"64" doc:"Whose device is to be enrolled" example:"ann"`
	Event   *EventCode `json:"event,omitempty" doc:"Instead of user: each device that uses the code becomes a user of its own"`
	Uses    int        `json:"uses,omitempty" minimum:"1" maximum:"10000" doc:"Devices that may use it; none: one"`
	Expires string     `json:"expires,omitempty" maxLength:"64" doc:"RFC 3339, or how long from now, such as 12h or 7d; none: 24h" example:"24h"`
	Host    string     `json:"host,omitempty" maxLength:"253" doc:"Name or address for the links in the place of the first of public" example:"tak.example.org"`
	Note    string     `json:"note,omitempty" maxLength:"256"`
}

// NewEnrolment has the secret, this once, in all forms that clients take.
type NewEnrolment struct {
	Enrolment
	Ways
}

// Ways are the forms in which people get an enrolment code.
type Ways struct {
	Host   string `json:"host" doc:"Where clients reach the server" example:"tak.example.org"`
	Login  string `json:"login" doc:"What to type as user name"`
	Secret string `json:"secret" doc:"What to type as password. It is not shown again."`
	Link   string `json:"link" doc:"ATAK takes it by tap or QR code"`
	URL    string `json:"url" doc:"Page that brings each client in its own way; as QR code it serves all phones"`
	ITAK   string `json:"itak" doc:"What iTAK's scanner takes: name,host,port,SSL"`
}

func (r registrar) enrolments() {
	const tag = "enrolment"
	ids := r.d.Identity

	huma.Register(r.api, operators(r.op("GET", "/enrolments", "enrolments", tag, "Enrolment codes", "By id, without their secrets.")),
		func(_ context.Context, in *struct {
			web.Paging
			User string `query:"user" doc:"Only those of this user"`
		}) (*Answer[EnrolmentPage], error) {
			var all []Enrolment
			for _, e := range ids.Enrolments() {
				if in.User == "" || fold(e.User) == fold(in.User) {
					all = append(all, enrolmentOf(e, r.d.now()))
				}
			}
			key := func(e Enrolment) string { return e.ID }
			list, next := page(sortedBy(all, key), in.Paging, key)
			return answer(EnrolmentPage{list, next}, nil)
		})

	huma.Register(r.api, created(operators(r.op("POST", "/enrolments", "enrolment-add", tag, "Make an enrolment code",
		"With it a device gets a certificate of its own. Afterwards the code serves that device alone, for its profile and for renewals. "+
			"Operators make codes for those whose only role is user; event codes are for administrators. "+
			"It is refused while phones would not find the server: see public in the configuration.", missing, away))),
		func(ctx context.Context, in *struct{ Body EnrolmentInput }) (*Answer[NewEnrolment], error) {
			return answer(r.newEnrolment(ctx, &in.Body))
		})

	huma.Register(r.api, operators(r.op("DELETE", "/enrolments/{id}", "enrolment-remove", tag, "Take an enrolment code back",
		"Devices keep the certificates they got by it, but cannot renew them by it.", missing)),
		func(ctx context.Context, in *struct {
			ID string `path:"id" maxLength:"128" doc:"Id of the enrolment code"`
		}) (*struct{}, error) {
			if err := r.mayTakeBack(ctx, in.ID); err != nil {
				return nil, err
			}
			return nil, problemOf(ids.RemoveEnrolment(ctx, actor(ctx), in.ID))
		})

	huma.Register(r.api, operators(r.op("GET", "/public", "public", tag, "Where clients reach the server", "", away)),
		func(context.Context, *struct{}) (*Answer[Public], error) {
			p := Public{Names: []string{}, Ports: map[string]int{}, Candidates: []string{}}
			if r.d.Public != nil {
				p = r.d.Public()
			}
			return answer(p, nil)
		})
}

// mayTakeBack says whether the caller may remove a code: operators those that
// they could have made.
func (r registrar) mayTakeBack(ctx context.Context, id string) error {
	if isAdmin(web.CallerOf(ctx)) {
		return nil
	}
	all := r.d.Identity.Enrolments()
	i := slices.IndexFunc(all, func(e identity.Enrolment) bool { return e.ID == id })
	switch {
	case i < 0:
		return notFoundf("there is no enrolment code %s", clip(id))
	case all[i].Event != nil:
		return forbidden("event codes are for administrators")
	}
	_, err := r.userFor(ctx, all[i].User)
	return err
}

func (r registrar) newEnrolment(ctx context.Context, in *EnrolmentInput) (out NewEnrolment, err error) {
	spec := identity.EnrolmentSpec{Uses: max(in.Uses, 1), Note: in.Note}
	switch {
	case (in.User == "") == (in.Event == nil):
		return out, invalidf("body: name either a user or an event")
	case in.Event == nil:
		u, err := r.userFor(ctx, in.User)
		if err != nil {
			return out, err
		}
		spec.User = u.Name
	case !isAdmin(web.CallerOf(ctx)):
		return out, forbidden("event codes are for administrators")
	default:
		groups, err := memberships(in.Event.Groups)
		if err != nil {
			return out, err
		}
		spec.Event = &identity.EventCode{Prefix: in.Event.Prefix, Groups: groups, Roles: in.Event.Roles, Until: in.Event.Until}
	}
	if spec.Expires, err = until(in.Expires, codeLife, r.d.now()); err != nil {
		return out, err
	}
	reach, err := r.reachToEnrol(in.Host)
	if err != nil {
		return out, err
	}
	ids := r.d.Identity
	e, secret, err := ids.NewEnrolment(ctx, actor(ctx), spec)
	if err == nil && e.User != "" {
		err = r.mayStill(ctx, e.User, func(ctx context.Context) error { return ids.RemoveEnrolment(ctx, actor(ctx), e.ID) })
	}
	if err != nil {
		return out, err
	}
	return NewEnrolment{enrolmentOf(e, r.d.now()), waysOf(reach, loginOf(e), secret)}, nil
}

// reach says where clients reach the server; host, if given, is taken
// instead of what the configuration has, also where that has nothing.
func (r registrar) reach(host string) (reach onboard.Reach, err error) {
	switch {
	case host == "" && r.d.Reach != nil:
		if reach, err = r.d.Reach(); err != nil {
			return reach, err
		}
	case r.d.Public == nil || host == "":
		return reach, openapi.NewProblem(away, "it is not known where phones reach this server")
	default:
		ports := r.d.Public().Ports
		reach = onboard.Reach{Name: host, Host: host, Stream: ports["tls"], API: ports["https"], Enrol: ports["web"]}
	}
	if err := reach.Validate(); err != nil {
		return reach, invalidf("host: %s", err)
	}
	return reach, nil
}

// reachToEnrol is reach for what needs listen.web.
func (r registrar) reachToEnrol(host string) (onboard.Reach, error) {
	reach, err := r.reach(host)
	if err == nil && reach.Enrol == 0 {
		err = openapi.NewProblem(away, "listen.web, where clients enrol, is closed")
	}
	return reach, err
}

// loginOf is what somebody with the code types as user name.
func loginOf(e identity.Enrolment) string {
	if e.Event != nil {
		return e.Event.Prefix
	}
	return e.User
}

func waysOf(r onboard.Reach, login, secret string) Ways {
	return Ways{
		Host: r.Host, Login: login, Secret: secret, Link: onboard.Link(r, login, secret),
		URL: onboard.LandingURL(r, secret), ITAK: onboard.ITAKText(r),
	}
}

func enrolmentOf(e identity.Enrolment, now time.Time) Enrolment {
	out := Enrolment{
		ID: e.ID, User: e.User, Uses: e.Uses, Used: []EnrolmentUse{}, State: "open",
		Expires: e.Expires, Created: e.Created, By: e.By, Note: e.Note,
	}
	if e.Event != nil {
		out.Event = &EventCode{Prefix: e.Event.Prefix, Groups: membershipsOf(e.Event.Groups), Roles: e.Event.Roles, Until: e.Event.Until}
	}
	for _, u := range e.Used {
		out.Used = append(out.Used, EnrolmentUse{u.User, u.ClientUID, u.Serial, u.At})
	}
	switch {
	case len(e.Used) >= e.Uses:
		out.State = "spent"
	case !now.Before(e.Expires):
		out.State = "ended"
	}
	return out
}
