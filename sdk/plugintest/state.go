package plugintest

import (
	"maps"
	"slices"
)

// state is what a commit changes. A call works on a copy; documents themselves are
// never changed, only replaced.
type state struct {
	documents map[string]map[string]*document // by collection and id
	counters  map[string]int64
	timers    map[string]timerState
	topics    map[string][]member
	aliases   map[string][]string
	revision  uint64
	bytes     int64  // of all documents
	settings  uint64 // of timers, so far
	kept      map[blobOwner]bool
}

type document struct {
	body     []byte
	keys     map[string][]byte
	set      int32
	data     uint32
	revision uint64
	modified int64
}

// timerState is a timer that is set; times in µs.
type timerState struct {
	due   int64
	every int64
	data  []byte
	set   uint64 // number of the setting, so that one with the same values shows
}

type member struct {
	user, client string
	mayPublish   bool
}

func newState() *state {
	return &state{
		documents: map[string]map[string]*document{}, counters: map[string]int64{},
		timers: map[string]timerState{}, topics: map[string][]member{}, aliases: map[string][]string{}, kept: map[blobOwner]bool{},
	}
}

func (s *state) clone() *state {
	c := *s
	c.documents = make(map[string]map[string]*document, len(s.documents))
	for name, docs := range s.documents {
		c.documents[name] = maps.Clone(docs)
	}
	c.counters, c.timers, c.aliases, c.kept = maps.Clone(s.counters), maps.Clone(s.timers), maps.Clone(s.aliases), maps.Clone(s.kept)
	c.topics = make(map[string][]member, len(s.topics))
	for name, m := range s.topics {
		c.topics[name] = slices.Clone(m)
	}
	return &c
}

// Document gives the body of a document that is committed, and whether it is there.
func (k *Kit) Document(collection, id string) ([]byte, bool) {
	d, ok := k.state.documents[collection][id]
	if !ok {
		return nil, false
	}
	return slices.Clone(d.body), true
}

// Documents gives the ids of all documents of a collection that are committed, in
// their order.
func (k *Kit) Documents(collection string) []string {
	return slices.Sorted(maps.Keys(k.state.documents[collection]))
}

// PutDocument writes a document past the plugin: what an older version left, of the
// data version given.
func (k *Kit) PutDocument(collection, id string, body []byte, data uint32) {
	k.t.Helper()
	if _, ok := k.manifest.Collection(collection); !ok {
		k.t.Fatalf("put document: the manifest has no collection %q", collection)
	}
	s := k.state.clone()
	s.revision++
	if s.documents[collection] == nil {
		s.documents[collection] = map[string]*document{}
	}
	s.documents[collection][id] = &document{body: slices.Clone(body), data: data, revision: s.revision, modified: k.now.UnixMicro()}
	k.state = s
}

// Counter gives the last value of a counter.
func (k *Kit) Counter(name string) int64 { return k.state.counters[name] }

// Topic gives the members of a topic as "user/client", with "!" behind those who may
// publish, in their order; nil if there is no such topic.
func (k *Kit) Topic(name string) []string {
	members, ok := k.state.topics[name]
	if !ok {
		return nil
	}
	list := []string{}
	for _, m := range members {
		s := m.user + "/" + m.client
		if m.mayPublish {
			s += "!"
		}
		list = append(list, s)
	}
	slices.Sort(list)
	return list
}

// Alias gives the topics of an alias.
func (k *Kit) Alias(name string) []string { return slices.Clone(k.state.aliases[name]) }
