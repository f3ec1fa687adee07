package plugintest

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/manifest"
	"github.com/takhost/takhost/hostapi/tree"
	"github.com/takhost/takhost/hostapi/wire"
	"github.com/takhost/takhost/sdk"
)

// Request is a request to the server.
type Request struct {
	Method      string // empty: GET
	Path        string // with its query
	Header      map[string]string
	Body        string
	ContentType string      // empty: what the route's body form suggests
	Caller      *sdk.Caller // nil: Admin
}

// Answer is what the caller gets.
type Answer struct {
	Status      int
	ContentType string
	Header      map[string]string
	Body        string // of an error, its message
	Err         error  // *sdk.Error: what the plugin refused or the server did; nil: the plugin answered
}

// JSON decodes the body into v; a failure is the test's.
func (k *Kit) JSON(a *Answer, v any) {
	k.t.Helper()
	if a.Err != nil {
		k.t.Fatalf("answer %d: %v", a.Status, a.Err)
	}
	if err := json.Unmarshal([]byte(a.Body), v); err != nil {
		k.t.Fatalf("answer is no JSON: %v\n%s", err, a.Body)
	}
}

// Admin is the caller of a request that names none.
func Admin() *sdk.Caller {
	return &sdk.Caller{
		User: "admin", Name: "Administrator", Roles: []string{"admin"}, InSet: int32(hostapi.AnonSet), OutSet: int32(hostapi.AnonSet),
		Listener: "rest", BaseURL: "http://127.0.0.1:19023",
	}
}

// Get sends a request with GET. Paths are whole: /api/plugins/NAME/….
func (k *Kit) Get(path string) *Answer { k.t.Helper(); return k.Do(Request{Path: path}) }

// Post sends a request with POST.
func (k *Kit) Post(path, body string) *Answer {
	k.t.Helper()
	return k.Do(Request{Method: "POST", Path: path, Body: body})
}

// Put sends a request with PUT.
func (k *Kit) Put(path, body string) *Answer {
	k.t.Helper()
	return k.Do(Request{Method: "PUT", Path: path, Body: body})
}

// Delete sends a request with DELETE.
func (k *Kit) Delete(path string) *Answer {
	k.t.Helper()
	return k.Do(Request{Method: "DELETE", Path: path})
}

// Do sends any request. A method and path that are no route of the plugin's are 404, as
// from the server.
func (k *Kit) Do(r Request) *Answer {
	k.t.Helper()
	if r.Method == "" {
		r.Method = "GET"
	}
	if r.Caller == nil {
		r.Caller = Admin()
	}
	u, err := url.ParseRequestURI(r.Path)
	if err != nil {
		k.t.Fatalf("request: path %q: %v", r.Path, err)
	}
	route, params := k.route(r.Method, u.Path)
	if route == nil {
		return refused(errf(hostapi.NotFound, "there is no route %s %s", r.Method, u.Path))
	}
	if len(route.Roles) > 0 && !slices.ContainsFunc(route.Roles, func(role string) bool { return slices.Contains(r.Caller.Roles, role) }) {
		return refused(errf(hostapi.Forbidden, "%s needs one of the roles %s", route.ID, strings.Join(route.Roles, ", ")))
	}
	m := &wire.HTTPRequest{Route: route.ID, Method: r.Method, Path: u.Path, Params: params, Caller: r.Caller, ContentType: r.ContentType}
	for name, values := range u.Query() {
		for _, v := range values {
			m.Query = append(m.Query, sdk.Pair{Name: name, Value: v})
		}
	}
	slices.SortStableFunc(m.Query, func(a, b sdk.Pair) int { return strings.Compare(a.Name, b.Name) })
	for name, v := range r.Header {
		m.Headers = append(m.Headers, sdk.Pair{Name: strings.ToLower(name), Value: v})
	}
	m.ReadOnly = (r.Method == "GET" || r.Method == "HEAD") && !route.Writes
	if err := checkParams(route, m); err != nil {
		return refused(err)
	}
	if err := k.readBody(route, m, r.Body); err != nil {
		return refused(err)
	}
	if route.Action != "" {
		return k.viaAction(route, m)
	}
	return k.serve(route, m)
}

