package marti

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/takhost/takhost/core/identity"
	"github.com/takhost/takhost/core/store"
	"github.com/takhost/takhost/openapi"
)

// Content types, to the letter: node-tak compares application/json for equality.
const (
	jsonType  = "application/json"
	textType  = "text/plain; charset=utf-8"
	htmlType  = "text/html; charset=utf-8"
	xmlType   = "application/xml"
	zipType   = "application/zip"
	p12Type   = "application/x-pkcs12"
	anyType   = "application/octet-stream"
	xmlHeader = "<?xml version='1.0' encoding='UTF-8' standalone='yes'?>"
)

// padTime is how times are written: three digits always (spec/tak-mission.md 2).
const padTime = "2006-01-02T15:04:05.000Z"

func stamp(t time.Time) string { return t.UTC().Format(padTime) }

// envelope is what most JSON answers come in (spec/tak-mission.md 1). Version is
// a text, which ATAK reads as a number.
type envelope[T any] struct {
	Version string `json:"version" example:"3"`
	Type    string `json:"type" doc:"What data is; clients compare it literally"`
	Data    T      `json:"data"`
	NodeID  string `json:"nodeId" doc:"Id of this server, the same for ever"`
}

// reply is an answer. Without content type it has no body.
type reply struct {
	status      int // 0: 200
	header      http.Header
	contentType string
	body        []byte

	// stream writes more behind body; an error cuts the answer short.
	stream func(w io.Writer) error

	// serve writes status and body itself.
	serve func(c *call)
}

func text(s string) *reply { return &reply{contentType: textType, body: []byte(s)} }

// empty is an answer without a body.
func empty(status int) *reply { return &reply{status: status} }

func (r *reply) set(name, value string) *reply {
	if r.header == nil {
		r.header = http.Header{}
	}
	r.header.Add(name, value)
	return r
}

// bare answers with v as JSON.
func bare(v any) (*reply, error) {
	b, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("write JSON: %w", err)
	}
	return &reply{contentType: jsonType, body: b}, nil
}

// enveloped answers with data as JSON in its envelope.
func enveloped[T any](a *api, typ string, data T) (*reply, error) {
	return bare(envelope[T]{Version: "3", Type: typ, Data: data, NodeID: a.NodeID})
}

func (r *reply) write(c *call) {
	h := c.w.Header()
	for name, values := range r.header {
		h[name] = values
	}
	if r.contentType != "" {
		h.Set("Content-Type", r.contentType)
	}
	if r.serve != nil {
		r.serve(c)
		return
	}
	if r.stream == nil {
		h.Set("Content-Length", strconv.Itoa(len(r.body)))
		if r.status == http.StatusNoContent || r.status == http.StatusNotModified {
			h.Del("Content-Length")
		}
	}
	status := r.status
	if status == 0 {
		status = http.StatusOK
	}
	c.w.WriteHeader(status)
	if c.r.Method == http.MethodHead {
		return
	}
	if _, err := c.w.Write(r.body); err != nil || r.stream == nil {
		return // an error means that the client is gone
	}
	out := &patientWriter{w: c.w, rc: http.NewResponseController(c.w)}
	if err := r.stream(out); err != nil {
		if out.err == nil && !errors.Is(err, context.Canceled) {
			c.Log.Error("Marti answer cut short", slog.String("path", c.r.URL.Path), slog.Any("err", err))
		}
		// The status is sent: all that is left is to end the connection, so that
		// nobody takes a part for the whole.
		panic(http.ErrAbortHandler)
	}
}

// answerWait is how long a client may take nothing of a long answer.
const answerWait = 30 * time.Second

// patientWriter lets an answer take as long as it needs while the client takes
// some of it.
type patientWriter struct {
	w   io.Writer
	rc  *http.ResponseController
	err error // of the connection
}

func (p *patientWriter) Write(b []byte) (n int, err error) {
	if err = p.rc.SetWriteDeadline(time.Now().Add(answerWait)); err == nil || errors.Is(err, http.ErrNotSupported) {
		n, err = p.w.Write(b)
	}
	if err != nil {
		p.err = err
	}
	return n, err
}

// faultf is an error that the caller is told.
func faultf(status int, format string, args ...any) error {
	return openapi.NewProblem(status, fmt.Sprintf(format, args...))
}

func invalidf(format string, args ...any) error {
	return faultf(http.StatusBadRequest, format, args...)
}

func forbiddenf(format string, args ...any) error {
	return faultf(http.StatusForbidden, format, args...)
}

func notFoundf(format string, args ...any) error {
	return faultf(http.StatusNotFound, format, args...)
}

// refuse answers with an error, in Marti's own form (spec/tak-mission.md 1).
func (c *call) refuse(err error) {
	var p *openapi.Problem
	var wait *identity.TooMany
	status, known := openapi.StatusOf(string(store.CodeOf(err)))
	switch {
	case errors.As(err, &p):
	case errors.As(err, &wait):
		p = openapi.NewProblem(http.StatusTooManyRequests, err.Error())
		c.w.Header().Set("Retry-After", seconds(wait.Wait))
	case errors.Is(err, identity.ErrBadCredentials):
		p = openapi.NewProblem(http.StatusUnauthorized, err.Error())
		c.w.Header().Set("WWW-Authenticate", `Basic realm="TAK Server", charset="UTF-8"`)
	case known:
		p = openapi.NewProblem(status, err.Error())
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		p = openapi.NewProblem(http.StatusServiceUnavailable, "the request took too long and was given up")
	default:
		c.Log.Error("Marti request failed", slog.String("method", c.r.Method), slog.String("path", c.r.URL.Path), slog.Any("err", err))
		p = openapi.Failed(err)
	}
	if p.Status == http.StatusServiceUnavailable {
		c.w.Header().Set("Retry-After", "5")
	}
	p.WriteAs(c.w, "marti")
}

// seconds writes a wait, rounded up.
func seconds(d time.Duration) string {
	return strconv.FormatInt(int64((d+time.Second-1)/time.Second), 10)
}
