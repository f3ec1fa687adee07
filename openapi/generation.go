package openapi

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-chi/chi/v5"
)

// Options say what a generation is made of.
type Options struct {
	Version string // of the server, for the description
	Log     *slog.Logger

	// Listeners are those whose operations are in this generation: rest and web
	// for the description called rest.
	Listeners []string

	// Core registers the operations of the core.
	Core func(api huma.API)

	Plugins []Plugin

	// Pages are served beside the description by path, for GET and HEAD, to
	// anybody on these listeners: health and metrics on rest.
	Pages   map[string]http.Handler
	PagesOn []string

	// Answer gives what answers a plugin's route. Nil: the generation is for its
	// description alone.
	Answer func(*Route) http.Handler

	// Guard gives what lets a request through to next, or refuses it. Nil: all
	// pass.
	Guard func(a Access, next http.Handler) http.Handler
}

// Generation is a router and its description. It is not changed once it is
// built.
type Generation struct {
	mux *chi.Mux
	doc *Document
}

// Build makes a generation. The error is a *Refused when it is a plugin's
// fault.
func Build(opt Options) (g *Generation, err error) {
	b := builder{opt: opt, mux: chi.NewMux()}
	if b.opt.Guard == nil {
		b.opt.Guard = func(_ Access, next http.Handler) http.Handler { return next }
	}
	if b.opt.Log == nil {
		b.opt.Log = slog.New(slog.DiscardHandler)
	}
	if err := caught(b.core); err != nil {
		return nil, fmt.Errorf("register operations of the core: %w", err)
	}
	for i := range opt.Plugins {
		if err := b.plugin(&opt.Plugins[i]); err != nil {
			return nil, err
		}
	}
	if err := b.heads(); err != nil {
		return nil, err
	}
	doc, err := b.document()
	if err != nil {
		return nil, err
	}
	return &Generation{mux: b.mux, doc: doc}, b.pages(doc)
}

// ServeHTTP implements http.Handler.
func (g *Generation) ServeHTTP(w http.ResponseWriter, r *http.Request) { g.mux.ServeHTTP(w, r) }

// Document gives the description.
func (g *Generation) Document() *Document { return g.doc }

// builder makes one generation.
type builder struct {
	opt       Options
	mux       *chi.Mux
	api       huma.API
	table     table
	described described
	routes    []*Route
	own       []ownOperations
}

// ownOperations are those of one plugin, to find out whose fault it is when the
// description cannot be written.
type ownOperations struct {
	plugin string
	route  string
	op     *huma.Operation
}

// core registers what the server has without plugins.
func (b *builder) core() error {
	b.mux.NotFound(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/" && r.Method == http.MethodGet {
			http.Redirect(w, r, "/docs", http.StatusFound)
			return
		}
		NewProblem(http.StatusNotFound, "there is no "+r.URL.Path).Write(w)
	})
	b.mux.MethodNotAllowed(b.methodNotAllowed)
	b.api = newAPI(&adapter{b.mux, b.opt.Guard, b.opt.Listeners}, b.opt.Version, b.opt.Log)
	if b.opt.Core != nil {
		b.opt.Core(b.api)
	}
	var errs []error
	for path, item := range b.api.OpenAPI().Paths {
		for method, op := range operationsOf(item) {
			errs = append(errs, b.table.addCore(method, path))
			b.mark(op, b.opt.Listeners, "")
			b.refusals(op)
			b.described.take(method, path)
		}
	}
	for _, path := range slices.Concat(documentPaths, docsPaths(), slices.Sorted(maps.Keys(b.opt.Pages))) {
		errs = append(errs, b.table.addCore(http.MethodGet, path), b.table.addCore(http.MethodHead, path))
	}
	return errors.Join(errs...)
}

