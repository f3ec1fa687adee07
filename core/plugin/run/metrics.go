package run

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/takhost/takhost/core/plugin/guest"
	"github.com/takhost/takhost/hostapi"
)

// Metrics are those of all actors of a server, with a label for the plugin.
type Metrics struct {
	calls *prometheus.HistogramVec
	died  *prometheus.CounterVec
	swaps *prometheus.HistogramVec
	descs []*prometheus.Desc // in the order of gauges

	mu     sync.Mutex
	actors map[*Actor]struct{}
}

// NewMetrics registers the metrics. They stay until the registry goes.
func NewMetrics(r prometheus.Registerer) (*Metrics, error) {
	m := &Metrics{
		calls: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "takhost_plugins_call_seconds", Help: "Time of a call of a plugin, without its commit.",
			Buckets: []float64{1e-5, 1e-4, 1e-3, 5e-3, 2e-2, .1, .25, 1, 5},
		}, []string{"plugin", "op"}),
		died: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "takhost_plugins_crashes_total", Help: "Instances of a plugin that died, by reason.",
		}, []string{"plugin", "reason"}),
		swaps: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "takhost_plugins_swap_pause_seconds", Help: "Time for which a plugin stood still to change its version.",
			Buckets: []float64{1e-3, 5e-3, 1e-2, 2e-2, 5e-2, .1, .2, .5},
		}, []string{"plugin"}),
		actors: map[*Actor]struct{}{},
	}
	for _, g := range gauges {
		m.descs = append(m.descs, prometheus.NewDesc("takhost_plugins_"+g.name, g.help, []string{"plugin"}, nil))
	}
	for _, c := range []prometheus.Collector{m.calls, m.died, m.swaps, (*gaugeCollector)(m)} {
		if err := r.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

var gauges = []struct {
	name, help string
	kind       prometheus.ValueType
	value      func(c *Counts) float64
}{
	{"events_total", "Events that a plugin handled.", prometheus.CounterValue, func(c *Counts) float64 { return float64(c.Events) }},
	{"requests_total", "HTTP requests to a plugin.", prometheus.CounterValue, func(c *Counts) float64 { return float64(c.Requests) }},
	{"events_missed_total", "Events that a plugin did not get: its queue was full, its rate used up, or it was broken.", prometheus.CounterValue, func(c *Counts) float64 { return float64(c.Missed) }},
	{"dead_letters_total", "What a plugin failed on for good.", prometheus.CounterValue, func(c *Counts) float64 { return float64(c.DeadLetters) }},
	{"conflicts_total", "Calls of a plugin that were made again because another one committed first.", prometheus.CounterValue, func(c *Counts) float64 { return float64(c.Conflicts) }},
	{"queue_events", "Events that wait for a plugin.", prometheus.GaugeValue, func(c *Counts) float64 { return float64(c.Queued) }},
	{"queue_bytes", "Bytes of the events that wait for a plugin.", prometheus.GaugeValue, func(c *Counts) float64 { return float64(c.QueuedBytes) }},
	{"memory_bytes", "Memory of a plugin's instances.", prometheus.GaugeValue, func(c *Counts) float64 { return float64(c.Memory) }},
	{"code_bytes", "Memory of a plugin's prepared code, about.", prometheus.GaugeValue, func(c *Counts) float64 { return float64(c.Code) }},
	{"instances", "Instances of a plugin.", prometheus.GaugeValue, func(c *Counts) float64 { return float64(c.Instances) }},
	{"busy_ratio", "Share of a core that a plugin's calls took in the last ten seconds.", prometheus.GaugeValue, func(c *Counts) float64 { return c.Busy }},
}

// gaugeCollector reads the counts of the actors when it is asked.
type gaugeCollector Metrics

func (m *gaugeCollector) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range m.descs {
		ch <- d
	}
}

func (m *gaugeCollector) Collect(ch chan<- prometheus.Metric) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for a := range m.actors {
		c := a.Counts()
		for i, g := range gauges {
			ch <- prometheus.MustNewConstMetric(m.descs[i], g.kind, g.value(&c), a.opt.Name)
		}
	}
}

// add gives one actor its meter. From then on a scrape may ask the actor.
func (m *Metrics) add(a *Actor) {
	t := &meter{m: m, a: a}
	for op := hostapi.OpDescribe; op <= hostapi.OpStream; op++ {
		t.calls[op] = m.calls.WithLabelValues(a.opt.Name, op.String())
	}
	t.pause = m.swaps.WithLabelValues(a.opt.Name)
	a.met = t
	m.mu.Lock()
	defer m.mu.Unlock()
	m.actors[a] = struct{}{}
}

// meter counts for one actor.
type meter struct {
	m     *Metrics
	a     *Actor
	calls [hostapi.OpStream + 1]prometheus.Observer
	pause prometheus.Observer

	all, events, requests, missed, dead, crashes, conflicts, filterMissed atomic.Uint64
	busy                                                                  atomic.Uint64 // share in millionths
}

func (t *meter) call(op hostapi.GuestOp, took time.Duration, _ error) {
	t.all.Add(1)
	t.calls[op].Observe(took.Seconds())
}

func (t *meter) crash(err error) {
	t.crashes.Add(1)
	reason := guest.ReasonOf(err)
	if reason == "" {
		reason = "start"
	}
	t.m.died.WithLabelValues(t.a.opt.Name, string(reason)).Inc()
}

func (t *meter) swapped(pause time.Duration) { t.pause.Observe(pause.Seconds()) }

func (t *meter) share(s float64) { t.busy.Store(uint64(s * 1e6)) }

// remove takes the actor out of the gauges. Its histograms go too.
func (t *meter) remove() {
	t.m.mu.Lock()
	delete(t.m.actors, t.a)
	t.m.mu.Unlock()
	by := prometheus.Labels{"plugin": t.a.opt.Name}
	t.m.calls.DeletePartialMatch(by)
	t.m.died.DeletePartialMatch(by)
	t.m.swaps.DeletePartialMatch(by)
}

// Counts gives what the plugin did so far.
func (a *Actor) Counts() Counts {
	t := a.met
	c := Counts{
		Events: t.events.Load(), Calls: t.all.Load(), Requests: t.requests.Load(), Missed: t.missed.Load(),
		DeadLetters: t.dead.Load(), Crashes: t.crashes.Load(), Conflicts: t.conflicts.Load(),
		Code: a.cur.Load().Code.Size(), Instances: int(a.instances.Load()), Busy: float64(t.busy.Load()) / 1e6,
		Used: time.Unix(0, a.used.Load()),
	}
	c.Queued, c.QueuedBytes = a.q.size()
	a.known.Range(func(i, _ any) bool {
		c.Memory += i.(*instance).memory.Load()
		return true
	})
	if at := a.lagged.Load(); at != 0 {
		c.Lagging = a.opt.Now().Sub(time.Unix(0, at)) < time.Minute
	}
	return c
}
