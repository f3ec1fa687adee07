package pki

import (
	"crypto/x509"
	"fmt"
	"net"
	"slices"
	"strings"

	"golang.org/x/net/idna"
)

// loopback is in every certificate made here, for tools on the machine itself.
var loopback = []string{"localhost", "127.0.0.1", "::1"}

// names asks Options.Names and makes of the answer what a certificate may hold.
// The caller holds work.
func (p *PKI) names() names {
	n := names{}
	for _, text := range slices.Concat(p.opt.Names(), loopback) {
		name, ip := dnsName(text)
		switch {
		case ip != nil:
			if !slices.ContainsFunc(n.ips, ip.Equal) {
				n.ips = append(n.ips, ip)
			}
			name = ip.String()
		case name == "":
			if key := "name " + text; p.told[key] == "" {
				p.told[key] = "told"
				p.log.Warn("a public name is no host name and no address: the server's certificate goes without it", "name", clip(text))
			}
			continue
		case !slices.Contains(n.dns, name):
			n.dns = append(n.dns, name)
		}
		if n.cn == "" && len(name) <= maxCN {
			n.cn = name
		}
	}
	return n
}

// dnsName gives a host name as certificates have it, or an address, or neither.
func dnsName(text string) (string, net.IP) {
	text = strings.TrimSpace(text)
	addr, _, _ := strings.Cut(strings.Trim(text, "[]"), "%") // a zone means nothing elsewhere
	if ip := net.ParseIP(addr); ip != nil && ip.IsUnspecified() {
		return "", nil // where one listens, not where one is reached
	} else if ip != nil {
		if v4 := ip.To4(); v4 != nil {
			return "", v4
		}
		return "", ip
	}
	name, err := idna.Punycode.ToASCII(strings.ToLower(strings.TrimSuffix(text, ".")))
	if err != nil || len(name) > 253 {
		return "", nil
	}
	for i, label := range strings.Split(name, ".") {
		if label == "*" && i == 0 {
			continue
		}
		if label == "" || len(label) > 63 || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
			return "", nil
		}
	}
	return name, nil
}

// names are what a server certificate stands for.
type names struct {
	cn  string
	dns []string
	ips []net.IP
}

// of reports whether a certificate has these names and no others.
func (n names) of(c *x509.Certificate) bool {
	return c.Subject.CommonName == n.cn && slices.Equal(n.texts(), names{dns: c.DNSNames, ips: c.IPAddresses}.texts())
}

// texts are the names in an order that is always the same.
func (n names) texts() []string {
	list := slices.Clone(n.dns)
	for _, ip := range n.ips {
		list = append(list, ip.String())
	}
	slices.Sort(list)
	return list
}

func (n names) String() string { return fmt.Sprint(n.texts()) }

// lacking are the names that a certificate does not stand for. Names of this
// machine for itself do not count.
func (n names) lacking(c *x509.Certificate) (lack []string) {
	for _, name := range n.texts() {
		if !slices.Contains(loopback, name) && c.VerifyHostname(name) != nil {
			lack = append(lack, name)
		}
	}
	return lack
}
