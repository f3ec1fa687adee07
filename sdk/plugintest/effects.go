package plugintest

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/cot"
	"github.com/takhost/takhost/hostapi/wire"
	"github.com/takhost/takhost/sdk"
)

// Emission is an event that the plugin sent.
type Emission struct {
	Event    sdk.Event // with its whole detail, and its XML
	Audience *wire.Audience
	Fleeting bool // not for the archive
}

// Line is a line of the log.
type Line struct {
	Level      wire.Level
	Message    string
	Attributes map[string]string
}

// Emitted gives the events that were sent since it was last asked.
func (k *Kit) Emitted() []Emission { return taken(&k.emitted) }

// Published gives the live updates since it was last asked.
func (k *Kit) Published() []sdk.Update { return taken(&k.updates) }

// Logs gives the lines of the log since it was last asked.
func (k *Kit) Logs() []Line { return taken(&k.logs) }

// Metric gives a counter or a gauge, by its name and, with labels, name{a="b"}; of a
// histogram the sum of what was observed.
func (k *Kit) Metric(name string) float64 { return k.metrics[name] }

func taken[T any](list *[]T) []T {
	out := *list
	*list = nil
	return out
}

// always does the operations that need no grant. They count whether or not the call
// succeeds.
func (w *work) always(op hostapi.HostOp, in, dst []byte) ([]byte, error) {
	switch op {
	case hostapi.HostLog:
		var m wire.Log
		if err := decode(op, in, &m); err != nil {
			return nil, err
		}
		line := Line{Level: m.Level, Message: m.Message, Attributes: map[string]string{}}
		for _, a := range m.Attributes {
			line.Attributes[a.Name] = a.Value
		}
		w.k.logs = append(w.k.logs, line)
		w.k.t.Logf("plugin: %s %v", line.Message, line.Attributes)
		return dst, nil
	case hostapi.HostConfig:
		return append(dst, w.k.config...), nil
	case hostapi.HostClock:
		m := wire.Clock{Now: w.k.now.UnixMicro(), Monotonic: w.k.now.Sub(w.k.begin).Nanoseconds()}
		return m.Append(dst), nil
	case hostapi.HostRandom:
		return w.random(in, dst)
	}
	return dst, w.metric(in)
}

// random gives bytes that are the same in each run of a test.
func (w *work) random(in, dst []byte) ([]byte, error) {
	var m wire.RandomRequest
	if err := decode(hostapi.HostRandom, in, &m); err != nil {
		return nil, err
	}
	if m.N > hostapi.MaxRandom {
		return nil, errf(hostapi.Limit, "random: %d bytes: at most %d", m.N, hostapi.MaxRandom)
	}
	w.k.random++
	source := rand.NewPCG(w.k.random, 0x74616b)
	for range m.N {
		dst = append(dst, byte(source.Uint64()))
	}
	return dst, nil
}

func (w *work) metric(in []byte) error {
	var m wire.Metrics
	if err := decode(hostapi.HostMetric, in, &m); err != nil {
		return err
	}
	for _, metric := range m.Metrics {
		name := metric.Name
		if name == "" {
			return errf(hostapi.Invalid, "metric: the name is empty")
		}
		if len(metric.Labels) > 0 {
			var labels []string
			for _, l := range metric.Labels {
				labels = append(labels, l.Name+`="`+l.Value+`"`)
			}
			name += "{" + strings.Join(labels, ",") + "}"
		}
		if metric.Kind == wire.MetricKindGauge {
			w.k.metrics[name] = metric.Value
		} else {
			w.k.metrics[name] += metric.Value
		}
	}
	return nil
}

// amount is the number of a grant, or its default; 0 is no bound.
func (k *Kit) amount(c hostapi.Capability, key string) int64 {
	s := k.grants[c]
	for _, sk := range c.Keys() {
		if sk.Name == key {
			if n := *s.Amount(key); n != 0 {
				return n
			}
			return sk.Default
		}
	}
	return 0
}

