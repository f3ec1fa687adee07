package web

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/takhost/takhost/core/plugin"
	"github.com/takhost/takhost/openapi"
)

// answerWait is how long a client may take nothing of an answer.
const answerWait = 30 * time.Second

// writeAnswer sends a plugin's answer. A problem is given back when nothing was
// sent yet.
func writeAnswer(w http.ResponseWriter, r *http.Request, log *slog.Logger, route *openapi.Route, a *plugin.Answer) *Problem {
	status := a.Status
	if status == 0 {
		status = http.StatusOK
	}
	if status < 200 || status > 599 {
		return openapi.Failed(fmt.Errorf("the plugin answered with HTTP status %d", status))
	}
	h := w.Header()
	cached := false
	for _, pair := range a.Header {
		name, value := pair[0], pair[1]
		if strings.EqualFold(name, "Cache-Control") && !cached {
			h.Del(name) // ours
			cached = true
		}
		if !validHeader(name, value) {
			return openapi.Failed(fmt.Errorf("the plugin answered with a header that cannot be sent: %q", clip(name)))
		}
		if !isOwnHeader(name) {
			h.Add(name, value)
		}
	}
	contentType := a.ContentType
	if contentType == "" {
		contentType = route.Response
	}
	if !validHeader("Content-Type", contentType) {
		return openapi.Failed(fmt.Errorf("the plugin answered with the content type %q", clip(contentType)))
	}
	if a.OfFile && h.Get("Content-Disposition") == "" {
		h.Set("Content-Disposition", attachment(a.FileName)) // a stranger's, and no page of this server
	}
	if a.File != nil && status == http.StatusOK {
		setContentType(h, contentType)
		serveFile(w, r, a.File)
		return nil
	}
	bodiless := status == http.StatusNoContent || status == http.StatusNotModified
	if !bodiless {
		setContentType(h, contentType)
		if a.Size >= 0 {
			h.Set("Content-Length", strconv.FormatInt(a.Size, 10))
		}
	}
	w.WriteHeader(status)
	if bodiless || r.Method == http.MethodHead || a.WriteTo == nil {
		return nil
	}
	out := newPatientWriter(w)
	if err := a.WriteTo(r.Context(), out); err != nil {
		if out.err == nil && !errors.Is(err, context.Canceled) {
			log.Error("answer of a plugin cut short", slog.String("plugin", route.Plugin.Name), slog.String("route", route.ID), slog.Any("err", err))
		}
		// The status is sent: all that is left is to end the connection, so that
		// nobody takes a part for the whole.
		panic(http.ErrAbortHandler)
	}
	return nil
}

// patientWriter lets an answer take as long as it needs while the client takes
// some of it.
type patientWriter struct {
	w   io.Writer
	rc  *http.ResponseController
	err error // of the connection
}

func newPatientWriter(w http.ResponseWriter) *patientWriter {
	return &patientWriter{w: w, rc: http.NewResponseController(w)}
}

// Write implements io.Writer.
func (p *patientWriter) Write(b []byte) (n int, err error) {
	if err = p.wait(); err == nil {
		n, err = p.w.Write(b)
	}
	if err != nil {
		p.err = err
	}
	return n, err
}

// wait gives the client its time for the next bytes.
func (p *patientWriter) wait() error {
	err := p.rc.SetWriteDeadline(time.Now().Add(answerWait))
	if err != nil && !errors.Is(err, http.ErrNotSupported) {
		p.err = err
		return err
	}
	return nil
}

// validHeader says whether net/http sends a header as it stands.
func validHeader(name, value string) bool {
	if name == "" || value == "" && name == "Content-Type" {
		return false
	}
	for _, c := range []byte(name) {
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`"(),/:;<=>?@[\]{}`, c) >= 0 {
			return false
		}
	}
	for _, c := range []byte(value) {
		if c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

// bytesText writes a size for people.
func bytesText(n int64) string {
	for _, u := range []struct {
		size int64
		name string
	}{{1 << 20, " MiB"}, {1 << 10, " KiB"}} {
		if n >= u.size && n%u.size == 0 {
			return strconv.FormatInt(n/u.size, 10) + u.name
		}
	}
	return strconv.FormatInt(n, 10) + " bytes"
}
