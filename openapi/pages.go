package openapi

import (
	"net/http"
)

// Paths of the description.
var documentPaths = []string{"/openapi.json", "/openapi.yaml", "/openapi-3.0.json", "/openapi-3.0.yaml"}

// pages serves the description, the page to read it, and what Options.Pages
// says. Nobody has to log in for any of it.
func (b *builder) pages(doc *Document) error {
	const asJSON, asYAML = "application/openapi+json", "application/openapi+yaml"
	plain := func() ([]byte, error) { return doc.JSON(), nil }
	for i, d := range []struct {
		contentType string
		make        func() ([]byte, error)
	}{{asJSON, plain}, {asYAML, doc.YAML}, {asJSON, doc.JSON30}, {asYAML, doc.YAML30}} {
		b.page(documentPaths[i], b.opt.Listeners, &lazyFile{contentType: d.contentType, make: d.make, log: b.opt.Log})
	}
	files, err := docsFiles()
	if err != nil {
		return err
	}
	for path, f := range files {
		b.page(path, b.opt.Listeners, f)
	}
	for path, h := range b.opt.Pages {
		b.page(path, b.opt.PagesOn, h)
	}
	return nil
}

func (b *builder) page(path string, listeners []string, h http.Handler) {
	h = b.opt.Guard(Access{Listeners: listeners, Open: true}, h)
	b.mux.Method(http.MethodGet, path, h)
	b.mux.Method(http.MethodHead, path, h)
}
