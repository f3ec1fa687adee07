package fts

import (
	"errors"
	"log/slog"

	"github.com/takhost/takhost/core/store"
)

// errServer stands for what callers do not learn.
var errServer = errors.New("the server failed at this; its log says why")

// reason gives what a caller may know of an error, and logs the rest: those
// with a code he can do something about, others are ours.
func (r registrar) reason(q *Request, err error) string {
	if store.CodeOf(err) != "" || errors.As(err, new(*badRequest)) {
		return err.Error()
	}
	r.d.Log.Error("request in FreeTAKServer's form failed",
		slog.String("method", q.r.Method), slog.String("path", q.r.URL.Path), slog.Any("err", err))
	return errServer.Error()
}

// badRequest is an error of whoever asks.
type badRequest struct{ text string }

func (e *badRequest) Error() string { return e.text }
