package call

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/takhost/takhost/hostapi"
)

// system is the network of the machine.
type system struct {
	*net.Resolver
	net.Dialer
}

func (e *Env) network() Network {
	if e.Network != nil {
		return e.Network
	}
	return &system{Resolver: net.DefaultResolver}
}

// dial resolves the name and connects to one of its addresses that the plugin
// may reach. The address checked is the one dialled, so nobody's DNS can put
// another one in between.
func (f *fetcher) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	via := f.p.env.network()
	var addrs []netip.Addr
	if a, err := netip.ParseAddr(host); err == nil {
		addrs = []netip.Addr{a}
	} else if addrs, err = via.LookupNetIP(ctx, "ip", host); err != nil {
		return nil, err
	}
	var may []netip.Addr
	for _, a := range addrs {
		if f.mayReach(a.Unmap(), port) {
			may = append(may, a.Unmap())
		}
	}
	if len(may) == 0 {
		where := host
		if len(addrs) > 0 {
			where = addrs[0].Unmap().String()
		}
		return nil, outside(hostapi.HostFetch, "hosts", net.JoinHostPort(where, port),
			strings.Join(f.scope.Hosts, ", ")+"; an address that is not public must be granted itself")
	}
	for i, a := range may {
		var conn net.Conn
		one, cancel := share(ctx, len(may)-i)
		conn, err = via.DialContext(one, network, net.JoinHostPort(a.String(), port))
		cancel()
		if err == nil {
			return conn, nil
		}
	}
	return nil, err
}

// share gives one of n tries its part of the time that is left.
func share(ctx context.Context, n int) (context.Context, context.CancelFunc) {
	end, ok := ctx.Deadline()
	if !ok {
		return context.WithTimeout(ctx, hostapi.DefaultFetchDeadline/time.Duration(n))
	}
	return context.WithTimeout(ctx, time.Until(end)/time.Duration(n))
}

// mayReach says whether the plugin may connect to an address: any that is
// public, and others that a pattern of the grant names.
func (f *fetcher) mayReach(a netip.Addr, port string) bool {
	if a.Zone() != "" {
		return false
	}
	if isPublic(a) {
		return true
	}
	for _, pattern := range f.scope.Hosts {
		if namesAddress(pattern) && hostapi.MatchHost(pattern, a.String(), port) {
			return true
		}
	}
	return false
}

// namesAddress says whether a pattern of hosts is meant for addresses: what
// stands before its first * has the first part of an address in it, with the dot
// or colon behind.
func namesAddress(pattern string) bool {
	name := pattern
	if in, ok := strings.CutPrefix(pattern, "["); ok {
		name, _, _ = strings.Cut(in, "]")
	} else {
		name, _, _ = strings.Cut(pattern, ":")
	}
	name, _, _ = strings.Cut(name, "*")
	for i, c := range []byte(name) {
		switch {
		case i > 0 && (c == '.' || c == ':'):
			return true
		case c == ':': // ::1
			return strings.HasPrefix(name, "::") && len(name) > 2
		case (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'f'):
			return false
		}
	}
	return false
}

// notPublic are ranges that no address of the internet at large is in, beyond
// those that netip knows by itself (RFC 6890 and its registries).
var notPublic = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),       // this network
	netip.MustParsePrefix("100.64.0.0/10"),   // shared by carriers
	netip.MustParsePrefix("192.0.0.0/24"),    // protocol assignments
	netip.MustParsePrefix("192.0.2.0/24"),    // documentation
	netip.MustParsePrefix("192.88.99.0/24"),  // 6to4 relays
	netip.MustParsePrefix("198.18.0.0/15"),   // benchmarks
	netip.MustParsePrefix("198.51.100.0/24"), // documentation
	netip.MustParsePrefix("203.0.113.0/24"),  // documentation
	netip.MustParsePrefix("240.0.0.0/4"),     // reserved, and broadcast
	netip.MustParsePrefix("::/96"),           // unspecified, loopback, IPv4-compatible
	netip.MustParsePrefix("64:ff9b:1::/48"),  // local translation
	netip.MustParsePrefix("100::/64"),        // discard
	netip.MustParsePrefix("2001::/23"),       // protocol assignments, Teredo among them
	netip.MustParsePrefix("2001:db8::/32"),   // documentation
	netip.MustParsePrefix("3fff::/20"),       // documentation
	netip.MustParsePrefix("5f00::/16"),       // segment routing
	netip.MustParsePrefix("fec0::/10"),       // site-local, of old
}

var (
	nat64  = netip.MustParsePrefix("64:ff9b::/96")
	sixTo4 = netip.MustParsePrefix("2002::/16")
)

// isPublic says whether an address is one of the internet at large. One that
// holds an IPv4 address is as public as that.
func isPublic(a netip.Addr) bool {
	a = a.Unmap()
	if !a.IsGlobalUnicast() || a.IsPrivate() || a.IsLoopback() || a.IsLinkLocalUnicast() || a.IsMulticast() {
		return false
	}
	for _, p := range notPublic {
		if p.Contains(a) {
			return false
		}
	}
	b := a.As16()
	switch {
	case a.Is4():
		return true
	case nat64.Contains(a):
		return isPublic(netip.AddrFrom4([4]byte(b[12:])))
	case sixTo4.Contains(a):
		return isPublic(netip.AddrFrom4([4]byte(b[2:6])))
	}
	return true
}
