package stream

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are plain counters, read when somebody asks.
type metrics struct {
	inBytes, outBytes, malformed, superseded, expired, slow, slowed, limited,
	refused, turnedAway, handshakes, tooLong, noticed, unencodable, panics, gone atomic.Uint64
}

func newMetrics(s *Server, reg prometheus.Registerer) *metrics {
	m := &metrics{}
	if reg == nil {
		return m
	}
	for _, c := range []struct {
		name, help string
		v          *atomic.Uint64
	}{
		{"received_bytes_total", "Bytes that clients sent.", &m.inBytes},
		{"sent_bytes_total", "Bytes that were written to clients.", &m.outBytes},
		{"malformed_total", "Malformed or unfinished events that were dropped.", &m.malformed},
		{"superseded_total", "Queued positions dropped for a newer one of the same uid, because a client was behind.", &m.superseded},
		{"expired_total", "Queued positions dropped past their time, because a client was behind.", &m.expired},
		{"slow_closed_total", "Connections closed because the client was too slow.", &m.slow},
		{"gone_total", "Connections closed because the peer no longer acknowledged anything.", &m.gone},
		{"slowed_total", "Batches after which a sender was read more slowly, because its receivers could not follow.", &m.slowed},
		{"rate_limited_total", "Batches after which a sender was read more slowly, because of limits.sender_rate.", &m.limited},
		{"refused_total", "Connections refused because of a limit, or for want of a PROXY header.", &m.refused},
		{"turned_away_total", "Connections refused because of who they are or fail to say.", &m.turnedAway},
		{"handshake_failures_total", "TLS handshakes that failed.", &m.handshakes},
		{"noticed_total", "Deliveries of a notice in place of an event that is too large for a TAK protocol client.", &m.noticed},
		{"too_long_total", "Deliveries left out because the event is too large for a TAK protocol client, which could not be told where to fetch it.", &m.tooLong},
		{"unencodable_total", "Deliveries left out because the event cannot be put into TAK protocol.", &m.unencodable},
		{"panics_total", "Faults of the server that cost one connection each.", &m.panics},
	} {
		reg.MustRegister(prometheus.NewCounterFunc(
			prometheus.CounterOpts{Namespace: "takhost", Subsystem: "stream", Name: c.name, Help: c.help},
			func() float64 { return float64(c.v.Load()) }))
	}
	reg.MustRegister(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "takhost", Subsystem: "stream", Name: "connections",
			Help: "Open connections, those included that have not joined yet."}, func() float64 {
			s.mu.Lock()
			defer s.mu.Unlock()
			return float64(s.total)
		}),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "takhost", Subsystem: "stream", Name: "unfinished_bytes",
			Help: "Bytes of events whose end has not come yet."}, func() float64 { return float64(s.unfinished.Load()) }))
	return m
}
