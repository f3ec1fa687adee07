package call

import (
	"math"
	"slices"
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/wire"
)

// Bounds of a plugin's own metrics.
const (
	maxSeries     = 256
	maxMetricName = 64
	maxLabels     = 8
	maxLabelValue = 128

	metricPrefix = "takhost_plugin_"
)

// metricTable has the metrics of all plugins. It is a collector without
// descriptions, as the plugins make up names and labels as they go. A name has
// one kind, whichever plugin used it first. Safe for concurrent use.
type metricTable struct {
	mu      sync.Mutex
	reg     prometheus.Registerer
	done    bool
	names   map[string]*claimed
	plugins map[string]*seriesTable
}

// claimed is a name in use, with the plugins that use it. Two families of one
// name and different kinds, or one that looks like a part of a histogram, would
// spoil the whole page of metrics.
type claimed struct {
	kind wire.MetricKind // below zero: a part of a histogram
	by   map[string]bool
}

const partOfHistogram wire.MetricKind = -1

var _ prometheus.Collector = (*metricTable)(nil)

func (t *metricTable) register(reg prometheus.Registerer) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.done {
		return nil
	}
	if reg != nil {
		if err := reg.Register(t); err != nil {
			return err
		}
	}
	t.reg, t.done = reg, true
	t.names, t.plugins = map[string]*claimed{}, map[string]*seriesTable{}
	return nil
}

func (t *metricTable) add(plugin string, s *seriesTable) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.plugins[plugin] = s
}

// remove takes a plugin's metrics out, and the names that no other uses.
func (t *metricTable) remove(plugin string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.plugins, plugin)
	for name, c := range t.names {
		if delete(c.by, plugin); len(c.by) == 0 {
			delete(t.names, name)
		}
	}
}

// claim says whether a plugin may have a metric of that name and kind, and keeps
// the name for it if so.
func (t *metricTable) claim(plugin, name string, kind wire.MetricKind) error {
	names := []string{name}
	if kind == wire.MetricKindHistogram {
		names = append(names, name+"_sum", name+"_count", name+"_bucket")
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	for i, n := range names {
		if c := t.names[n]; c != nil {
			if c.kind != kindOfPart(kind, i) {
				return &StatusError{Status: hostapi.Conflict, Message: "metric: " + show(n) + " is in use as another kind of metric"}
			}
			continue
		}
		if t.taken(n) {
			return &StatusError{Status: hostapi.Conflict, Message: "metric: " + show(n) + " is a name of the server's own"}
		}
	}
	for i, n := range names {
		if t.names[n] == nil {
			t.names[n] = &claimed{kindOfPart(kind, i), map[string]bool{}}
		}
		t.names[n].by[plugin] = true
	}
	return nil
}

func kindOfPart(kind wire.MetricKind, part int) wire.MetricKind {
	if part > 0 {
		return partOfHistogram
	}
	return kind
}

// taken says whether the host has a metric of that name, which begins with the
// same prefix: the registry refuses a second one.
func (t *metricTable) taken(name string) bool {
	if t.reg == nil {
		return false
	}
	probe := described{prometheus.NewDesc(metricPrefix+name, "Not a metric.", nil, nil)}
	if t.reg.Register(probe) != nil {
		return true
	}
	t.reg.Unregister(probe)
	return false
}

// described is a collector that has a name and no metrics.
type described struct{ desc *prometheus.Desc }

func (d described) Describe(ch chan<- *prometheus.Desc) { ch <- d.desc }
func (described) Collect(chan<- prometheus.Metric)      {}

// Describe implements prometheus.Collector.
func (t *metricTable) Describe(chan<- *prometheus.Desc) {}

// Collect implements prometheus.Collector.
func (t *metricTable) Collect(ch chan<- prometheus.Metric) {
	t.mu.Lock()
	tables := make([]*seriesTable, 0, len(t.plugins))
	for _, s := range t.plugins {
		tables = append(tables, s)
	}
	t.mu.Unlock()
	for _, s := range tables {
		s.collect(ch)
	}
}

// metric changes metrics of the guest: all of the message or, when one of them
// is refused, none.
func (c *Call) metric(in []byte) error {
	var m wire.Metrics
	if err := decode(hostapi.HostMetric, in, &m); err != nil {
		return err
	}
	for i := range m.Metrics {
		if why := metricFault(&m.Metrics[i]); why != "" {
			return invalid(hostapi.HostMetric, "%s: %s", show(m.Metrics[i].Name), why)
		}
	}
	if c.opt.Trial {
		return nil
	}
	return c.p.acct.series.change(m.Metrics)
}

func metricFault(m *wire.Metric) string {
	switch {
	case len(m.Name) > maxMetricName || !isMetricName(m.Name):
		return "is no name of a metric: letters, digits and _, up to 64, not a digit first"
	case m.Kind < wire.MetricKindCounter || m.Kind > wire.MetricKindHistogram:
		return "is of a kind that is not known"
	case math.IsNaN(m.Value) || math.IsInf(m.Value, 0):
		return "has a value that is no finite number"
	case m.Kind == wire.MetricKindCounter && m.Value < 0:
		return "is a counter, which never falls"
	case len(m.Labels) > maxLabels:
		return "has more than 8 labels"
	}
	slices.SortFunc(m.Labels, func(a, b wire.Pair) int { return strings.Compare(a.Name, b.Name) })
	for i, l := range m.Labels {
		switch {
		case len(l.Name) > maxMetricName || !isMetricName(l.Name) || strings.HasPrefix(l.Name, "__") || l.Name == "plugin" || l.Name == "le":
			return "has label " + show(l.Name) + ": letters, digits and _, up to 64; plugin and le are taken"
		case len(l.Value) > maxLabelValue:
			return "has label " + show(l.Name) + " with a value of more than 128 bytes"
		case i > 0 && m.Labels[i-1].Name == l.Name:
			return "has label " + show(l.Name) + " twice"
		}
	}
	return ""
}

func isMetricName(s string) bool {
	for i, c := range []byte(s) {
		if !(c == '_' || c|0x20 >= 'a' && c|0x20 <= 'z' || i > 0 && c >= '0' && c <= '9') {
			return false
		}
	}
	return s != ""
}
