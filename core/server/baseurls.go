package server

import (
	"net"
	"strconv"

	"github.com/takhost/takhost/core/plugin/run"
)

// httpNames are the listeners that speak HTTP, in the order in which plugins get
// them.
var httpNames = []string{"https", "web", "rest", "http"}

// baseURLs are where clients reach the HTTP listeners. ahead is for the time
// before they are opened: those that the configuration has count, if it says their
// port.
func (s *Server) baseURLs(ahead bool) (list []run.BaseURL) {
	for _, name := range httpNames {
		addr := ""
		if bound := s.Addr(name); bound != nil {
			addr = bound.String()
		} else if ahead {
			addr = s.cfg.Listen.Addr(name)
		}
		if u := s.reach.base(name, addr, encrypted(name, s.cfg)); u != "" {
			list = append(list, run.BaseURL{Listener: name, URL: u})
		}
	}
	return list
}

// base gives where clients reach a listener that is, or will be, at an address;
// "" when that cannot be known, or the listener has no address. Other than url it
// guesses when the configuration does not say: a request tells more about it, but
// who asks here has none.
func (r *reach) base(listener, addr string, tls bool) string {
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		return ""
	}
	p, said := r.of(listener)
	if said && p.Port != 0 {
		port = strconv.Itoa(p.Port)
	}
	ip := net.ParseIP(host)
	switch {
	case port == "0":
		return ""
	case said:
		host = p.Host
	case host == "" || ip != nil && ip.IsUnspecified():
		host = "localhost"
		if found := candidates(); len(found) > 0 {
			host = found[0]
		}
	}
	n, err := strconv.Atoi(port)
	if err != nil {
		return ""
	}
	return baseURL(host, n, tls)
}

// baseURL writes a URL without the port that its scheme has anyhow.
func baseURL(host string, port int, tls bool) string {
	scheme, usual := "http", 80
	if tls {
		scheme, usual = "https", 443
	}
	if port == usual {
		return scheme + "://" + bracketed(host)
	}
	return scheme + "://" + net.JoinHostPort(host, strconv.Itoa(port))
}

// tellPlugins lets plugins know where clients reach the server now.
func (s *Server) tellPlugins() {
	if s.host != nil { // nil: it comes later
		s.host.SetBaseURLs(s.baseURLs(false))
	}
}
