package plugintest

import (
	"bytes"
	"cmp"
	"encoding/hex"
	"slices"
	"strings"

	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/index"
	"github.com/takhost/takhost/hostapi/manifest"
	"github.com/takhost/takhost/hostapi/wire"
)

func (w *work) store(op hostapi.HostOp, in, dst []byte) ([]byte, error) {
	switch op {
	case hostapi.HostGet:
		return w.get(in, dst)
	case hostapi.HostPut:
		return dst, w.put(in)
	case hostapi.HostDelete:
		return w.delete(in, dst)
	case hostapi.HostQuery:
		return w.query(in, dst)
	case hostapi.HostNextCounter:
		return w.next(in, dst)
	}
	return nil, errf(hostapi.Unsupported, "%v is not played by plugintest", op)
}

func (w *work) collection(name string) (*manifest.Collection, error) {
	c, ok := w.k.manifest.Collection(name)
	if !ok {
		return nil, errf(hostapi.Invalid, "collection %q is not in the manifest", name)
	}
	return c, nil
}

// sees says whether the caller of this call may see a document.
func (w *work) sees(d *document, asCaller bool) bool {
	return !asCaller || d.set == 0 || w.k.meet(d.set, w.caller.OutSet)
}

// needCaller refuses "as caller" in a call that the plugin makes for itself.
func (w *work) needCaller(op hostapi.HostOp, asCaller bool) error {
	if asCaller && w.caller == nil {
		return errf(hostapi.Invalid, "%v: as caller: this call has no caller", op)
	}
	return nil
}

func (w *work) get(in, dst []byte) ([]byte, error) {
	var m wire.Get
	if err := decode(hostapi.HostGet, in, &m); err != nil {
		return nil, err
	}
	if _, err := w.collection(m.Collection); err != nil {
		return nil, err
	}
	if err := w.needCaller(hostapi.HostGet, m.AsCaller); err != nil {
		return nil, err
	}
	if len(m.IDs) > hostapi.MaxPage {
		return nil, errf(hostapi.Limit, "store.get: %d ids: at most %d", len(m.IDs), hostapi.MaxPage)
	}
	var docs wire.Documents
	for _, id := range m.IDs {
		if d, ok := w.state.documents[m.Collection][id]; ok && w.sees(d, m.AsCaller) {
			docs.Documents = append(docs.Documents, d.wire(m.Collection, id, nil, false))
		}
	}
	return docs.Append(dst), nil
}

func (d *document) wire(collection, id string, key []byte, noBody bool) wire.Document {
	m := wire.Document{
		Collection: collection, ID: id, Body: d.body, Data: d.data, Revision: d.revision,
		Set: d.set, Modified: d.modified, Key: key,
	}
	if noBody {
		m.Body = nil
	}
	return m
}

func (w *work) put(in []byte) error {
	var m wire.Put
	if err := decode(hostapi.HostPut, in, &m); err != nil {
		return err
	}
	c, err := w.collection(m.Collection)
	if err != nil {
		return err
	}
	switch {
	case m.ID == "":
		return errf(hostapi.Invalid, "store.put: the id is empty")
	case len(m.ID) > hostapi.MaxDocumentID:
		return errf(hostapi.Limit, "store.put: an id of %d bytes: at most %d", len(m.ID), hostapi.MaxDocumentID)
	case len(m.Body) > hostapi.MaxDocument:
		return errf(hostapi.Limit, "store.put: a document of %d bytes: at most %d", len(m.Body), hostapi.MaxDocument)
	}
	keys, err := w.keys(c, m.ID, m.Keys)
	if err != nil {
		return err
	}
	if err := w.stage(hostapi.HostPut); err != nil {
		return err
	}
	docs := w.state.documents[m.Collection]
	if docs == nil {
		docs = map[string]*document{}
		w.state.documents[m.Collection] = docs
	}
	old, there := docs[m.ID]
	if there && m.MustBeNew {
		return errf(hostapi.Conflict, "store.put: %s is in %s already", m.ID, m.Collection)
	}
	size := w.state.bytes + int64(len(m.Body))
	if there {
		size -= int64(len(old.body))
	}
	if quota := w.k.amount(hostapi.CapStore, "bytes"); quota > 0 && size > quota {
		return errf(hostapi.Limit, "store.put: all documents together would have %d bytes: at most %d", size, quota)
	}
	w.state.bytes = size
	w.state.revision++
	docs[m.ID] = &document{
		body: slices.Clone(m.Body), keys: keys, set: m.Set, data: uint32(w.k.manifest.Data),
		revision: w.state.revision, modified: w.k.now.UnixMicro(),
	}
	return nil
}

// keys checks the keys of a document against the indexes of its collection.
func (w *work) keys(c *manifest.Collection, id string, keys []wire.IndexKey) (map[string][]byte, error) {
	out := map[string][]byte{}
	for _, key := range keys {
		x, ok := c.Index(key.Index)
		if !ok {
			return nil, errf(hostapi.Invalid, "store.put: collection %s has no index %q", c.Name, key.Index)
		}
		if _, twice := out[key.Index]; twice {
			return nil, errf(hostapi.Invalid, "store.put: two keys for index %s", key.Index)
		}
		if err := index.Check(key.Key, x.Kinds()); err != nil {
			return nil, errf(hostapi.Invalid, "store.put: index %s has %s: %v", key.Index, strings.Join(x.Fields, ", "), err)
		}
		if x.Unique {
			for other, d := range w.state.documents[c.Name] {
				if other != id && bytes.Equal(d.keys[key.Index], key.Key) {
					return nil, errf(hostapi.Conflict, "store.put: the unique index %s of %s has that key already", key.Index, c.Name)
				}
			}
		}
		out[key.Index] = slices.Clone(key.Key)
	}
	return out, nil
}

