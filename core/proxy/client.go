package proxy

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// ClientOf says from which IP address, by which scheme and for which host a
// request was made. From a trusted peer the headers decide: X-Forwarded-For from
// the right, as far as its entries are trusted proxies themselves, and
// X-Forwarded-Proto, -Host and -Port. Forwarded (RFC 7239) is read only where
// X-Forwarded-For is absent: of two headers, the proxy may have set the one and
// the client the other.
//
// addr is the text before the port of r.RemoteAddr where that is no IP address.
func ClientOf(r *http.Request, t *Trusted) (addr, scheme, host string) {
	scheme, host = "http", r.Host
	if r.TLS != nil {
		scheme = "https"
	}
	peer, addr, ok := peerOf(r)
	if !ok || !t.Has(peer) {
		return addr, scheme, host
	}
	hops, order := forwardedFor(r.Header)
	at := client(hops, t)
	if at >= 0 {
		addr = hops[at].ip.String()
	}
	if p := strings.ToLower(pick(order.proto, at, len(hops))); p == "http" || p == "https" {
		scheme = p
	}
	if h := pick(order.host, at, len(hops)); isHost(h) {
		host = withPort(h, pick(order.port, at, len(hops)), scheme)
	}
	return addr, scheme, host
}

// peerOf gives the address of the request's connection.
func peerOf(r *http.Request) (ip netip.Addr, text string, ok bool) {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	ip, err = netip.ParseAddr(host)
	if err != nil {
		return netip.Addr{}, host, false
	}
	ip = ip.Unmap()
	return ip, ip.String(), true
}

// hop is one entry of a list that each proxy on the way has added to.
type hop struct {
	ip netip.Addr
	ok bool // else it is unknown, hidden or nonsense
}

// order has what else the proxies said, in the order of the hops.
type order struct{ proto, host, port []string }

// client finds the hop of the client: the last one that is no trusted proxy,
// or the first of all when they all are. Whatever stands before is hearsay. -1
// when the list does not tell.
func client(hops []hop, t *Trusted) int {
	at := -1
	for i := len(hops) - 1; i >= 0 && hops[i].ok; i-- {
		at = i
		if !t.Has(hops[i].ip) {
			break
		}
	}
	return at
}

// pick takes the entry of the client's hop. Some proxies replace a header that
// others add to, so where the lengths differ it is the last one's word.
func pick(list []string, at, hops int) string {
	switch {
	case len(list) == 0:
		return ""
	case at >= 0 && len(list) == hops:
		return list[at]
	}
	return list[len(list)-1]
}

func forwardedFor(h http.Header) ([]hop, order) {
	if list := h.Values("X-Forwarded-For"); len(list) > 0 {
		var hops []hop
		for _, s := range split(list) {
			hops = append(hops, parseHop(s))
		}
		return hops, order{proto: split(h.Values("X-Forwarded-Proto")), host: split(h.Values("X-Forwarded-Host")), port: split(h.Values("X-Forwarded-Port"))}
	}
	if list := h.Values("Forwarded"); len(list) > 0 {
		return forwarded(list)
	}
	return nil, order{proto: split(h.Values("X-Forwarded-Proto")), host: split(h.Values("X-Forwarded-Host")), port: split(h.Values("X-Forwarded-Port"))}
}

// split takes the lines of a header apart at commas.
func split(lines []string) (list []string) {
	for _, line := range lines {
		for s := range strings.SplitSeq(line, ",") {
			list = append(list, strings.TrimSpace(s))
		}
	}
	return list
}

// parseHop reads an address with or without a port: Azure writes one, and the
// brackets of IPv6 come and go.
func parseHop(s string) hop {
	if ap, err := netip.ParseAddrPort(s); err == nil {
		return hop{ip: ap.Addr().Unmap().WithZone(""), ok: true}
	}
	if n := len(s); n > 2 && s[0] == '[' && s[n-1] == ']' {
		s = s[1 : n-1]
	}
	ip, err := netip.ParseAddr(s)
	return hop{ip: ip.Unmap().WithZone(""), ok: err == nil}
}
