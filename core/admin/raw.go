package admin

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"reflect"

	"github.com/danielgtaylor/huma/v2"

	"github.com/takhost/takhost/core/web"
	"github.com/takhost/takhost/openapi"
)

// Bytes is a body of any type. It is exported for huma.
type Bytes struct {
	ContentType string `header:"Content-Type"`
	Disposition string `header:"Content-Disposition"`
	Body        []byte
}

// exchange is a request whose bodies are as large as they like: who handles it
// reads and writes them piece by piece.
type exchange struct {
	context.Context // of the request
	w               http.ResponseWriter
	r               *http.Request
}

// raw registers such an operation. An error of handle means that it has written
// nothing.
func raw[I any](r registrar, op huma.Operation, body *huma.RequestBody, handle func(x *exchange, in *I) error) {
	huma.Register(r.api, op, func(_ context.Context, in *I) (*huma.StreamResponse, error) {
		return &huma.StreamResponse{Body: func(ctx huma.Context) {
			req, w := web.Unwrap(ctx)
			if err := handle(&exchange{req.Context(), w, req}, in); err != nil {
				r.refuse(w, req, err)
			}
		}}, nil
	})
	if body != nil {
		// Only now: huma would read the body itself otherwise.
		r.api.OpenAPI().Paths[op.Path].Put.RequestBody = body
	}
}

// refuse answers with an error.
func (r registrar) refuse(w http.ResponseWriter, req *http.Request, err error) {
	var p *openapi.Problem
	if !errors.As(problemOf(err), &p) {
		p = openapi.Failed(err)
	}
	if p.Status == http.StatusInternalServerError && r.d.Log != nil {
		r.d.Log.Error("request failed", slog.String("method", req.Method), slog.String("path", req.URL.Path), slog.Any("err", err))
	}
	p.Write(w)
}

// json answers with v.
func (x *exchange) json(v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	x.w.Header().Set("Content-Type", "application/json")
	_, _ = x.w.Write(append(b, '\n')) // an error means that the client is gone
	return nil
}

// jsonAnswer describes an answer of a type.
func jsonAnswer[T any](r registrar, text string) *huma.Response {
	t := reflect.TypeFor[T]()
	return &huma.Response{Description: text, Content: map[string]*huma.MediaType{
		"application/json": {Schema: r.api.OpenAPI().Components.Schemas.Schema(t, true, t.Name())},
	}}
}

// binary describes an answer that is no JSON.
func binary(text, contentType string) *huma.Response {
	return &huma.Response{Description: text, Content: map[string]*huma.MediaType{
		contentType: {Schema: &huma.Schema{Type: "string", Format: "binary"}},
	}}
}
