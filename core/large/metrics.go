package large

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are plain counters, read when somebody asks.
type metrics struct{ evicted, refused, memory, archive, missing atomic.Uint64 }

func newMetrics(s *Store, reg prometheus.Registerer) *metrics {
	m := &metrics{}
	if reg == nil {
		return m
	}
	counter := func(name, help string, labels prometheus.Labels, v *atomic.Uint64) {
		reg.MustRegister(prometheus.NewCounterFunc(
			prometheus.CounterOpts{Namespace: "takhost", Subsystem: "large", Name: name, Help: help, ConstLabels: labels},
			func() float64 { return float64(v.Load()) }))
	}
	counter("evicted_total", "Events too long for a frame that gave way to others before their time.", nil, &m.evicted)
	counter("refused_total", "Events too long for a frame that are larger than all the room for them.", nil, &m.refused)
	for from, v := range map[string]*atomic.Uint64{"memory": &m.memory, "archive": &m.archive, "nowhere": &m.missing} {
		counter("fetched_total", "Events too long for a frame that were asked for, by where they were.", prometheus.Labels{"from": from}, v)
	}
	gauge := func(name, help string, v func() float64) {
		reg.MustRegister(prometheus.NewGaugeFunc(
			prometheus.GaugeOpts{Namespace: "takhost", Subsystem: "large", Name: name, Help: help}, v))
	}
	gauge("events", "Events too long for a frame that are kept to be fetched.", func() float64 { n, _ := s.Held(); return float64(n) })
	gauge("bytes", "Bytes of these events.", func() float64 { _, n := s.Held(); return float64(n) })
	return m
}
