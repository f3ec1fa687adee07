package sdk

import (
	"github.com/takhost/takhost/hostapi/wire"
)

// Request is a request to one of the plugin's routes. Its readers share their
// faults: read all that is wanted, then ask Err once.
type Request struct {
	Route       string // id
	Method      string
	Path        string
	ContentType string
	Tree        Tree      // body of json, loose and xml
	Body        []byte    // body of raw
	Blobs       []BlobRef // body of blob
	ReadOnly    bool      // nothing may be staged

	params, query, form, headers []Pair
	faults                       *faults
}

func newRequest(m *wire.HTTPRequest) *Request {
	return &Request{
		Route: m.Route, Method: m.Method, Path: m.Path, ContentType: m.ContentType,
		Tree: Tree(m.Tree), Body: m.Body, Blobs: m.Blobs, ReadOnly: m.ReadOnly,
		params: m.Params, query: m.Query, form: m.Form, headers: m.Headers, faults: &faults{},
	}
}

// Param gives a part of the path that the route names in braces.
func (r *Request) Param(name string) string { return first(r.params, name) }

// Header gives a header; the name is in lower case. Few are let through.
func (r *Request) Header(name string) string { return first(r.headers, name) }

// Params reads the parts of the path.
func (r *Request) Params() Fields { return Fields{pairs: r.params, isPairs: true, faults: r.faults} }

// Query reads the query.
func (r *Request) Query() Fields { return Fields{pairs: r.query, isPairs: true, faults: r.faults} }

// Form reads the fields of a form.
func (r *Request) Form() Fields { return Fields{pairs: r.form, isPairs: true, faults: r.faults} }

// Fields reads the body of a route with body json or xml.
func (r *Request) Fields() Fields { return Fields{node: r.Tree.Root(), faults: r.faults} }

// Err gives all that Params, Query, Form and Fields found wrong, as one error of
// the status Invalid.
func (r *Request) Err() error { return r.faults.err() }

func first(pairs []Pair, name string) string {
	for i := range pairs {
		if pairs[i].Name == name {
			return pairs[i].Value
		}
	}
	return ""
}

// Response is the answer to a request. The zero one is 200 with no body, of the
// content type that the route declares. The body is what the methods append, one
// behind the other: bytes, what the writers of JSON and XML write, and documents and
// blobs that the host puts in while it sends.
type Response struct {
	status      int
	contentType string
	headers     []Pair
	parts       []wire.Part
	data        []byte
	json        *JSON
	xml         *XML
}

// Status sets the HTTP status.
func (w *Response) Status(code int) *Response { w.status = code; return w }

// ContentType sets another content type than the route declares.
func (w *Response) ContentType(t string) *Response { w.contentType = t; return w }

// Header adds a header.
func (w *Response) Header(name, value string) *Response {
	w.headers = append(w.headers, Pair{Name: name, Value: value})
	return w
}

// Write appends bytes. It never fails; the result makes a Response an io.Writer.
func (w *Response) Write(b []byte) (int, error) {
	w.settle()
	w.data = append(w.data, b...)
	return len(b), nil
}

// WriteString appends a text.
func (w *Response) WriteString(s string) (int, error) {
	w.settle()
	w.data = append(w.data, s...)
	return len(s), nil
}

// JSON gives the writer of a JSON body, the same one each time. What is still open
// when the function returns is ended.
func (w *Response) JSON() *JSON {
	if w.json == nil {
		w.flush()
		w.json = &JSON{}
	}
	return w.json
}

// XML gives the writer of an XML body, the same one each time. What is still open
// when the function returns is ended.
func (w *Response) XML() *XML {
	if w.xml == nil {
		w.flush()
		w.xml = &XML{}
	}
	return w.xml
}

// Document appends the body of a document.
func (w *Response) Document(collection, id string) *Response {
	return w.part(wire.Part{Document: &wire.DocumentPart{Collection: collection, ID: id}})
}

// Documents appends the bodies of all documents that a query finds, with a separator
// between each two; the page size of the query is their limit only if it was set.
// With bodies in JSON this is how a list is answered:
//
//	w.JSON().Object().Key("notes").Array()
//	w.Documents(c.Collection("notes").Query(), ",")
func (w *Response) Documents(q *Query, separator string) error {
	if q.err != nil {
		return q.err
	}
	m := q.q
	w.part(wire.Part{Range: &wire.RangePart{Query: &m, Separator: separator}})
	return nil
}

// Blob appends a blob; alone in an answer, it serves ranges and HEAD. A file name
// makes it a download.
func (w *Response) Blob(hash, fileName string) *Response {
	return w.part(wire.Part{Blob: &wire.BlobPart{Hash: hash, FileName: fileName}})
}

// BlobRange appends a piece of a blob: length bytes from offset on, fewer if it has
// no more; length 0 means all that is left. An offset behind the end, or a number
// below zero, refuses the whole answer. The host serves no ranges of a piece: what
// answers with 206 and Content-Range is for the plugin to say.
func (w *Response) BlobRange(hash string, offset, length int64) *Response {
	return w.part(wire.Part{Blob: &wire.BlobPart{Hash: hash, Offset: offset, Length: length}})
}

func (w *Response) part(p wire.Part) *Response {
	w.flush()
	if w.json != nil {
		w.json.filled()
	}
	w.parts = append(w.parts, p)
	return w
}

// settle takes over what the writers have, so that it stands before what follows.
func (w *Response) settle() {
	if w.json != nil {
		w.data = w.json.take(w.data)
	}
	if w.xml != nil {
		w.data = w.xml.take(w.data)
	}
}

// flush makes what was written so far a part.
func (w *Response) flush() {
	w.settle()
	if len(w.data) > 0 {
		w.parts = append(w.parts, wire.Part{Data: w.data})
		w.data = nil
	}
}

func (w *Response) append(dst []byte) ([]byte, error) {
	if w.json != nil {
		w.json.finish()
		if w.json.err != nil {
			return nil, w.json.err
		}
	}
	if w.xml != nil {
		w.xml.finish()
		if w.xml.err != nil {
			return nil, w.xml.err
		}
	}
	w.flush()
	m := wire.HTTPResponse{Status: int32(w.status), ContentType: w.contentType, Headers: w.headers, Parts: w.parts}
	return m.Append(dst), nil
}
