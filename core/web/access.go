package web

import (
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"

	"github.com/takhost/takhost/core/identity"
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/wire"
	"github.com/takhost/takhost/openapi"
)

// Names of listeners, as in the configuration and in manifests. The admin
// socket has what rest has.
const (
	adminListener = "admin"
	httpListener  = "http"
	httpsListener = "https"
	webListener   = "web"
	restListener  = "rest"
)

// AdminRole is the role that may do everything.
const AdminRole = identity.RoleAdmin

func isAdmin(c *wire.Caller) bool { return slices.Contains(c.Roles, AdminRole) }

// guard lets a request pass to next with its caller, or refuses it.
func (s *Server) guard(a openapi.Access, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := requestOf(r.Context())
		if q.listener != adminListener && !slices.Contains(a.Listeners, q.listener) {
			refuse(w, a.Errors, newProblem(http.StatusNotFound, "there is no "+r.URL.Path))
			return
		}
		if !s.knownHost(r, q) {
			refuse(w, a.Errors, newProblem(http.StatusMisdirectedRequest, "this listener is for programs of this machine, under the name localhost or an address; add "+clip(q.host)+" to public if it is a name of this server"))
			return
		}
		caller, refused := s.caller(w, r, q, a)
		if refused == nil {
			refused = s.mayUse(r, q, a, caller)
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
		c := *caller // it may be everybody's
		c.Listener, c.BaseURL = q.listener, s.baseURL(q)
		q.caller = &c
		q.again = func() error {
			if a.Open {
				return nil
			}
			_, _, err := s.identify(r, q, a)
			return err
		}
		next.ServeHTTP(w, r)
	})
}

// caller finds out who sends a request.
func (s *Server) caller(w http.ResponseWriter, r *http.Request, q *request, a openapi.Access) (*wire.Caller, *Problem) {
	c, how, err := s.identify(r, q, a)
	if a.Open {
		if err != nil {
			c, how = &wire.Caller{}, byNothing
		}
		q.proof = how
		return c, nil
	}
	q.proof = how
	if err == nil {
		return c, nil
	}
	return nil, s.refusal(w, r, q, a, err)
}

// refusal makes the answer for credentials that do not let a request in.
func (s *Server) refusal(w http.ResponseWriter, r *http.Request, q *request, a openapi.Access, err error) *Problem {
	log := s.opt.Log.With(slog.String("listener", q.listener), slog.String("addr", q.addr), slog.String("path", clip(r.URL.Path)))
	var tooMany *identity.TooMany
	var refusal *identity.Refusal
	var forwarded *forwardedError
	detail := howToLogIn[q.listener]
	if a.Basic && q.listener != restListener {
		detail = "a name with a password, or " + detail
	}
	detail = "show who you are: " + detail
	switch {
	case errors.As(err, &tooMany):
		w.Header().Set("Retry-After", seconds(tooMany.Wait))
		return newProblem(http.StatusTooManyRequests, err.Error())
	case errors.As(err, &refusal):
		s.noise.warn(log, "request refused", slog.Any("why", err))
		return newProblem(http.StatusForbidden, "the certificate does not let you in: "+refusal.Reason)
	case errors.As(err, &forwarded):
		s.noise.warn(log, "request refused", slog.Any("why", err))
		return newProblem(http.StatusForbidden, "the proxy in front of this server forwards a certificate that does not let you in")
	case errors.Is(err, ErrNoCredentials):
	case errors.Is(err, ErrBadCredentials):
		if wait := s.failures.failed(q.addr); wait > 0 {
			w.Header().Set("Retry-After", seconds(wait))
			return newProblem(http.StatusTooManyRequests, "too many requests with wrong credentials came from this address")
		}
		log.Warn("request with wrong credentials refused")
		if errors.Is(err, identity.ErrSpent) || errors.Is(err, identity.ErrEnded) {
			detail = err.Error()
		}
	default:
		return problemOf(err)
	}
	s.challenge(w, q, a)
	return newProblem(http.StatusUnauthorized, detail)
}

// howToLogIn is for people.
var howToLogIn = map[string]string{
	restListener:  "a token in the header Authorization: Bearer TOKEN; the file " + TokenFile + " in the server's data folder has it",
	webListener:   "the cookie of a login, or a token in the header Authorization: Bearer TOKEN",
	httpsListener: "a client certificate, or a token in the header Authorization: Bearer TOKEN",
	httpListener:  "a token in the header Authorization: Bearer TOKEN",
}

// challenge tells with what to come again. A browser asks its user for a name and
// a password when it reads Basic, so that is only where they are taken.
func (s *Server) challenge(w http.ResponseWriter, q *request, a openapi.Access) {
	h := w.Header()
	if a.Basic && q.listener != restListener {
		h.Add("WWW-Authenticate", `Basic realm="TAK Server"`)
	}
	realm := "takhost"
	if a.Errors == "fts" {
		realm = "Authentication Required"
	}
	h.Add("WWW-Authenticate", `Bearer realm="`+realm+`"`)
}

// mayUse says why a caller may not have an operation, if so.
func (s *Server) mayUse(r *http.Request, q *request, a openapi.Access, c *wire.Caller) *Problem {
	if p := s.fromOwnPage(r, q, a); p != nil {
		return p
	}
	switch {
	case a.Open:
	case !hasRole(c, a.Roles):
		return newProblem(http.StatusForbidden, "this is for callers with the role "+anyOf(a.Roles))
	case a.Writes && slices.Contains(c.Roles, identity.RoleReadonly) && !isAdmin(c):
		return newProblem(http.StatusForbidden, "callers with the role "+identity.RoleReadonly+" can only read, and this changes something")
	}
	return nil
}

// SocketUser is the name of who comes by the admin socket, or with the token of the
// REST API. No user can have it: he would own what they did.
const SocketUser = "(admin)"

// admin is who comes by the admin socket.
func (s *Server) admin() *wire.Caller { return adminCaller(s.opt.AllGroups) }

func adminCaller(all func() hostapi.SetID) *wire.Caller {
	set := hostapi.AnonSet
	if all != nil {
		set = all()
	}
	return &wire.Caller{User: SocketUser, Name: "Administrator", Roles: []string{AdminRole}, InSet: int32(set), OutSet: int32(set)}
}

func hasRole(c *wire.Caller, roles []string) bool {
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

func (s *Server) publicURL(listener string) string {
	if s.opt.PublicURL == nil {
		return ""
	}
	return s.opt.PublicURL(listener)
}

// baseURL is where clients reach the listener: as configured, or as this one
// says itself.
func (s *Server) baseURL(q *request) string {
	const ofHosts = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:[]"
	if q.listener == adminListener {
		return ""
	}
	if u := s.publicURL(q.listener); u != "" {
		return strings.TrimSuffix(u, "/")
	}
	if q.host == "" || strings.Trim(q.host, ofHosts) != "" {
		return ""
	}
	return q.scheme + "://" + q.host
}
