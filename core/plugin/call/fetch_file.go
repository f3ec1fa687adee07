package call

import (
	"context"
	"io"
	"net/http"
	"path"

	"github.com/takhost/takhost/core/store"
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/wire"
)

// mayBlobs says whether another operation of the plugin may use files.
func (p *Plugin) mayBlobs(op hostapi.HostOp) error {
	if p.grants[hostapi.HostBlobPut] == nil {
		return notGranted(op, hostapi.CapBlobs)
	}
	if p.env.Blobs == nil {
		return &StatusError{Status: hostapi.Unsupported, Message: op.String() + ": this server keeps no files"}
	}
	return nil
}

// fetchBody makes a file the body of a request; whoever sends that closes it.
func (c *Call) fetchBody(ctx context.Context, m *wire.Fetch, req *http.Request) (io.Closer, error) {
	r, err := c.p.env.Blobs.Open(ctx, m.Blob)
	if err != nil {
		return nil, blobFault(hostapi.HostFetch, err)
	}
	// A section of it: a connection may close or read its body after the answer, and
	// a redirect reads it again.
	body := func() (io.ReadCloser, error) { return io.NopCloser(io.NewSectionReader(r.File, 0, r.Size)), nil }
	req.Body, _ = body() // it never fails
	req.GetBody, req.ContentLength = body, r.Size
	if r.Size == 0 {
		req.Body, req.GetBody = http.NoBody, func() (io.ReadCloser, error) { return http.NoBody, nil }
	}
	return r, nil
}

// fetchedFile puts the body of an answer into the store.
func (c *Call) fetchedFile(req *http.Request, res *http.Response) (*wire.BlobRef, error) {
	const op = hostapi.HostFetch
	if err := c.writes(op, max(res.ContentLength, 0)); err != nil {
		return nil, err
	}
	name := path.Base(res.Request.URL.Path)
	if name == "/" || name == "." {
		name = ""
	}
	b, err := c.p.env.Blobs.Put(req.Context(), res.Body, store.BlobSpec{
		ContentType: res.Header.Get("Content-Type"), Name: name, Max: c.p.owner.BlobQuota, Size: max(res.ContentLength, 0), Hold: c.holding(),
	})
	if err != nil {
		return nil, blobFault(op, err)
	}
	if res.ContentLength < 0 {
		if err := c.writes(op, b.Size); err != nil {
			return nil, err
		}
	}
	ref := BlobRef(b)
	return &ref, nil
}
