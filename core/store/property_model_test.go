package store

import (
	"maps"
	"slices"
	"strings"

	"github.com/takhost/takhost/hostapi"
)

// model is what the store should hold, kept in the simplest way.
type model struct {
	docs     map[docKey]modelDoc
	counters map[ownedName]int64
	topics   map[string]modelTopic
	timers   map[ownedName]int64 // due
	cursors  map[string]Cursor
	version  int // counts commits
}

type modelDoc struct {
	body    string
	set     hostapi.SetID
	keys    map[string]string // index → key
	version int               // commit that wrote it
}

type modelTopic struct {
	plugin  string
	members map[TopicMember]bool // without MayPublish → MayPublish
	version int
}

func newModel() *model {
	return &model{
		docs: map[docKey]modelDoc{}, counters: map[ownedName]int64{}, topics: map[string]modelTopic{},
		timers: map[ownedName]int64{}, cursors: map[string]Cursor{},
	}
}

// clone copies what a crash leaves; its values are never changed in place.
func (m *model) clone() *model {
	return &model{maps.Clone(m.docs), maps.Clone(m.counters), maps.Clone(m.topics), maps.Clone(m.timers), maps.Clone(m.cursors), m.version}
}

func (d *modelDoc) size(id string) int64 {
	n := int64(len(id) + len(d.body))
	for _, k := range d.keys {
		n += int64(len(k))
	}
	return n
}

func (m *model) bytes(plugin string) (n int64) {
	for k, d := range m.docs {
		if strings.HasPrefix(k.coll, plugin+"/") {
			n += d.size(k.id)
		}
	}
	return n
}

// modelWork is a Work over the model. A nil document is staged to go.
type modelWork struct {
	m        *model
	quota    map[string]int64
	reads    map[docKey]int
	docs     map[docKey]*modelDoc
	base     map[ownedName]int64
	counters map[ownedName]int64
	seen     map[string]int // topics
	topics   map[string]*modelTopic
	timers   map[ownedName]int64 // 0: cancelled
	cursors  map[string]Cursor
}

func (m *model) begin(quota map[string]int64) *modelWork {
	return &modelWork{
		m: m, quota: quota, reads: map[docKey]int{}, docs: map[docKey]*modelDoc{}, base: map[ownedName]int64{}, counters: map[ownedName]int64{},
		seen: map[string]int{}, topics: map[string]*modelTopic{}, timers: map[ownedName]int64{}, cursors: map[string]Cursor{},
	}
}

// staged copies what Undo brings back.
func (w *modelWork) staged() modelWork {
	c := *w
	c.docs, c.counters, c.topics, c.timers, c.cursors = maps.Clone(w.docs), maps.Clone(w.counters), maps.Clone(w.topics), maps.Clone(w.timers), maps.Clone(w.cursors)
	return c
}

func (w *modelWork) undo(to modelWork) {
	w.docs, w.counters, w.topics, w.timers, w.cursors = to.docs, to.counters, to.topics, to.timers, to.cursors
}

func (w *modelWork) note(k docKey) {
	if _, ok := w.reads[k]; !ok {
		w.reads[k] = w.m.docs[k].version
	}
}

// get gives nil when there is none.
func (w *modelWork) get(k docKey) *modelDoc {
	if d, ok := w.docs[k]; ok {
		return d
	}
	w.note(k)
	if d, ok := w.m.docs[k]; ok {
		return &d
	}
	return nil
}

func pluginOf(coll string) string {
	plugin, _, _ := strings.Cut(coll, "/")
	return plugin
}

func (w *modelWork) put(k docKey, d modelDoc, mustBeNew bool) Code {
	if mustBeNew && w.get(k) != nil {
		return Conflict
	}
	if name, ok := d.keys["name"]; ok {
		for o, other := range w.docs {
			if other != nil && o.coll == k.coll && o.id != k.id && other.keys["name"] == name {
				return Conflict
			}
		}
		for o, other := range w.m.docs {
			if _, staged := w.docs[o]; !staged && o.coll == k.coll && o.id != k.id && other.keys["name"] == name {
				return Conflict
			}
		}
	}
	plugin := pluginOf(k.coll)
	stored := w.m.docs[k]
	was := int64(0)
	if stored.version > 0 {
		was = stored.size(k.id)
	}
	before, staged := w.docs[k]
	w.docs[k] = &d
	if w.m.bytes(plugin)+w.delta(plugin) > w.quota[plugin] && d.size(k.id) > was {
		if delete(w.docs, k); staged {
			w.docs[k] = before
		}
		return Limit
	}
	return ""
}

