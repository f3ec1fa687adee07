package sdk

import (
	"runtime"

	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/wire"
)

// Status says how an operation ended.
type Status = hostapi.Status

// The statuses. In answers to HTTP requests they are 200, 503, 500, 400, 403,
// 429, 501, 404, 409 and 410.
const (
	OK          = hostapi.OK
	Retry       = hostapi.Retry
	Failed      = hostapi.Failed
	Invalid     = hostapi.Invalid
	Forbidden   = hostapi.Forbidden
	Limit       = hostapi.Limit
	Unsupported = hostapi.Unsupported
	NotFound    = hostapi.NotFound
	Conflict    = hostapi.Conflict
	Gone        = hostapi.Gone
)

// Error is an error with a status: of a host operation, or to be returned to the
// host. The message reaches HTTP callers, so no secrets.
type Error struct {
	Status  Status
	Code    string // a word that programs can act on; empty: the name of the status
	Message string
	Details []Pair

	cause error
}

func (e *Error) Error() string {
	if e.Message == "" {
		return e.Status.String()
	}
	return e.Message
}

func (e *Error) Unwrap() error { return e.cause }

// Errorf makes an error of any status; see Format for the format. The last
// argument that is an error is what errors.Is and errors.As find in it.
func Errorf(s Status, format string, args ...any) error {
	e := &Error{Status: s, Message: Format(format, args...)}
	for _, a := range args {
		if err, ok := a.(error); ok {
			e.cause = err
		}
	}
	return e
}

// Invalidf and the others make errors of the status of their name.
func Invalidf(format string, args ...any) error { return Errorf(Invalid, format, args...) }

// NotFoundf says that what was asked for is not there.
func NotFoundf(format string, args ...any) error { return Errorf(NotFound, format, args...) }

// Forbiddenf says that the caller may not do that.
func Forbiddenf(format string, args ...any) error { return Errorf(Forbidden, format, args...) }

// Conflictf says that it is there already, or was changed meanwhile.
func Conflictf(format string, args ...any) error { return Errorf(Conflict, format, args...) }

// Gonef says that it was there and will not come back.
func Gonef(format string, args ...any) error { return Errorf(Gone, format, args...) }

// Limitf says that it is too much.
func Limitf(format string, args ...any) error { return Errorf(Limit, format, args...) }

// Retryf says that it may succeed later.
func Retryf(format string, args ...any) error { return Errorf(Retry, format, args...) }

// Failedf says that it failed for good.
func Failedf(format string, args ...any) error { return Errorf(Failed, format, args...) }

// StatusOf gives the status of an error: OK of none, Failed of one that has no
// status.
func StatusOf(err error) Status {
	if err == nil {
		return OK
	}
	return asError(err).Status
}

// Is says whether err has the status s.
func Is(err error, s Status) bool { return StatusOf(err) == s }

// asError finds the status in an error, and keeps what was wrapped around it as
// the message.
func asError(err error) *Error {
	if e, ok := err.(*Error); ok && e != nil && e.Status != OK {
		return e
	}
	out := &Error{Status: Failed, Message: err.Error(), cause: err}
	if e := findError(err); e != nil {
		out.Status, out.Code, out.Details = e.Status, e.Code, e.Details
	}
	return out
}

// findError is what errors.As does, for one type and without reflection.
func findError(err error) *Error {
	for err != nil {
		if e, ok := err.(*Error); ok && e != nil && e.Status != OK {
			return e
		}
		switch w := err.(type) {
		case interface{ Unwrap() error }:
			err = w.Unwrap()
		case interface{ Unwrap() []error }:
			for _, each := range w.Unwrap() {
				if e := findError(each); e != nil {
					return e
				}
			}
			return nil
		default:
			return nil
		}
	}
	return nil
}

// hostError is the answer of a host operation that is not OK.
func hostError(op hostapi.HostOp, s Status, payload []byte) error {
	var m wire.Error
	if len(payload) > 0 && m.Decode(payload) != nil {
		m = wire.Error{}
	}
	if m.Message == "" {
		m.Message = op.String() + ": " + s.String()
	}
	return &Error{Status: s, Code: m.Code, Message: m.Message, Details: m.Details}
}

// maxStack is how much of a stack an error carries, in bytes.
const maxStack = 4 << 10

// appendPanic makes the answer of a call that panicked. The stack is taken while
// the panic's frames are still there.
func appendPanic(dst []byte, p any) []byte {
	stack := make([]byte, maxStack)
	stack = stack[:runtime.Stack(stack, false)]
	m := wire.Error{Code: "panic", Message: string(AppendValue([]byte("the plugin panicked: "), p)), Details: []Pair{{Name: "stack", Value: string(stack)}}}
	return m.Append(dst)
}
