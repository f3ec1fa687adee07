package store

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/takhost/takhost/hostapi"
)

// Reindex fills indexes that are new in a version of a plugin, while the old
// version may go on writing: what it writes meanwhile comes up again. It belongs
// to one goroutine.
type Reindex struct {
	p     *Plugins
	owner *Owner
	todo  []reindexColl
	at    int    // place in todo of the collection that is read from its begin to its end
	after string // where its next page begins

	pending []docKey        // handed out and not set yet
	changed map[docKey]bool // to come up again; guarded by p.mu
}

type reindexColl struct {
	coll    *coll
	indexes []*collIndex
}

// ReindexPage is a number of documents whose keys in some indexes are wanted.
type ReindexPage struct {
	Collection string
	Indexes    []string
	Documents  []Document
}

var rekeyDocs = rowStatement{
	one:  "UPDATE documents SET keys = ?3, size = ?4 WHERE coll = ?1 AND id = ?2",
	head: "UPDATE documents AS d SET keys = v.keys, size = v.size FROM (VALUES ",
	row:  "(?::text, ?::bytea, ?::bytea, ?::bigint)",
	tail: ") AS v (coll, id, keys, size) WHERE d.coll = v.coll AND d.id = v.id",
}

// Reindex looks for indexes of the owner's collections that are not filled, or
// were defined otherwise. It gives nil when all are; indexes of a collection
// without documents are filled. Only one may be under way for a plugin; the
// caller closes it.
func (p *Plugins) Reindex(ctx context.Context, o *Owner) (*Reindex, error) {
	what := "look for new indexes of plugin " + o.Plugin
	r := &Reindex{p: p, owner: o, changed: map[docKey]bool{}}
	var colls []*coll
	for i := range o.Collections {
		c, err := newColl(o, o.Collections[i].Name)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", what, err)
		}
		colls = append(colls, c)
	}
	if len(colls) == 0 {
		return nil, nil
	}
	p.mu.Lock()
	other := p.reindex[o.Plugin]
	if other == nil {
		p.reindex[o.Plugin] = r
	}
	p.mu.Unlock()
	if other != nil {
		return nil, &Error{Code: Conflict, Msg: what + ": its documents are being indexed already"}
	}
	err := p.change(ctx, what, func(t *stateTx) error { return r.plan(t, colls) })
	if err != nil {
		r.Close()
		return nil, err
	}
	if len(r.todo) == 0 {
		r.Close()
		return nil, nil
	}
	return r, nil
}

// plan notes what is to do, and marks the indexes of collections without
// documents as filled.
func (r *Reindex) plan(t *stateTx, colls []*coll) error {
	r.todo = nil
	g := newGroup(t)
	for _, c := range colls {
		g.marks[c.path] = nil
	}
	if err := g.load(); err != nil {
		return err
	}
	var filled []*collIndex
	var of []*coll
	for _, c := range colls {
		var missing []*collIndex
		for i := range c.indexes {
			if x := &c.indexes[i]; g.marks[c.path][x.path] != x.def() {
				missing = append(missing, x)
			}
		}
		if len(missing) == 0 {
			continue
		}
		var some int
		err := t.tx.QueryRowContext(context.Background(), t.p.db.dialect("SELECT COUNT(*) FROM (SELECT 1 FROM documents WHERE coll = ? LIMIT 1) AS s"), c.path).Scan(&some)
		if err != nil {
			return err
		}
		if some > 0 {
			r.todo = append(r.todo, reindexColl{c, missing})
			continue
		}
		for _, x := range missing {
			filled, of = append(filled, x), append(of, c)
		}
	}
	return t.mark(filled, of)
}

// mark notes that the indexes hold the keys of all documents.
func (t *stateTx) mark(indexes []*collIndex, of []*coll) error {
	return t.exec(&putMarks, len(indexes), func(i int, to []any) []any { return append(to, indexes[i].path, of[i].path, indexes[i].def()) })
}

