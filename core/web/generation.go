package web

import (
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/takhost/takhost/core/plugin"
	"github.com/takhost/takhost/openapi"
)

// restListeners are those whose operations are in the description called rest.
var restListeners = []string{restListener, "web"}

// Generation builds the routes for the server with these plugins, and checks
// them. commit puts them in force for requests that begin afterwards, at once
// and for all; those under way end on the routes they began with. Calls are the
// plugin host's, one after the other. An error is a *openapi.Refused when it is
// the fault of a plugin.
func (s *Server) Generation(sets []plugin.Routes) (commit func(), err error) {
	g, err := openapi.Build(openapi.Options{
		Version: s.opt.Version, Log: s.opt.Log, Listeners: restListeners,
		Core: s.operations(sets), Plugins: pluginsOf(sets), Pages: s.pages, PagesOn: []string{restListener},
		Answer: s.pluginRoute, Guard: s.guard,
	})
	if err != nil {
		return nil, err
	}
	return func() { s.generation.Store(g) }, nil
}

// current serves the generation that is in force.
func (s *Server) current(w http.ResponseWriter, r *http.Request) {
	s.generation.Load().ServeHTTP(w, r)
}

func pluginsOf(sets []plugin.Routes) []openapi.Plugin {
	list := make([]openapi.Plugin, len(sets))
	for i, p := range sets {
		list[i] = openapi.Plugin{Name: p.Plugin, Version: p.Version, Manifest: p.Manifest, Files: p.Files, Prefixes: p.Prefixes, Listeners: p.Listeners}
	}
	return list
}

// Document describes the operations of the core with these plugins, without a
// server.
func Document(version string, sets []plugin.Routes) (*openapi.Document, error) {
	s := &Server{opt: Options{Version: version}}
	g, err := openapi.Build(openapi.Options{
		Version: version, Listeners: restListeners, Core: s.operations(sets), Plugins: pluginsOf(sets),
	})
	if err != nil {
		return nil, err
	}
	return g.Document(), nil
}

// operations registers all operations of the core.
func (s *Server) operations(sets []plugin.Routes) func(huma.API) {
	return func(api huma.API) {
		coreOperations(api, s.opt.Core, s.opt.Live)
		pluginOperations(api, s.opt.Plugins)
		liveOperation(api, s.opt.Updates)
		reloadOperation(api, s.opt.Reload)
		actionOperations(api, s.opt.Plugins, sets, s.opt.Log)
	}
}
