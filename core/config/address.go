package config

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// checkAddress tells what is wrong with a listener's address. An empty one is
// a listener that is off.
func checkAddress(addr string) error {
	if addr == "" {
		return nil
	}
	switch strings.ToLower(addr) {
	case "off", "no", "none", "false":
		return fmt.Errorf("%s is not an address: write \"\" to switch the listener off", quote(addr))
	}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		if isPort(addr) {
			return fmt.Errorf("%s lacks the host: write 127.0.0.1:%s for this machine or 0.0.0.0:%s for all addresses", quote(addr), addr, addr)
		}
		return fmt.Errorf("%s is not an address: write host:port, such as 0.0.0.0:8087 or [::1]:8087", quote(addr))
	}
	if !isPort(port) {
		return fmt.Errorf("%s has no valid port: it is a number from 0 to 65535", quote(addr))
	}
	if !isHost(host) {
		return fmt.Errorf("%s has no valid host: write an IP address or a name", quote(addr))
	}
	return nil
}

func isPort(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	// No sign, no leading zeros: ParseUint alone takes 008087.
	return err == nil && strconv.FormatUint(n, 10) == s
}

func isHost(s string) bool {
	if s == "" {
		return true
	}
	if _, err := netip.ParseAddr(s); err == nil {
		return true
	}
	if len(s) > 253 {
		return false
	}
	numeric := true
	for label := range strings.SplitSeq(s, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for _, c := range []byte(label) {
			switch {
			case c >= '0' && c <= '9':
			case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c == '-', c == '_':
				numeric = false
			default:
				return false
			}
		}
	}
	// 127.0.0.999 is a mistyped address, not a name.
	return !numeric
}

// isLoopback reports whether only this machine reaches a valid address.
func isLoopback(addr string) bool {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return false
	}
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

// samePort reports whether two listeners cannot both have their addresses: the
// ports are equal and the hosts are, or one of them takes all addresses.
func samePort(a, b string) bool {
	hostA, portA, errA := net.SplitHostPort(a)
	hostB, portB, errB := net.SplitHostPort(b)
	if errA != nil || errB != nil || portA != portB || portA == "0" {
		return false
	}
	return hostA == hostB || isAny(hostA) || isAny(hostB)
}

func isAny(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "" || err == nil && ip.IsUnspecified()
}
