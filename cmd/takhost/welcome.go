package main

import (
	"log/slog"
	"net"
	"net/netip"
	"path/filepath"
	"strings"

	"github.com/takhost/takhost/core/config"
	"github.com/takhost/takhost/core/server"
	"github.com/takhost/takhost/core/web"
)

// welcome tells somebody who is new here what to do next.
func (c *serveCmd) welcome(log *slog.Logger, conf *config.Loaded, srv *server.Server) {
	log.Info("takhost is running", slog.String("version", thisVersion().Version), slog.String("data", absolute(conf.Data)))
	open, local := false, true
	for _, l := range []struct{ name, how string }{
		{"tcp", "clients connect here (TCP, no encryption)"},
		{"tls", "clients connect here (TLS with client certificate)"},
	} {
		addr := srv.Addr(l.name)
		if addr == nil {
			continue
		}
		list, loopback := reachable(addr)
		open, local = true, local && loopback
		log.Info(l.how, slog.String("addresses", strings.Join(list, " ")))
	}
	if open && local {
		log.Info("only this machine can connect: start with --exposure lan to let in phones of the local network")
	}
	if addr := srv.Addr("rest"); addr != nil {
		scheme := "http://"
		if conf.RESTOverTLS() {
			scheme = "https://"
		}
		list, _ := reachable(addr)
		for i := range list {
			list[i] = scheme + list[i] + "/docs"
		}
		log.Info("the REST API tells of itself here", slog.String("addresses", strings.Join(list, " ")),
			slog.String("token", filepath.Join(absolute(conf.Data), web.TokenFile)))
	}
	log.Info("to see what happens: takhost status" + c.again() + ", takhost events tail" + c.again())
}

// reachable gives the addresses under which clients reach a listener. One that
// is bound to all addresses has those of the machine's interfaces, so far as
// they are no loopback.
func reachable(addr net.Addr) (list []string, loopback bool) {
	ap, err := netip.ParseAddrPort(addr.String())
	if err != nil || !ap.Addr().IsUnspecified() {
		return []string{addr.String()}, err == nil && ap.Addr().IsLoopback()
	}
	ifaces, err := net.InterfaceAddrs()
	if err != nil {
		return []string{addr.String()}, false
	}
	for _, a := range ifaces {
		p, err := netip.ParsePrefix(a.String())
		if err != nil {
			continue
		}
		ip := p.Addr().Unmap()
		// A link-local IPv6 address needs a zone, which no client can enter.
		if ip.IsLoopback() || ip.IsLinkLocalUnicast() && ip.Is6() || ip.Is6() && ap.Addr().Is4() {
			continue
		}
		list = append(list, netip.AddrPortFrom(ip, ap.Port()).String())
	}
	if len(list) == 0 {
		list = []string{addr.String()}
	}
	return list, false
}
