package config

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
)

// Public is one way in which clients reach the server.
type Public struct {
	Listener string // name of a listener; empty: all of them
	Host     string // name or address
	Port     int    // 0: the listener's own
}

// ParsePublic reads an entry of public: tak.example.org, 192.0.2.1, or
// tls=tak.example.org:18089 for one listener. An IPv6 address with a port is in
// brackets.
func ParsePublic(text string) (Public, error) {
	var p Public
	rest := text
	if name, after, ok := strings.Cut(text, "="); ok {
		if !slices.Contains(allListeners, name) {
			return Public{}, fmt.Errorf("%s: %s is no listener: %s", quote(text), quote(name), strings.Join(allListeners, ", "))
		}
		p.Listener, rest = name, after
	}
	p.Host = rest
	if host, port, err := net.SplitHostPort(rest); err == nil {
		n, err := strconv.Atoi(port)
		if !isPort(port) || err != nil || n == 0 {
			return Public{}, fmt.Errorf("%s has no valid port: it is a number from 1 to 65535", quote(text))
		}
		if p.Listener == "" {
			return Public{}, fmt.Errorf("%s has a port: say which listener is reached there, as in web=%s", quote(text), rest)
		}
		p.Host, p.Port = host, n
	}
	p.Host = strings.TrimSuffix(strings.TrimPrefix(p.Host, "["), "]")
	if p.Host == "" || !isHost(p.Host) {
		return Public{}, errors.New(quote(text) + " is no name or address: write one such as tak.example.org or 192.0.2.1")
	}
	return p, nil
}
