package run

import (
	"runtime"
	"time"

	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/manifest"
)

// Limits are those of one version, every one of them set.
type Limits struct {
	QueueEvents int
	QueueBytes  int64
	BatchEvents int
	Memory      int64 // bytes of one instance
	Snapshot    int64 // bytes
	Instances   int   // for requests with http: pool

	Events  time.Duration // for one batch, a timer, changes of clients
	HTTP    time.Duration // for one request, and for an action from outside
	Init    time.Duration
	Filter  time.Duration
	Restore time.Duration // for a snapshot, and for taking it over
	Health  time.Duration
}

// LimitsOf gives the limits that hold for a manifest's, or a config's, in which
// zero is the default. kind is the manifest's runtime: a process has more memory
// than a module.
func LimitsOf(m manifest.Limits, kind string) Limits {
	memory := int64(hostapi.DefaultMemory)
	if kind == "process" {
		memory = hostapi.DefaultProcessMemory
	}
	return Limits{
		QueueEvents: int(or(m.QueueEvents, hostapi.DefaultQueueEvents)),
		QueueBytes:  or(int64(m.QueueBytes), hostapi.DefaultQueueBytes),
		BatchEvents: int(or(m.BatchEvents, hostapi.DefaultBatchEvents)),
		Memory:      or(int64(m.Memory), memory),
		Snapshot:    or(int64(m.Snapshot), hostapi.DefaultSnapshotBytes),
		Instances:   int(or(m.Instances, int64(runtime.GOMAXPROCS(0)))),
		Events:      or(time.Duration(m.EventsTime), hostapi.DefaultEventsDeadline),
		HTTP:        or(time.Duration(m.HTTPTime), hostapi.DefaultHTTPDeadline),
		Init:        or(time.Duration(m.InitTime), hostapi.DefaultInitDeadline),
		Filter:      hostapi.DefaultFilterDeadline,
		Restore:     hostapi.DefaultSnapshotDeadline,
		Health:      time.Second,
	}
}

func or[T ~int64](v, otherwise T) T {
	if v > 0 {
		return v
	}
	return otherwise
}

// Tuning has the times of the actor's own that tests shorten. A zero field is
// the default that stands behind it.
type Tuning struct {
	Linger      time.Duration // 2 ms: how long a small batch waits for more when the plugin is busy
	Gather      time.Duration // 50 ms: how long changes of clients wait for more
	WaitHTTP    time.Duration // 5 s: how long a request waits for its plugin
	HealthEvery time.Duration // 10 s
	IdleAfter   time.Duration // 10 min without a call
	Recycle     time.Duration // 24 h: age of an instance that is replaced
	SpareFor    time.Duration // 5 min after a crash: how long a spare instance is kept
	Crashes     int           // 5 of them …
	Window      time.Duration // … in 60 s open the circuit
	BackOff     time.Duration // 1 s, doubling
	BackOffMax  time.Duration // 5 min
	SwapBudget  time.Duration // 500 ms from barrier to flip
	SwapWait    time.Duration // 15 s until the plugin comes to an event boundary
	Drain       time.Duration // 10 s for the last requests of a version
	Probation   time.Duration // 60 s
	Relapses    int           // 3 crashes in probation bring the old version back
	FilterMiss  int           // 3 misses …
	FilterSpan  time.Duration // … in 10 s open a filter's circuit
}

func (t *Tuning) setDefaults() {
	for _, d := range []struct {
		at *time.Duration
		v  time.Duration
	}{
		{&t.Linger, 2 * time.Millisecond}, {&t.Gather, 50 * time.Millisecond}, {&t.WaitHTTP, 5 * time.Second}, {&t.HealthEvery, 10 * time.Second},
		{&t.IdleAfter, 10 * time.Minute}, {&t.Recycle, 24 * time.Hour}, {&t.SpareFor, 5 * time.Minute},
		{&t.Window, time.Minute}, {&t.BackOff, time.Second}, {&t.BackOffMax, 5 * time.Minute},
		{&t.SwapBudget, 500 * time.Millisecond}, {&t.SwapWait, 15 * time.Second}, {&t.Drain, 10 * time.Second},
		{&t.Probation, time.Minute}, {&t.FilterSpan, 10 * time.Second},
	} {
		if *d.at == 0 {
			*d.at = d.v
		}
	}
	for _, n := range []struct {
		at *int
		v  int
	}{{&t.Crashes, 5}, {&t.Relapses, 3}, {&t.FilterMiss, 3}} {
		if *n.at == 0 {
			*n.at = n.v
		}
	}
}
