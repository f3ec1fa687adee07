package setup

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"
)

const (
	resolveWait  = 5 * time.Second
	databaseWait = 15 * time.Second
)

// Machine is what this package asks the machine that it runs on. Tests have their
// own.
type Machine struct {
	Addrs   func() ([]netip.Addr, error)                                 // of its interfaces
	Name    func() (string, error)                                       // its host name
	Resolve func(ctx context.Context, host string) ([]netip.Addr, error) // a name's addresses
	Bind    func(ctx context.Context, addr string) error                 // whether a listener could be opened
	Holder  func(port int) string                                        // who listens on it; "" when that is not known
}

// ThisMachine is the real one.
func ThisMachine() Machine {
	return Machine{Addrs: interfaceAddrs, Name: os.Hostname, Resolve: resolve, Bind: bind, Holder: holder}
}

func interfaceAddrs() ([]netip.Addr, error) {
	list, err := net.InterfaceAddrs()
	if err != nil {
		return nil, err
	}
	var addrs []netip.Addr
	for _, a := range list {
		if n, ok := a.(*net.IPNet); ok {
			if ip, ok := netip.AddrFromSlice(n.IP); ok {
				addrs = append(addrs, ip.Unmap())
			}
		}
	}
	return addrs, nil
}

func resolve(ctx context.Context, host string) ([]netip.Addr, error) {
	if ip, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{ip.Unmap()}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, resolveWait)
	defer cancel()
	addrs, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	for i := range addrs {
		addrs[i] = addrs[i].Unmap()
	}
	return addrs, err
}

// Candidates are the names and addresses that clients may reach this machine
// under, the likelier ones first: IPv4 addresses of its interfaces, its name if
// that has a domain, IPv6 addresses.
func (m Machine) Candidates() (list []string) {
	addrs, err := m.Addrs()
	if err != nil {
		addrs = nil // then there is the name
	}
	var later []string
	for _, ip := range addrs {
		switch {
		case ip.IsLoopback(), ip.IsLinkLocalUnicast(), !ip.IsGlobalUnicast():
		case ip.Is4():
			list = append(list, ip.String())
		default:
			later = append(later, ip.String())
		}
	}
	if name, err := m.Name(); err == nil && strings.Contains(name, ".") {
		list = append(list, name)
	}
	return append(list, later...)
}

// reachability is what a name or address of the server leads to.
type reachability struct {
	host     string
	addrs    []netip.Addr
	err      error // why the name leads nowhere
	loopback bool  // to whoever calls it
	here     bool  // to an address of this machine
}

// reach finds out what a name leads to, as seen from here.
func (m Machine) reach(ctx context.Context, host string) reachability {
	r := reachability{host: host}
	r.addrs, r.err = m.Resolve(ctx, host)
	if r.err != nil {
		return r
	}
	own, err := m.Addrs()
	if err != nil {
		own = nil // then none is known to be ours
	}
	r.loopback = len(r.addrs) > 0 && !slices.ContainsFunc(r.addrs, func(ip netip.Addr) bool { return !ip.IsLoopback() && !ip.IsUnspecified() })
	r.here = slices.ContainsFunc(r.addrs, func(ip netip.Addr) bool { return slices.Contains(own, ip) })
	return r
}

// text tells it in a sentence. ok is false when phones will not get here by it.
func (r reachability) text() (text string, ok bool) {
	var to []string
	for _, ip := range r.addrs {
		to = append(to, ip.String())
	}
	_, isAddr := netip.ParseAddr(r.host)
	leads := r.host + " is"
	if isAddr != nil {
		leads = r.host + " leads to " + strings.Join(to, ", ") + ","
	}
	switch dns := (*net.DNSError)(nil); {
	case errors.As(r.err, &dns) && dns.IsNotFound:
		return r.host + " is a name that nobody knows: enter it in the DNS, or is it misspelt?", false
	case r.err != nil:
		return r.host + " cannot be looked up now: " + plainDNS(r.err), false
	case len(r.addrs) == 0:
		return r.host + " has no address", false
	case r.loopback:
		return leads + " this machine itself, wherever it is asked: a phone would call itself", false
	case r.here:
		return leads + " an address of this machine", true
	}
	return leads + " no address of this machine: right if a router or proxy passes connections on", true
}

// plainDNS takes the question off the error.
func plainDNS(err error) string {
	if dns := (*net.DNSError)(nil); errors.As(err, &dns) {
		return dns.Err
	}
	return err.Error()
}

func isAddr(host string) bool {
	_, err := netip.ParseAddr(host)
	return err == nil
}
