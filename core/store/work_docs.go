package store

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"github.com/takhost/takhost/hostapi"
)

// getBytes bounds the bodies that one Get or one page gives: a guest has 64 MiB
// of memory for all it does.
const getBytes = 16 << 20

var (
	selectDocs   = onRows(`SELECT coll, id, revision, data, "set", modified, body`, "documents", "coll", "id")
	selectHeads  = onRows(`SELECT coll, id, revision, "set", size, keys`, "documents", "coll", "id")
	selectUnique = onRows("SELECT idx, key, id", "doc_unique", "idx", "key")
)

// Get gives those of the documents that are there, in the order of ids.
func (w *Work) Get(ctx context.Context, o *Owner, collection string, ids []string, v Visible) ([]Document, error) {
	docs, err := w.get(ctx, o, collection, ids, v)
	if err != nil {
		return nil, fmt.Errorf("get documents: %w", err)
	}
	return docs, nil
}

func (w *Work) get(ctx context.Context, o *Owner, collection string, ids []string, v Visible) ([]Document, error) {
	c, err := w.coll(o, collection)
	if err != nil {
		return nil, err
	}
	if len(ids) > hostapi.MaxPage {
		return nil, &Error{Code: Limit, Msg: fmt.Sprintf("%d ids: at most %d at once", len(ids), hostapi.MaxPage)}
	}
	var ask []string
	for _, id := range ids {
		if err := checkID(id); err != nil {
			return nil, err
		}
		if w.docs[docKey{c.path, id}] == nil {
			ask = append(ask, id)
		}
	}
	found := make(map[string]*Document, len(ask))
	err = w.p.find(ctx, &selectDocs, len(ask),
		func(i int, to []any) []any { return append(to, c.path, []byte(ask[i])) },
		func(rows *sql.Rows) error {
			d := Document{Collection: c.name}
			var coll string
			var id []byte
			var modified int64
			if err := rows.Scan(&coll, &id, &d.Revision, &d.Data, &d.Set, &modified, &d.Body); err != nil {
				return err
			}
			if d.Body == nil { // the driver of SQLite says so of an empty one
				d.Body = []byte{}
			}
			d.ID, d.Modified = string(id), time.UnixMicro(modified).UTC()
			found[d.ID] = &d
			return nil
		})
	if err != nil {
		return nil, err
	}
	for _, id := range ask {
		if d := found[id]; d != nil {
			w.note(docKey{c.path, id}, d.Revision)
		} else {
			w.note(docKey{c.path, id}, 0)
		}
	}
	docs := make([]Document, 0, len(ids))
	size := 0
	for _, id := range ids {
		d := found[id]
		if s := w.docs[docKey{c.path, id}]; s != nil {
			d = s.document(id)
		}
		if d == nil || !v.sees(d.Set) {
			continue
		}
		if size += len(d.Body); size > getBytes {
			return nil, &Error{Code: Limit, Msg: "the documents are larger than 16 MiB: ask for fewer at once"}
		}
		docs = append(docs, *d)
	}
	return docs, nil
}

// document is nil when the document is staged to go.
func (s *stagedDoc) document(id string) *Document {
	if s.deleted {
		return nil
	}
	return &Document{
		Collection: s.coll.name, ID: id, Body: s.body, Data: s.coll.owner.Data,
		Set: s.set, Modified: time.UnixMicro(s.modified).UTC(),
	}
}

// Put stages a document, whole; Data, Revision, Modified and Key of d are not
// read. The error has the code conflict when mustBeNew and there is one of that
// id, or when another document has one of the keys in a unique index; limit when
// it is too large or the plugin's documents become too many.
func (w *Work) Put(ctx context.Context, o *Owner, d Document, keys []Key, mustBeNew bool) error {
	if err := w.put(ctx, o, &d, keys, mustBeNew); err != nil {
		return fmt.Errorf("put document: %w", err)
	}
	return nil
}

func (w *Work) put(ctx context.Context, o *Owner, d *Document, keys []Key, mustBeNew bool) error {
	c, err := w.coll(o, d.Collection)
	if err != nil {
		return err
	}
	if err := checkID(d.ID); err != nil {
		return err
	}
	if n := len(d.Body); n > hostapi.MaxDocument {
		return &Error{Code: Limit, Msg: fmt.Sprintf("its body has %d bytes: at most %d", n, hostapi.MaxDocument)}
	}
	if d.Set < 0 {
		return invalidf("set of groups %d: must not be negative", d.Set)
	}
	s := &stagedDoc{coll: c, set: d.Set, body: bytes.Clone(d.Body), modified: w.p.now().UnixMicro()}
	if s.keys, err = c.checkKeys(keys); err != nil {
		return err
	}
	if s.body == nil {
		s.body = []byte{}
	}
	s.size = docSize(d.ID, len(s.body), s.keys)
	k := docKey{c.path, d.ID}
	if mustBeNew {
		there, err := w.exists(ctx, k)
		if err != nil {
			return err
		}
		if there {
			return &Error{Code: Conflict, Msg: fmt.Sprintf("there is a document %q in collection %q", d.ID, c.name)}
		}
	}
	if err := w.checkUnique(ctx, k, s); err != nil {
		return err
	}
	if err := w.checkQuota(ctx, k, s); err != nil {
		return err
	}
	w.stageDoc(k, s)
	return nil
}

// stageDoc puts s in the place of what was staged of the document before.
func (w *Work) stageDoc(k docKey, s *stagedDoc) {
	delta := s.size
	if old := w.docs[k]; old != nil {
		delta -= old.size
		for i := range old.keys {
			if hold, ok := old.coll.holds(&old.keys[i]); ok {
				w.unhold(hold)
			}
		}
	}
	for i := range s.keys {
		if hold, ok := s.coll.holds(&s.keys[i]); ok {
			stage(w, &w.holds, hold, k.id)
		}
	}
	stage(w, &w.bytes, s.coll.owner, w.bytes[s.coll.owner]+delta)
	stage(w, &w.docs, k, s)
}

