package web

import (
	"context"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/takhost/takhost/core/plugin"
	"github.com/takhost/takhost/core/plugin/pack"
)

// packageWait is how long the upload of a package may take.
const packageWait = 10 * time.Minute

// Upload is the body of a request that brings a package, read while it comes.
// It is exported for huma.
type Upload struct {
	SHA256 string `query:"sha256" pattern:"^([0-9a-fA-F]{64})?$" doc:"Refuse the package if this is not its SHA-256"`

	r *http.Request
	w http.ResponseWriter
}

// Resolve implements huma.Resolver.
func (u *Upload) Resolve(ctx huma.Context) []error {
	u.r, u.w = unwrap(ctx)
	return nil
}

// open gives the package: the body itself, or the first file of a multipart
// form.
func (u *Upload) open() (io.Reader, error) {
	// As long as it takes to bring a package over a slow line. That it is not
	// possible shows when the body is read.
	_ = http.NewResponseController(u.w).SetReadDeadline(time.Now().Add(packageWait))
	_ = http.NewResponseController(u.w).SetWriteDeadline(time.Now().Add(packageWait + writeTimeout))
	if u.r.ContentLength > pack.MaxArchive {
		return nil, tooLarge(pack.MaxArchive)
	}
	body := http.MaxBytesReader(u.w, u.r.Body, pack.MaxArchive)
	contentType, params, err := mime.ParseMediaType(u.r.Header.Get("Content-Type"))
	if err != nil || contentType != "multipart/form-data" {
		return body, nil
	}
	form := multipart.NewReader(body, params["boundary"])
	for {
		part, err := form.NextPart()
		if err != nil {
			return nil, invalidf("body: it has no file")
		}
		if part.FileName() != "" {
			return part, nil
		}
	}
}

// with hands the package to do, and makes the answer for its error.
func (u *Upload) with(p Plugins, do func(io.Reader) (plugin.Info, error)) (*infoOutput, error) {
	var info plugin.Info
	err := done(p, func() error {
		pkg, err := u.open()
		if err != nil {
			return err
		}
		info, err = do(pkg)
		if over := (*http.MaxBytesError)(nil); errors.As(err, &over) {
			return tooLarge(pack.MaxArchive)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return &infoOutput{info}, nil
}

func installOperations(api huma.API, p Plugins, op func(method, path, id, summary, about string, statuses ...int) huma.Operation) {
	file := &huma.Schema{Type: "string", Format: "binary", Description: "A .takplugin package"}
	body := &huma.RequestBody{Required: true, Content: map[string]*huma.MediaType{
		"application/octet-stream": {Schema: file},
		"multipart/form-data":      {Schema: &huma.Schema{Type: "object", Properties: map[string]*huma.Schema{"package": file}, Required: []string{"package"}}},
	}}
	install := op("POST", "", "plugin-install", "Install a plugin",
		"The package is kept by its digest. The plugin asks for what its manifest says; what it is granted is another call.",
		http.StatusBadRequest, http.StatusConflict, http.StatusRequestEntityTooLarge)
	huma.Register(api, install, func(ctx context.Context, in *struct{ Upload }) (*infoOutput, error) {
		return in.with(p, func(pkg io.Reader) (plugin.Info, error) { return p.Install(ctx, pkg, in.SHA256) })
	})
	takesBody(api, &install, body)

	swap := op("POST", "/{name}/swap", "plugin-swap", "Put another version in the place of the one that runs",
		"While events flow. If the new version does not start, the old one goes on and the answer says why.",
		http.StatusBadRequest, http.StatusForbidden, http.StatusNotFound, http.StatusConflict, http.StatusRequestEntityTooLarge)
	huma.Register(api, swap, func(ctx context.Context, in *struct {
		Named
		Upload
	}) (*infoOutput, error) {
		return in.with(p, func(pkg io.Reader) (plugin.Info, error) { return p.Swap(ctx, in.Name, pkg, in.SHA256) })
	})
	takesBody(api, &swap, body)
}