func (w *work) emit(in []byte) error {
	const op = hostapi.HostEmit
	if err := w.stage(op); err != nil {
		return err
	}
	var m wire.Emit
	if err := decode(op, in, &m); err != nil {
		return err
	}
	most := int(w.k.manifest.Limits.Emits)
	if most == 0 {
		most = hostapi.DefaultEmits
	}
	if w.hops >= hostapi.MaxHops {
		return errf(hostapi.Limit, "%v: what is answered has passed through plugins %d times already", op, hostapi.MaxHops)
	}
	var staged []Emission
	for _, e := range m.Events {
		if w.emits++; w.emits > most {
			return errf(hostapi.Limit, "%v: more than %d events in one call", op, most)
		}
		if w.bytes += len(e.XML); w.bytes > hostapi.DefaultEmitBytes {
			return errf(hostapi.Limit, "%v: more than %d bytes of events in one call", op, hostapi.DefaultEmitBytes)
		}
		ev := &hostapi.Event{XML: e.XML, Origin: hostapi.FromPlugin, Via: w.k.manifest.Name, Hops: w.hops + 1, Fleeting: e.Fleeting, Recv: w.k.now.UnixMicro()}
		if err := cot.Scan(e.XML, &ev.Header); err != nil {
			return errf(hostapi.Invalid, "%v: %v", op, err)
		}
		scope := w.k.grants[hostapi.CapEventsEmit]
		if !matchTypes(scope.Types, ev.Type) {
			return errf(hostapi.Forbidden, "%v: type %s is not granted, only %s", op, ev.Type, strings.Join(scope.Types, ", "))
		}
		if toMission(ev) && !scope.Missions {
			return errf(hostapi.Forbidden, "%v: events for missions are not granted", op)
		}
		if err := w.audience(op, e.Audience, scope.Groups); err != nil {
			return err
		}
		view := hostapi.AppendView(nil, ev, hostapi.DetailWant{All: true, XML: true})
		staged = append(staged, Emission{Event: view, Audience: e.Audience, Fleeting: e.Fleeting})
	}
	w.emitted = append(w.emitted, staged...)
	return nil
}

// audience checks who shall get something.
func (w *work) audience(op hostapi.HostOp, a *wire.Audience, groups []string) error {
	if err := a.Check(); err != nil {
		return errf(hostapi.Invalid, "%v: %v", op, err)
	}
	for _, g := range a.Groups {
		if len(groups) > 0 && !hostapi.MatchAny(groups, g) {
			return errf(hostapi.Forbidden, "%v: group %s is not granted, only %s", op, g, strings.Join(groups, ", "))
		}
	}
	if a.Set != 0 && len(w.k.groups(a.Set)) == 0 {
		return errf(hostapi.Invalid, "%v: there is no set %d of groups", op, a.Set)
	}
	if a.AsEvent != 0 && !slices.ContainsFunc(w.k.archive, func(e *hostapi.Event) bool { return int64(e.ID) == a.AsEvent }) {
		return errf(hostapi.NotFound, "%v: there is no event %d", op, a.AsEvent)
	}
	return nil
}

func (w *work) publish(in []byte) error {
	const op = hostapi.HostPublish
	if err := w.stage(op); err != nil {
		return err
	}
	var m wire.Publish
	if err := decode(op, in, &m); err != nil {
		return err
	}
	if names := w.k.grants[hostapi.CapLivePublish].Names; !hostapi.MatchAny(names, m.Stream) {
		return errf(hostapi.Forbidden, "%v: stream %q is not granted, only %s", op, m.Stream, strings.Join(names, ", "))
	}
	if !json.Valid(m.Data) {
		return errf(hostapi.Invalid, "%v: the data is not JSON", op)
	}
	if err := w.audience(op, m.Audience, nil); err != nil {
		return err
	}
	m.Data = slices.Clone(m.Data)
	w.updates = append(w.updates, m)
	return nil
}

