package web

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"

	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/manifest"
	"github.com/takhost/takhost/hostapi/tree"
	"github.com/takhost/takhost/hostapi/wire"
	"github.com/takhost/takhost/openapi"
)

// bodyReader reads the body of a route's requests in the form it declares.
type bodyReader struct {
	form     string
	max      int64
	schema   *manifest.Schema
	defaults bool // the schema fills something in
}

func newBodyReader(r *openapi.Route) bodyReader {
	b := bodyReader{form: r.Body, max: int64(r.MaxBody), schema: r.Input}
	if b.max <= 0 {
		b.max = hostapi.DefaultBodyIn
	}
	if b.schema != nil && b.form == "loose" {
		b.schema = opened(b.schema)
	}
	b.defaults = b.schema != nil && hasDefault(b.schema)
	return b
}

// opened gives a schema whose objects take any key.
func opened(s *manifest.Schema) *manifest.Schema {
	out := *s
	out.Open = true
	if s.Items != nil {
		out.Items = opened(s.Items)
	}
	if s.Properties != nil {
		out.Properties = make(map[string]*manifest.Schema, len(s.Properties))
		for name, p := range s.Properties {
			out.Properties[name] = opened(p)
		}
	}
	return &out
}

func hasDefault(s *manifest.Schema) bool {
	if s.Default != nil || s.Items != nil && hasDefault(s.Items) {
		return true
	}
	for _, p := range s.Properties {
		if hasDefault(p) {
			return true
		}
	}
	return false
}

// read puts the body into req.
func (b *bodyReader) read(w http.ResponseWriter, r *http.Request, req *wire.HTTPRequest) *Problem {
	switch b.form {
	case "none", "":
		return nil
	}
	contentType, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err != nil {
		contentType = ""
	}
	if p := b.checkType(contentType); p != nil {
		return p
	}
	doc, p := b.bytes(w, r)
	if p != nil {
		return p
	}
	switch b.form {
	case "raw":
		req.Body = doc
		return nil
	case "xml":
		return b.tree(req, func(l tree.Limits) ([]byte, error) { return l.AppendXML(nil, string(doc)) })
	case "form":
		return b.fields(contentType, params, doc, req)
	}
	if b.form == "loose" && len(bytes.TrimSpace(doc)) == 0 {
		doc = []byte("{}")
	}
	return b.json(doc, req)
}

// checkType refuses content that is said to be something else. Only json is
// strict: TAK clients send XML and bytes under any name.
func (b *bodyReader) checkType(contentType string) *Problem {
	want, ok := "", true
	switch b.form {
	case "json":
		want, ok = "application/json", contentType == "application/json" || strings.HasSuffix(contentType, "+json")
	case "form":
		want, ok = "application/x-www-form-urlencoded or multipart/form-data",
			contentType == "application/x-www-form-urlencoded" || contentType == "multipart/form-data"
	}
	if ok {
		return nil
	}
	return newProblem(http.StatusUnsupportedMediaType, "the body's content type is not "+want)
}

// bytes reads the body as far as it may go.
func (b *bodyReader) bytes(w http.ResponseWriter, r *http.Request) ([]byte, *Problem) {
	if r.ContentLength > b.max {
		linger(w, r)
		return nil, tooLarge(b.max)
	}
	doc, err := io.ReadAll(http.MaxBytesReader(w, r.Body, b.max))
	var over *http.MaxBytesError
	switch {
	case errors.As(err, &over):
		linger(w, r)
		return nil, tooLarge(b.max)
	case err != nil:
		return nil, invalidf("body: it did not come whole")
	}
	return doc, nil
}

func tooLarge(limit int64) *Problem {
	return newProblem(http.StatusRequestEntityTooLarge, "body: it is larger than "+bytesText(limit))
}

