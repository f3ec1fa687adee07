package setup

import (
	"context"
	"net/netip"
	"slices"

	"github.com/takhost/takhost/core/config"
)

func checkNames(ctx context.Context, p *Patient) []Finding {
	var f findings
	var hosts []string
	for _, text := range p.Config.Public {
		if e, err := config.ParsePublic(text); err == nil && !slices.Contains(hosts, e.Host) {
			hosts = append(hosts, e.Host)
		}
	}
	if len(hosts) == 0 {
		found := p.Machine.Candidates()
		switch {
		case len(found) == 0:
			f.add(Warning, "set public in the configuration, such as public: [tak.example.org]", "it is not known under which name phones reach this server, and this machine has no address but its own: phones cannot be enrolled")
		case len(found) == 1 || isIPv4(found[0]) && !isIPv4(found[1]):
			f.add(Note, "set public in the configuration, so that it does not change with the address", "public is empty: packages and links name %s", found[0])
		default:
			f.add(Warning, "set public in the configuration to one of them, or to a name", "public is empty, and this machine has %s: phones cannot be enrolled", some(found, 5))
		}
		return f
	}
	for i, host := range hosts {
		r := p.Machine.reach(ctx, host)
		text, ok := r.text()
		level := Warning
		if i == 0 {
			level = Fault // packages and links have it
		}
		switch {
		case !ok && r.loopback:
			f.add(level, "set public in the configuration to a name that phones reach", "%s", text)
		case !ok:
			f.add(level, "correct public in the configuration, or the DNS", "%s", text)
		case !r.here:
			f.add(Note, "", "%s", text)
		default:
			f.add(OK, "", "%s", text)
		}
	}
	return f
}

func isIPv4(host string) bool {
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Is4()
}
