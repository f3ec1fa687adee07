package web

import (
	"net/http"
	"strings"
)

const (
	// corsAge is how many seconds a browser may remember the answer to a preflight.
	corsAge = "600"
	// maxAsked is how long the list of headers may be that a page wants to send.
	maxAsked = 1024
)

// cors lets pages of other origins use listen.rest, as the web interface of
// FreeTAKServer does from a port of its own (spec/rest.md 1.1), and the same
// operations on listen.web. A preflight is answered without a login, as browsers
// send none with it.
//
// That any origin may do this gives nothing away: what tells who the caller is
// (Authorization with a token, or the subprotocol of a WebSocket) is never sent by
// a browser on its own, so a page can do what its user gave it the token for. A
// browser is never told that it may send cookies, so it keeps the answers to
// those from the page; fromOwnPage sees to what changes something.
//
// Pages of our own stay closed to those of others, and so do health and metrics,
// which are for machines, and the operations of TAK clients.
func (s *Server) cors(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.sameOriginOnly(r) {
			next.ServeHTTP(w, r)
			return
		}
		h := w.Header()
		h.Set("Access-Control-Allow-Origin", "*")
		if !isPreflight(r) {
			h.Set("Access-Control-Expose-Headers", "*")
			next.ServeHTTP(w, r)
			return
		}
		h.Set("Access-Control-Allow-Methods", "GET, HEAD, POST, PUT, PATCH, DELETE")
		h.Set("Access-Control-Allow-Headers", askedHeaders(r))
		h.Set("Access-Control-Max-Age", corsAge)
		h.Set("Vary", "Access-Control-Request-Headers")
		w.WriteHeader(http.StatusNoContent)
	})
}

func (s *Server) sameOriginOnly(r *http.Request) bool {
	for i := range s.pages {
		p := s.pages[i].Path
		if r.URL.Path == p || p != "/" && strings.HasSuffix(p, "/") && strings.HasPrefix(r.URL.Path, p) {
			return true
		}
	}
	return ListenerOf(r.Context()) == webListener && !s.routes.Load().rest.Has(r)
}

func isPreflight(r *http.Request) bool {
	return r.Method == http.MethodOptions && r.Header.Get("Origin") != "" && r.Header.Get("Access-Control-Request-Method") != ""
}

// askedHeaders gives back the headers that a page wants to send. A * instead
// would not stand for Authorization.
func askedHeaders(r *http.Request) string {
	var names []string
	length := 0
	for _, line := range r.Header.Values("Access-Control-Request-Headers") {
		for name := range strings.SplitSeq(line, ",") {
			name = strings.TrimSpace(name)
			if length += len(name); length > maxAsked {
				break
			}
			if validHeader(name, "") {
				names = append(names, name)
			}
		}
	}
	if names == nil {
		return "Authorization, Content-Type"
	}
	return strings.Join(names, ", ")
}
