package pki

import (
	"crypto/x509"
	"slices"
	"time"
)

// Ending is something that ends.
type Ending struct {
	What string // "server", "ca", "ca chain", "former ca", "foreign ca", "crl"
	Name string // of the certificate's subject
	At   time.Time

	cert *x509.Certificate
}

// Expiring gives all that ends, the soonest first.
func (p *PKI) Expiring() []Ending {
	s := p.state.Load()
	var list []Ending
	add := func(what string, certs ...*x509.Certificate) {
		for _, c := range certs {
			list = append(list, Ending{What: what, Name: nameOf(c), At: c.NotAfter, cert: c})
		}
	}
	add("server", s.server.Leaf)
	add("ca", s.current.cert)
	add("ca chain", s.current.chain...)
	if s.former != nil {
		add("former ca", s.former.cert)
	}
	add("foreign ca", s.foreign...)
	if s.crl.pem != nil {
		list = append(list, Ending{What: "crl", Name: crlFile, At: s.crl.next})
	}
	slices.SortStableFunc(list, func(a, b Ending) int { return a.At.Compare(b.At) })
	return list
}

// Before the end of a certificate these are told, once each.
var thresholds = []time.Duration{0, 7 * day, 14 * day, 30 * day}

// warn logs what ends soon. Of the authority it also tells when clients'
// certificates begin to end with it: whoever starts a rollover then is done
// before anybody is shut out. The caller holds work.
func (p *PKI) warn(now time.Time) {
	for _, e := range p.Expiring() {
		if e.cert == nil {
			continue
		}
		limits := thresholds
		if e.What == "ca" && p.opt.ClientLife > 30*day && p.state.Load().former == nil {
			limits = append(slices.Clone(limits), p.opt.ClientLife)
		}
		left := e.At.Sub(now)
		i := slices.IndexFunc(limits, func(t time.Duration) bool { return left <= t })
		if i < 0 {
			continue
		}
		key := string(e.cert.Raw)
		if last, ok := p.warned[key]; ok && last <= limits[i] {
			continue
		}
		p.warned[key] = limits[i]
		switch {
		case left <= 0:
			p.log.Error("a certificate has ended", "what", e.What, "name", e.Name, "ended", e.At)
		case limits[i] > 30*day:
			p.log.Warn("certificates issued from now on end with the authority: time for a rollover", "name", e.Name, "ends", e.At)
		default:
			p.log.Warn("a certificate ends soon", "what", e.What, "name", e.Name, "ends", e.At, "days", int(left/day))
		}
	}
}

// noteOnce logs what an operator should know of a certificate. The caller holds
// work.
func (p *PKI) noteOnce(c *x509.Certificate, text string) {
	if key := "note " + string(c.Raw); p.told[key] != text {
		p.told[key] = text
		p.log.Warn(text, "name", nameOf(c))
	}
}
