package route

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are plain counters on the way of an event, read when somebody asks.
type metrics struct {
	published, delivered, undelivered, incognito, damped atomic.Uint64
}

func newMetrics(r *Router, reg prometheus.Registerer) *metrics {
	m := &metrics{}
	count := func(name, help string, v *atomic.Uint64) prometheus.Collector {
		return prometheus.NewCounterFunc(prometheus.CounterOpts{Namespace: "takhost", Subsystem: "route", Name: name, Help: help},
			func() float64 { return float64(v.Load()) })
	}
	gauge := func(name, help string, n func() int) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "takhost", Subsystem: "route", Name: name, Help: help},
			func() float64 {
				r.mu.RLock()
				defer r.mu.RUnlock()
				return float64(n())
			})
	}
	if reg != nil {
		reg.MustRegister(
			count("published_total", "Events that sessions sent, control messages included.", &m.published),
			count("delivered_total", "Events handed to receivers' queues.", &m.delivered),
			count("undelivered_total", "Events whose destinations reached nobody.", &m.undelivered),
			count("incognito_total", "Events not relayed because their sender is incognito.", &m.incognito),
			count("damped_total", "Connections made to wait because their client reconnects too often.", &m.damped),
			gauge("sessions", "Connections that receive events.", func() int { return len(r.sessions) }),
			gauge("clients", "Clients that reported a position.", func() int { return len(r.clients) }),
		)
	}
	return m
}
