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
// FreeTAKServer does from a port of its own (spec/rest.md 1.1). A preflight is
// answered without a login, as browsers send none with it.
//
// That any origin may do this gives nothing away: what tells who the caller is
// (Authorization, or the subprotocol of a WebSocket) is never sent by a browser
// on its own, so a page can do what its user gave it the token for. Cookies and
// client certificates do not count here, and a browser is never told that it may
// send them. A listener that knows its users by cookie must not use this.
//
// Health and metrics are for machines, and stay closed to pages of others.
func (s *Server) cors(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if _, own := s.pages[r.URL.Path]; own {
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
