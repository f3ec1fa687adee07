package web

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/takhost/takhost/core/store"
	"github.com/takhost/takhost/hostapi/wire"
	"github.com/takhost/takhost/openapi"
)

// Blobs takes uploads. *store.Blobs is one.
type Blobs interface {
	Create(spec store.BlobSpec) (*store.BlobWriter, error)
	Hold() *store.Hold
}

// defaultUpload is how large an upload may be when nobody says.
const defaultUpload = 400 << 20

// maxUpload is how many bytes a route of a plugin takes.
func (s *Server) maxUpload(r *openapi.Route) int64 {
	most := int64(defaultUpload)
	if s.opt.MaxUpload != nil {
		most = s.opt.MaxUpload()
	}
	if r.MaxBody > 0 {
		most = min(most, int64(r.MaxBody))
	}
	return most
}

// upload puts the body of a request into the store, whole or not at all: as one
// file, or as the files of a multipart form. It needs the memory of a buffer.
func (h *pluginRoute) upload(w http.ResponseWriter, r *http.Request, req *wire.HTTPRequest, up *uploaded) *Problem {
	if h.srv.opt.Blobs == nil {
		return newProblem(http.StatusServiceUnavailable, "this server keeps no files")
	}
	u := &uploader{blobs: h.srv.opt.Blobs, most: h.srv.maxUpload(h.route), left: h.srv.maxUpload(h.route), req: req, hold: up.hold}
	defer u.drop()
	rc := http.NewResponseController(w)
	body := newPacedBody(r, rc)
	err := u.take(r, body)
	if err == nil {
		err = u.keep(r)
	}
	// The time for the answer begins now, not with the upload.
	_ = rc.SetWriteDeadline(time.Now().Add(writeTimeout)) // the connection has the same error
	if err == nil {
		return nil
	}
	p := problemOfUpload(u.most, err)
	u.drop() // others may have the room meanwhile
	if body.err == nil {
		linger(w, r)
	}
	w.Header().Set("Connection", "close")
	return p
}

// uploader holds the files of a request until all have come.
type uploader struct {
	blobs Blobs
	most  int64 // bytes of all files
	left  int64
	req   *wire.HTTPRequest
	files []*store.BlobWriter
	hold  *store.Hold
}

// take reads the body.
func (u *uploader) take(r *http.Request, body io.Reader) error {
	contentType, params, err := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if err == nil && strings.HasPrefix(contentType, "multipart/") && params["boundary"] != "" {
		if r.ContentLength > u.most+formRoom {
			return errTooLarge
		}
		return u.form(body, params["boundary"])
	}
	return u.file(body, store.BlobSpec{ContentType: r.Header.Get("Content-Type"), Size: max(r.ContentLength, 0)})
}

var errTooLarge = fmt.Errorf("upload: %w", store.ErrTooLarge)

// file takes one file.
func (u *uploader) file(from io.Reader, spec store.BlobSpec) error {
	if u.left <= 0 { // 0 would be no bound
		var one [1]byte
		if n, err := io.ReadFull(from, one[:]); n > 0 {
			return errTooLarge
		} else if err != io.EOF {
			return err
		}
	}
	spec.Max, spec.Hold = u.left, u.hold
	w, err := u.blobs.Create(spec)
	if err != nil {
		return err
	}
	u.files = append(u.files, w)
	n, err := w.ReadFrom(from)
	u.left -= n
	if err != nil {
		return err
	}
	return w.Finish()
}

// keep makes the files those of the store, in their order.
func (u *uploader) keep(r *http.Request) error {
	for _, w := range u.files {
		b, err := w.Keep(r.Context())
		if err != nil {
			return err
		}
		u.req.Blobs = append(u.req.Blobs, wire.BlobRef{Hash: b.Hash, Size: b.Size, ContentType: b.ContentType, Name: b.Name})
	}
	return nil
}

func (u *uploader) drop() {
	for _, w := range u.files {
		w.Drop()
	}
}

// problemOfUpload says why an upload was not taken.
func problemOfUpload(most int64, err error) *Problem {
	var bad *formError
	switch {
	case errors.As(err, &bad):
		return invalidf("body: %s", bad.msg)
	case errors.Is(err, store.ErrTooLarge):
		return tooLarge(most)
	case errors.Is(err, store.ErrNoSpace):
		return noRoom("unavailable", "the disk of the server has no room for this file")
	case store.CodeOf(err) == store.Limit:
		return noRoom("limit", "the files of this server may not have more bytes together (limits.files of the configuration)")
	case errors.Is(err, errTooSlow), errors.Is(err, os.ErrDeadlineExceeded):
		return newProblem(http.StatusRequestTimeout, "body: it came too slowly")
	case errors.Is(err, errCut):
		return invalidf("body: it did not come whole")
	}
	return problemOf(err)
}

func noRoom(code, detail string) *Problem {
	p := newProblem(http.StatusInsufficientStorage, detail)
	p.Code = code // not that of a failure
	return p
}

// An upload is cut when nothing came for bodyWait, and when after a while it came
// more slowly than any network is.
const (
	slowAfter = 2 * time.Minute
	slowRate  = 512 // bytes a second since the begin
)

var (
	errCut     = errors.New("the body did not come whole")
	errTooSlow = errors.New("the body came too slowly")
)

// pacedBody is the body of an upload, which takes as long as it comes.
type pacedBody struct {
	r     io.Reader
	rc    *http.ResponseController
	begun time.Time
	n     int64
	err   error // of the connection
}

func newPacedBody(r *http.Request, rc *http.ResponseController) *pacedBody {
	// What TLS has to write meanwhile is not late.
	_ = rc.SetWriteDeadline(time.Time{}) // the connection has the same error
	return &pacedBody{r: r.Body, rc: rc, begun: time.Now()}
}

func (b *pacedBody) Read(p []byte) (int, error) {
	now := time.Now()
	if took := now.Sub(b.begun); took > slowAfter && float64(b.n) < took.Seconds()*slowRate {
		b.err = errTooSlow
		return 0, b.err
	}
	_ = b.rc.SetReadDeadline(now.Add(bodyWait)) // the connection has the same error
	n, err := b.r.Read(p)
	b.n += int64(n)
	if err != nil && err != io.EOF {
		b.err = errors.Join(errCut, err)
		return n, b.err
	}
	return n, err
}
