package manifest

import (
	"slices"

	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/index"
)

func (m *Manifest) checkStore(f *faults) {
	if n := len(m.Collections); n > maxCollections {
		f.add("collections", "are %d: at most %d", n, maxCollections)
	}
	seen := map[string]int{}
	for i, c := range m.Collections {
		at := item("collections", i)
		checkName(f, join(at, "name"), c.Name, seen, i, "collections")
		if n := len(c.Indexes); n > maxIndexes {
			f.add(join(at, "indexes"), "are %d: at most %d", n, maxIndexes)
		}
		names := map[string]int{}
		for j, x := range c.Indexes {
			at := item(join(at, "indexes"), j)
			checkName(f, join(at, "name"), x.Name, names, j, join(item("collections", i), "indexes"))
			if n := len(x.Fields); n > hostapi.MaxIndexFields {
				f.add(join(at, "fields"), "are %d: at most %d", n, hostapi.MaxIndexFields)
			}
			for k, kind := range x.Fields {
				if _, ok := index.ParseKind(kind); !ok {
					f.add(item(join(at, "fields"), k), "%s is no kind of value%s", show(kind), enumHelp(kind, indexKinds))
				}
			}
		}
	}
	if len(m.Collections) > 0 {
		m.ask(f, "collections", hostapi.CapStore, m.Capabilities[hostapi.CapStore])
	}
}

var indexKinds = []string{"int", "float", "bool", "string", "bytes", "time"}

// Kinds gives the kinds of the index's values, in their order.
func (x *Index) Kinds() []index.Kind {
	kinds := make([]index.Kind, 0, len(x.Fields))
	for _, name := range x.Fields {
		if k, ok := index.ParseKind(name); ok {
			kinds = append(kinds, k)
		}
	}
	return kinds
}

// Collection gives the collection of that name.
func (m *Manifest) Collection(name string) (*Collection, bool) {
	i := slices.IndexFunc(m.Collections, func(c Collection) bool { return c.Name == name })
	if i < 0 {
		return nil, false
	}
	return &m.Collections[i], true
}

// Index gives the index of that name.
func (c *Collection) Index(name string) (*Index, bool) {
	i := slices.IndexFunc(c.Indexes, func(x Index) bool { return x.Name == name })
	if i < 0 {
		return nil, false
	}
	return &c.Indexes[i], true
}
