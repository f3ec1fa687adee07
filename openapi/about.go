package openapi

import (
	"reflect"
	"slices"

	"github.com/danielgtaylor/huma/v2"
)

// about is what a description says of itself.
type about struct {
	title, text string
	listeners   []string
	tags        []huma.Tag
}

var abouts = map[string]about{
	REST: {
		title: "takhost",
		text: "The REST interface of takhost, a server for TAK (Team Awareness Kit), with the routes of its plugins. " +
			"All but what is marked open asks for a token in the header Authorization: Bearer, or on listen.web for the cookie of a login.",
		listeners: []string{"rest", "web"},
		tags: []huma.Tag{
			{Name: "server", Description: "The server itself."},
			{Name: "clients", Description: "Who is connected."},
			{Name: "events", Description: "CoT events: archived, as they come, and a stream of them both ways."},
			{Name: "live", Description: "What plugins tell whoever watches."},
			{Name: "plugins", Description: "Plugins: what they do, which there are, what they may."},
			{Name: "actions", Description: "Actions of plugins by name, as FreeTAKServer has them."},
		},
	},
	Marti: {
		title: "takhost Marti",
		text: "What TAK clients (ATAK, iTAK, WinTAK, CloudTAK) ask of a server over HTTP. On listen.https a client certificate tells who asks, " +
			"or a token; on listen.web a token or, where it says so, a name with a password. On listen.http, while that is allowed, " +
			"everybody is the anonymous user.",
		listeners: []string{"http", "https", "web"},
		tags: []huma.Tag{
			{Name: "stream", Description: "CoT over a WebSocket."},
		},
	},
}

// headings gives tags of its own to each description, which adds to them.
func (a *about) headings() (list []*huma.Tag) {
	for i := range a.tags {
		t := a.tags[i]
		list = append(list, &t)
	}
	return list
}

// Names of security schemes.
const (
	bearer      = "token"
	session     = "session"
	basic       = "password"
	certificate = "certificate"
)

// SessionCookie is the name of the cookie that has an access token, as in the
// official server (spec/tak-marti.md 1).
const SessionCookie = "access_token"

func schemes(name string) map[string]*huma.SecurityScheme {
	all := map[string]*huma.SecurityScheme{
		bearer: {Type: "http", Scheme: "bearer", Description: "An API token, an access token, or on listen.rest " +
			"the one that the server made at its first start: see the file rest.token in its data folder."},
		session: {Type: "apiKey", In: "cookie", Name: SessionCookie, Description: "The cookie of a login; not on listen.rest. " +
			"A request that changes something has to come from a page of this server."},
		basic: {Type: "http", Scheme: "basic", Description: "Name and password, or enrolment token."},
	}
	if name == Marti {
		all[bearer].Description = "An API token or an access token."
		all[certificate] = &huma.SecurityScheme{Type: "mutualTLS", Description: "A client certificate of this server; on listen.https."}
	}
	return all
}

// security says with what callers show who they are.
func security(name string, a Access) []map[string][]string {
	need := func(scheme string) map[string][]string { return map[string][]string{scheme: {}} }
	var list []map[string][]string
	if name == Marti && slices.Contains(a.Listeners, "https") {
		list = append(list, need(certificate))
	}
	list = append(list, need(bearer))
	if !slices.Equal(a.Listeners, []string{"rest"}) {
		list = append(list, need(session))
	}
	if a.Basic {
		list = append(list, need(basic))
	}
	return list
}

// secure describes the security of an operation of the core where it differs from
// that of the description.
func (b *builder) secure(op *huma.Operation, a Access) {
	if op.Security != nil {
		return
	}
	if list := security(b.opt.Name, a); !reflect.DeepEqual(list, b.api.OpenAPI().Security) {
		op.Security = list
	}
}