func (w *work) topics(op hostapi.HostOp, in, dst []byte) ([]byte, error) {
	var m wire.Topic
	var alias wire.TopicAlias
	names := []string{}
	switch op {
	case hostapi.HostTopicAlias:
		if err := decode(op, in, &alias); err != nil {
			return nil, err
		}
		if alias.Alias == "" {
			return nil, errf(hostapi.Invalid, "%v: the alias is empty", op)
		}
		names = alias.Topics
	case hostapi.HostTopicDrop, hostapi.HostTopicGet:
		var n wire.TopicName
		if err := decode(op, in, &n); err != nil {
			return nil, err
		}
		m.Name, names = n.Name, []string{n.Name}
	default:
		if err := decode(op, in, &m); err != nil {
			return nil, err
		}
		names = append(names, m.Name)
	}
	prefixes := w.k.grants[hostapi.CapTopics].Prefixes
	for _, n := range names {
		if !slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(n, p) }) {
			return nil, errf(hostapi.Forbidden, "%v: topic %q is not granted, only %s", op, n, strings.Join(prefixes, ", "))
		}
	}
	for i, x := range m.Members {
		if x.User == "" && x.Client == "" {
			return nil, errf(hostapi.Invalid, "%v: member %d has neither user nor client", op, i)
		}
	}
	have, there := w.state.topics[m.Name]
	if op == hostapi.HostTopicGet {
		if !there {
			return nil, errf(hostapi.NotFound, "%v: there is no topic %q", op, m.Name)
		}
		for _, x := range have {
			m.Members = append(m.Members, wire.TopicMember{User: x.user, Client: x.client, MayPublish: x.mayPublish})
		}
		return m.Append(dst), nil
	}
	if err := w.stage(op); err != nil {
		return nil, err
	}
	w.changeTopic(op, &m, &alias, have, there)
	return dst, nil
}

func (w *work) changeTopic(op hostapi.HostOp, m *wire.Topic, alias *wire.TopicAlias, have []member, there bool) {
	switch op {
	case hostapi.HostTopicAlias:
		delete(w.state.aliases, alias.Alias)
		if len(alias.Topics) > 0 {
			w.state.aliases[alias.Alias] = alias.Topics
		}
		return
	case hostapi.HostTopicDrop:
		delete(w.state.topics, m.Name)
		return
	case hostapi.HostTopicSet:
		have = nil
	case hostapi.HostTopicLeave:
		if !there {
			return
		}
	}
	next := slices.Clone(have)
	for _, x := range m.Members {
		next = slices.DeleteFunc(next, func(o member) bool { return o.user == x.User && o.client == x.Client })
		if op != hostapi.HostTopicLeave {
			next = append(next, member{x.User, x.Client, x.MayPublish})
		}
	}
	w.state.topics[m.Name] = next
}

func (w *work) timers(op hostapi.HostOp, in []byte) error {
	if err := w.stage(op); err != nil {
		return err
	}
	if op == hostapi.HostTimerCancel {
		var m wire.TimerName
		if err := decode(op, in, &m); err != nil {
			return err
		}
		if !w.k.isFixed(m.Name) {
			delete(w.state.timers, m.Name)
		}
		return nil
	}
	var m wire.TimerSet
	if err := decode(op, in, &m); err != nil {
		return err
	}
	_, again := w.state.timers[m.Name]
	most := w.k.amount(hostapi.CapTimers, "number")
	switch {
	case m.Name == "":
		return errf(hostapi.Invalid, "%v: the timer has no name", op)
	case m.Every != 0 && m.Every < (100*time.Millisecond).Microseconds():
		return errf(hostapi.Invalid, "%v: every: at least 100ms", op)
	case m.At < 0 || m.At == 0 && m.Every == 0:
		return errf(hostapi.Invalid, "%v: timer %q has no time: give at, every, or both", op, m.Name)
	case w.k.isFixed(m.Name):
		return errf(hostapi.Conflict, "%v: timer %q is one of the manifest's, which always run", op, m.Name)
	case !again && most > 0 && int64(len(w.state.timers)-len(w.k.manifest.Timers)) >= most:
		return errf(hostapi.Limit, "%v: more than %d timers are not granted", op, most)
	}
	due := m.At
	if due == 0 {
		due = w.k.now.UnixMicro() + m.Every
	}
	w.state.settings++
	w.state.timers[m.Name] = timerState{due: due, every: m.Every, data: slices.Clone(m.Data), set: w.state.settings}
	return nil
}

// isFixed says whether a timer is one of the manifest's.
func (k *Kit) isFixed(name string) bool {
	for _, t := range k.manifest.Timers {
		if t.Name == name {
			return true
		}
	}
	return false
}
