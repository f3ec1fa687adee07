package openapi

import (
	"net/http"
	"strings"
)

// documentPaths gives the paths of a description: the own one's has no name in
// them.
func (b *builder) documentPaths(name string) []string {
	at := "/openapi"
	if name != b.opt.Name {
		at += "/" + name
	}
	return []string{at + ".json", at + ".yaml", at + "-3.0.json", at + "-3.0.yaml"}
}

// describe serves the descriptions and the page to read them. Nobody has to log
// in for any of it.
func (b *builder) describe(docs map[string]*Document) error {
	if !b.opt.Describe {
		return nil
	}
	for name, d := range docs {
		b.forms(name, d)
	}
	files, err := docsFiles()
	if err != nil {
		return err
	}
	for path, f := range files {
		b.open(path, f)
	}
	return nil
}

func (b *builder) forms(name string, doc *Document) {
	const asJSON, asYAML = "application/openapi+json", "application/openapi+yaml"
	paths := b.documentPaths(name)
	plain := func() ([]byte, error) { return doc.JSON(), nil }
	for i, d := range []struct {
		contentType string
		make        func() ([]byte, error)
	}{{asJSON, plain}, {asYAML, doc.YAML}, {asJSON, doc.JSON30}, {asYAML, doc.YAML30}} {
		b.open(paths[i], &lazyFile{contentType: d.contentType, make: d.make, log: b.opt.Log})
	}
}

// open serves a path that core has noted as taken.
func (b *builder) open(path string, h http.Handler) {
	h = b.opt.Guard(Access{Listeners: b.opt.Listeners, Open: true}, h)
	for _, r := range b.routers {
		if r.takes(b.opt.Listeners) {
			r.mux.Method(http.MethodGet, path, h)
			r.mux.Method(http.MethodHead, path, h)
		}
	}
}

// page registers one of Options.Pages.
func (b *builder) page(p *Page) error {
	path := p.Path
	if strings.HasSuffix(path, "/") {
		path += "{rest...}"
	}
	h := b.opt.Guard(Access{Listeners: p.Listeners, Open: true}, p.Handler)
	for _, method := range p.methods() {
		if err := b.addCore(p.Listeners, method, path, h); err != nil {
			return err
		}
	}
	return nil
}
