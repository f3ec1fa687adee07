package web

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"github.com/takhost/takhost/openapi"
)

// fromOwnPage refuses what the page of somebody else makes a browser do with
// credentials that browsers send by themselves: changes, and WebSockets, whose
// messages such a page could read. Other reads it may make, as it does not get
// to see the answer.
//
// With a cookie it has to be shown that it is an own page. With a certificate, a
// remembered password or none at all, where clients are mostly programs, it is
// enough that nothing shows another one: all browsers tell the origin of such
// requests, and programs tell none.
func (s *Server) fromOwnPage(r *http.Request, q *request, a openapi.Access) *Problem {
	login := a.Open && q.listener != restListener && q.listener != adminListener
	if !q.proof.ambient() && !(login && q.proof == byNothing) {
		return nil
	}
	changes := a.Writes && !a.Open || r.Method != http.MethodGet && r.Method != http.MethodHead
	socket := isWebSocket(r)
	if !changes && !socket {
		return nil
	}
	own, foreign := s.origin(r, q)
	if foreign || !own && q.proof == byCookie && changes && !a.Open {
		return newProblem(http.StatusForbidden, "with this login only pages of this server may do that: it came without their Origin")
	}
	return nil
}

// knownHost refuses names that are none of this machine's, where nobody logs in
// and the listener is on loopback. The page of somebody else may have its own
// name lead to 127.0.0.1 once it is loaded (DNS rebinding): to the browser this
// server is then the page's own, and the page could read all that the anonymous
// user sees.
func (s *Server) knownHost(r *http.Request, q *request) bool {
	if q.listener != httpListener || !s.anonymous() {
		return true
	}
	local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	if !ok {
		return true
	}
	if at, err := netip.ParseAddrPort(local.String()); err != nil || !at.Addr().Unmap().IsLoopback() {
		return true
	}
	host := strings.ToLower(strings.TrimSuffix((&url.URL{Host: q.host}).Hostname(), "."))
	if _, err := netip.ParseAddr(host); err == nil || host == "" || host == "localhost" || strings.HasSuffix(host, ".localhost") {
		return true
	}
	base, err := url.Parse(s.publicURL(q.listener))
	return err == nil && strings.EqualFold(host, base.Hostname())
}

// origin tells whether a request shows that it was made by a page of this server,
// or by that of another. A program shows neither.
func (s *Server) origin(r *http.Request, q *request) (own, foreign bool) {
	// No script can set this header (Fetch Metadata).
	switch r.Header.Get("Sec-Fetch-Site") {
	case "same-origin":
		return true, false
	case "cross-site", "same-site":
		return false, true
	}
	text := r.Header.Get("Origin")
	if text == "" {
		return false, false
	}
	o, err := url.Parse(text)
	if err != nil || o.Host == "" {
		return false, true // null: a page from nowhere
	}
	if strings.EqualFold(o.Host, q.host) && strings.EqualFold(o.Scheme, q.scheme) {
		return true, false
	}
	if base, err := url.Parse(s.baseURL(q)); err == nil && strings.EqualFold(o.Host, base.Host) && strings.EqualFold(o.Scheme, base.Scheme) {
		return true, false
	}
	return false, true
}
