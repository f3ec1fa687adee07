package server

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/takhost/takhost/core/config"
	"github.com/takhost/takhost/core/onboard"
	"github.com/takhost/takhost/core/store"
)

// reach knows under which names and ports clients reach the listeners. Its
// methods may be called from many goroutines.
type reach struct {
	addr   func(listener string) net.Addr // nil: it is closed
	public atomic.Pointer[[]config.Public]
}

func newReach(public []string, addr func(string) net.Addr) *reach {
	r := &reach{addr: addr}
	r.set(public)
	return r
}

// set takes the list of the configuration, which was checked.
func (r *reach) set(public []string) {
	list := make([]config.Public, 0, len(public))
	for _, text := range public {
		if p, err := config.ParsePublic(text); err == nil {
			list = append(list, p)
		}
	}
	r.public.Store(&list)
}

// of gives what the configuration says of a listener: an entry of its own
// before those for all.
func (r *reach) of(listener string) (p config.Public, ok bool) {
	list := *r.public.Load()
	for _, name := range []string{listener, ""} {
		for _, p := range list {
			if p.Listener == name {
				return p, true
			}
		}
	}
	return config.Public{}, false
}

// port is where clients reach the listener; 0 when it is closed.
func (r *reach) port(listener string) int {
	addr := r.addr(listener)
	if addr == nil {
		return 0
	}
	if p, ok := r.of(listener); ok && p.Port != 0 {
		return p.Port
	}
	_, text, err := net.SplitHostPort(addr.String())
	if err != nil {
		return 0
	}
	port, err := strconv.Atoi(text)
	if err != nil {
		return 0
	}
	return port
}

// url gives where clients reach an HTTP listener, "" when the configuration
// says nothing of it: then what a request names is as good as anything.
func (r *reach) url(listener string, tls bool) string {
	p, ok := r.of(listener)
	port := r.port(listener)
	if !ok || port == 0 {
		return ""
	}
	return baseURL(p.Host, port, tls)
}

func bracketed(host string) string {
	if strings.Contains(host, ":") {
		return "[" + host + "]"
	}
	return host
}

// names are those that the server's certificate is for.
func (r *reach) names() []string {
	var names []string
	add := func(name string) {
		if name != "" && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	for _, p := range *r.public.Load() {
		add(p.Host)
	}
	if len(names) == 0 {
		for _, c := range candidates() {
			add(c)
		}
	}
	for _, own := range []string{"localhost", "127.0.0.1", "::1"} {
		add(own)
	}
	return names
}

// candidates are the names and addresses that this machine may be reached
// under, the likelier ones first: addresses of interfaces, then its name.
func candidates() (list []string) {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		addrs = nil // then there is the name
	}
	var later []string
	for _, a := range addrs {
		n, ok := a.(*net.IPNet)
		if !ok {
			continue
		}
		ip, ok := netip.AddrFromSlice(n.IP)
		ip = ip.Unmap()
		switch {
		case !ok, ip.IsLoopback(), ip.IsLinkLocalUnicast(), !ip.IsGlobalUnicast():
		case ip.Is4():
			list = append(list, ip.String())
		default:
			later = append(later, ip.String())
		}
	}
	if name, err := os.Hostname(); err == nil && strings.Contains(name, ".") {
		list = append(list, name)
	}
	return append(list, later...)
}

func isLoopbackHost(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && (ip.Unmap().IsLoopback() || ip.IsUnspecified())
}

// host gives the name that goes into packages and links. Without one in the
// configuration it is the machine's address, if that has a single one; else the
// error lists what there is.
func (r *reach) host() (string, error) {
	host := ""
	if p, ok := r.of("web"); ok {
		host = p.Host
	} else if bound, ok := r.addr("web").(*net.TCPAddr); ok && bound.IP.IsLoopback() {
		return "", &store.Error{Code: store.Unavailable, Msg: fmt.Sprintf("listen.web is on %s, which no phone reaches: listen on 0.0.0.0, or set public in the configuration to where a proxy passes it on", bound)}
	} else if found := candidates(); len(found) == 1 || len(found) > 1 && isIPv4(found[0]) && !isIPv4(found[1]) {
		host = found[0] // the only address of the usual kind
	} else {
		return "", &store.Error{Code: store.Unavailable, Msg: "it is not known under which name phones reach this server: set public in the configuration" + oneOf(found)}
	}
	if isLoopbackHost(host) {
		return "", &store.Error{Code: store.Unavailable, Msg: fmt.Sprintf("public names %s, which no phone reaches: set public in the configuration%s", host, oneOf(candidates()))}
	}
	return host, nil
}

func isIPv4(host string) bool {
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Is4()
}

func oneOf(found []string) string {
	if len(found) == 0 {
		return ", such as public: [tak.example.org], or start with --set public=tak.example.org"
	}
	return ", such as public: [" + found[0] + "], or start with --set public=" + found[0] + "; this machine has " + strings.Join(found, ", ")
}

// reach gives what goes into packages and links. An error says what to
// configure, with the code unavailable.
func (r *reach) reach() (onboard.Reach, error) {
	host, err := r.host()
	if err != nil {
		return onboard.Reach{}, err
	}
	return onboard.Reach{Name: host, Host: host, Stream: r.port("tls"), API: r.port("https"), Enrol: r.port("web")}, nil
}

// Reach gives the name and the ports that go into packages and links; the error
// says what to configure. The server runs.
func (s *Server) Reach() (onboard.Reach, error) { return s.reach.reach() }
