// Package apidoc describes all operations of a server without starting one: for
// openapi/rest.json and openapi/marti.json, which are committed, and for the
// command line. The operations are those that core/server puts together.
//
// All functions are safe for concurrent use.
package apidoc

import (
	"io/fs"

	"github.com/danielgtaylor/huma/v2"

	"github.com/takhost/takhost/core/admin"
	"github.com/takhost/takhost/core/fts"
	"github.com/takhost/takhost/core/marti"
	"github.com/takhost/takhost/core/plugin"
	"github.com/takhost/takhost/core/web"
	"github.com/takhost/takhost/openapi"
)

//go:generate go run ./write ../../../openapi ../../../plugins

// REST describes what listen.rest and listen.web serve, with the routes of these
// plugins.
func REST(version string, sets []plugin.Routes) (*openapi.Document, error) {
	return web.Document(version, sets,
		func(api huma.API) { admin.Register(api, admin.Deps{}) },
		func(api huma.API) { fts.Register(api, fts.Deps{}) })
}

// Marti describes what TAK clients are served.
func Marti(version string, sets []plugin.Routes) (*openapi.Document, error) {
	return web.MartiDocument(version, sets, func(api huma.API) { marti.Register(api, marti.Deps{}) })
}

// Committed gives the descriptions that are committed in openapi, by the names of
// their files: of the default configuration, with the plugins that ship with
// takhost, whose manifests are read from their folders.
func Committed(plugins fs.FS) (map[string][]byte, error) {
	sets, err := web.ShippedRoutes(plugins)
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{}
	for name, describe := range map[string]func(string, []plugin.Routes) (*openapi.Document, error){"rest.json": REST, "marti.json": Marti} {
		doc, err := describe(web.DescribedVersion, sets)
		if err != nil {
			return nil, err
		}
		if files[name], err = doc.Indented(); err != nil {
			return nil, err
		}
	}
	return files, nil
}
