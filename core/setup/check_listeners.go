package setup

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"strings"
)

// how far a listener can be reached.
type extent int

const (
	closed extent = iota
	inside        // this machine alone
	others
)

func extentOf(addr string) extent {
	switch {
	case addr == "":
		return closed
	case isLoopback(addr):
		return inside
	}
	return others
}

// extents gives how far each listener reaches: as it is, or as configured while
// no server runs.
func (p *Patient) extents() map[string]extent {
	all := map[string]extent{}
	for _, name := range listeners {
		all[name] = extentOf(p.Config.Listen.Addr(name))
	}
	if p.Running != nil {
		for _, l := range p.Running.Listeners {
			all[l.Name] = extentOf(l.Addr)
		}
	}
	return all
}

// checkListeners looks for sets of listeners of which clients need all, and that
// are open in part.
func checkListeners(_ context.Context, p *Patient) []Finding {
	var f findings
	open := p.extents()
	for _, pair := range []struct {
		is, lacks string
		level     Level
		why       string
	}{
		{"tls", "web", Warning, "phones with a certificate connect, but none can get one by enrolment"},
		{"web", "tls", Warning, "phones can enrol, and have nowhere to connect then"},
		{"tls", "https", Warning, "clients over TLS send files and ask for their groups there"},
		{"tcp", "http", Warning, "clients without encryption send files there"},
		{"http", "tcp", Note, "there is no plain CoT beside it"},
	} {
		if open[pair.is] <= open[pair.lacks] {
			continue
		}
		state := "closed"
		if open[pair.lacks] == inside {
			state = "open to this machine alone"
		}
		if pair.level == Note && open[pair.is] != others {
			continue
		}
		f.add(pair.level, "open both as far: set listen."+pair.lacks+", or close listen."+pair.is, "listen.%s is open, and listen.%s is %s: %s", pair.is, pair.lacks, state, pair.why)
	}
	if !slices.ContainsFunc([]string{"tcp", "tls", "https"}, func(name string) bool { return open[name] != closed }) {
		f.add(Fault, "set listen.tls", "no client can connect: listen.tcp, listen.tls and listen.https are closed")
	}
	if !slices.ContainsFunc(listeners, func(name string) bool { return open[name] == others }) {
		f.add(Note, "set listen.tls, listen.https and listen.web to addresses that others reach, such as 0.0.0.0:8089", "only this machine can connect")
	}
	plain := []string{}
	for _, name := range []string{"tcp", "http"} {
		if open[name] == others {
			plain = append(plain, "listen."+name)
		}
	}
	if open["rest"] == others && !p.Config.RESTOverTLS() {
		f.add(Warning, "remove rest.insecure, or set listen.rest to 127.0.0.1", "listen.rest is open to others without encryption: tokens can be read on the way")
	}
	if addrs := p.publicAddrs(); len(plain) > 0 && len(addrs) > 0 {
		f.add(Warning, "exposure: local or internet closes them; or is there a firewall before it?", "%s without login on a machine with the public address %s: the internet may come in", strings.Join(plain, " and "), some(addrs, 3))
	}
	return f.or("%s", summary(open))
}

// publicAddrs are those of this machine that the internet may reach.
func (p *Patient) publicAddrs() (list []string) {
	addrs, err := p.Machine.Addrs()
	if err != nil {
		return nil
	}
	shared := netip.MustParsePrefix("100.64.0.0/10") // of providers and VPNs, RFC 6598
	for _, ip := range addrs {
		if ip.Is4() && ip.IsGlobalUnicast() && !ip.IsPrivate() && !shared.Contains(ip) {
			list = append(list, ip.String())
		}
	}
	return list
}

func summary(open map[string]extent) string {
	var all, own []string
	for _, name := range listeners {
		switch open[name] {
		case others:
			all = append(all, name)
		case inside:
			own = append(own, name)
		}
	}
	var parts []string
	if len(all) > 0 {
		parts = append(parts, "open: "+strings.Join(all, ", "))
	}
	if len(own) > 0 {
		parts = append(parts, "for this machine alone: "+strings.Join(own, ", "))
	}
	return strings.Join(parts, "; ")
}

// checkOpen looks whether the listeners are open, or could be.
func checkOpen(ctx context.Context, p *Patient) []Finding {
	var f findings
	if p.AskErr != nil {
		return nil // the ports are the server's, for all we know
	}
	if p.Running == nil {
		for _, fault := range p.Machine.checkPorts(ctx, &p.Config.Config) {
			f.add(Fault, fault.do, "%s: %s", fault.key, fault.text)
		}
		return f.or("all can be opened")
	}
	for _, l := range p.Running.Listeners {
		want := p.Config.Listen.Addr(l.Name)
		switch {
		case want != "" && l.Addr == "":
			f.add(Fault, "takhost listener start "+l.Name, "listen.%s is %s", l.Name, l.State)
		case want == "" && l.Addr != "", want != "" && !sameAddr(want, l.Addr):
			f.add(Note, "takhost config reload, or a restart, brings it where the configuration has it", "listen.%s is open on %s, and the configuration has %q", l.Name, l.Addr, want)
		}
	}
	return f.or("all are open")
}

// sameAddr compares a configured address with a bound one: port 0 is any, and
// [::] is what 0.0.0.0 or no host become at times.
func sameAddr(want, bound string) bool {
	host, port, err := net.SplitHostPort(want)
	bHost, bPort, err2 := net.SplitHostPort(bound)
	if err != nil || err2 != nil || port != "0" && port != bPort {
		return false
	}
	ip, err := netip.ParseAddr(host)
	bIP, err2 := netip.ParseAddr(bHost)
	if err2 != nil || err != nil && host != "" {
		return true // a name: what it leads to is not the point here
	}
	return ip.Unmap() == bIP.Unmap() || (host == "" || ip.IsUnspecified()) && bIP.IsUnspecified()
}
