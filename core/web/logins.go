package web

import (
	"context"
	"crypto/x509"
	"errors"
	"net/http"
	"strings"

	"github.com/takhost/takhost/core/identity"
	"github.com/takhost/takhost/core/proxy"
	"github.com/takhost/takhost/hostapi/wire"
	"github.com/takhost/takhost/openapi"
)

// Logins knows who may come in; *identity.Service does. The error of credentials
// that are nobody's is identity.ErrBadCredentials, an *identity.TooMany or an
// *identity.Refusal; any other is a failure of the server. Methods are called
// from many goroutines at once, and what they give is not changed.
type Logins interface {
	Login(ctx context.Context, user, password, addr string) (*wire.Caller, error)
	// ByToken takes API tokens, secrets of sessions and access tokens.
	ByToken(ctx context.Context, secret, addr string) (*wire.Caller, error)
	// ByCertificate takes a certificate that is verified.
	ByCertificate(*x509.Certificate) (*wire.Caller, error)
	// Anonymous is whoever comes by listen.http.
	Anonymous() *wire.Caller
}

// enrolLogins is what Logins have that know enrolment tokens.
type enrolLogins interface {
	EnrolLogin(ctx context.Context, user, secret, clientUID, addr string) (*wire.Caller, *identity.Grant, error)
}

var (
	_ Logins      = (*identity.Service)(nil)
	_ enrolLogins = (*identity.Service)(nil)
)

// Authenticator says who sends a request to listen.rest, before Logins are asked.
// Its method is called from many goroutines at once.
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
	ErrBadCredentials = identity.ErrBadCredentials
)

// proof is how a caller showed who he is. It matters in browsers, which send
// some of these by themselves with requests that the page of somebody else makes.
type proof uint8

const (
	byNothing     proof = iota
	bySocket            // the admin socket
	byToken             // sent on purpose, never by a browser itself
	byPassword          // Basic, which browsers remember
	byCookie            //
	byCertificate       //
	byListener          // the anonymous user
)

// ambient says whether a browser sends it by itself.
func (p proof) ambient() bool { return p >= byPassword }

// identify finds out who sends a request. What is taken depends on the listener
// (spec/tak-marti.md 1):
//
//   - admin: whoever may open the socket is an administrator
//   - http: everybody is the anonymous user, unless that is switched off; then
//     as https
//   - https: the certificate of the connection or one that a trusted proxy
//     forwards; else as web. It goes before a token, since clients send tokens of
//     missions in the same header (spec/tak-mission.md 1)
//   - web: a token, a name with a password where the operation says so, the
//     cookie of a login
//   - rest: a token, that of the file included
func (s *Server) identify(r *http.Request, q *request, a openapi.Access) (*wire.Caller, proof, error) {
	switch q.listener {
	case adminListener:
		return s.admin(), bySocket, nil
	case restListener:
		c, err := s.byRESTToken(r, q)
		return c, byToken, err
	}
	if s.opt.Logins == nil {
		return nil, byNothing, ErrNoCredentials
	}
	if q.listener == httpListener && s.anonymous() {
		return s.opt.Logins.Anonymous(), byListener, nil
	}
	if q.listener != webListener {
		cert, err := s.certificate(r)
		if err != nil {
			return nil, byCertificate, err
		}
		if cert != nil {
			c, err := s.opt.Logins.ByCertificate(cert)
			return c, byCertificate, err
		}
	}
	if token, ok := bearerToken(r); ok {
		c, err := s.opt.Logins.ByToken(r.Context(), token, q.addr)
		return c, byToken, err
	}
	if user, password, ok := r.BasicAuth(); ok && a.Basic && !a.Open {
		c, err := s.byPassword(r, q, a, user, password)
		return c, byPassword, err
	}
	if cookie, err := r.Cookie(openapi.SessionCookie); err == nil && cookie.Value != "" {
		c, err := s.opt.Logins.ByToken(r.Context(), cookie.Value, q.addr)
		return c, byCookie, err
	}
	return nil, byNothing, ErrNoCredentials
}

// anonymous says whether listen.http takes everybody for the anonymous user.
func (s *Server) anonymous() bool { return s.opt.Anonymous == nil || s.opt.Anonymous() }

func (s *Server) byRESTToken(r *http.Request, q *request) (*wire.Caller, error) {
	err := ErrNoCredentials
	if s.opt.Auth != nil {
		var c *wire.Caller
		if c, err = s.opt.Auth.Authenticate(r); err == nil {
			return c, nil
		}
		if !errors.Is(err, ErrNoCredentials) && !errors.Is(err, ErrBadCredentials) {
			return nil, err
		}
	}
	token, ok := bearerToken(r)
	if !ok || s.opt.Logins == nil {
		return nil, err
	}
	return s.opt.Logins.ByToken(r.Context(), token, q.addr)
}

func (s *Server) byPassword(r *http.Request, q *request, a openapi.Access, user, password string) (*wire.Caller, error) {
	enrol, ok := s.opt.Logins.(enrolLogins)
	if !a.Enrol || !ok {
		return s.opt.Logins.Login(r.Context(), user, password, q.addr)
	}
	c, grant, err := enrol.EnrolLogin(r.Context(), user, password, clientUID(r), q.addr)
	q.grant = grant
	return c, err
}

// clientUID is how TAK clients name themselves in a query, in this writing or
// another.
func clientUID(r *http.Request) string {
	for name, values := range r.URL.Query() {
		if strings.EqualFold(name, "clientUid") && len(values) > 0 {
			return values[0]
		}
	}
	return ""
}

// certificate gives the client's certificate, verified: that of the connection,
// or what a trusted proxy says that its own was. nil: there is none.
func (s *Server) certificate(r *http.Request) (*x509.Certificate, error) {
	forwarded, err := proxy.ClientCertificate(r, s.opt.Trusted, s.opt.ForwardedCertificate)
	if r.TLS != nil && len(r.TLS.PeerCertificates) > 0 {
		return r.TLS.PeerCertificates[0], nil // the handshake has verified it
	}
	switch {
	case err != nil:
		return nil, &forwardedError{err}
	case forwarded == nil || s.opt.VerifyForwarded == nil:
		return nil, nil
	}
	if err := s.opt.VerifyForwarded(forwarded); err != nil {
		return nil, &forwardedError{err}
	}
	return forwarded, nil
}

// forwardedError is a certificate in a header that does not count.
type forwardedError struct{ err error }

func (e *forwardedError) Error() string { return "forwarded certificate: " + e.err.Error() }
func (e *forwardedError) Unwrap() error { return e.err }
