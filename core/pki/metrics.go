package pki

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics also is the collector of what ends: it asks when somebody looks.
type metrics struct {
	p       *PKI
	expiry  *prometheus.Desc
	refused *prometheus.CounterVec
}

func newMetrics(p *PKI) *metrics {
	return &metrics{
		p: p,
		expiry: prometheus.NewDesc("takhost_certificate_expiry_seconds",
			"Time until a certificate or list ends, of several of a kind the first.", []string{"what"}, nil),
		refused: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "takhost", Subsystem: "pki", Name: "refused_total",
			Help: "Clients refused for their certificate."}, []string{"reason"}),
	}
}

func (m *metrics) register(reg prometheus.Registerer) error {
	if reg == nil {
		return nil
	}
	for _, c := range []prometheus.Collector{m, m.refused} {
		if err := reg.Register(c); err != nil {
			return fmt.Errorf("metrics of certificates: %w", err)
		}
	}
	return nil
}

func (m *metrics) unregister(reg prometheus.Registerer) {
	if reg != nil {
		reg.Unregister(m)
		reg.Unregister(m.refused)
	}
}

func (m *metrics) Describe(ch chan<- *prometheus.Desc) { ch <- m.expiry }

func (m *metrics) Collect(ch chan<- prometheus.Metric) {
	now, seen := m.p.now(), map[string]bool{}
	for _, e := range m.p.Expiring() { // the soonest first
		if !seen[e.What] {
			seen[e.What] = true
			ch <- prometheus.MustNewConstMetric(m.expiry, prometheus.GaugeValue, e.At.Sub(now).Seconds(), e.What)
		}
	}
}

func (m *metrics) refuse(r Reason) { m.refused.WithLabelValues(string(r)).Inc() }

var _ prometheus.Collector = (*metrics)(nil)
