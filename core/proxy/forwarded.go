package proxy

import (
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// forwarded reads the header of RFC 7239: elements by comma, one a proxy, of
// pairs by semicolon, whose values may be quoted. An element that is broken has
// no address, so nothing before it counts.
func forwarded(lines []string) ([]hop, order) {
	var (
		hops []hop
		o    order
	)
	for _, line := range lines {
		for element := range cut(line, ',') {
			var h hop
			var proto, host string
			for pair := range cut(element, ';') {
				name, value, _ := strings.Cut(strings.TrimSpace(pair), "=")
				value, ok := unquote(value)
				if !ok {
					h = hop{}
					break
				}
				switch strings.ToLower(name) {
				case "for":
					h = parseHop(value)
				case "proto":
					proto = value
				case "host":
					host = value
				}
			}
			hops, o.proto, o.host = append(hops, h), append(o.proto, proto), append(o.host, host)
		}
	}
	return hops, o
}

// cut yields the parts of s between separators that are not within quotes.
func cut(s string, sep byte) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		quoted, from := false, 0
		for i := 0; i < len(s); i++ {
			switch {
			case quoted && s[i] == '\\':
				i++
			case s[i] == '"':
				quoted = !quoted
			case s[i] == sep && !quoted:
				if !yield(s[from:i]) {
					return
				}
				from = i + 1
			}
		}
		yield(s[from:])
	}
}

// unquote gives the text of a token or of a quoted string.
func unquote(s string) (string, bool) {
	if !strings.HasPrefix(s, `"`) {
		return s, !strings.Contains(s, `"`)
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '"':
			return b.String(), i == len(s)-1
		case '\\':
			if i++; i == len(s) {
				return "", false
			}
		}
		b.WriteByte(s[i])
	}
	return "", false
}

// isHost says whether s can stand in a URL as the host, with a port or without.
func isHost(s string) bool {
	host, _ := splitPort(s)
	if host == "" || len(host) > 253 {
		return false
	}
	if strings.HasPrefix(host, "[") {
		ip, err := netip.ParseAddr(strings.Trim(host, "[]"))
		return err == nil && ip.Is6() && ip.Zone() == "" && strings.HasSuffix(host, "]")
	}
	for i := range len(host) {
		c := host[i]
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '.' || c == '-' || c == '_') {
			return false
		}
	}
	return true
}

// splitPort cuts a port off a host; the brackets of IPv6 stay. A port that is
// none makes the host empty.
func splitPort(s string) (host, port string) {
	i := strings.LastIndexByte(s, ':')
	if i < 0 || strings.HasSuffix(s, "]") {
		return s, ""
	}
	if !isPort(s[i+1:]) {
		return "", ""
	}
	return s[:i], s[i+1:]
}

func isPort(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return err == nil && n > 0
}

// withPort adds the port that the proxy named apart, unless host has one or it
// goes without saying.
func withPort(host, port, scheme string) string {
	if _, has := splitPort(host); has != "" || !isPort(port) {
		return host
	}
	if scheme == "http" && port == "80" || scheme == "https" && port == "443" {
		return host
	}
	return net.JoinHostPort(strings.Trim(host, "[]"), port)
}