// noteChange is told of each document before its change is committed. The caller
// holds p.writing, as plan's does.
func (p *Plugins) noteChange(k docKey, rekeyed bool) {
	if rekeyed {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	plugin, _, _ := strings.Cut(k.coll, "/")
	r := p.reindex[plugin]
	if r != nil && slices.ContainsFunc(r.todo, func(c reindexColl) bool { return c.coll.path == k.coll }) {
		r.changed[k] = true
	}
}

// Next gives documents that have no keys yet. A page without documents means that
// there are none at the moment.
func (r *Reindex) Next(ctx context.Context, limit int) (ReindexPage, error) {
	page, err := r.next(ctx, limit)
	if err != nil {
		return ReindexPage{}, fmt.Errorf("read documents to be indexed: %w", err)
	}
	return page, nil
}

func (r *Reindex) next(ctx context.Context, limit int) (ReindexPage, error) {
	if limit == 0 {
		limit = hostapi.DefaultPage
	}
	r.comeUp(r.pending)
	r.pending = nil
	for r.at < len(r.todo) {
		c := &r.todo[r.at]
		got, err := r.p.Begin().Query(ctx, r.owner, DocQuery{Collection: c.coll.name, Limit: limit, After: r.after})
		if err != nil {
			return ReindexPage{}, err
		}
		if r.after = got.Next; got.Next == "" {
			r.at++
		}
		if len(got.Documents) > 0 {
			return r.page(c, got.Documents), nil
		}
	}
	for {
		c, ids := r.again(min(limit, 50)) // as many as one Get gives in any case
		if len(ids) == 0 {
			return ReindexPage{}, nil
		}
		docs, err := r.p.Begin().Get(ctx, r.owner, c.coll.name, ids, nil)
		if err != nil {
			return ReindexPage{}, err
		}
		if len(docs) > 0 {
			return r.page(c, docs), nil
		}
	}
}

func (r *Reindex) page(c *reindexColl, docs []Document) ReindexPage {
	p := ReindexPage{Collection: c.coll.name, Documents: docs}
	for _, x := range c.indexes {
		p.Indexes = append(p.Indexes, x.name)
	}
	for i := range docs {
		r.pending = append(r.pending, docKey{c.coll.path, docs[i].ID})
	}
	return p
}

// again takes some documents of one collection out of those that changed.
func (r *Reindex) again(limit int) (c *reindexColl, ids []string) {
	r.p.mu.Lock()
	defer r.p.mu.Unlock()
	for k := range r.changed {
		if c == nil {
			i := slices.IndexFunc(r.todo, func(t reindexColl) bool { return t.coll.path == k.coll })
			c = &r.todo[i]
		}
		if c.coll.path == k.coll && len(ids) < limit {
			ids = append(ids, k.id)
			delete(r.changed, k)
		}
	}
	slices.Sort(ids)
	return c, ids
}

func (r *Reindex) comeUp(keys []docKey) {
	r.p.mu.Lock()
	defer r.p.mu.Unlock()
	for _, k := range keys {
		r.changed[k] = true
	}
}

// Set stores the keys of a page, in the order of its documents. Documents that
// have changed meanwhile are left out and come up again. A conflict is two
// documents with the same key in a unique index.
func (r *Reindex) Set(ctx context.Context, page ReindexPage, keys [][]Key) error {
	what := "index documents of collection " + page.Collection
	if len(keys) != len(page.Documents) {
		return fmt.Errorf("%s: %w", what, invalidf("keys of %d documents for %d", len(keys), len(page.Documents)))
	}
	c, err := newColl(r.owner, page.Collection)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	checked := make([][]storedKey, len(keys))
	for i := range keys {
		// Keys of other indexes are there already.
		wanted := slices.DeleteFunc(slices.Clone(keys[i]), func(k Key) bool { return !slices.Contains(page.Indexes, k.Index) })
		if checked[i], err = c.checkKeys(wanted); err != nil {
			return fmt.Errorf("%s: document %q: %w", what, page.Documents[i].ID, err)
		}
	}
	var again []docKey
	err = r.p.change(ctx, what, func(t *stateTx) (err error) {
		again, err = t.rekey(c, page, checked)
		return err
	})
	if err != nil {
		return err
	}
	r.comeUp(again)
	r.pending = nil
	return nil
}

// rekey gives the documents new keys in the page's indexes. Those with another
// revision than the page's are given back.
func (t *stateTx) rekey(c *coll, page ReindexPage, keys [][]storedKey) (again []docKey, err error) {
	g := newGroup(t)
	plugin := c.owner.Plugin
	g.usage[plugin] = &usageRow{}
	for i := range page.Documents {
		g.wantDoc(docKey{c.path, page.Documents[i].ID})
		for j := range keys[i] {
			if hold, ok := c.holds(&keys[i][j]); ok {
				g.holders[hold] = ""
			}
		}
	}
	if err := g.load(); err != nil {
		return nil, err
	}
	var changed []docKey
	for i := range page.Documents {
		k := docKey{c.path, page.Documents[i].ID}
		d := g.docs[k]
		if d.is.revision != page.Documents[i].Revision {
			if d.is.revision > 0 {
				again = append(again, k)
			}
			continue
		}
		for j := range keys[i] {
			if hold, ok := c.holds(&keys[i][j]); ok {
				if id := g.holders[hold]; id != "" && id != k.id {
					return nil, &Error{Code: Conflict, Msg: fmt.Sprintf("documents %q and %q have the same key in the unique index %s", id, k.id, keys[i][j].index)}
				}
				g.holders[hold] = k.id
			}
		}
		merged := slices.DeleteFunc(slices.Clone(d.is.keys), func(k storedKey) bool { return slices.Contains(page.Indexes, k.index) })
		merged = append(merged, keys[i]...)
		slices.SortFunc(merged, func(a, b storedKey) int { return strings.Compare(a.index, b.index) })
		d.is.size += docSize("", 0, merged) - docSize("", 0, d.is.keys)
		d.is.keys, d.rekeyed = merged, true
		changed = append(changed, k)
		u := g.usage[plugin]
		u.Bytes += d.is.size - d.was.size
		u.changed = true
	}
	err = t.exec(&rekeyDocs, len(changed), func(i int, to []any) []any {
		d := g.docs[changed[i]]
		return append(to, changed[i].coll, []byte(changed[i].id), appendKeys([]byte{}, d.is.keys), d.is.size)
	})
	if err != nil {
		return nil, err
	}
	if err := g.write(); err != nil {
		return nil, err
	}
	t.after = append(t.after, func() { t.p.remember(g) })
	return again, nil
}

// Finish notes that the indexes are filled. It fails with the code conflict when
// documents have come up since Next gave none: then Next and Set once more.
func (r *Reindex) Finish(ctx context.Context) error {
	return r.p.change(ctx, "finish indexes of plugin "+r.owner.Plugin, func(t *stateTx) error {
		r.p.mu.Lock()
		left := len(r.changed)
		r.p.mu.Unlock()
		if r.at < len(r.todo) || len(r.pending) > 0 || left > 0 {
			return &Error{Code: Conflict, Msg: "there are documents without keys"}
		}
		var indexes []*collIndex
		var of []*coll
		for i := range r.todo {
			for _, x := range r.todo[i].indexes {
				indexes, of = append(indexes, x), append(of, r.todo[i].coll)
			}
		}
		return t.mark(indexes, of)
	})
}

// Close gives up what is not finished. It may be called after Finish.
func (r *Reindex) Close() {
	r.p.mu.Lock()
	defer r.p.mu.Unlock()
	if r.p.reindex[r.owner.Plugin] == r {
		delete(r.p.reindex, r.owner.Plugin)
	}
}