func (b *bodyReader) tree(req *wire.HTTPRequest, parse func(tree.Limits) ([]byte, error)) *Problem {
	t, err := parse(tree.Limits{Size: int(b.max)})
	var fault *tree.Error
	switch {
	case errors.As(err, &fault) && fault.Limit:
		return newProblem(http.StatusRequestEntityTooLarge, "body: "+err.Error())
	case err != nil:
		return invalidf("body: %s", err)
	}
	req.Tree = t
	return nil
}

func (b *bodyReader) json(doc []byte, req *wire.HTTPRequest) *Problem {
	parse := func(doc []byte) *Problem {
		return b.tree(req, func(l tree.Limits) ([]byte, error) { return l.AppendJSON(nil, doc) })
	}
	if p := parse(doc); p != nil || b.schema == nil {
		return p
	}
	v, err := b.schema.Apply("body", plainOf(hostapi.Tree(req.Tree).Root()))
	if err != nil {
		return invalid(strings.Split(err.Error(), "\n"))
	}
	if !b.defaults {
		return nil
	}
	filled, err := json.Marshal(v)
	if err != nil {
		return openapi.Failed(err)
	}
	return parse(filled)
}

// plainOf gives a JSON tree in the form in which schemas take it. Its depth is
// bounded by the parser.
func plainOf(n hostapi.Node) any {
	switch n.Kind() {
	case hostapi.NodeObject:
		m := map[string]any{}
		for c := range n.Children() {
			m[c.Name()] = plainOf(c)
		}
		return m
	case hostapi.NodeArray:
		l := []any{}
		for c := range n.Children() {
			l = append(l, plainOf(c))
		}
		return l
	case hostapi.NodeString:
		return n.Text()
	case hostapi.NodeNumber:
		return json.Number(n.Text())
	case hostapi.NodeBool:
		v, _ := n.Bool() // the kind says that it is one
		return v
	}
	return nil
}

// fields reads a form.
func (b *bodyReader) fields(contentType string, params map[string]string, doc []byte, req *wire.HTTPRequest) *Problem {
	if contentType == "multipart/form-data" {
		if p := multipartFields(params["boundary"], doc, req); p != nil {
			return p
		}
	} else {
		pairs, p := queryPairs(string(doc))
		if p != nil {
			p.Detail = strings.Replace(p.Detail, "query", "body", 1)
			return p
		}
		req.Form = pairs
	}
	if b.schema == nil {
		return nil
	}
	values := url.Values{}
	for _, f := range req.Form {
		values.Add(f.Name, f.Value)
	}
	m := map[string]any{}
	for name, list := range values {
		m[name] = list[len(list)-1]
		if s := b.schema.Properties[name]; s != nil {
			m[name] = valueOf(s, list)
		}
	}
	if _, err := b.schema.Apply("body", m); err != nil {
		return invalid(strings.Split(err.Error(), "\n"))
	}
	for name, s := range b.schema.Properties {
		if len(values[name]) > 0 || s.Default == nil {
			continue
		}
		for _, v := range textsOf(s.Default) {
			req.Form = append(req.Form, wire.Pair{Name: name, Value: v})
		}
	}
	return nil
}

// multipartFields takes the fields of a multipart form. A file in it is for a
// route whose body is blob.
func multipartFields(boundary string, doc []byte, req *wire.HTTPRequest) *Problem {
	m := multipart.NewReader(bytes.NewReader(doc), boundary)
	for {
		part, err := m.NextPart()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return invalidf("body: it is no multipart form")
		}
		value, err := io.ReadAll(part)
		switch {
		case err != nil:
			return invalidf("body: it is no multipart form")
		case part.FileName() != "":
			return invalidf("body: the field %q is a file, and this takes none", clip(part.FormName()))
		case part.FormName() == "" || !utf8.ValidString(part.FormName()) || !utf8.Valid(value):
			return invalidf("body: a field has no name, or is not in UTF-8")
		case len(req.Form) == maxQuery:
			return invalidf("body: more than %d fields", maxQuery)
		}
		req.Form = append(req.Form, wire.Pair{Name: part.FormName(), Value: string(value)})
	}
}
