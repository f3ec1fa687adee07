package web

import (
	"bytes"
	"log/slog"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/manifest"
	"github.com/takhost/takhost/hostapi/tree"
	"github.com/takhost/takhost/hostapi/wire"
)

// runAction answers /v2/{context}/{action}.
func runAction(p Plugins, name string, action *manifest.Action, log *slog.Logger) *huma.StreamResponse {
	return &huma.StreamResponse{Body: func(ctx huma.Context) {
		r, w := unwrap(ctx)
		var answer *wire.ActionResult
		err := acted(p, func() (err error) {
			if action.Writes && r.Method != http.MethodPost {
				w.Header().Set("Allow", http.MethodPost)
				return newProblem(http.StatusMethodNotAllowed, action.Name+" changes something: send it by POST")
			}
			b := bodyReader{form: "loose", max: hostapi.DefaultBodyIn}
			doc, bad := b.bytes(w, r)
			if bad != nil {
				return bad
			}
			if len(bytes.TrimSpace(doc)) == 0 {
				doc = []byte("{}")
			}
			var req wire.HTTPRequest
			if bad := b.tree(&req, func(l tree.Limits) ([]byte, error) { return l.AppendJSON(nil, doc) }); bad != nil {
				return bad
			}
			if hostapi.Tree(req.Tree).Root().Kind() != hostapi.NodeObject {
				return invalidf("body: it is no JSON object")
			}
			answer, err = p.Action(r.Context(), name, action.Name, &wire.Action{
				Name: action.Name, Version: uint32(action.Version), Tree: req.Tree, Caller: CallerOf(r.Context()),
			})
			return err
		})
		if err != nil {
			bad := problemOf(err)
			if bad.Status == http.StatusInternalServerError {
				log.Error("plugin failed at an action", slog.String("plugin", name), slog.String("action", action.Name), slog.Any("err", bad.Cause))
			}
			bad.Write(w)
			return
		}
		contentType := answer.ContentType
		if !validHeader("Content-Type", contentType) {
			contentType = "application/json"
		}
		setContentType(w.Header(), contentType)
		_, _ = w.Write(answer.Body) // an error means that the client is gone
	}}
}

// acted runs an action for whoever may call it. Other than those who change
// plugins, they do not learn how one crashed.
func acted(p Plugins, run func() error) error {
	if p == nil {
		return newProblem(http.StatusServiceUnavailable, "this server runs without plugins")
	}
	if err := run(); err != nil {
		return problemOfPlugin(err)
	}
	return nil
}
