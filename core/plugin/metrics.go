package plugin

import "github.com/prometheus/client_golang/prometheus"

var (
	stateDesc = prometheus.NewDesc("takhost_plugins_state", "1 for the state that a plugin is in.", []string{"plugin", "state"}, nil)
	infoDesc  = prometheus.NewDesc("takhost_plugins_info", "Always 1; says which version of a plugin is there.", []string{"plugin", "version", "runtime"}, nil)
)

// stateCollector shows the plugins that are known when it is asked.
type stateCollector struct{ h *Host }

// Describe implements prometheus.Collector.
func (stateCollector) Describe(ch chan<- *prometheus.Desc) {
	ch <- stateDesc
	ch <- infoDesc
}

// Collect implements prometheus.Collector.
func (c stateCollector) Collect(ch chan<- prometheus.Metric) {
	for _, e := range c.h.list() {
		e.mu.Lock()
		state := e.state
		e.mu.Unlock()
		ch <- prometheus.MustNewConstMetric(stateDesc, prometheus.GaugeValue, 1, e.name, string(state))
		if t := e.target(); t.pkg != nil {
			ch <- prometheus.MustNewConstMetric(infoDesc, prometheus.GaugeValue, 1, e.name, t.pkg.Manifest.Version, t.pkg.Manifest.Runtime)
		}
	}
}
