package openapi

import (
	"embed"
	"net/http"
	"path"
	"slices"
	"strings"
	"sync"
)

// The page that shows the description, with its script in compressed form.
// docs/README.md says where the script comes from.
//
//go:embed docs/index.html docs/start.js docs/style.css docs/icon.svg docs/scalar.js.gz docs/LICENSE.scalar.txt
var docsFS embed.FS

// docsFolder is where the page's own files are; the page itself is the folder's
// name without a slash.
const docsFolder = "/docs"

// docsCSP lets the page load and reach nothing but this server. Styles are
// written into the page by its script, so they cannot be told by their hash.
const docsCSP = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self'; " +
	"connect-src 'self'; worker-src 'self' blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// docsPaths gives the paths of the page and its files.
func docsPaths() []string {
	entries, err := docsFS.ReadDir("docs")
	if err != nil {
		return nil // the folder is embedded
	}
	paths := []string{docsFolder, docsFolder + "/"}
	for _, e := range entries {
		if e.Name() != "index.html" {
			paths = append(paths, docsFolder+"/"+strings.TrimSuffix(e.Name(), ".gz"))
		}
	}
	slices.Sort(paths)
	return paths
}

// docsFiles gives what serves them. It is made once, as it is the same for all
// generations.
var docsFiles = sync.OnceValues(func() (map[string]http.Handler, error) {
	entries, err := docsFS.ReadDir("docs")
	if err != nil {
		return nil, err
	}
	files := map[string]http.Handler{}
	for _, e := range entries {
		content, err := docsFS.ReadFile("docs/" + e.Name())
		if err != nil {
			return nil, err
		}
		name, zipped := strings.CutSuffix(e.Name(), ".gz")
		f := &file{contentType: typeOf(name), zipped: content, etag: etagOf(content)}
		if !zipped {
			if f, err = newFile(typeOf(name), content); err != nil {
				return nil, err
			}
		}
		f.header = http.Header{
			"Content-Security-Policy": {docsCSP}, "Referrer-Policy": {"no-referrer"}, "Cross-Origin-Opener-Policy": {"same-origin"},
			"Permissions-Policy": {"camera=(), geolocation=(), microphone=()"},
		}
		if name == "index.html" {
			files[docsFolder] = f
			files[docsFolder+"/"] = http.RedirectHandler(docsFolder, http.StatusMovedPermanently)
			continue
		}
		files[path.Join(docsFolder, name)] = f
	}
	return files, nil
})
