package openapi

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
	"github.com/go-chi/chi/v5"
)

// Names of descriptions.
const (
	REST  = "rest"  // of listen.rest and listen.web
	Marti = "marti" // of listen.http and listen.https, and what TAK clients need of listen.web
)

// Options say what a generation is made of.
type Options struct {
	Name    string // of the description: REST or Marti; empty is REST
	Version string // of the server, for the description
	Log     *slog.Logger

	// Listeners are those of the operations of the core that name none.
	Listeners []string

	// Core registers the operations of the core.
	Core func(api huma.API)

	Plugins []Plugin

	// Pages are served to anybody, and are in no description.
	Pages []Page

	// Describe has the description itself served on the listeners, with a page to
	// read it, and beside it those of the generations that are built with it, at
	// /openapi/NAME.json and so on.
	Describe bool

	// Shared are routers of single listeners, into which operations of those
	// listeners go as well.
	Shared []*Router

	// Answer gives what answers a plugin's route. Nil: the generation is for its
	// description alone.
	Answer func(*Route) http.Handler

	// Guard gives what lets a request through to next, or refuses it. Nil: all
	// pass.
	Guard func(a Access, next http.Handler) http.Handler

	// Refuse answers what no operation takes. Nil: as a Problem.
	Refuse func(w http.ResponseWriter, r *http.Request, p *Problem)
}

// Page is served to anybody.
type Page struct {
	// Path, or all that is below it when it ends in a slash. / is for what nobody
	// else has there.
	Path      string
	Listeners []string
	Handler   http.Handler
	Posts     bool // it takes POST beside GET and HEAD
}

func (p *Page) methods() []string {
	if p.Posts {
		return []string{http.MethodGet, http.MethodHead, http.MethodPost}
	}
	return []string{http.MethodGet, http.MethodHead}
}

// Generation is a router and its description. It is not changed once it is
// built.
type Generation struct {
	mux *chi.Mux
	doc *Document
}

// Build makes a generation. The error is a *Refused when it is a plugin's
// fault.
func Build(opt Options) (*Generation, error) {
	list, err := BuildAll(opt)
	if err != nil {
		return nil, err
	}
	return list[0], nil
}

// BuildAll makes generations that share routers. What the core has in any of them
// goes before what plugins ask for.
func BuildAll(opts ...Options) ([]*Generation, error) {
	builders := make([]*builder, len(opts))
	for i := range opts {
		b := newBuilder(opts[i])
		builders[i] = b
		if err := caught(func() error { return b.core(opts) }); err != nil {
			return nil, fmt.Errorf("register operations of the core: %w", err)
		}
	}
	for _, b := range builders {
		for i := range b.opt.Plugins {
			if err := b.plugin(&b.opt.Plugins[i]); err != nil {
				return nil, err
			}
		}
	}
	list := make([]*Generation, len(opts))
	docs := map[string]*Document{}
	for i, b := range builders {
		if err := b.heads(); err != nil {
			return nil, err
		}
		doc, err := b.document()
		if err != nil {
			return nil, err
		}
		list[i] = &Generation{mux: b.own.mux, doc: doc}
		docs[b.opt.Name] = doc
	}
	for _, b := range builders {
		if err := b.describe(docs); err != nil {
			return nil, err
		}
	}
	return list, nil
}

func newBuilder(opt Options) *builder {
	b := &builder{opt: opt, own: &Router{mux: chi.NewMux()}}
	b.routers = append([]*Router{b.own}, opt.Shared...)
	b.opt.Name = nameOf(opt)
	if b.opt.Guard == nil {
		b.opt.Guard = func(_ Access, next http.Handler) http.Handler { return next }
	}
	if b.opt.Log == nil {
		b.opt.Log = slog.New(slog.DiscardHandler)
	}
	if b.opt.Refuse == nil {
		b.opt.Refuse = func(w http.ResponseWriter, _ *http.Request, p *Problem) { p.Write(w) }
	}
	return b
}

func nameOf(opt Options) string {
	if opt.Name == "" {
		return REST
	}
	return opt.Name
}

// ServeHTTP implements http.Handler.
func (g *Generation) ServeHTTP(w http.ResponseWriter, r *http.Request) { g.mux.ServeHTTP(w, r) }

// Has says whether there is an operation, route or file at the path of a request,
// whatever its method and listener.
func (g *Generation) Has(r *http.Request) bool { return len((&Router{mux: g.mux}).allowed(r)) > 0 }

// Document gives the description.
func (g *Generation) Document() *Document { return g.doc }

// builder makes one generation.
type builder struct {
	opt        Options
	own        *Router   // of the generation, for all its listeners
	routers    []*Router // own and those that are shared
	api        huma.API
	described  described
	routes     []*Route
	operations []ownOperation
}

// ownOperation is one of a plugin, to find out whose fault it is when the
// description cannot be written.
type ownOperation struct {
	plugin string
	route  string
	op     *huma.Operation
}

