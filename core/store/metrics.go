package store

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are those of the archive; most are read when somebody asks.
type metrics struct {
	reg        prometheus.Registerer
	collectors []prometheus.Collector

	events  prometheus.Counter
	removed prometheus.Counter
	seconds prometheus.Histogram
}

func newMetrics(a *Archive, reg prometheus.Registerer) (*metrics, error) {
	const space, sub = "takhost", "archive"
	m := &metrics{
		reg: reg,
		events: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: space, Subsystem: sub, Name: "stored_total", Help: "Events written to the database."}),
		removed: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: space, Subsystem: sub, Name: "removed_total", Help: "Events removed by retention."}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: space, Subsystem: sub, Name: "batch_seconds", Help: "Time that one batch took in the database.",
			Buckets: []float64{.001, .003, .01, .03, .1, .3, 1, 3, 10}}),
	}
	gauge := func(name, help string, value func(*Stats) float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: space, Subsystem: sub, Name: name, Help: help},
			func() float64 { s := a.Stats(); return value(&s) })
	}
	m.collectors = []prometheus.Collector{
		m.events, m.removed, m.seconds,
		gauge("events", "Events in the archive.", func(s *Stats) float64 { return float64(s.Events) }),
		gauge("bytes", "Bytes of the events in the archive.", func(s *Stats) float64 { return float64(s.Bytes) }),
		gauge("queue_events", "Events that wait for the database.", func(s *Stats) float64 { return float64(s.Queued) }),
		gauge("queue_bytes", "Bytes that wait for the database.", func(s *Stats) float64 { return float64(s.QueuedBytes) }),
		gauge("up", "1 when events are being archived.", func(s *Stats) float64 {
			if s.State == stateOK {
				return 1
			}
			return 0
		}),
	}
	for why, name := range dropNames {
		m.collectors = append(m.collectors, prometheus.NewCounterFunc(prometheus.CounterOpts{
			Namespace: space, Subsystem: sub, Name: "dropped_total", Help: "Events that were not archived.",
			ConstLabels: prometheus.Labels{"reason": name}},
			func() float64 { return float64(a.q.stats().drops[why]) }))
	}
	if reg == nil {
		return m, nil
	}
	for i, c := range m.collectors {
		if err := reg.Register(c); err != nil {
			m.collectors = m.collectors[:i]
			m.unregister()
			return nil, err
		}
	}
	return m, nil
}

// unregister lets another store use the same registry.
func (m *metrics) unregister() {
	if m.reg == nil {
		return
	}
	for _, c := range m.collectors {
		m.reg.Unregister(c)
	}
}

func (m *metrics) stored(events int, took time.Duration) {
	m.events.Add(float64(events))
	if took > 0 {
		m.seconds.Observe(took.Seconds())
	}
}

func (m *metrics) swept(events int64) { m.removed.Add(float64(events)) }