// route finds the route of a path: of several the one with a literal where the other
// has a parameter, from left to right.
func (k *Kit) route(method, path string) (best *manifest.Route, params []sdk.Pair) {
	for i := range k.manifest.Routes {
		r := &k.manifest.Routes[i]
		if r.Method != method && !(method == "HEAD" && r.Method == "GET") {
			continue
		}
		p, ok := matchPath(r.Path, path)
		if ok && (best == nil || moreLiteral(r.Path, best.Path)) {
			best, params = r, p
		}
	}
	return best, params
}

func matchPath(pattern, path string) (params []sdk.Pair, ok bool) {
	want, have := strings.Split(pattern, "/"), strings.Split(path, "/")
	for i, w := range want {
		name, isParam := strings.CutPrefix(w, "{")
		name = strings.TrimSuffix(name, "}")
		if rest, isRest := strings.CutSuffix(name, "..."); isParam && isRest {
			if i >= len(have) {
				return nil, false
			}
			return append(params, sdk.Pair{Name: rest, Value: strings.Join(have[i:], "/")}), true
		}
		switch {
		case i >= len(have), !isParam && w != have[i], isParam && have[i] == "":
			return nil, false
		case isParam:
			params = append(params, sdk.Pair{Name: name, Value: have[i]})
		}
	}
	return params, len(want) == len(have)
}

func moreLiteral(a, b string) bool {
	x, y := strings.Split(a, "/"), strings.Split(b, "/")
	for i := range min(len(x), len(y)) {
		if px, py := strings.HasPrefix(x[i], "{"), strings.HasPrefix(y[i], "{"); px != py {
			return py
		}
	}
	return len(x) > len(y)
}

// checkParams checks the parameters that the route describes, as the server does.
func checkParams(route *manifest.Route, m *wire.HTTPRequest) error {
	for _, p := range route.Params {
		from := m.Query
		switch p.In {
		case "path":
			from = m.Params
		case "header":
			from = m.Headers
		}
		i := slices.IndexFunc(from, func(x sdk.Pair) bool { return x.Name == p.Name })
		if i < 0 {
			if p.Needed {
				return errf(hostapi.Invalid, "%s.%s: is missing", p.In, p.Name)
			}
			continue
		}
		if p.Schema == nil {
			continue
		}
		if _, err := p.Schema.Apply(p.In+"."+p.Name, scalar(p.Schema.Type, from[i].Value)); err != nil {
			return errf(hostapi.Invalid, "%v", err)
		}
	}
	return nil
}

// scalar gives a text as the value that a schema of that type wants.
func scalar(typ, s string) any {
	switch typ {
	case "integer", "number":
		if v, err := strconv.ParseFloat(s, 64); err == nil {
			return v
		}
	case "boolean":
		if v, err := strconv.ParseBool(s); err == nil {
			return v
		}
	}
	return s
}

// readBody brings the body into the form that the route declares.
func (k *Kit) readBody(route *manifest.Route, m *wire.HTTPRequest, body string) (err error) {
	most := int64(route.MaxBody)
	if most == 0 {
		most = hostapi.DefaultBodyIn
	}
	if route.Body == "blob" && route.MaxBody == 0 {
		most = math.MaxInt64
	}
	if int64(len(body)) > most {
		return &sdk.Error{Status: hostapi.Invalid, Code: "too_large", Message: fmt.Sprintf("the body has %d bytes: at most %d", len(body), most)}
	}
	switch route.Body {
	case "json", "loose":
		if route.Body == "loose" && strings.TrimSpace(body) == "" {
			body = "{}"
		}
		if m.Tree, err = tree.AppendJSON(nil, []byte(body)); err != nil {
			return errf(hostapi.Invalid, "body: %v", err)
		}
		if route.Input != nil && route.Body == "json" {
			var v any
			if err := json.Unmarshal([]byte(body), &v); err != nil {
				return errf(hostapi.Invalid, "body: %v", err)
			}
			if _, err := route.Input.Apply("body", v); err != nil {
				return errf(hostapi.Invalid, "%v", err)
			}
		}
	case "xml":
		if m.Tree, err = tree.AppendXML(nil, body); err != nil {
			return errf(hostapi.Invalid, "body: %v", err)
		}
	case "form":
		values, err := url.ParseQuery(body)
		if err != nil {
			return errf(hostapi.Invalid, "body: %v", err)
		}
		for name, list := range values {
			for _, v := range list {
				m.Form = append(m.Form, sdk.Pair{Name: name, Value: v})
			}
		}
		slices.SortStableFunc(m.Form, func(a, b sdk.Pair) int { return strings.Compare(a.Name, b.Name) })
	case "raw":
		m.Body = []byte(body)
	case "blob":
		return k.upload(m, body)
	}
	return nil
}

