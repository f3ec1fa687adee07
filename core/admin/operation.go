package admin

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/takhost/takhost/core/identity"
	"github.com/takhost/takhost/core/store"
	"github.com/takhost/takhost/core/web"
	"github.com/takhost/takhost/hostapi/wire"
	"github.com/takhost/takhost/openapi"
)

// Roles that operations name.
const (
	roleAdmin    = "admin"
	roleOperator = "operator"
	roleUser     = "user"
)

const apiPath = "/api/v1"

// registrar adds operations to one description.
type registrar struct {
	api huma.API
	d   Deps
}

// Statuses that operations answer with, beside those that all have.
const (
	bad     = http.StatusBadRequest
	missing = http.StatusNotFound
	clash   = http.StatusConflict
	away    = http.StatusServiceUnavailable
)

// op makes an operation without saying who may use it.
func (r registrar) op(method, path, id, tag, summary, about string, statuses ...int) huma.Operation {
	return huma.Operation{
		OperationID: id, Method: method, Path: apiPath + path, Summary: summary, Description: about, Tags: []string{tag},
		RejectUnknownQueryParameters: true,
		Responses:                    openapi.ErrorsOf(r.api, append(statuses, http.StatusBadRequest)...),
	}
}

// created says that an operation answers with what it has made.
func created(op huma.Operation) huma.Operation {
	op.DefaultStatus = http.StatusCreated
	return op
}

func admins(op huma.Operation) huma.Operation { return openapi.ForRoles(op, roleAdmin) }

func operators(op huma.Operation) huma.Operation {
	return openapi.ForRoles(op, roleAdmin, roleOperator)
}

// actor says for the audit who sends the request that ctx belongs to.
func actor(ctx context.Context) identity.Actor {
	return identity.Actor{User: web.CallerOf(ctx).User, Addr: web.AddrOf(ctx), Via: web.ListenerOf(ctx)}
}

// caller is who sends a request.
type caller = wire.Caller

func isAdmin(c *caller) bool { return slices.Contains(c.Roles, roleAdmin) }

func isOperator(c *caller) bool { return isAdmin(c) || slices.Contains(c.Roles, roleOperator) }

func invalidf(format string, args ...any) error {
	return openapi.NewProblem(http.StatusBadRequest, fmt.Sprintf(format, args...))
}

func forbidden(text string) error { return openapi.NewProblem(http.StatusForbidden, text) }

func notFoundf(format string, args ...any) error {
	return openapi.NewProblem(http.StatusNotFound, fmt.Sprintf(format, args...))
}

// problemOf makes the answer for an error.
func problemOf(err error) error {
	var p *openapi.Problem
	var many *identity.TooMany
	switch {
	case err == nil:
		return nil
	case errors.As(err, &p):
		return err
	case errors.As(err, &many):
		h := http.Header{"Retry-After": {seconds(many.Wait)}}
		return huma.ErrorWithHeaders(openapi.NewProblem(http.StatusTooManyRequests, "too many attempts: try again later"), h)
	case errors.Is(err, identity.ErrBadCredentials):
		return openapi.NewProblem(http.StatusUnauthorized, "user or password is wrong")
	}
	if status, ok := openapi.StatusOf(string(store.CodeOf(err))); ok {
		return openapi.NewProblem(status, err.Error())
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return openapi.NewProblem(http.StatusServiceUnavailable, "the request took too long and was given up")
	}
	return openapi.Failed(err)
}

// seconds rounds up, as Retry-After has no parts of a second.
func seconds(d time.Duration) string {
	return strconv.FormatInt(max(1, int64((d+time.Second-1)/time.Second)), 10)
}

// Answer is a body alone. It is exported for huma.
type Answer[T any] struct{ Body T }

func answer[T any](v T, err error) (*Answer[T], error) {
	if err != nil {
		return nil, problemOf(err)
	}
	return &Answer[T]{v}, nil
}

// page cuts out of all, which rise by key, those after the last page.
func page[T any](all []T, p web.Paging, key func(T) string) (list []T, next string) {
	list = []T{}
	for _, v := range all {
		switch {
		case p.After != "" && key(v) <= p.After:
		case len(list) == p.Limit:
			return list, key(list[len(list)-1])
		default:
			list = append(list, v)
		}
	}
	return list, ""
}

// clip cuts what is repeated in an error.
func clip(s string) string {
	r := []rune(s)
	if len(r) <= 60 {
		return s
	}
	return string(r[:60]) + "…"
}