// delta is by how much the staged documents change the plugin's bytes.
func (w *modelWork) delta(plugin string) (n int64) {
	for k, d := range w.docs {
		if pluginOf(k.coll) != plugin {
			continue
		}
		if d != nil {
			n += d.size(k.id)
		}
		if old, ok := w.m.docs[k]; ok {
			n -= old.size(k.id)
		}
	}
	return n
}

// query gives the documents of a query in order, up to limit, and how many there
// are.
func (w *modelWork) query(coll string, q DocQuery) (hits []docPlace, all int) {
	docs := map[string]*modelDoc{}
	for k, d := range w.m.docs {
		if k.coll == coll {
			docs[k.id] = &d
		}
	}
	for k, d := range w.docs {
		if k.coll == coll {
			docs[k.id] = d
		}
	}
	for id, d := range docs {
		if d == nil || !q.Visible.sees(d.set) {
			continue
		}
		at, bound := docPlace{"", id}, id
		if q.Index != "" {
			key, ok := d.keys[q.Index]
			if !ok {
				continue
			}
			at.key, bound = key, key
		}
		if bound >= string(q.From) && (len(q.To) == 0 || bound < string(q.To)) {
			hits = append(hits, at)
		}
	}
	slices.SortFunc(hits, docPlace.compare)
	if q.Descending {
		slices.Reverse(hits)
	}
	all = len(hits)
	if q.Count {
		return nil, all
	}
	hits = hits[:min(all, q.Limit)]
	for _, h := range hits {
		if _, staged := w.docs[docKey{coll, h.id}]; !staged {
			w.note(docKey{coll, h.id})
		}
	}
	return hits, all
}

func (w *modelWork) next(k ownedName) int64 {
	if _, ok := w.base[k]; !ok {
		w.base[k] = w.m.counters[k]
	}
	now, ok := w.counters[k]
	if !ok {
		now = w.base[k]
	}
	w.counters[k] = now + 1
	return now + 1
}

// topic gives nil when there is none.
func (w *modelWork) topic(name string) *modelTopic {
	if _, ok := w.seen[name]; !ok {
		w.seen[name] = w.m.topics[name].version
	}
	if t, ok := w.topics[name]; ok {
		return t
	}
	if t, ok := w.m.topics[name]; ok {
		return &t
	}
	return nil
}

// change makes the topic have members, or not be there.
func (w *modelWork) change(plugin, name string, members func(map[TopicMember]bool) map[TopicMember]bool) Code {
	t := w.topic(name)
	if t != nil && t.plugin != plugin {
		return Conflict
	}
	var was map[TopicMember]bool
	if t != nil {
		was = maps.Clone(t.members)
	}
	is := members(was)
	if is == nil && t == nil || is != nil && t != nil && maps.Equal(is, t.members) {
		return ""
	}
	w.topics[name] = nil
	if is != nil {
		w.topics[name] = &modelTopic{plugin: plugin, members: is}
	}
	return ""
}

// commit says what the real one should, and changes the model. staged is whether
// the Work has anything to commit.
func (w *modelWork) commit(staged bool) Code {
	if !staged {
		return ""
	}
	for k, v := range w.reads {
		if w.m.docs[k].version != v {
			return Conflict
		}
	}
	for k, v := range w.base {
		if w.m.counters[k] != v {
			return Conflict
		}
	}
	for name, v := range w.seen {
		if w.m.topics[name].version != v {
			return Conflict
		}
	}
	for k, d := range w.docs {
		if d == nil || d.keys["name"] == "" {
			continue
		}
		for o, other := range w.m.docs {
			if _, mine := w.docs[o]; !mine && o.coll == k.coll && other.keys["name"] == d.keys["name"] {
				return Conflict
			}
		}
	}
	for plugin, quota := range w.quota {
		if delta := w.delta(plugin); delta > 0 && w.m.bytes(plugin)+delta > quota {
			return Limit
		}
	}
	w.m.version++
	for k, d := range w.docs {
		if d == nil {
			delete(w.m.docs, k)
			continue
		}
		c := *d
		c.version = w.m.version
		w.m.docs[k] = c
	}
	for k, v := range w.counters {
		w.m.counters[k] = v
	}
	for name, t := range w.topics {
		if t == nil {
			delete(w.m.topics, name)
			continue
		}
		c := *t
		c.version = w.m.version
		w.m.topics[name] = c
	}
	for k, due := range w.timers {
		if w.m.timers[k] = due; due == 0 {
			delete(w.m.timers, k)
		}
	}
	for k, c := range w.cursors {
		w.m.cursors[k] = c
	}
	return ""
}
