package marti

import (
	"context"
	"log/slog"
	"net/http"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/takhost/takhost/core/web"
	"github.com/takhost/takhost/hostapi/wire"
	"github.com/takhost/takhost/openapi"
)

// Listeners of these operations (1). FreeTAKServer's users know them on http;
// enrolment has to do with passwords and is for web alone.
var (
	onMarti = []string{"http", "https"}
	onAll   = []string{"http", "https", "web"}
	onLogin = []string{"https", "web"}
	onEnrol = []string{"web"}
)

// api is what all operations share.
type api struct {
	Deps
	huma huma.API
}

// Register adds all operations to the description and the router of api.
func Register(to huma.API, d Deps) {
	if d.Now == nil {
		d.Now = time.Now
	}
	if d.UploadSize == 0 {
		d.UploadSize = 400
	}
	if d.Log == nil {
		d.Log = slog.New(slog.DiscardHandler)
	}
	a := &api{Deps: d, huma: to}
	to.OpenAPI().Tags = append(to.OpenAPI().Tags, tags()...)
	for _, part := range []func(){
		a.versionOperations, a.homeOperations,
		a.endpointOperations, a.contactOperations, a.subscriptionOperations,
		a.cotOperations,
		a.groupOperations, a.channelOperations,
		a.enrolOperations, a.profileOperations, a.profileAdminOperations, a.profilePackageOperations, a.oauthOperations, a.certificateOperations,
	} {
		part()
	}
}

// tags are the headings of the description.
func tags() []*huma.Tag {
	return []*huma.Tag{
		{Name: tagServer, Description: "The server itself."},
		{Name: tagClients, Description: "Who is connected."},
		{Name: tagEvents, Description: "CoT events of the archive."},
		{Name: tagGroups, Description: "Groups of the caller, and which of them, the channels, are active on his device."},
		{Name: tagEnrol, Description: "Certificates for devices, by password or enrolment token."},
		{Name: tagProfiles, Description: "Files that devices fetch by themselves."},
		{Name: tagLogin, Description: "Access tokens."},
		{Name: tagCertificates, Description: "Certificates that were given out, for administrators."},
	}
}

// call is one request at work.
type call struct {
	context.Context
	*api
	r      *http.Request
	w      http.ResponseWriter // for reading bodies with a limit; answers go by reply
	caller *wire.Caller
}

// op says what an operation is; access is put on by the functions of openapi.
type op struct {
	method, path string
	id           string
	summary, doc string
	tag          string
	on           []string
	answers      map[string]*huma.Response
	body         *huma.RequestBody
	access       func(huma.Operation) huma.Operation // nil: any caller
}

// add registers an operation. Inputs have nothing but strings, which huma takes
// as they come: what is wrong with them is answered in Marti's own form.
func add[I any](a *api, o op, handle func(*call, *I) (*reply, error)) {
	oper := huma.Operation{
		OperationID: "marti-" + o.id, Method: o.method, Path: o.path,
		Summary: o.summary, Description: o.doc, Tags: []string{o.tag}, Responses: o.answers,
	}
	if oper.Responses == nil {
		oper.Responses = map[string]*huma.Response{"200": {Description: "Done, without a body"}}
	}
	oper = openapi.Refuse(openapi.On(oper, o.on...), "marti")
	if o.access == nil {
		o.access = openapi.Anyone
	}
	oper = o.access(oper)
	huma.Register(a.huma, oper, func(_ context.Context, in *I) (*huma.StreamResponse, error) {
		return &huma.StreamResponse{Body: func(ctx huma.Context) {
			r, w := web.Unwrap(ctx)
			c := &call{Context: r.Context(), api: a, r: r, w: w, caller: web.CallerOf(r.Context())}
			rep, err := handle(c, in)
			if err != nil {
				c.refuse(err)
				return
			}
			rep.write(c)
		}}, nil
	})
	if o.body != nil {
		// Only now: huma would read and check the body itself otherwise.
		item := a.huma.OpenAPI().Paths[o.path]
		for _, registered := range []*huma.Operation{item.Post, item.Put, item.Delete} {
			if registered != nil && registered.Method == o.method {
				registered.RequestBody = o.body
			}
		}
	}
}

// reading is for any caller, and counts as reading whatever the method.
func reading(o huma.Operation) huma.Operation { return openapi.Reads(openapi.Anyone(o)) }

func forAdmin(o huma.Operation) huma.Operation { return openapi.ForRoles(o, web.AdminRole) }

func forOperators(o huma.Operation) huma.Operation {
	return openapi.ForRoles(o, web.AdminRole, roleOperator)
}

// none is the input of operations without parameters.
type none struct{}

// ok describes an answer of a JSON type.
func ok[T any](a *api, text string) map[string]*huma.Response {
	return map[string]*huma.Response{"200": answerOf[T](a, text)}
}

func answerOf[T any](a *api, text string) *huma.Response {
	t := reflect.TypeFor[T]()
	schema := a.huma.OpenAPI().Components.Schemas.Schema(t, true, t.Name())
	return &huma.Response{Description: text, Content: map[string]*huma.MediaType{"application/json": {Schema: schema}}}
}

// okAs describes an answer that is not JSON.
func okAs(contentType, text string) map[string]*huma.Response {
	return map[string]*huma.Response{"200": plainAnswer(contentType, text)}
}

func plainAnswer(contentType, text string) *huma.Response {
	schema := &huma.Schema{Type: "string"}
	if contentType == zipType || contentType == p12Type || contentType == anyType {
		schema.Format = "binary"
	}
	return &huma.Response{Description: text, Content: map[string]*huma.MediaType{contentType: {Schema: schema}}}
}

// with adds another answer.
func with(answers map[string]*huma.Response, status, text string) map[string]*huma.Response {
	answers[status] = &huma.Response{Description: text}
	return answers
}

// jsonBody describes a body; it is read whatever content type it comes with.
func jsonBody(text string, schema *huma.Schema) *huma.RequestBody {
	return &huma.RequestBody{Description: text, Required: true, Content: map[string]*huma.MediaType{"application/json": {Schema: schema}}}
}
