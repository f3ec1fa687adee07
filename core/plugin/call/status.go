package call

import (
	"context"
	"errors"

	"github.com/takhost/takhost/core/store"
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/wire"
)

// StatusError is an answer other than OK: of a guest to its host, to be carried
// up to whoever asked, or of the host to a guest.
type StatusError struct {
	Status  hostapi.Status
	Code    string // a word that programs can act on; empty: the name of the status
	Message string // for people; it reaches HTTP callers
	Details []wire.Pair

	Err error // the cause, for the server's log alone; may be nil
}

func (e *StatusError) Error() string {
	msg := e.Status.String()
	if e.Code != "" && e.Code != msg {
		msg += " (" + e.Code + ")"
	}
	if e.Message != "" {
		msg += ": " + e.Message
	}
	if e.Err != nil {
		msg += ": " + e.Err.Error()
	}
	return msg
}

func (e *StatusError) Unwrap() error { return e.Err }

// Wire gives what a guest or an HTTP caller gets to see.
func (e *StatusError) Wire() wire.Error {
	return wire.Error{Code: e.Code, Message: e.Message, Details: e.Details}
}

// Answered gives the error of a guest's or host's answer: nil if it is OK, which
// must be asked before it is used as an error. A payload that is no Error message
// counts as an empty one.
func Answered(s hostapi.Status, payload []byte) *StatusError {
	if s == hostapi.OK {
		return nil
	}
	e := &StatusError{Status: s}
	var w wire.Error
	if err := w.Decode(payload); err != nil {
		e.Err = err
		return e
	}
	e.Code, e.Message, e.Details = w.Code, w.Message, w.Details
	return e
}

// StatusOf gives err as an answer. Errors of the store keep their meaning; what
// is not known is Failed, with a message that tells nothing of the inside.
func StatusOf(err error) *StatusError {
	var e *StatusError
	if errors.As(err, &e) {
		return e
	}
	var s *store.Error
	if errors.As(err, &s) {
		return &StatusError{Status: statusOfCode(s.Code), Message: storeMessage(s), Err: err}
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return &StatusError{Status: hostapi.Retry, Message: "the time for this call is over", Err: err}
	case errors.Is(err, context.Canceled):
		return &StatusError{Status: hostapi.Retry, Message: "this call was given up", Err: err}
	}
	return &StatusError{Status: hostapi.Failed, Message: "internal error of the server", Err: err}
}

// storeMessage gives what may be told of an error. One without a text of its own
// is the database's, whose words are for the log.
func storeMessage(e *store.Error) string {
	switch {
	case e.Code == store.Unavailable:
		return "the database does not answer"
	case e.Code == store.Invalid && e.Msg != "":
		return e.Error()
	case e.Msg != "":
		return e.Msg
	}
	return "the database answers: " + string(e.Code)
}

func statusOfCode(c store.Code) hostapi.Status {
	switch c {
	case store.NotFound:
		return hostapi.NotFound
	case store.Conflict:
		return hostapi.Conflict
	case store.Invalid:
		return hostapi.Invalid
	case store.Forbidden:
		return hostapi.Forbidden
	case store.Limit:
		return hostapi.Limit
	case store.Unavailable:
		return hostapi.Retry
	}
	return hostapi.Failed
}

// StatusIs says whether err is an answer of that status.
func StatusIs(err error, s hostapi.Status) bool {
	var e *StatusError
	return errors.As(err, &e) && e.Status == s
}
