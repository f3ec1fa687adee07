package store

import (
	"encoding/binary"
	"errors"
	"slices"
	"strings"

	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/index"
)

// maxName bounds the names of topics, aliases, timers, counters and notes.
const maxName = 512

// coll is a collection as the database names it.
type coll struct {
	owner   *Owner
	name    string
	path    string // plugin/collection
	indexes []collIndex
}

type collIndex struct {
	name   string
	path   string // plugin/collection/index
	unique bool
	kinds  []index.Kind
}

// def is what the index was filled by; with another one it has to be filled anew.
func (x *collIndex) def() string {
	var b strings.Builder
	for i, k := range x.kinds {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(k.String())
	}
	if x.unique {
		b.WriteString(" unique")
	}
	return b.String()
}

// newColl finds a collection in the owner's.
func newColl(o *Owner, name string) (*coll, error) {
	if err := checkOwner(o); err != nil {
		return nil, err
	}
	for i := range o.Collections {
		c := &o.Collections[i]
		if c.Name != name {
			continue
		}
		if name == "" || strings.Contains(name, "/") || !validText(name) {
			break
		}
		nc := &coll{owner: o, name: name, path: o.Plugin + "/" + name, indexes: make([]collIndex, len(c.Indexes))}
		for j := range c.Indexes {
			x := &c.Indexes[j]
			nc.indexes[j] = collIndex{name: x.Name, path: nc.path + "/" + x.Name, unique: x.Unique, kinds: x.Kinds()}
		}
		return nc, nil
	}
	return nil, invalidf("there is no collection %q in the manifest of plugin %s", name, o.Plugin)
}

func (c *coll) index(name string) (*collIndex, bool) {
	for i := range c.indexes {
		if c.indexes[i].name == name {
			return &c.indexes[i], true
		}
	}
	return nil, false
}

func checkOwner(o *Owner) error {
	if o.Plugin == "" || len(o.Plugin) > maxName || strings.Contains(o.Plugin, "/") || !validText(o.Plugin) {
		return invalidf("plugin name %q: cannot own anything", o.Plugin)
	}
	return nil
}

func checkName(what, name string) error {
	switch {
	case name == "":
		return invalidf("%s: needs a name", what)
	case len(name) > maxName:
		return invalidf("%s: its name is longer than %d bytes", what, maxName)
	case !validText(name):
		return invalidf("%s: its name is not valid text", what)
	}
	return nil
}

func checkID(id string) error {
	switch {
	case id == "":
		return invalidf("document: needs an id")
	case len(id) > hostapi.MaxDocumentID:
		return &Error{Code: Limit, Msg: "document id: longer than 512 bytes"}
	case !validText(id):
		return invalidf("document id: is not valid text")
	}
	return nil
}

// storedKey is a document's place in an index, as the document's row has it.
type storedKey struct {
	index  string
	unique bool // it is in doc_unique, otherwise in doc_keys
	key    string
}

// checkKeys gives the keys in the order of their indexes.
func (c *coll) checkKeys(keys []Key) ([]storedKey, error) {
	if len(keys) == 0 {
		return nil, nil
	}
	to := make([]storedKey, 0, len(keys))
	for i := range keys {
		k := &keys[i]
		x, ok := c.index(k.Index)
		if !ok {
			return nil, invalidf("there is no index %q of collection %q in the manifest", k.Index, c.name)
		}
		if len(k.Key) > index.MaxBytes {
			return nil, &Error{Code: Limit, Msg: "index " + k.Index, Err: index.ErrTooLong}
		}
		if err := index.Check(k.Key, x.kinds); err != nil {
			return nil, &Error{Code: Invalid, Msg: "index " + k.Index, Err: err}
		}
		to = append(to, storedKey{k.Index, x.unique, string(k.Key)})
	}
	slices.SortFunc(to, func(a, b storedKey) int { return strings.Compare(a.index, b.index) })
	for i := 1; i < len(to); i++ {
		if to[i].index == to[i-1].index {
			return nil, invalidf("index %q: the document has two keys", to[i].index)
		}
	}
	return to, nil
}

func keyIn(keys []storedKey, index string) (string, bool) {
	for i := range keys {
		if keys[i].index == index {
			return keys[i].key, true
		}
	}
	return "", false
}

// docSize is what a document counts for the quota.
func docSize(id string, body int, keys []storedKey) int64 {
	n := len(id) + body
	for i := range keys {
		n += len(keys[i].key)
	}
	return int64(n)
}

// appendKeys writes keys for the column: of each the length of the name with the
// lowest bit for unique, the name, the length of the key, the key.
func appendKeys(b []byte, keys []storedKey) []byte {
	for i := range keys {
		k := &keys[i]
		n := uint64(len(k.index)) << 1
		if k.unique {
			n |= 1
		}
		b = append(binary.AppendUvarint(b, n), k.index...)
		b = append(binary.AppendUvarint(b, uint64(len(k.key))), k.key...)
	}
	return b
}

var errKeys = errors.New("column keys of a document: damaged")

func parseKeys(b []byte) ([]storedKey, error) {
	if len(b) == 0 {
		return nil, nil
	}
	text := func(n uint64) (string, bool) {
		if n > uint64(len(b)) {
			return "", false
		}
		s := string(b[:n])
		b = b[n:]
		return s, true
	}
	var keys []storedKey
	for len(b) > 0 {
		var k storedKey
		var ok bool
		n, size := binary.Uvarint(b)
		if size <= 0 {
			return nil, errKeys
		}
		b = b[size:]
		k.unique = n&1 != 0
		if k.index, ok = text(n >> 1); !ok {
			return nil, errKeys
		}
		if n, size = binary.Uvarint(b); size <= 0 {
			return nil, errKeys
		}
		b = b[size:]
		if k.key, ok = text(n); !ok {
			return nil, errKeys
		}
		keys = append(keys, k)
	}
	return keys, nil
}