// core registers what the server has without plugins. all are the generations that
// are built together.
func (b *builder) core(all []Options) error {
	for _, r := range b.routers {
		b.otherwise(r)
	}
	to := &adapter{}
	b.api = newAPI(to, b.opt.Name, b.opt.Version, b.opt.Log)
	if b.opt.Core != nil {
		b.opt.Core(b.api)
	}
	handlers := map[string]coreOperation{}
	for _, o := range to.operations {
		handlers[o.op.Method+" "+o.op.Path] = o
	}
	var errs []error
	for path, item := range b.api.OpenAPI().Paths {
		for method, op := range operationsOf(item) {
			a := accessOf(op, b.opt.Listeners)
			o, found := handlers[method+" "+path]
			if !found {
				errs = append(errs, fmt.Errorf("core: %s %s is described and has no handler", method, path))
				continue
			}
			h := b.opt.Guard(a, o)
			errs = append(errs, b.addCore(a.Listeners, method, path, h))
			if method == http.MethodGet && item.Head == nil {
				errs = append(errs, b.addCore(a.Listeners, http.MethodHead, path, h))
			}
			b.mark(op, a.Listeners, "")
			b.secure(op, a)
			b.refusals(op)
			b.described.take(method, path)
		}
	}
	for i := range b.opt.Pages {
		p := &b.opt.Pages[i]
		if p.Path == "/" {
			continue // see otherwise
		}
		errs = append(errs, b.page(p))
	}
	if b.opt.Describe {
		paths := docsPaths()
		for _, opt := range all {
			paths = append(paths, b.documentPaths(nameOf(opt))...)
		}
		for _, path := range paths {
			for _, method := range []string{http.MethodGet, http.MethodHead} {
				// What serves them comes when there is a description.
				errs = append(errs, b.addCore(b.opt.Listeners, method, path, nil))
			}
		}
	}
	return errors.Join(errs...)
}

// otherwise sets what answers where there is no operation.
func (b *builder) otherwise(to *Router) {
	root := map[string]http.Handler{}
	for _, p := range b.opt.Pages {
		if p.Path == "/" && to.takes(p.Listeners) {
			for _, m := range p.methods() {
				root[m] = b.opt.Guard(Access{Listeners: p.Listeners, Open: true}, p.Handler)
			}
		}
	}
	to.mux.NotFound(func(w http.ResponseWriter, r *http.Request) {
		if h := root[r.Method]; h != nil && r.URL.Path == "/" {
			h.ServeHTTP(w, r)
			return
		}
		b.opt.Refuse(w, r, NewProblem(http.StatusNotFound, "there is no "+r.URL.Path))
	})
	to.mux.MethodNotAllowed(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Allow", strings.Join(to.allowed(r), ", "))
		b.opt.Refuse(w, r, NewProblem(http.StatusMethodNotAllowed, r.Method+" is not possible on "+r.URL.Path))
	})
}

// takes says whether operations of these listeners belong into the router.
func (r *Router) takes(listeners []string) bool {
	return r.listener == "" || slices.Contains(listeners, r.listener)
}

// allowed tells which methods there are, as RFC 9110 15.5.6 asks for.
func (r *Router) allowed(req *http.Request) (list []string) {
	path := req.URL.RawPath
	if path == "" {
		path = req.URL.Path
	}
	for _, m := range methods {
		if r.mux.Match(chi.NewRouteContext(), m, path) {
			list = append(list, m)
		}
	}
	return list
}

// addCore registers an operation or page of the core. Without a handler it only
// notes that the path is taken.
func (b *builder) addCore(listeners []string, method, path string, h http.Handler) error {
	p, err := parsePattern(path)
	if err != nil {
		return fmt.Errorf("core: %w", err)
	}
	for _, r := range b.routers {
		if !r.takes(listeners) {
			continue
		}
		if err := r.table.addCore(method, path); err != nil {
			return err
		}
		if h != nil {
			r.mux.Method(method, p.chi(), h)
		}
	}
	return nil
}

// add registers what a plugin has at a path. A weak one gives way to whoever is
// there.
func (b *builder) add(o owner, listeners []string, method, path string, h http.Handler, weak bool) error {
	p, err := parsePattern(path)
	if err != nil {
		return err
	}
	for _, r := range b.routers {
		if !r.takes(listeners) || r.table.isThere(o, method, p) || weak && r.table.has(method, p) {
			continue
		}
		if err := r.table.addPlugin(o, method, path); err != nil {
			return err
		}
		if h != nil {
			r.mux.Method(method, p.chi(), h)
		}
	}
	return nil
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
		routes, err = p.routes(b.opt.Name)
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
		Tag(b.api, p.title(), p.Manifest.Description)
	}
	b.routes = append(b.routes, routes...)
	return caughtFor(p.Name, "", func() error { return b.static(p) })
}

// heads registers a HEAD for each GET of a plugin, which is the GET without its
// body, unless some plugin answers it itself.
func (b *builder) heads() error {
	for _, r := range b.routes {
		err := caughtFor(r.Plugin.Name, r.ID, func() error {
			if r.Method != http.MethodGet {
				return nil
			}
			return b.handle(http.MethodHead, r, true)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// Tag describes a heading, unless there is one of that name.
func Tag(api huma.API, name, about string) {
	doc := api.OpenAPI()
	if !slices.ContainsFunc(doc.Tags, func(t *huma.Tag) bool { return t.Name == name }) {
		doc.Tags = append(doc.Tags, &huma.Tag{Name: name, Description: about})
	}
}

func (b *builder) route(r *Route) error {
	if err := b.handle(r.Method, r, false); err != nil {
		return err
	}
	op := b.operation(r)
	b.api.OpenAPI().AddOperation(op)
	b.operations = append(b.operations, ownOperation{r.Plugin.Name, r.ID, op})
	return nil
}

// handle registers a route for a method.
func (b *builder) handle(method string, r *Route, weak bool) error {
	var h http.Handler
	if b.opt.Answer != nil {
		h = b.opt.Guard(r.access(), b.opt.Answer(r))
	}
	return b.add(owner{r.Plugin.Name, r.ID, r.Path}, r.Listeners, method, r.Path, h, weak)
}
