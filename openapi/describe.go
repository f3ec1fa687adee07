package openapi

import (
	"net/http"
	"reflect"
	"slices"
	"strconv"

	"github.com/danielgtaylor/huma/v2"

	"github.com/takhost/takhost/hostapi/manifest"
)

// described keeps the paths of the description, in which parameters have one
// name for each path: OpenAPI takes /a/{x} and /a/{y} for the same.
type described struct {
	paths map[string]string // by shape
	taken map[string]bool   // method and path
}

// take gives the path under which a route is described.
func (d *described) take(method, path string) (string, pattern) {
	p, err := parsePattern(path)
	if err != nil {
		return path, p // it was checked before
	}
	if d.paths == nil {
		d.paths, d.taken = map[string]string{}, map[string]bool{}
	}
	out, shape := p.described()
	if first, ok := d.paths[shape]; ok {
		out = first
	} else {
		d.paths[shape] = out
	}
	if d.taken[method+" "+out] {
		// The one takes a segment and the other all that is left.
		out = path
	}
	d.taken[method+" "+out] = true
	q, err := parsePattern(out)
	if err != nil {
		return path, p
	}
	return out, q
}

// operation describes a route.
func (b *builder) operation(r *Route) *huma.Operation {
	path, named := b.described.take(r.Method, r.Path)
	op := &huma.Operation{
		// Names of plugins have no dot, so this is not twice.
		OperationID: r.Plugin.Name + "." + r.ID,
		Method:      r.Method, Path: path, Summary: r.Summary, Description: r.Doc, Tags: r.Tags,
		Responses: map[string]*huma.Response{
			r.status(): {Description: "Done", Content: r.answer()},
			"default":  b.errors(r.Errors),
		},
	}
	if op.Summary == "" {
		op.Summary = r.ID
	}
	if len(op.Tags) == 0 {
		op.Tags = []string{r.Plugin.title()}
	}
	if r.Open {
		op.Security = []map[string][]string{}
	}
	if len(r.Roles) > 0 {
		op.Extensions = map[string]any{"x-takhost-roles": slices.Clone(r.Roles)}
	}
	b.mark(op, r.Listeners, r.Plugin.Name)
	for i, name := range r.Names {
		q := &huma.Param{Name: named.names[i], In: "path", Required: true, Schema: &huma.Schema{Type: "string"}}
		if name == r.Rest {
			q.Description = "The rest of the path; it may have several segments."
		}
		for _, m := range r.Params {
			if m.In == "path" && m.Name == name {
				q.Description, q.Schema = m.Doc, paramSchema(m.Schema)
			}
		}
		op.Parameters = append(op.Parameters, q)
	}
	for _, m := range r.Params {
		if m.In != "path" {
			op.Parameters = append(op.Parameters, &huma.Param{Name: m.Name, In: m.In, Description: m.Doc, Required: m.Needed, Schema: paramSchema(m.Schema)})
		}
	}
	op.RequestBody = bodyOf(r.Route)
	return op
}

// status is that of the answer when all is well.
func (r *Route) status() string {
	if r.Status == 0 {
		return "200"
	}
	return strconv.FormatInt(r.Status, 10)
}

func (r *Route) answer() map[string]*huma.MediaType {
	if r.Status == http.StatusNoContent {
		return nil
	}
	return content(r.Response, r.Output, "")
}

func (p *Plugin) title() string {
	if p.Manifest.Title != "" {
		return p.Manifest.Title
	}
	return p.Name
}

func paramSchema(s *manifest.Schema) *huma.Schema {
	if s == nil {
		return &huma.Schema{Type: "string"}
	}
	return schemaOf(s, true)
}

// bodyOf describes what a request brings.
func bodyOf(r *manifest.Route) *huma.RequestBody {
	binary := &huma.Schema{Type: "string", Format: "binary"}
	switch r.Body {
	case "json":
		return &huma.RequestBody{Required: true, Content: content("application/json", r.Input, "")}
	case "loose":
		return &huma.RequestBody{
			Description: "JSON, whatever the content type; keys that are not known are passed over.",
			Content:     content("application/json", r.Input, "open"),
		}
	case "form":
		return &huma.RequestBody{Content: content("application/x-www-form-urlencoded", r.Input, "object")}
	case "xml":
		return &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{"application/xml": {Schema: &huma.Schema{Type: "string"}}}}
	case "raw", "blob":
		return &huma.RequestBody{Content: map[string]*huma.MediaType{"application/octet-stream": {Schema: binary}}}
	}
	return nil
}

// content describes a body. how says what is true of it beside its schema: open
// objects take any key, object stands for a missing schema.
func content(contentType string, s *manifest.Schema, how string) map[string]*huma.MediaType {
	m := &huma.MediaType{}
	switch {
	case s != nil:
		m.Schema = schemaOf(s, how != "open")
	case how == "object":
		m.Schema = &huma.Schema{Type: "object", AdditionalProperties: true}
	default:
		m.Schema = &huma.Schema{}
	}
	return map[string]*huma.MediaType{contentType: m}
}

// errors describes the error answers of a form.
func (b *builder) errors(form string) *huma.Response {
	switch form {
	case "fts":
		return &huma.Response{Description: "Error, as FreeTAKServer writes it", Content: map[string]*huma.MediaType{
			"text/html": {Schema: &huma.Schema{Type: "string", Description: "Of 401 alone"}},
			"application/json": {Schema: &huma.Schema{Type: "object", Properties: map[string]*huma.Schema{
				"message": {Type: "string", Description: "What went wrong"},
			}}},
		}}
	case "marti":
		text := &huma.Schema{Type: "string"}
		return &huma.Response{Description: "Error, as the official server writes it", Content: map[string]*huma.MediaType{
			"application/json": {Schema: &huma.Schema{Type: "object", Properties: map[string]*huma.Schema{
				"status": {Type: "string", Description: "Name of the HTTP status, such as NOT_FOUND"}, "code": {Type: "integer"}, "message": text,
			}}},
		}}
	}
	schema := b.api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[Problem](), true, "Problem")
	return &huma.Response{Description: "Error", Content: map[string]*huma.MediaType{ProblemType: {Schema: schema}}}
}

// refusals describes the answers of an operation of the core that do not come
// from itself: those of the guard and of huma's check of the request, and what
// went wrong in the server.
func (b *builder) refusals(op *huma.Operation) {
	if op.Responses == nil {
		op.Responses = map[string]*huma.Response{}
	}
	form := formOf(op)
	for status, resp := range op.Responses {
		// ErrorsOf does not know the operation.
		if resp.Content[ProblemType] != nil && form != "" && form != "problem" {
			op.Responses[status] = b.errors(form)
			op.Responses[status].Description = resp.Description
		}
	}
	if op.Responses["default"] == nil {
		op.Responses["default"] = b.errors(form)
		op.Responses["default"].Description = "Error, such as 401 without credentials or with wrong ones, and 403 for callers without the role"
	}
}

// ErrorsOf describes the error answers of an operation of the core.
func ErrorsOf(api huma.API, statuses ...int) map[string]*huma.Response {
	responses := map[string]*huma.Response{}
	for _, s := range statuses {
		responses[strconv.Itoa(s)] = ErrorOf(api, http.StatusText(s))
	}
	return responses
}

// ErrorOf describes one error answer of the core.
func ErrorOf(api huma.API, text string) *huma.Response {
	b := builder{api: api}
	resp := b.errors("problem")
	resp.Description = text
	return resp
}