// mark adds what OpenAPI has no word for.
func (b *builder) mark(op *huma.Operation, listeners []string, plugin string) {
	if op.Extensions == nil {
		op.Extensions = map[string]any{}
	}
	op.Extensions["x-takhost-listeners"] = slices.Clone(listeners)
	if plugin != "" {
		op.Extensions["x-takhost-plugin"] = plugin
	}
}

func operationsOf(item *huma.PathItem) map[string]*huma.Operation {
	all := map[string]*huma.Operation{
		http.MethodGet: item.Get, http.MethodPost: item.Post, http.MethodPut: item.Put, http.MethodPatch: item.Patch,
		http.MethodDelete: item.Delete, http.MethodHead: item.Head, http.MethodOptions: item.Options, http.MethodTrace: item.Trace,
	}
	for m, op := range all {
		if op == nil {
			delete(all, m)
		}
	}
	return all
}

// plugin adds the routes and files of one plugin.
func (b *builder) plugin(p *Plugin) error {
	var routes []*Route
	err := caughtFor(p.Name, "", func() (err error) {
		routes, err = p.routes(b.opt.Listeners)
		return err
	})
	if err != nil {
		return err
	}
	for _, r := range routes {
		if err := caughtFor(p.Name, r.ID, func() error { return b.route(r) }); err != nil {
			return err
		}
	}
	if slices.ContainsFunc(routes, func(r *Route) bool { return len(r.Tags) == 0 }) {
		b.tag(p.title(), p.Manifest.Description)
	}
	b.routes = append(b.routes, routes...)
	return caughtFor(p.Name, "", func() error { return b.static(p) })
}

// heads registers a HEAD for each GET of a plugin, which is the GET without its
// body, unless some plugin answers it itself.
func (b *builder) heads() error {
	for _, r := range b.routes {
		err := caughtFor(r.Plugin.Name, r.ID, func() error {
			pat, err := parsePattern(r.Path)
			if err != nil || r.Method != http.MethodGet || b.table.has(http.MethodHead, pat) {
				return err
			}
			return b.handle(http.MethodHead, r)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// tag describes a heading, unless there is one of that name.
func (b *builder) tag(name, about string) {
	doc := b.api.OpenAPI()
	if !slices.ContainsFunc(doc.Tags, func(t *huma.Tag) bool { return t.Name == name }) {
		doc.Tags = append(doc.Tags, &huma.Tag{Name: name, Description: about})
	}
}

func (b *builder) route(r *Route) error {
	if err := b.handle(r.Method, r); err != nil {
		return err
	}
	op := b.operation(r)
	b.api.OpenAPI().AddOperation(op)
	b.own = append(b.own, ownOperations{r.Plugin.Name, r.ID, op})
	return nil
}

// handle registers a route for a method.
func (b *builder) handle(method string, r *Route) error {
	if err := b.table.addPlugin(r.Plugin.Name, r.ID, method, r.Path); err != nil {
		return err
	}
	if b.opt.Answer == nil {
		return nil
	}
	p, err := parsePattern(r.Path)
	if err != nil {
		return err
	}
	b.mux.Method(method, p.chi(), b.opt.Guard(r.access(), b.opt.Answer(r)))
	return nil
}

func (r *Route) access() Access {
	return Access{Listeners: r.Listeners, Open: r.Open, Roles: r.Roles, Errors: r.Errors}
}

// methodNotAllowed tells which methods there are, as RFC 9110 15.5.6 asks for.
func (b *builder) methodNotAllowed(w http.ResponseWriter, r *http.Request) {
	path := r.URL.RawPath
	if path == "" {
		path = r.URL.Path
	}
	var allow []string
	for _, m := range methods {
		if b.mux.Match(chi.NewRouteContext(), m, path) {
			allow = append(allow, m)
		}
	}
	w.Header().Set("Allow", strings.Join(allow, ", "))
	NewProblem(http.StatusMethodNotAllowed, r.Method+" is not possible on "+r.URL.Path).Write(w)
}
