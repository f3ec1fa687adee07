package sdk

import (
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/wire"
)

// Log writes to the server's log, with the plugin's name beside each line. Messages
// are constant; what differs follows as pairs of name and value:
//
//	c.Log().Info("fence entered", "fence", id, "uid", e.UID())
//
// The host takes 100 lines a second, of 4 KiB each.
type Log struct{ call *Call }

// Log gives the log.
func (c *Call) Log() Log { return Log{c} }

// Debug writes a line that is off by default.
func (l Log) Debug(msg string, pairs ...any) { l.write(wire.LevelDebug, msg, pairs) }

// Info writes a line.
func (l Log) Info(msg string, pairs ...any) { l.write(wire.LevelInfo, msg, pairs) }

// Warn writes a line about something that somebody should look at.
func (l Log) Warn(msg string, pairs ...any) { l.write(wire.LevelWarn, msg, pairs) }

// Error writes a line about something that failed and that is not returned.
func (l Log) Error(msg string, pairs ...any) { l.write(wire.LevelError, msg, pairs) }

func (l Log) write(level wire.Level, msg string, pairs []any) {
	m := wire.Log{Level: level, Message: msg}
	for i := 0; i < len(pairs); i += 2 {
		name, value := string(AppendValue(nil, pairs[i])), "(missing)"
		if i+1 < len(pairs) {
			value = string(AppendValue(nil, pairs[i+1]))
		}
		m.Attributes = append(m.Attributes, Pair{Name: name, Value: value})
	}
	// A log that cannot be written is nothing that a handler should fail on.
	_ = l.call.tell(hostapi.HostLog, m.Append)
}

// Count adds to a counter. Labels are pairs of name and value. The host puts its
// prefix and the plugin's name in front; what it refuses (a bad name, too many
// series) it logs.
func (c *Call) Count(name string, add float64, labels ...string) {
	c.metric(wire.MetricKindCounter, name, add, labels)
}

// Gauge sets a gauge.
func (c *Call) Gauge(name string, value float64, labels ...string) {
	c.metric(wire.MetricKindGauge, name, value, labels)
}

// Observe adds an observation to a histogram.
func (c *Call) Observe(name string, value float64, labels ...string) {
	c.metric(wire.MetricKindHistogram, name, value, labels)
}

func (c *Call) metric(kind wire.MetricKind, name string, value float64, labels []string) {
	m := wire.Metric{Name: name, Kind: kind, Value: value}
	for i := 0; i+1 < len(labels); i += 2 {
		m.Labels = append(m.Labels, Pair{Name: labels[i], Value: labels[i+1]})
	}
	all := wire.Metrics{Metrics: []wire.Metric{m}}
	_ = c.tell(hostapi.HostMetric, all.Append)
}