// holds names the place that a key takes in a unique index.
func (c *coll) holds(k *storedKey) (docKey, bool) {
	if !k.unique {
		return docKey{}, false
	}
	x, ok := c.index(k.index)
	if !ok {
		return docKey{}, false
	}
	return docKey{x.path, k.key}, true
}

func (w *Work) unhold(k docKey) {
	id, ok := w.holds[k]
	if !ok {
		return
	}
	delete(w.holds, k)
	w.journal = append(w.journal, func() { w.holds[k] = id })
}

// Delete stages that a document goes, and tells whether it was there.
func (w *Work) Delete(ctx context.Context, o *Owner, collection, id string) (existed bool, err error) {
	c, err := w.coll(o, collection)
	if err == nil {
		err = checkID(id)
	}
	k := docKey{"", id}
	if err == nil {
		k.coll = c.path
		existed, err = w.exists(ctx, k)
	}
	if err != nil {
		return false, fmt.Errorf("delete document: %w", err)
	}
	if existed {
		w.stageDoc(k, &stagedDoc{coll: c, deleted: true})
	}
	return existed, nil
}

// exists tells whether there is a document, and guards that.
func (w *Work) exists(ctx context.Context, k docKey) (bool, error) {
	if s := w.docs[k]; s != nil {
		return !s.deleted, nil
	}
	h, err := w.heads(ctx, []docKey{k})
	if err != nil {
		return false, err
	}
	w.note(k, h[k].revision)
	return h[k].revision > 0, nil
}

// docHead is what a document's row has beside the body. Its revision is 0 when
// there is none.
type docHead struct {
	revision uint64
	set      hostapi.SetID
	size     int64
	keys     []storedKey
}

// heads reads without noting.
func (w *Work) heads(ctx context.Context, keys []docKey) (map[docKey]docHead, error) {
	heads := make(map[docKey]docHead, len(keys))
	err := w.p.find(ctx, &selectHeads, len(keys), docArgs(keys), func(rows *sql.Rows) error {
		k, h, err := scanHead(rows)
		heads[k] = h
		return err
	})
	return heads, err
}

func docArgs(keys []docKey) rowArgs {
	return func(i int, to []any) []any { return append(to, keys[i].coll, []byte(keys[i].id)) }
}

func scanHead(rows *sql.Rows) (k docKey, h docHead, err error) {
	var id, keys sql.RawBytes
	if err = rows.Scan(&k.coll, &id, &h.revision, &h.set, &h.size, &keys); err != nil {
		return k, h, err
	}
	k.id = string(id)
	h.keys, err = parseKeys(keys)
	return k, h, err
}

// checkUnique looks for another document with one of the keys of s. The commit
// looks again.
func (w *Work) checkUnique(ctx context.Context, k docKey, s *stagedDoc) error {
	var ask []docKey
	for i := range s.keys {
		hold, ok := s.coll.holds(&s.keys[i])
		if !ok {
			continue
		}
		if id, ok := w.holds[hold]; ok && id != k.id {
			return taken(hold.coll, id)
		}
		ask = append(ask, hold)
	}
	var err error
	ferr := w.p.find(ctx, &selectUnique, len(ask), docArgs(ask), func(rows *sql.Rows) error {
		idx, _, id, serr := scanUnique(rows)
		if serr != nil {
			return serr
		}
		// What is staged of the holder takes another place, or none.
		if id != k.id && w.docs[docKey{k.coll, id}] == nil {
			err = taken(idx, id)
		}
		return nil
	})
	if ferr != nil {
		return ferr
	}
	return err
}

func scanUnique(rows *sql.Rows) (idx, key, id string, err error) {
	var k, i sql.RawBytes
	err = rows.Scan(&idx, &k, &i)
	return idx, string(k), string(i), err
}

func taken(idx, id string) error {
	return &Error{Code: Conflict, Msg: fmt.Sprintf("document %q has that key in the unique index %s", id, idx)}
}

// checkQuota reckons with what is known to be stored; the commit knows exactly.
func (w *Work) checkQuota(ctx context.Context, k docKey, s *stagedDoc) error {
	o := s.coll.owner
	if o.Quota <= 0 {
		return nil
	}
	used, err := w.p.usedBytes(ctx, o.Plugin)
	if err != nil {
		return err
	}
	total := used + w.bytes[o] + s.size
	if old := w.docs[k]; old != nil {
		total -= old.size
	}
	if total <= o.Quota {
		return nil
	}
	// What is replaced does not count.
	var replaced []docKey
	for staged, d := range w.docs {
		if d.coll.owner == o {
			replaced = append(replaced, staged)
		}
	}
	if w.docs[k] == nil {
		replaced = append(replaced, k)
	}
	heads, err := w.heads(ctx, replaced)
	if err != nil {
		return err
	}
	for _, h := range heads {
		total -= h.size
	}
	if total > o.Quota && s.size > heads[k].size {
		return overQuota(o, total)
	}
	return nil
}

func overQuota(o *Owner, total int64) error {
	return &Error{Code: Limit, Msg: fmt.Sprintf("the documents of plugin %s would have %d bytes, it may have %d", o.Plugin, total, o.Quota)}
}

// stagedOf gives the ids of the staged documents of a collection.
func (w *Work) stagedOf(c *coll) []string {
	var ids []string
	for k := range w.docs {
		if k.coll == c.path {
			ids = append(ids, k.id)
		}
	}
	slices.Sort(ids)
	return ids
}
