package plugin

import (
	"slices"
	"strconv"
	"strings"

	"github.com/takhost/takhost/core/plugin/run"
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/manifest"
)

// List describes all plugins by name, without what only Show tells: values,
// history, metrics.
func (h *Host) List() []Info {
	entries := h.list()
	list := make([]Info, len(entries))
	for i, e := range entries {
		list[i] = e.info()
		list[i].Values, list[i].History, list[i].Metrics, list[i].Ask = nil, nil, nil, nil
	}
	return list
}

// Show describes a plugin.
func (h *Host) Show(name string) (Info, error) {
	e, err := h.known(name)
	if err != nil {
		return Info{}, err
	}
	return e.info(), nil
}

func (e *entry) info() Info {
	e.mu.Lock()
	t, r := e.want, e.running
	i := Info{
		Name: e.name, State: e.state, Reason: e.reason, Since: e.since.UTC(), Enabled: t.set.enabled, Source: t.source,
		Values: t.values, History: slices.Clone(e.history), Missing: t.missing,
	}
	if !e.retry.IsZero() {
		retry := e.retry.UTC()
		i.Retry = &retry
	}
	counts := e.counts
	e.mu.Unlock()
	slices.Reverse(i.History)
	if r != nil {
		// What runs may be another version than what is to run.
		t = r.target
		now := r.actor.Counts()
		counts = sum(now, counts)
		emits := r.calls.Counts()
		i.Counts.Emits, i.Counts.Refused = emits.Emits, emits.Refused
		i.Metrics = r.calls.Metrics()
		i.Lagging = now.Lagging
	}
	i.Counts = countsOf(counts, i.Counts)
	if t.pkg == nil {
		return i
	}
	m := t.pkg.Manifest
	i.Title, i.Description, i.Version, i.Runtime, i.Data, i.SHA256 = m.Title, m.Description, m.Version, m.Runtime, m.Data, t.pkg.SHA256
	i.Asks, i.Ask = asks(m), map[string]any{}
	for c, s := range m.Grants() {
		i.Ask[string(c)] = ScopeTree(c, s)
	}
	for _, n := range m.Needs {
		i.Needs = append(i.Needs, versioned(n.Action, n.Version))
	}
	for _, a := range m.Provides {
		i.Provides = append(i.Provides, versioned(e.name+"."+a.Name, a.Version))
	}
	for _, route := range m.Routes {
		i.Routes = append(i.Routes, RouteInfo{Method: route.Method, Path: route.Path})
	}
	return i
}

func versioned(action string, version int64) string {
	if version <= 1 {
		return action
	}
	return action + " version " + strconv.FormatInt(version, 10)
}

// asks says what a manifest asks for, in the words in which a refusal names it.
func asks(m *manifest.Manifest) []string {
	var lines []string
	for _, line := range hostapi.Missing(m.Grants(), nil) {
		line = strings.Replace(line, ": is not granted", "", 1)
		line = strings.Replace(line, "(asked for with ", "(", 1)
		lines = append(lines, line)
	}
	return lines
}

// countsOf adds what the actor counted to what the calls did.
func countsOf(c run.Counts, to Counts) Counts {
	to.Events, to.Calls, to.Requests, to.Missed = c.Events, c.Calls, c.Requests, c.Missed
	to.DeadLetters, to.Crashes = c.DeadLetters, c.Crashes
	to.Queued, to.QueuedBytes, to.Memory, to.Code, to.Instances = c.Queued, c.QueuedBytes, c.Memory, c.Code, c.Instances
	return to
}
