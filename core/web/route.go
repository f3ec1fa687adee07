package web

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/takhost/takhost/core/plugin"
	"github.com/takhost/takhost/core/plugin/call"
	"github.com/takhost/takhost/core/plugin/guest"
	"github.com/takhost/takhost/hostapi/wire"
	"github.com/takhost/takhost/openapi"
)

// passed are headers that every plugin gets. Others only if its route declares
// them; those with credentials never.
var passed = []string{
	"accept", "accept-encoding", "accept-language", "content-type", "if-match", "if-modified-since", "if-none-match",
	"if-unmodified-since", "origin", "range", "referer", "user-agent", "x-requested-with",
}

// pluginRoute answers one route of a plugin.
type pluginRoute struct {
	srv     *Server
	route   *openapi.Route
	headers []string // that it gets, in lower case
	body    bodyReader
}

func (s *Server) pluginRoute(r *openapi.Route) http.Handler {
	h := &pluginRoute{srv: s, route: r, headers: slices.Clone(passed), body: newBodyReader(r)}
	for _, p := range r.Params {
		if name := strings.ToLower(p.Name); p.In == "header" && !slices.Contains(h.headers, name) {
			h.headers = append(h.headers, name)
		}
	}
	slices.Sort(h.headers)
	return h
}

// ServeHTTP implements http.Handler.
func (h *pluginRoute) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	up := h.uploaded()
	defer up.end()
	req, p := h.request(w, r, up)
	if p == nil {
		p = h.answer(w, r, req, up)
	}
	if p == nil {
		return
	}
	up.answered(p.Status)
	up.end() // before anybody knows that it failed
	if p.Status == http.StatusInternalServerError {
		h.srv.opt.Log.Error("plugin failed at a request", slog.String("plugin", h.route.Plugin.Name), slog.String("route", h.route.ID), slog.Any("err", p.Cause))
	}
	if p.Status == http.StatusServiceUnavailable && w.Header().Get("Retry-After") == "" {
		w.Header().Set("Retry-After", seconds(retryAfter))
	}
	refuse(w, h.route.Errors, p)
}

// retryAfter is what a client is told that comes while a plugin cannot answer.
const retryAfter = 5 * time.Second

// request makes the message for the plugin.
func (h *pluginRoute) request(w http.ResponseWriter, r *http.Request, up *uploaded) (*wire.HTTPRequest, *Problem) {
	req := &wire.HTTPRequest{
		Route: h.route.ID, Method: r.Method, Path: r.URL.Path, Caller: CallerOf(r.Context()), ContentType: r.Header.Get("Content-Type"),
		ReadOnly: (r.Method == http.MethodGet || r.Method == http.MethodHead) && !h.route.Writes,
	}
	for _, name := range h.route.Names {
		key := name
		if name == h.route.Rest {
			key = "*"
		}
		value := openapi.PathParam(r, key)
		if value == "" && name != h.route.Rest {
			return nil, newProblem(http.StatusNotFound, "there is no "+r.URL.Path)
		}
		req.Params = append(req.Params, wire.Pair{Name: name, Value: value})
	}
	var p *Problem
	if req.Query, p = queryPairs(r.URL.RawQuery); p != nil {
		return nil, p
	}
	for _, name := range h.headers {
		for _, value := range r.Header.Values(name) {
			req.Headers = append(req.Headers, wire.Pair{Name: name, Value: strings.ToValidUTF8(value, "�")})
		}
	}
	if p := checkParams(h.route, req); p != nil {
		return nil, p
	}
	if h.body.form == "blob" {
		return req, h.upload(w, r, req, up)
	}
	return req, h.body.read(w, r, req)
}

// answer asks the plugin and writes what it says.
func (h *pluginRoute) answer(w http.ResponseWriter, r *http.Request, req *wire.HTTPRequest, up *uploaded) *Problem {
	if h.route.Action != "" {
		return h.act(w, r, req)
	}
	a, err := h.srv.opt.Plugins.HTTP(r.Context(), h.route.Plugin.Name, h.route.ID, req)
	if err != nil {
		return problemOfPlugin(err)
	}
	if a.Close != nil {
		defer a.Close()
	}
	up.answered(a.Status)
	return writeAnswer(w, r, h.srv.opt.Log, h.route, a)
}

// act has an action answer instead of an HTTP call. What it gets of the request
// is the body, if that is JSON.
func (h *pluginRoute) act(w http.ResponseWriter, r *http.Request, req *wire.HTTPRequest) *Problem {
	result, err := h.srv.opt.Plugins.Action(r.Context(), h.route.Plugin.Name, h.route.Action, &wire.Action{
		Name: h.route.Action, Tree: req.Tree, Body: req.Body, Caller: req.Caller,
	})
	if err != nil {
		return problemOfPlugin(err)
	}
	return writeAnswer(w, r, h.srv.opt.Log, h.route, &plugin.Answer{
		ContentType: result.ContentType, Size: int64(len(result.Body)),
		WriteTo: func(_ context.Context, w io.Writer) error {
			_, err := w.Write(result.Body)
			return err
		},
	})
}

// problemOfPlugin makes the answer for an error of the plugin host. What the
// plugin itself says goes out; how it crashed does not.
func problemOfPlugin(err error) *Problem {
	if guest.ReasonOf(err) != "" {
		return openapi.Failed(err)
	}
	var e *call.StatusError
	if !errors.As(err, &e) {
		return problemOf(err)
	}
	status := e.Status.HTTP()
	if status == http.StatusOK || status == http.StatusInternalServerError {
		return openapi.Failed(err)
	}
	p := newProblem(status, e.Message)
	if p.Detail == "" {
		p.Detail = "the plugin answered " + e.Status.String()
	}
	if e.Code != "" {
		p.Code = e.Code
	}
	for _, d := range e.Details {
		p.Errors = append(p.Errors, d.Name+": "+d.Value)
	}
	return p
}
