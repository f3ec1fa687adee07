package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/takhost/takhost/core/store"
)

// Problem is the body of every error answer (RFC 9457), with a code for
// programs.
type Problem struct {
	Title  string   `json:"title" doc:"The status in words"`
	Status int      `json:"status" doc:"HTTP status"`
	Code   string   `json:"code" doc:"What went wrong, for programs: invalid, not_found, conflict, unavailable and others"`
	Detail string   `json:"detail" doc:"What went wrong, for people"`
	Errors []string `json:"errors,omitempty" doc:"Single faults, when there are several"`

	cause error // of an internal error; for the log, not for the caller
}

func (p *Problem) Error() string { return p.Detail }

// Unwrap gives the cause of an internal error.
func (p *Problem) Unwrap() error { return p.cause }

// GetStatus implements huma.StatusError.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType implements huma.ContentTypeFilter.
func (p *Problem) ContentType(string) string { return problemType }

const problemType = "application/problem+json"

// codes translates codes and HTTP statuses, the first status of a code being
// the one that it is answered with.
var codes = [...]struct {
	code   string
	status int
}{
	{string(store.Invalid), http.StatusBadRequest},
	{string(store.Invalid), http.StatusUnprocessableEntity},
	{"unauthorized", http.StatusUnauthorized},
	{string(store.Forbidden), http.StatusForbidden},
	{string(store.NotFound), http.StatusNotFound},
	{"method_not_allowed", http.StatusMethodNotAllowed},
	{string(store.Conflict), http.StatusConflict},
	{"gone", http.StatusGone},
	{"upgrade_required", http.StatusUpgradeRequired},
	{"limit", http.StatusTooManyRequests},
	{string(store.Unavailable), http.StatusServiceUnavailable},
}

const internal = "internal"

func codeOf(status int) string {
	for _, c := range codes {
		if c.status == status {
			return c.code
		}
	}
	if status < 500 {
		return string(store.Invalid)
	}
	return internal
}

func newProblem(status int, detail string) *Problem {
	return &Problem{Title: http.StatusText(status), Status: status, Code: codeOf(status), Detail: detail}
}

func invalidf(format string, args ...any) *Problem {
	return newProblem(http.StatusBadRequest, fmt.Sprintf(format, args...))
}

// problemOf makes the answer for an error of the core.
func problemOf(err error) *Problem {
	if p := (*Problem)(nil); errors.As(err, &p) {
		return p
	}
	code := string(store.CodeOf(err))
	for _, c := range codes {
		if c.code == code {
			return newProblem(c.status, err.Error())
		}
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return newProblem(http.StatusServiceUnavailable, "the request took too long and was given up")
	}
	p := newProblem(http.StatusInternalServerError, "the server failed at this; its log says why")
	p.cause = err
	return p
}

// problemOfHuma gives an error that huma made itself our form.
func problemOfHuma(m *huma.ErrorModel) *Problem {
	p := newProblem(answered(m.Status), m.Detail)
	for _, e := range m.Errors {
		if e != nil {
			p.Errors = append(p.Errors, strings.TrimPrefix(e.Location+": ", ": ")+e.Message)
		}
	}
	if len(p.Errors) > 0 {
		p.Detail = strings.Join(p.Errors, "; ")
	}
	if len(p.Errors) == 1 {
		p.Errors = nil
	}
	return p
}

// answered gives the status that goes out for one of huma's: an invalid
// parameter is a bad request like any other.
func answered(status int) int {
	if status == http.StatusUnprocessableEntity {
		return http.StatusBadRequest
	}
	return status
}
