package call

import (
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/wire"
)

// buckets are those of every histogram: seconds, as Prometheus' own.
var buckets = prometheus.DefBuckets

// seriesTable has the metrics of one plugin. Safe for concurrent use; its lock
// is taken under no other and the table's is taken under it.
type seriesTable struct {
	plugin string
	names  *metricTable

	mu   sync.Mutex
	list map[string]*series // by key
}

type series struct {
	name   string
	kind   wire.MetricKind
	labels []wire.Pair // by name
	desc   *prometheus.Desc

	value  float64 // of a histogram: the sum
	count  uint64
	counts []uint64 // of a histogram: observations up to each bucket
}

// seriesKey names a series: in the form that Prometheus shows it.
func seriesKey(name string, labels []wire.Pair) string {
	if len(labels) == 0 {
		return name
	}
	var b strings.Builder
	b.WriteString(name)
	for i, l := range labels {
		b.WriteByte("{,"[min(i, 1)])
		b.WriteString(l.Name)
		b.WriteByte('=')
		b.WriteString(quoteLabel(l.Value))
	}
	b.WriteByte('}')
	return b.String()
}

func quoteLabel(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(s) + `"`
}

func (t *seriesTable) change(list []wire.Metric) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	found := make([]*series, len(list))
	fresh := map[string]*series{}
	for i := range list {
		m := &list[i]
		key := seriesKey(m.Name, m.Labels)
		s := t.list[key]
		if s == nil {
			s = fresh[key]
		}
		if s == nil {
			if len(t.list)+len(fresh) >= maxSeries {
				return beyond(hostapi.HostMetric, "%s would be one too many: a plugin has at most %d series", show(key), maxSeries)
			}
			if err := t.names.claim(t.plugin, m.Name, m.Kind); err != nil {
				return err
			}
			s = t.newSeries(m)
			fresh[key] = s
		}
		if s.kind != m.Kind {
			return &StatusError{Status: hostapi.Conflict, Message: "metric: " + show(m.Name) + " is in use as another kind of metric"}
		}
		found[i] = s
	}
	if t.list == nil {
		t.list = map[string]*series{}
	}
	for key, s := range fresh {
		t.list[key] = s
	}
	for i, s := range found {
		s.change(list[i].Value)
	}
	return nil
}

func (t *seriesTable) newSeries(m *wire.Metric) *series {
	names := make([]string, len(m.Labels))
	for i, l := range m.Labels {
		names[i] = l.Name
	}
	s := &series{name: m.Name, kind: m.Kind, labels: m.Labels}
	s.desc = prometheus.NewDesc(metricPrefix+m.Name, "Of a plugin.", append([]string{"plugin"}, names...), nil)
	if m.Kind == wire.MetricKindHistogram {
		s.counts = make([]uint64, len(buckets))
	}
	return s
}

func (s *series) change(v float64) {
	switch s.kind {
	case wire.MetricKindGauge:
		s.value = v
		return
	case wire.MetricKindHistogram:
		for i := len(buckets) - 1; i >= 0 && v <= buckets[i]; i-- {
			s.counts[i]++
		}
	}
	s.count++
	s.value += v
}

func (t *seriesTable) collect(ch chan<- prometheus.Metric) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, s := range t.list {
		values := make([]string, 1, 1+len(s.labels))
		values[0] = t.plugin
		for _, l := range s.labels {
			values = append(values, l.Value)
		}
		switch s.kind {
		case wire.MetricKindHistogram:
			counts := make(map[float64]uint64, len(buckets))
			for i, b := range buckets {
				counts[b] = s.counts[i]
			}
			ch <- prometheus.MustNewConstHistogram(s.desc, s.count, s.value, counts, values...)
		case wire.MetricKindGauge:
			ch <- prometheus.MustNewConstMetric(s.desc, prometheus.GaugeValue, s.value, values...)
		default:
			ch <- prometheus.MustNewConstMetric(s.desc, prometheus.CounterValue, s.value, values...)
		}
	}
}

// Metrics gives the plugin's own metrics by name and labels, as in
// fences{kind="round"}; of a histogram, its sum and its count.
func (p *Plugin) Metrics() map[string]float64 {
	t := &p.acct.series
	t.mu.Lock()
	defer t.mu.Unlock()
	m := make(map[string]float64, len(t.list))
	for key, s := range t.list {
		if s.kind != wire.MetricKindHistogram {
			m[key] = s.value
			continue
		}
		m[seriesKey(s.name+"_sum", s.labels)] = s.value
		m[seriesKey(s.name+"_count", s.labels)] = float64(s.count)
	}
	return m
}
