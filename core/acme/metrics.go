package acme

import "github.com/prometheus/client_golang/prometheus"

type metrics struct {
	reg      prometheus.Registerer
	attempts *prometheus.CounterVec
	expires  prometheus.Collector
}

// newMetrics registers them; a nil registerer leaves them counting for nobody.
func newMetrics(reg prometheus.Registerer, m *Manager) metrics {
	out := metrics{
		reg: reg,
		attempts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "takhost", Subsystem: "acme", Name: "attempts_total",
			Help: "Certificates asked for from the ACME authority, by outcome.",
		}, []string{"outcome"}),
		expires: prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Namespace: "takhost", Subsystem: "acme", Name: "certificate_expires_timestamp_seconds",
			Help: "When the first certificate of the ACME authority ends; 0 while one is missing.",
		}, func() float64 {
			t, ok := m.Expires()
			if !ok {
				return 0
			}
			return float64(t.Unix())
		}),
	}
	if reg != nil {
		reg.MustRegister(out.attempts, out.expires)
	}
	return out
}

// unregister makes room for the manager of a changed configuration.
func (s *metrics) unregister() {
	if s.reg != nil {
		s.reg.Unregister(s.attempts)
		s.reg.Unregister(s.expires)
	}
}
