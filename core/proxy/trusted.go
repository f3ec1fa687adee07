package proxy

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
)

// Trusted is a set of addresses of proxies. A nil one trusts nobody.
type Trusted struct{ nets []netip.Prefix }

// ParseTrusted reads addresses (192.0.2.1, 2001:db8::1) and networks
// (10.0.0.0/8). The error names every entry that is neither.
func ParseTrusted(list []string) (*Trusted, error) {
	t, faults := &Trusted{}, []error(nil)
	for _, s := range list {
		p, err := parseNet(strings.TrimSpace(s))
		if err != nil {
			faults = append(faults, err)
			continue
		}
		t.nets = append(t.nets, p)
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	return t, nil
}

func parseNet(s string) (netip.Prefix, error) {
	if ip, err := netip.ParseAddr(s); err == nil {
		if ip.Zone() != "" {
			return netip.Prefix{}, fmt.Errorf("trusted proxy %q: write the address without %%%s", s, ip.Zone())
		}
		ip = ip.Unmap()
		return netip.PrefixFrom(ip, ip.BitLen()), nil
	}
	p, err := netip.ParsePrefix(s)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("trusted proxy %q: neither an address nor a network such as 10.0.0.0/8", s)
	}
	if p.Addr().Is4In6() {
		if p.Bits() < 96 {
			return netip.Prefix{}, fmt.Errorf("trusted proxy %q: write the IPv4 network without the ::ffff: in front", s)
		}
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	if p != p.Masked() {
		return netip.Prefix{}, fmt.Errorf("trusted proxy %q: bits are set beyond /%d, the network is %s", s, p.Bits(), p.Masked())
	}
	return p, nil
}

// Has says whether a proxy at that address is trusted.
func (t *Trusted) Has(ip netip.Addr) bool {
	if t == nil {
		return false
	}
	ip = ip.Unmap().WithZone("")
	for _, p := range t.nets {
		if p.Contains(ip) {
			return true
		}
	}
	return false
}

// Empty says that nobody is trusted.
func (t *Trusted) Empty() bool { return t == nil || len(t.nets) == 0 }

// ipOf gives the IP address of a TCP peer; others have none.
func ipOf(a net.Addr) (netip.Addr, bool) {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.Addr{}, false
	}
	ip, ok := netip.AddrFromSlice(tcp.IP)
	return ip.Unmap(), ok
}