// viaAction answers a route by an action.
func (k *Kit) viaAction(route *manifest.Route, m *wire.HTTPRequest) *Answer {
	k.t.Helper()
	a := wire.Action{Name: route.Action, Version: 1, Body: m.Body, Tree: m.Tree, Caller: m.Caller}
	out, err := k.call(hostapi.OpAction, a.Append(nil), how{caller: m.Caller, readOnly: m.ReadOnly})
	if err != nil {
		return refused(err)
	}
	var res sdk.ActionResult
	if err := res.Decode(out); err != nil {
		k.t.Fatalf("read the answer of %s: %v", route.Action, err)
	}
	typ := res.ContentType
	if typ == "" {
		typ = route.Response
	}
	return &Answer{Status: 200, ContentType: typ, Body: string(res.Body), Header: map[string]string{}}
}

func (k *Kit) serve(route *manifest.Route, m *wire.HTTPRequest) *Answer {
	k.t.Helper()
	out, err := k.call(hostapi.OpHTTP, m.Append(nil), how{caller: m.Caller, readOnly: m.ReadOnly})
	if err != nil {
		return refused(err)
	}
	var res wire.HTTPResponse
	if err := res.Decode(out); err != nil {
		k.t.Fatalf("read the answer of %s: %v", route.ID, err)
	}
	a := &Answer{Status: int(res.Status), ContentType: res.ContentType, Header: map[string]string{}}
	if a.Status == 0 {
		a.Status = 200
	}
	if a.Status < 200 || a.Status > 599 {
		k.t.Fatalf("route %s answered with the HTTP status %d", route.ID, a.Status)
	}
	if a.ContentType == "" {
		a.ContentType = route.Response
	}
	for _, h := range res.Headers {
		a.Header[strings.ToLower(h.Name)] = h.Value
	}
	body, err := k.body(&res, m.Caller)
	if err != nil {
		return refused(err)
	}
	a.Body = body
	return a
}

// body puts the parts of an answer together.
func (k *Kit) body(res *wire.HTTPResponse, caller *sdk.Caller) (string, error) {
	w := &work{k: k, state: k.state, how: how{caller: caller, readOnly: true}}
	var b strings.Builder
	for _, p := range res.Parts {
		switch {
		case p.Document != nil:
			d, ok := k.state.documents[p.Document.Collection][p.Document.ID]
			if !ok {
				return "", errf(hostapi.NotFound, "there is no %q", p.Document.ID)
			}
			b.Write(d.body)
		case p.Range != nil:
			rows, err := w.rows(p.Range.Query)
			if err != nil {
				return "", err
			}
			if n := int(p.Range.Query.Limit); n > 0 && len(rows) > n {
				rows = rows[:n]
			}
			for i, r := range rows {
				if i > 0 {
					b.WriteString(p.Range.Separator)
				}
				b.Write(r.doc.body)
			}
		case p.Blob != nil:
			piece, err := k.piece(p.Blob)
			if err != nil {
				return "", err
			}
			b.Write(piece)
		default:
			b.Write(p.Data)
		}
	}
	return b.String(), nil
}

// refused is the answer of a request that failed.
func refused(err error) *Answer {
	var e *sdk.Error
	if !errors.As(err, &e) {
		e = &sdk.Error{Status: hostapi.Failed, Message: err.Error()} // it crashed
	}
	a := &Answer{Status: e.Status.HTTP(), ContentType: "application/problem+json", Header: map[string]string{}, Body: e.Message, Err: e}
	if e.Code == "too_large" {
		a.Status = 413
	}
	return a
}
