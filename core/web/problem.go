package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/takhost/takhost/core/store"
	"github.com/takhost/takhost/openapi"
)

// Problem is the body of every error answer of the core (RFC 9457).
type Problem = openapi.Problem

const problemType = openapi.ProblemType

func newProblem(status int, detail string) *Problem { return openapi.NewProblem(status, detail) }

func invalidf(format string, args ...any) *Problem {
	return newProblem(http.StatusBadRequest, fmt.Sprintf(format, args...))
}

// problemOf makes the answer for an error of the core. A code of package store
// has its HTTP status in openapi's table; here is the one place where the two
// meet.
func problemOf(err error) *Problem {
	if p := (*Problem)(nil); errors.As(err, &p) {
		return p
	}
	if status, ok := openapi.StatusOf(string(store.CodeOf(err))); ok {
		return newProblem(status, err.Error())
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return newProblem(http.StatusServiceUnavailable, "the request took too long and was given up")
	}
	return openapi.Failed(err)
}
