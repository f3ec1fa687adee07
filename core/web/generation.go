package web

import (
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/takhost/takhost/core/plugin"
	"github.com/takhost/takhost/openapi"
)

// Listeners of operations that name none, by description.
var (
	restListeners  = []string{restListener, webListener}
	martiListeners = []string{httpListener, httpsListener, webListener}
)

// routes are the two generations that belong together. On listen.web both are
// served, by a router of its own.
type routes struct {
	rest, marti *openapi.Generation
	web         *openapi.Router
}

// Generation builds the routes for the server with these plugins, and checks
// them. commit puts them in force for requests that begin afterwards, at once
// and for all; those under way end on the routes they began with. Calls are the
// plugin host's, one after the other. An error is a *openapi.Refused when it is
// the fault of a plugin.
func (s *Server) Generation(sets []plugin.Routes) (commit func(), err error) {
	r, err := s.build(sets, true)
	if err != nil {
		return nil, err
	}
	return func() { s.routes.Store(r) }, nil
}

// build makes both generations; those that do not serve are for their
// descriptions alone.
func (s *Server) build(sets []plugin.Routes, serve bool) (r *routes, err error) {
	r = &routes{web: openapi.NewRouter(webListener)}
	marti := openapi.Options{
		Name: openapi.Marti, Version: s.opt.Version, Log: s.opt.Log, Listeners: martiListeners,
		Core: s.martiOperations, Plugins: pluginsOf(sets), Shared: []*openapi.Router{r.web}, Refuse: refuseUnknown,
	}
	if serve {
		marti.Answer, marti.Guard = s.pluginRoute, s.guard
	}
	rest := marti
	rest.Name, rest.Listeners, rest.Core = openapi.REST, restListeners, s.restOperations(sets)
	rest.Pages, rest.Describe = s.pages, true
	list, err := openapi.BuildAll(marti, rest)
	if err != nil {
		return nil, err
	}
	r.marti, r.rest = list[0], list[1]
	return r, nil
}

// current serves what is in force.
func (s *Server) current(w http.ResponseWriter, r *http.Request) {
	now := s.routes.Load()
	switch ListenerOf(r.Context()) {
	case webListener:
		now.web.ServeHTTP(w, r)
	case httpListener, httpsListener:
		now.marti.ServeHTTP(w, r)
	default:
		now.rest.ServeHTTP(w, r)
	}
}

func pluginsOf(sets []plugin.Routes) []openapi.Plugin {
	list := make([]openapi.Plugin, len(sets))
	for i, p := range sets {
		list[i] = openapi.Plugin{Name: p.Plugin, Version: p.Version, Manifest: p.Manifest, Files: p.Files, Prefixes: p.Prefixes, Listeners: p.Listeners}
	}
	return list
}

// Document describes the operations of listen.rest and listen.web with these
// plugins, without a server. ops are those of Options.REST.
func Document(version string, sets []plugin.Routes, ops ...func(huma.API)) (*openapi.Document, error) {
	s := &Server{opt: Options{Version: version, REST: ops}}
	r, err := s.build(sets, false)
	if err != nil {
		return nil, err
	}
	return r.rest.Document(), nil
}

// MartiDocument describes what TAK clients ask for, without a server. ops are
// those of Options.Marti.
func MartiDocument(version string, sets []plugin.Routes, ops ...func(huma.API)) (*openapi.Document, error) {
	s := &Server{opt: Options{Version: version, Marti: ops}}
	r, err := s.build(sets, false)
	if err != nil {
		return nil, err
	}
	return r.marti.Document(), nil
}

// restOperations registers the operations of the core for listen.rest and
// listen.web.
func (s *Server) restOperations(sets []plugin.Routes) func(huma.API) {
	return func(api huma.API) {
		coreOperations(api, s.opt.Core, s.opt.Live)
		pluginOperations(api, s.opt.Plugins)
		liveOperation(api, s.opt.Updates)
		reloadOperation(api, s.opt.Reload)
		actionOperations(api, s.opt.Plugins, sets, s.opt.Log)
		for _, register := range s.opt.REST {
			register(api)
		}
	}
}

// martiOperations registers those of TAK clients.
func (s *Server) martiOperations(api huma.API) {
	takprotoOperation(api, s.opt.Core, s.opt.Log)
	for _, register := range s.opt.Marti {
		register(api)
	}
}
