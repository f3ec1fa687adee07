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
		if !byHand("listen.tcp") {
			set("listen.tcp", &c.Listen.TCP, onAllAddresses(c.Listen.TCP))
		}
		if !byHand("listen.rest") {
			if c.TLS.Enabled() || c.REST.Insecure {
				set("listen.rest", &c.Listen.REST, onAllAddresses(c.Listen.REST))
			} else {
				warnings = append(warnings, "exposure lan: listen.rest stays on "+c.Listen.REST+
					", as there is no certificate for HTTPS: set tls.cert, tls.key and tls.client_ca, or rest.insecure: true for plain HTTP")
			}
		}
	case ExposureInternet:
		for _, l := range []struct {
			key   string
			addr  *string
			plain bool
		}{
			{"listen.tcp", &c.Listen.TCP, true},
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
	return append(warnings, c.closedListeners(byHand)...)
}

// closedListeners says what is not reachable although one may think so.
func (c *Config) closedListeners(byHand func(key string) bool) (warnings []string) {
	if !c.TLS.Enabled() && c.Listen.TLS != "" && (byHand("listen.tls") || c.Exposure == ExposureInternet) {
		warnings = append(warnings, "listen.tls stays closed, as there is no certificate: set tls.cert, tls.key and tls.client_ca")
	}
	if c.Listen.TCP == "" && (c.Listen.TLS == "" || !c.TLS.Enabled()) {
		warnings = append(warnings, "no client can connect: listen.tcp is off, and listen.tls is off or lacks its certificate")
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
