package web

import (
	"io"
	"net/http"
	"time"

	"github.com/takhost/takhost/core/store"
)

// ServeContent answers a request of the core with content of any size, or with
// parts of it, and with 304 to whoever has it. tag tells contents of one path
// apart; a zero time is not told. The client has as long as it takes some of it.
// An error of content ends the answer before its end.
func ServeContent(w http.ResponseWriter, r *http.Request, tag string, modified time.Time, content io.ReadSeeker) {
	h := w.Header()
	h.Set("ETag", `"`+tag+`"`)
	if h.Get("Cache-Control") == "no-store" {
		// It may be kept, if it is asked for each time whether it may.
		h.Set("Cache-Control", "private, no-cache")
	}
	http.ServeContent(&patientResponse{w, newPatientWriter(w)}, r, "", modified, content)
}

// ErrUploadTooLarge is for who takes an upload and finds it larger than it may be.
var ErrUploadTooLarge error = &store.Error{Code: store.Limit, Err: store.ErrTooLarge}

// FileProblem says why something was not put into the store of files.
func FileProblem(err error) *Problem { return problemOfUpload(0, err) }

// TakeUpload has take read the body of a request of the core, which may come for
// as long as some of it comes, and which take bounds by most. The problem says why
// it was not taken; nothing was answered yet.
func TakeUpload(w http.ResponseWriter, r *http.Request, most int64, take func(io.Reader) error) *Problem {
	rc := http.NewResponseController(w)
	body := newPacedBody(r, rc)
	var err error
	if r.ContentLength > most {
		err = ErrUploadTooLarge
	} else {
		err = take(body)
	}
	// The time for the answer begins now, not with the upload.
	_ = rc.SetWriteDeadline(time.Now().Add(writeTimeout)) // the connection has the same error
	if err == nil {
		return nil
	}
	p := problemOfUpload(most, err)
	if body.err == nil {
		linger(w, r)
	}
	w.Header().Set("Connection", "close")
	return p
}
