package setup

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"syscall"

	"github.com/takhost/takhost/core/config"
)

// listeners are those of the configuration, in its order.
var listeners = []string{"tcp", "tls", "http", "https", "web", "rest"}

// bind opens a listener for a moment.
func bind(ctx context.Context, addr string) error {
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	return ln.Close()
}

// portFault is why a listener could not be opened.
type portFault struct {
	key, addr string
	port      int
	text      string // what is wrong
	do        string // what to do
	taken     bool   // by another program
}

// checkPort says why a listener could not be opened, nil when it could.
func (m Machine) checkPort(ctx context.Context, key, addr string) *portFault {
	err := m.Bind(ctx, addr)
	if err == nil {
		return nil
	}
	host, port, splitErr := net.SplitHostPort(addr)
	n, numErr := strconv.Atoi(port)
	if errors.Join(splitErr, numErr) != nil {
		return &portFault{key: key, addr: addr, text: addr + " is no address", do: "write host:port"}
	}
	f := &portFault{key: key, addr: addr, port: n}
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		by := m.Holder(n)
		if by == "" {
			by = "another program"
		}
		f.taken, f.text, f.do = true, fmt.Sprintf("port %d is taken by %s", n, by), "stop that, or take another port with "+key
	case errors.Is(err, syscall.EACCES):
		f.text, f.do = fmt.Sprintf("port %d is for root alone", n), "takhost service install gives the right to a service; by hand: sudo setcap cap_net_bind_service=+ep on the program"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		f.text, f.do = "this machine does not have the address "+host, "write one that it has, or 0.0.0.0 for all of them"
	default:
		f.text, f.do = fmt.Sprintf("%s cannot be opened: %v", addr, plainNet(err)), "change "+key
	}
	return f
}

// plainNet takes off what the message says anyway.
func plainNet(err error) error {
	if op := (*net.OpError)(nil); errors.As(err, &op) {
		return op.Err
	}
	return err
}

// checkPorts checks all listeners of a configuration that are on.
func (m Machine) checkPorts(ctx context.Context, c *config.Config) (faults []*portFault) {
	for _, name := range listeners {
		addr := c.Listen.Addr(name)
		if addr == "" {
			continue
		}
		if f := m.checkPort(ctx, "listen."+name, addr); f != nil {
			faults = append(faults, f)
		}
	}
	if c.Web.HTTP != "" && c.Web.Certificate == config.WebACME {
		if f := m.checkPort(ctx, "web.acme_http", c.Web.HTTP); f != nil {
			faults = append(faults, f)
		}
	}
	return faults
}

// freePortNear gives an address with the next port that can be had, "" if none of
// the next hundred can.
func (m Machine) freePortNear(ctx context.Context, addr string, not func(addr string) bool) string {
	host, text, err := net.SplitHostPort(addr)
	if err != nil {
		return ""
	}
	port, err := strconv.Atoi(text)
	if err != nil {
		return ""
	}
	for n := port + 1; n <= min(port+100, 65535); n++ {
		next := net.JoinHostPort(host, strconv.Itoa(n))
		if !not(next) && m.Bind(ctx, next) == nil {
			return next
		}
	}
	return ""
}
