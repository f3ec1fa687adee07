package openapi

import (
	"net/http"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// Problem is the body of every error answer (RFC 9457), with a code for
// programs.
type Problem struct {
	Title  string   `json:"title" doc:"The status in words"`
	Status int      `json:"status" doc:"HTTP status"`
	Code   string   `json:"code" doc:"What went wrong, for programs: invalid, not_found, conflict, unavailable and others"`
	Detail string   `json:"detail" doc:"What went wrong, for people"`
	Errors []string `json:"errors,omitempty" doc:"Single faults, when there are several"`

	Cause error `json:"-"` // of an internal error; for the log, not for the caller
}

func (p *Problem) Error() string { return p.Detail }

// Unwrap gives the cause of an internal error.
func (p *Problem) Unwrap() error { return p.Cause }

// GetStatus implements huma.StatusError.
func (p *Problem) GetStatus() int { return p.Status }

// ContentType implements huma.ContentTypeFilter.
func (p *Problem) ContentType(string) string { return ProblemType }

// ProblemType is the content type of a Problem.
const ProblemType = "application/problem+json"

// codes translates codes and HTTP statuses, the first status of a code being
// the one that it is answered with.
var codes = [...]struct {
	code   string
	status int
}{
	{"invalid", http.StatusBadRequest},
	{"invalid", http.StatusUnprocessableEntity},
	{"unauthorized", http.StatusUnauthorized},
	{"forbidden", http.StatusForbidden},
	{"not_found", http.StatusNotFound},
	{"method_not_allowed", http.StatusMethodNotAllowed},
	{"conflict", http.StatusConflict},
	{"gone", http.StatusGone},
	{"too_large", http.StatusRequestEntityTooLarge},
	{"upgrade_required", http.StatusUpgradeRequired},
	{"limit", http.StatusTooManyRequests},
	{"unsupported", http.StatusNotImplemented},
	{"unavailable", http.StatusServiceUnavailable},
}

// Internal is the code of a failure that is no fault of the caller's.
const Internal = "internal"

// StatusOf gives the HTTP status of a code.
func StatusOf(code string) (status int, ok bool) {
	for _, c := range codes {
		if c.code == code {
			return c.status, true
		}
	}
	return 0, false
}

func codeOf(status int) string {
	for _, c := range codes {
		if c.status == status {
			return c.code
		}
	}
	if status < 500 {
		return "invalid"
	}
	return Internal
}

// NewProblem makes a Problem with the code of its status.
func NewProblem(status int, detail string) *Problem {
	return &Problem{Title: http.StatusText(status), Status: status, Code: codeOf(status), Detail: detail}
}

// Failed makes the Problem of an internal error, of which the caller learns
// nothing.
func Failed(cause error) *Problem {
	p := NewProblem(http.StatusInternalServerError, "the server failed at this; its log says why")
	p.Cause = cause
	return p
}

// problemOfHuma gives an error that huma made itself our form.
func problemOfHuma(m *huma.ErrorModel) *Problem {
	p := NewProblem(answered(m.Status), m.Detail)
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
