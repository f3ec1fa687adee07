package config

import "net"

// Exposure names a set of listeners that are open to others.
type Exposure string

// The three sets; see the doc tag of Config.Exposure.
const (
	ExposureLocal    Exposure = "local"
	ExposureLAN      Exposure = "lan"
	ExposureInternet Exposure = "internet"
)

// expose moves the listeners that nobody has set by hand as c.Exposure asks,
// tells moved about each, and returns what the operator should know. byHand
// reports whether a key has a value from file, environment or flags; such a
// value is never touched.
func (c *Config) expose(byHand func(key string) bool, moved func(key string)) (warnings []string) {
	set := func(key string, addr *string, to string) {
		*addr = to
		moved(key)
	}
	switch c.Exposure {
	case ExposureLAN:
		for _, l := range []struct {
			key  string
			addr *string
		}{{"listen.tcp", &c.Listen.TCP}, {"listen.http", &c.Listen.HTTP}, {"listen.rest", &c.Listen.REST}} {
			if !byHand(l.key) {
				set(l.key, l.addr, onAllAddresses(*l.addr))
			}
		}
	case ExposureInternet:
		for _, l := range []struct {
			key   string
			addr  *string
			plain bool
		}{
			{"listen.tcp", &c.Listen.TCP, true},
			{"listen.http", &c.Listen.HTTP, true},
			{"listen.rest", &c.Listen.REST, c.REST.Insecure},
		} {
			switch {
			case !byHand(l.key):
				set(l.key, l.addr, "")
			case *l.addr != "" && l.plain && !isLoopback(*l.addr):
				warnings = append(warnings, "exposure internet: "+l.key+" is set by hand and open on "+*l.addr+
					" without encryption: remove it, or write an address of this machine such as 127.0.0.1")
			case *l.addr != "":
				warnings = append(warnings, "exposure internet: "+l.key+" is set by hand and stays open on "+*l.addr)
			}
		}
	}
	return append(warnings, c.closedListeners()...)
}

// closedListeners says what is not reachable although one may think so.
func (c *Config) closedListeners() (warnings []string) {
	if c.Listen.TCP == "" && c.Listen.TLS == "" {
		warnings = append(warnings, "no client can connect: listen.tcp and listen.tls are off")
	}
	if c.Listen.TLS != "" && c.Listen.Web == "" && c.Listen.HTTPS != "" {
		warnings = append(warnings, "listen.web is off: phones cannot enrol, they need a package with a certificate")
	}
	return warnings
}

func onAllAddresses(addr string) string {
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	return net.JoinHostPort("0.0.0.0", port)
}