func (w *work) delete(in, dst []byte) ([]byte, error) {
	var m wire.Delete
	if err := decode(hostapi.HostDelete, in, &m); err != nil {
		return nil, err
	}
	if _, err := w.collection(m.Collection); err != nil {
		return nil, err
	}
	if err := w.stage(hostapi.HostDelete); err != nil {
		return nil, err
	}
	d, ok := w.state.documents[m.Collection][m.ID]
	if ok {
		w.state.bytes -= int64(len(d.body))
		delete(w.state.documents[m.Collection], m.ID)
	}
	return (&wire.Deleted{Existed: ok}).Append(dst), nil
}

func (w *work) next(in, dst []byte) ([]byte, error) {
	var m wire.Counter
	if err := decode(hostapi.HostNextCounter, in, &m); err != nil {
		return nil, err
	}
	if m.Name == "" {
		return nil, errf(hostapi.Invalid, "store.counter: the name is empty")
	}
	if err := w.stage(hostapi.HostNextCounter); err != nil {
		return nil, err
	}
	w.state.counters[m.Name]++
	return (&wire.CounterValue{Value: w.state.counters[m.Name]}).Append(dst), nil
}

// row is a document that a query found.
type row struct {
	key []byte // what orders it; of a query by id, the id
	id  string
	doc *document
}

func (w *work) query(in, dst []byte) ([]byte, error) {
	var m wire.Query
	if err := decode(hostapi.HostQuery, in, &m); err != nil {
		return nil, err
	}
	docs, err := w.find(&m)
	if err != nil {
		return nil, err
	}
	return docs.Append(dst), nil
}

// find reads one page.
func (w *work) find(m *wire.Query) (*wire.Documents, error) {
	if m.Limit > hostapi.MaxPage {
		return nil, errf(hostapi.Limit, "store.query: limit %d: at most %d", m.Limit, hostapi.MaxPage)
	}
	rows, err := w.rows(m)
	if err != nil {
		return nil, err
	}
	if m.Count {
		return &wire.Documents{Count: uint64(len(rows))}, nil
	}
	limit := hostapi.DefaultPage
	if m.Limit > 0 {
		limit = int(m.Limit)
	}
	docs, size := &wire.Documents{}, 0
	for i, r := range rows {
		if !m.NoBodies {
			size += len(r.doc.body)
		}
		if i == limit || i > 0 && size > hostapi.PageBytes {
			docs.Next = rows[i-1].cursor()
			break
		}
		key := r.key
		if m.Index == "" {
			key = nil
		}
		docs.Documents = append(docs.Documents, r.doc.wire(m.Collection, r.id, key, m.NoBodies))
	}
	return docs, nil
}

func (r row) cursor() string {
	return hex.EncodeToString(r.key) + "." + hex.EncodeToString([]byte(r.id))
}

func compareRows(a, b row) int {
	return cmp.Or(bytes.Compare(a.key, b.key), strings.Compare(a.id, b.id))
}

// rows gives all documents of a query behind its cursor.
func (w *work) rows(m *wire.Query) ([]row, error) {
	c, err := w.collection(m.Collection)
	if err != nil {
		return nil, err
	}
	if _, ok := c.Index(m.Index); m.Index != "" && !ok {
		return nil, errf(hostapi.Invalid, "store.query: collection %s has no index %q", m.Collection, m.Index)
	}
	if err := w.needCaller(hostapi.HostQuery, m.AsCaller); err != nil {
		return nil, err
	}
	after, err := parseCursor(m.After)
	if err != nil {
		return nil, err
	}
	var rows []row
	for id, d := range w.state.documents[m.Collection] {
		r := row{key: []byte(id), id: id, doc: d}
		if m.Index != "" {
			key, ok := d.keys[m.Index]
			if !ok {
				continue
			}
			r.key = key
		}
		if len(m.From) > 0 && bytes.Compare(r.key, m.From) < 0 || len(m.To) > 0 && bytes.Compare(r.key, m.To) >= 0 {
			continue
		}
		if !w.sees(d, m.AsCaller) {
			continue
		}
		if after != nil {
			if order := compareRows(r, *after); order == 0 || (order < 0) != m.Descending {
				continue
			}
		}
		rows = append(rows, r)
	}
	slices.SortFunc(rows, func(a, b row) int {
		if m.Descending {
			a, b = b, a
		}
		return compareRows(a, b)
	})
	return rows, nil
}

func parseCursor(s string) (*row, error) {
	if s == "" {
		return nil, nil
	}
	key, id, ok := strings.Cut(s, ".")
	k, err := hex.DecodeString(key)
	i, err2 := hex.DecodeString(id)
	if !ok || err != nil || err2 != nil {
		return nil, errf(hostapi.Invalid, "store.query: after %q is none that a page gave", s)
	}
	return &row{key: k, id: string(i)}, nil
}
