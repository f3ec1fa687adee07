package web

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"unicode/utf8"

	"github.com/takhost/takhost/core/store"
	"github.com/takhost/takhost/hostapi/wire"
)

const (
	maxFiles  = 64       // of a form
	maxField  = 64 << 10 // bytes of a field that is no file
	maxFields = 1 << 20  // bytes of all of them, with their names
	partHead  = 64 << 10 // bytes between two parts: a boundary and the headers

	formTail  = 64 << 10 // bytes behind the last part
	maxBorder = 1 << 10  // bytes of a boundary; 70 by RFC 2046

	// formRoom is what a form may have beside its files.
	formRoom = maxFields + 2<<20
)

// formError is about the form itself.
type formError struct{ msg string }

func (e *formError) Error() string { return e.msg }

// form takes a multipart form. A part is a file if it has a file name, is said to
// be anything but text, has no name, or is too large or not fit to be a field.
func (u *uploader) form(body io.Reader, boundary string) error {
	if len(boundary) > maxBorder {
		return &formError{"its boundary is longer than " + bytesText(maxBorder)}
	}
	bounded := &headReader{r: body}
	m := multipart.NewReader(bounded, boundary)
	fields := 0
	for {
		bounded.left = partHead
		part, err := m.NextPart()
		bounded.left = -1
		if err == io.EOF {
			return tail(body)
		}
		if err != nil {
			return partFault(err)
		}
		spec := store.BlobSpec{ContentType: part.Header.Get("Content-Type"), Name: part.FileName()}
		from := io.Reader(part)
		if spec.Name == "" && part.FormName() != "" && isText(spec.ContentType) {
			field, err := io.ReadAll(io.LimitReader(part, maxField+1))
			if err != nil {
				return partFault(err)
			}
			if len(field) <= maxField && utf8.Valid(field) && utf8.ValidString(part.FormName()) {
				if fields += len(field) + len(part.FormName()); fields > maxFields || len(u.req.Form) == maxQuery {
					return &formError{"its fields are too many, or too large together"}
				}
				u.req.Form = append(u.req.Form, wire.Pair{Name: part.FormName(), Value: string(field)})
				continue
			}
			from = io.MultiReader(bytes.NewReader(field), part)
		}
		if spec.Name == "" {
			spec.Name = part.FormName()
		}
		if len(u.files) == maxFiles {
			return &formError{"it has too many files"}
		}
		if err := u.file(from, spec); err != nil {
			return partFault(err)
		}
	}
}

// tail takes what follows the last part, mostly a line break. Only a body that came
// whole counts, and only behind its end net/http sees that a client goes away.
func tail(body io.Reader) error {
	switch n, err := io.CopyN(io.Discard, body, formTail+1); {
	case n > formTail:
		return &formError{"it goes on behind its last part"}
	case err != io.EOF:
		return err
	}
	return nil
}

// isText says whether a part may be a field. Without a type it is text.
func isText(contentType string) bool {
	kind, _, err := mime.ParseMediaType(contentType)
	return contentType == "" || err == nil && kind == "text/plain"
}

// partFault tells apart a form that is broken from a connection or disk that is.
func partFault(err error) error {
	switch {
	case errors.Is(err, errCut), errors.Is(err, errTooSlow), errors.Is(err, store.ErrTooLarge), store.CodeOf(err) != "":
		return err
	case errors.Is(err, errHead):
		return &formError{"a part has too large headers"}
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		return &formError{"the multipart form has no end"}
	case errors.As(err, new(*formError)):
		return err
	}
	var disk interface{ Timeout() bool } // of the file system
	if errors.As(err, &disk) {
		return err
	}
	return &formError{"it is no multipart form"}
}

var errHead = errors.New("the headers of a part are too large")

// headReader bounds what is read to find the next part.
type headReader struct {
	r    io.Reader
	left int // -1: no bound
}

func (h *headReader) Read(p []byte) (int, error) {
	if h.left == 0 {
		return 0, errHead
	}
	if h.left > 0 && len(p) > h.left {
		p = p[:h.left]
	}
	n, err := h.r.Read(p)
	if h.left > 0 {
		h.left -= n
	}
	return n, err
}
