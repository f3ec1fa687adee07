package web

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"

	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/wire"
	"github.com/takhost/takhost/openapi"
)

// Names of listeners, as in the configuration and in manifests. The admin
// socket has what rest has.
const (
	adminListener = "admin"
	restListener  = "rest"
)

// AdminRole is the role that may do everything.
const AdminRole = "admin"

// Authenticator says who sends a request. Its method is called from many
// goroutines at once.
type Authenticator interface {
	// Authenticate gives whom the credentials of a request belong to. The error
	// is ErrNoCredentials when there are none and ErrBadCredentials when they are
	// nobody's; any other is a failure of the server. Listener and BaseURL of the
	// caller are filled in by whoever asks.
	Authenticate(r *http.Request) (*wire.Caller, error)
}

// What Authenticate can find.
var (
	ErrNoCredentials  = errors.New("the request has no credentials")
	ErrBadCredentials = errors.New("the credentials are not known")
)

type listenerKey struct{}

// onListener marks requests with the name of the listener they came by.
func onListener(name string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), listenerKey{}, name)))
	})
}

func listenerOf(ctx context.Context) string {
	name, _ := ctx.Value(listenerKey{}).(string)
	return name
}

type callerKey struct{}

// callerOf gives who sends the request that ctx belongs to. It is never nil
// behind the guard; without a login the caller has no name and no groups.
func callerOf(ctx context.Context) *wire.Caller {
	c, _ := ctx.Value(callerKey{}).(*wire.Caller)
	if c == nil {
		c = &wire.Caller{}
	}
	return c
}

func isAdmin(c *wire.Caller) bool { return slices.Contains(c.Roles, AdminRole) }

// guard lets a request pass to next with its caller, or refuses it.
func (s *Server) guard(a openapi.Access, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		listener := listenerOf(r.Context())
		if listener != adminListener && !slices.Contains(a.Listeners, listener) {
			refuse(w, a.Errors, newProblem(http.StatusNotFound, "there is no "+r.URL.Path))
			return
		}
		var caller *wire.Caller
		var refused *Problem
		if a.Open {
			caller = s.anybody(r, listener)
		} else {
			caller, refused = s.caller(w, r, listener)
		}
		if refused == nil && !mayUse(caller, a.Roles) {
			refused = newProblem(http.StatusForbidden, "this is for callers with the role "+anyOf(a.Roles))
		}
		if refused != nil {
			if r.Body != http.NoBody {
				hangUp(w)
			}
			refuse(w, a.Errors, refused)
			return
		}
		h := w.Header()
		h.Set("X-Content-Type-Options", "nosniff")
		if !a.Open {
			// What takes a login is for nobody's cache, unless whoever answers says more.
			h.Set("Cache-Control", "no-store")
		}
		caller.Listener, caller.BaseURL = listener, baseURL(r, listener)
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), callerKey{}, caller)))
	})
}

// caller finds out who sends a request. Whoever may open the admin socket is an
// administrator.
func (s *Server) caller(w http.ResponseWriter, r *http.Request, listener string) (*wire.Caller, *Problem) {
	if listener == adminListener {
		return s.admin(), nil
	}
	if s.opt.Auth == nil {
		return nil, newProblem(http.StatusUnauthorized, "there is no way to log in here")
	}
	addr := remoteIP(r)
	c, err := s.opt.Auth.Authenticate(r)
	switch {
	case err == nil:
		return c, nil
	case errors.Is(err, ErrNoCredentials):
	case errors.Is(err, ErrBadCredentials):
		if wait := s.failures.failed(addr); wait > 0 {
			w.Header().Set("Retry-After", seconds(wait))
			return nil, newProblem(http.StatusTooManyRequests, "too many requests with wrong credentials came from this address")
		}
		s.opt.Log.Warn("request with wrong credentials refused", slog.String("addr", addr), slog.String("path", clip(r.URL.Path)))
	default:
		return nil, openapi.Failed(err)
	}
	w.Header().Set("WWW-Authenticate", `Bearer realm="takhost"`)
	return nil, newProblem(http.StatusUnauthorized,
		"send a token in the header Authorization: Bearer TOKEN; the file "+TokenFile+" in the server's data folder has it")
}

// anybody gives who sends a request to what is open to all: nobody, unless the
// credentials are right.
func (s *Server) anybody(r *http.Request, listener string) *wire.Caller {
	if listener == adminListener {
		return s.admin()
	}
	if s.opt.Auth != nil {
		if c, err := s.opt.Auth.Authenticate(r); err == nil {
			return c
		}
	}
	return &wire.Caller{}
}

// admin is who comes by the admin socket.
func (s *Server) admin() *wire.Caller { return adminCaller(s.opt.AllGroups) }

func adminCaller(all func() hostapi.SetID) *wire.Caller {
	set := hostapi.AnonSet
	if all != nil {
		set = all()
	}
	return &wire.Caller{User: "admin", Name: "Administrator", Roles: []string{AdminRole}, InSet: int32(set), OutSet: int32(set)}
}

func mayUse(c *wire.Caller, roles []string) bool {
	return len(roles) == 0 || isAdmin(c) || slices.ContainsFunc(roles, func(role string) bool { return slices.Contains(c.Roles, role) })
}

func anyOf(words []string) string {
	out := ""
	for i, w := range words {
		switch {
		case i == 0:
		case i == len(words)-1:
			out += " or "
		default:
			out += ", "
		}
		out += w
	}
	return out
}

// baseURL is where the client reached the listener, as it says itself.
func baseURL(r *http.Request, listener string) string {
	const ofHosts = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:[]"
	switch {
	case listener == adminListener || strings.Trim(r.Host, ofHosts) != "":
		return ""
	case r.TLS != nil:
		return "https://" + r.Host
	}
	return "http://" + r.Host
}

// remoteIP gives the client's address without its port.
func remoteIP(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}
