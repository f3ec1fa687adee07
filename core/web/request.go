package web

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/takhost/takhost/core/identity"
	"github.com/takhost/takhost/core/proxy"
	"github.com/takhost/takhost/hostapi/wire"
)

// request is what is known of a request beside what net/http knows. It is made
// when the request comes in, and completed by the guard before whoever answers
// sees it.
type request struct {
	listener string
	addr     string // IP address of the client
	scheme   string // by which the client came to us, or to the proxy in front
	host     string // for which it asked there

	caller *wire.Caller
	proof  proof
	grant  *identity.Grant

	watches *watches
	again   func() error // whether the caller would still be let in
}

type requestKey struct{}

// onListener notes where a request comes from.
func (s *Server) onListener(name string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := &request{listener: name, watches: &s.watches}
		if name != adminListener { // whose peers have no address
			q.addr, q.scheme, q.host = proxy.ClientOf(r, s.opt.Trusted)
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), requestKey{}, q)))
	})
}

func requestOf(ctx context.Context) *request {
	q, _ := ctx.Value(requestKey{}).(*request)
	if q == nil {
		q = &request{}
	}
	return q
}

// CallerOf gives who sends the request that ctx belongs to. It is never nil;
// without a login the caller has no name, no roles and no groups.
func CallerOf(ctx context.Context) *wire.Caller {
	if c := requestOf(ctx).caller; c != nil {
		return c
	}
	return &wire.Caller{}
}

// AddrOf gives the IP address of the client that sends the request, also behind a
// trusted proxy.
func AddrOf(ctx context.Context) string { return requestOf(ctx).addr }

// ListenerOf gives the name of the listener that the request came by: admin,
// http, https, web or rest.
func ListenerOf(ctx context.Context) string { return requestOf(ctx).listener }

// GrantOf gives what an enrolment token gives a right to. It is nil for a request
// that came with none, or to an operation that is not marked openapi.Enrol.
func GrantOf(ctx context.Context) *identity.Grant { return requestOf(ctx).grant }

// Unwrap gives what net/http knows of an operation's request, for answers that
// are no single body.
func Unwrap(ctx huma.Context) (*http.Request, http.ResponseWriter) { return unwrap(ctx) }
