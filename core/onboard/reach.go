package onboard

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

// Reach says where clients reach the server.
type Reach struct {
	Name   string // the server's name for people; empty: Host
	Host   string // name or IPv4 address, without a port
	Stream int    // port of CoT by TLS; 0: closed
	API    int    // port of the Marti API by TLS; 0: closed
	Enrol  int    // port of enrolment and of the landing page; 0: closed
}

// The ports that ATAK takes where it is not told otherwise.
const (
	usualStream = 8089
	usualAPI    = 8443
	usualEnrol  = 8446
)

// Validate reports all faults together. ATAK and iTAK split "host:port:ssl" at
// the colons, so an IPv6 address does not get through.
func (r Reach) Validate() error {
	var faults []error
	switch ip, err := netip.ParseAddr(r.Host); {
	case r.Host == "":
		faults = append(faults, errors.New("no public name or address of the server"))
	case err == nil && ip.Is6():
		faults = append(faults, fmt.Errorf("host %s: clients take no IPv6 address, give a name", r.Host))
	case err == nil && ip.IsUnspecified():
		faults = append(faults, fmt.Errorf("host %s: no client can reach that, give a name or an address", r.Host))
	case err != nil && !isName(r.Host):
		faults = append(faults, fmt.Errorf("host %q: neither a name nor an IPv4 address", r.Host))
	}
	for _, p := range []struct {
		what string
		port int
	}{{"stream", r.Stream}, {"api", r.API}, {"enrol", r.Enrol}} {
		if p.port < 0 || p.port > 65535 {
			faults = append(faults, fmt.Errorf("%s port %d: not within 1 to 65535", p.what, p.port))
		}
	}
	if err := plain("server's name", r.Name); err != nil {
		faults = append(faults, err)
	}
	return errors.Join(faults...)
}

// Title is the name for people.
func (r Reach) Title() string {
	if r.Name == "" {
		return r.Host
	}
	return r.Name
}

func isName(s string) bool {
	if len(s) > 253 {
		return false
	}
	for label := range strings.SplitSeq(strings.TrimSuffix(s, "."), ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for i := range len(label) {
			c := label[i]
			if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_') {
				return false
			}
		}
	}
	return true
}
