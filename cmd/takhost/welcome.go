package main

import (
	"log/slog"
	"net"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/takhost/takhost/core/config"
	"github.com/takhost/takhost/core/onboard"
	"github.com/takhost/takhost/core/server"
	"github.com/takhost/takhost/core/web"
)

// welcome tells somebody who is new here what to do next.
func (c *serveCmd) welcome(log *slog.Logger, conf *config.Loaded, srv *server.Server) {
	log.Info("takhost is running", slog.String("version", thisVersion().Version), slog.String("data", absolute(conf.Data)))
	reach, unknown := srv.Reach()
	if len(conf.Public) == 0 {
		reach = onboard.Reach{} // a guess: all addresses are told
	}
	open, local := false, true
	for _, l := range []struct {
		name, how string
		public    int
	}{
		{"tcp", "clients connect here (TCP, no encryption)", 0},
		{"tls", "clients connect here (TLS with client certificate)", reach.Stream},
	} {
		addr := srv.Addr(l.name)
		if addr == nil {
			continue
		}
		list, loopback := reachable(addr)
		open, local = true, local && loopback
		log.Info(l.how, slog.String("addresses", strings.Join(known(list, reach.Host, l.public), " ")))
	}
	if open && local && len(conf.Public) == 0 { // else a proxy may bring them
		log.Info("only this machine can connect: start with --exposure lan to let in phones of the local network")
	}
	if addr := srv.Addr("web"); addr != nil {
		list, _ := reachable(addr)
		list = known(list, reach.Host, reach.Enrol)
		log.Info("phones enrol here: "+program()+" enrol NAME --new"+c.again()+" makes a code for one", slog.String("addresses", each("https://", list, "/")))
		if unknown != nil {
			log.Warn("phones cannot enrol yet", slog.Any("err", unknown))
		}
		if srv.Addr("rest") == nil {
			log.Info("the REST API tells of itself here", slog.String("addresses", each("https://", list, "/docs")))
		}
	}
	if addr := srv.Addr("rest"); addr != nil {
		scheme := "http://"
		if conf.RESTOverTLS() {
			scheme = "https://"
		}
		list, _ := reachable(addr)
		log.Info("the REST API tells of itself here", slog.String("addresses", each(scheme, list, "/docs")),
			slog.String("token", filepath.Join(absolute(conf.Data), web.TokenFile)))
	}
	log.Info("to see what happens: " + program() + " status" + c.again() + ", " + program() + " events tail" + c.again())
}

// known gives the name under which clients reach a listener, or list when there
// is none in the configuration.
func known(list []string, host string, port int) []string {
	if host == "" || port == 0 {
		return list
	}
	return []string{net.JoinHostPort(host, strconv.Itoa(port))}
}

// each writes before and after about each of list.
func each(before string, list []string, after string) string {
	texts := make([]string, len(list))
	for i, s := range list {
		texts[i] = before + s + after
	}
	return strings.Join(texts, " ")
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
