package main

import (
	"bytes"
	"fmt"
	"io/fs"

	"github.com/takhost/takhost/core/plugin"
	"github.com/takhost/takhost/core/plugin/pack"
	"github.com/takhost/takhost/core/server/apidoc"
	"github.com/takhost/takhost/core/web"
	"github.com/takhost/takhost/openapi"
	"github.com/takhost/takhost/plugins/dist"
)

type openapiCmd struct {
	REST  openapiRESTCmd  `cmd:"" name:"rest" help:"The operations of listen.rest and listen.web, with the plugins that come with this program."`
	Marti openapiMartiCmd `cmd:"" name:"marti" help:"The operations that TAK clients are served, with the plugins that come with this program."`
}

type openapiForm struct {
	YAML bool `help:"Write YAML."`
	V30  bool `name:"v30" help:"Write OpenAPI 3.0 instead of 3.1."`
}

type openapiRESTCmd struct{ openapiForm }

// Run writes the description, without a server.
func (c *openapiRESTCmd) Run(std streams) error { return c.write(std, apidoc.REST) }

type openapiMartiCmd struct{ openapiForm }

// Run writes the description, without a server.
func (c *openapiMartiCmd) Run(std streams) error { return c.write(std, apidoc.Marti) }

func (c *openapiForm) write(std streams, describe func(version string, sets []plugin.Routes) (*openapi.Document, error)) error {
	sets, err := shippedRoutes()
	if err != nil {
		return err
	}
	doc, err := describe(thisVersion().Version, sets)
	if err != nil {
		return err
	}
	var out []byte
	switch {
	case c.YAML && c.V30:
		out, err = doc.YAML30()
	case c.YAML:
		out, err = doc.YAML()
	case c.V30:
		out, err = doc.JSON30()
	default:
		out, err = doc.Indented()
	}
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(std.out, "%s\n", bytes.TrimRight(out, "\n"))
	return err
}

// shippedRoutes gives the routes of the plugins that come with the program.
func shippedRoutes() (sets []plugin.Routes, err error) {
	files := dist.Files()
	names, err := fs.Glob(files, "*"+pack.Ext)
	if err != nil {
		return nil, err // cannot be: the pattern is right
	}
	for _, name := range names {
		b, err := fs.ReadFile(files, name)
		if err != nil {
			return nil, err
		}
		p, err := pack.OpenBytes(b)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		set := web.DefaultRoutes(p.Manifest)
		set.Files = p.Static()
		sets = append(sets, set)
	}
	return sets, nil
}
