package identity

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	logins   *prometheus.CounterVec
	tokens   *prometheus.CounterVec
	refusals *prometheus.CounterVec
	lockouts prometheus.Counter
}

func newMetrics(reg prometheus.Registerer, s *Service) (*metrics, error) {
	const space, sub = "takhost", "identity"
	counters := func(name, help, label string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: space, Subsystem: sub, Name: name, Help: help}, []string{label})
	}
	gauge := func(name, help string, value func(*state) int) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: space, Subsystem: sub, Name: name, Help: help},
			func() float64 { return float64(value(s.state.Load())) })
	}
	m := &metrics{
		logins:   counters("logins_total", "Logins by password.", "result"),
		tokens:   counters("token_refusals_total", "Tokens that were refused.", "result"),
		refusals: counters("certificate_refusals_total", "Certificates that were refused although TLS took them.", "reason"),
		lockouts: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: space, Subsystem: sub, Name: "lockouts_total", Help: "Lock-outs after failed logins."}),
	}
	if reg == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{
		m.logins, m.tokens, m.refusals, m.lockouts,
		gauge("users", "Users there are.", func(st *state) int { return len(st.users.m) }),
		gauge("sessions", "Sessions there are.", func(st *state) int { return len(st.sessions.m) }),
		gauge("certificates", "Certificates on record.", func(st *state) int { return len(st.certs.m) }),
	} {
		if err := reg.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// resultOf names what became of a login or a token.
func resultOf(err error) string {
	var many *TooMany
	switch {
	case err == nil:
		return "ok"
	case errors.Is(err, ErrBadCredentials):
		return "wrong"
	case errors.As(err, &many) && many.Busy:
		return "busy"
	case errors.As(err, &many):
		return "locked"
	}
	return "failed"
}

func (m *metrics) login(err error)       { m.logins.WithLabelValues(resultOf(err)).Inc() }
func (m *metrics) token(err error)       { m.tokens.WithLabelValues(resultOf(err)).Inc() }
func (m *metrics) refused(reason string) { m.refusals.WithLabelValues(reason).Inc() }
