package store

import (
	"database/sql"
	"fmt"
	"slices"
	"strings"
)

// group is what a transaction knows of the database: the rows that its Works
// read or change. They are read at its begin; each Work is then checked against
// them and, if it passes, changes them; in the end what has changed is written.
// So a Work that fails leaves the others alone, and PostgreSQL is asked as often
// for many Works as for one.
type group struct {
	t   *stateTx
	now int64

	docs     map[docKey]*docRow
	holders  map[docKey]string // unique index and key → id of the document; empty: none
	counters map[ownedName]*counterRow
	usage    map[string]*usageRow
	topics   map[string]*nameRow
	aliases  map[string]*nameRow
	marks    map[string]map[string]string // coll → filled index → its definition

	unmark      map[string]bool // indexes that are filled no longer
	members     []*stagedTopic
	timers      map[ownedName]*Timer
	cursors     map[string]Cursor
	notes       map[ownedName][]byte
	letters     []*DeadLetter
	aliasTopics map[string]*Alias
	blobs       groupBlobs
}

// docRow is a document before and after the transaction.
type docRow struct {
	was, is docHead
	coll    *coll
	data    uint32
	body    []byte
	changed bool // the whole row
	rekeyed bool // its keys alone
}

type counterRow struct {
	value   int64
	changed bool
}

type usageRow struct {
	Usage
	letterBytes int64
	changed     bool
}

// nameRow is a topic or an alias: who has the name. Its revision is 0 when there
// is none.
type nameRow struct {
	plugin   string
	revision uint64
	changed  bool
}

func newGroup(t *stateTx) *group {
	return &group{
		t: t, now: t.p.now().UnixMicro(),
		docs: map[docKey]*docRow{}, holders: map[docKey]string{}, counters: map[ownedName]*counterRow{}, usage: map[string]*usageRow{},
		topics: map[string]*nameRow{}, aliases: map[string]*nameRow{}, marks: map[string]map[string]string{}, unmark: map[string]bool{},
		timers: map[ownedName]*Timer{}, cursors: map[string]Cursor{}, notes: map[ownedName][]byte{}, aliasTopics: map[string]*Alias{}, blobs: newGroupBlobs(),
	}
}

// want says that the rows that w reads or changes are to be loaded.
func (g *group) want(w *Work) {
	for k := range w.reads {
		g.wantDoc(k)
	}
	for k, d := range w.docs {
		g.wantDoc(k)
		g.usage[d.coll.owner.Plugin] = &usageRow{}
		g.marks[d.coll.path] = nil
		for i := range d.keys {
			if hold, ok := d.coll.holds(&d.keys[i]); ok {
				g.holders[hold] = ""
			}
		}
	}
	for k := range w.counters {
		g.counters[k] = &counterRow{}
	}
	for name := range w.topics {
		g.topics[name] = &nameRow{}
	}
	for name := range w.aliases {
		g.aliases[name] = &nameRow{}
	}
	for i := range w.letters {
		g.usage[w.letters[i].Plugin] = &usageRow{}
	}
	g.wantBlobs(w)
}

func (g *group) wantDoc(k docKey) {
	if g.docs[k] == nil {
		g.docs[k] = &docRow{}
	}
}

// check compares what w has read with what is there now. It changes nothing.
func (g *group) check(w *Work) error {
	for k, revision := range w.reads {
		if g.docs[k].is.revision != revision {
			return changed("document %q of %s", k.id, k.coll)
		}
	}
	for k, c := range w.counters {
		if g.counters[k].value != c.base {
			return changed("counter %q of plugin %s", k.name, k.plugin)
		}
	}
	for name, t := range w.topics {
		if g.topics[name].revision != t.base.Revision {
			return changed("topic %q", name)
		}
	}
	for name, a := range w.aliases {
		if g.aliases[name].revision != a.base.Revision {
			return changed("alias %q", name)
		}
	}
	if err := g.checkUnique(w); err != nil {
		return err
	}
	if err := g.checkQuota(w); err != nil {
		return err
	}
	return g.checkBlobs(w)
}

func changed(format string, args ...any) error {
	return &Error{Code: Conflict, Msg: "commit: " + fmt.Sprintf(format, args...) + " was changed meanwhile"}
}

// checkUnique: a place in a unique index is free when nobody has it, or when its
// document gives it up in the same Work.
func (g *group) checkUnique(w *Work) error {
	mine := map[docKey]string{}
	for k, d := range w.docs {
		for i := range d.keys {
			hold, ok := d.coll.holds(&d.keys[i])
			if !ok {
				continue
			}
			if id, ok := mine[hold]; ok && id != k.id {
				return taken(hold.coll, id)
			}
			mine[hold] = k.id
			id := g.holders[hold]
			if id != "" && id != k.id && w.docs[docKey{k.coll, id}] == nil {
				return taken(hold.coll, id)
			}
		}
	}
	return nil
}

func (g *group) checkQuota(w *Work) error {
	var sums map[*Owner]int64
	for k, d := range w.docs {
		o := d.coll.owner
		if o.Quota <= 0 {
			continue
		}
		if sums == nil {
			sums = map[*Owner]int64{}
		}
		sums[o] += d.size - g.docs[k].is.size
	}
	for o, delta := range sums {
		if total := g.usage[o.Plugin].Bytes + delta; delta > 0 && total > o.Quota {
			return overQuota(o, total)
		}
	}
	return nil
}

// apply changes the rows as w stages.
func (g *group) apply(w *Work, revision uint64) (out Committed) {
	for k, d := range w.docs { // all places are given up before any is taken
		g.release(k, g.docs[k])
		g.keepMarks(d.coll)
	}
	for k, d := range w.docs {
		row := g.docs[k]
		if d.deleted && row.is.revision == 0 {
			continue
		}
		out.Documents++
		row.changed, row.coll = true, d.coll
		u := g.usage[d.coll.owner.Plugin]
		u.add(&row.is, -1)
		if row.is = (docHead{}); d.deleted {
			row.body = nil
			continue
		}
		row.is = docHead{revision, d.set, d.size, d.keys}
		row.body, row.data = d.body, d.coll.owner.Data
		g.hold(k, d.coll, d.keys)
		u.add(&row.is, 1)
		u.Data = max(u.Data, row.data)
	}
	for _, u := range g.usage {
		if u.Documents == 0 {
			u.Data = 0
		}
	}
	for k, c := range w.counters {
		if c.now != c.base {
			*g.counters[k] = counterRow{c.now, true}
		}
	}
	for _, t := range w.topics {
		if !t.changed || !t.there && t.base.Revision == 0 {
			continue
		}
		row := &nameRow{plugin: t.now.Plugin, changed: true}
		t.now.Revision = revision
		if t.there {
			row.revision = revision
		}
		g.topics[t.now.Name] = row
		g.members = append(g.members, t)
		out.Topics = append(out.Topics, t.now)
	}
	for name, a := range w.aliases {
		if !a.changed || len(a.now.Topics) == 0 && a.base.Revision == 0 {
			continue
		}
		a.now.Revision = revision
		row := &nameRow{plugin: a.now.Plugin, changed: true}
		if len(a.now.Topics) > 0 {
			row.revision = revision
		}
		g.aliases[name] = row
		g.aliasTopics[name] = &a.now
		out.Aliases = append(out.Aliases, a.now)
	}
	for k, t := range w.timers {
		t.Revision = revision
		g.timers[k] = t
		out.Timers = append(out.Timers, *t)
	}
	for k, c := range w.cursors {
		g.cursors[k] = c
	}
	for k, v := range w.notes {
		g.notes[k] = v
	}
	for i := range w.letters {
		g.letters = append(g.letters, &w.letters[i])
	}
	g.applyBlobs(w)
	slices.SortFunc(out.Topics, func(a, b Topic) int { return strings.Compare(a.Name, b.Name) })
	slices.SortFunc(out.Aliases, func(a, b Alias) int { return strings.Compare(a.Name, b.Name) })
	slices.SortFunc(out.Timers, compareTimers)
	return out
}

// release gives up the document's places in unique indexes.
func (g *group) release(k docKey, row *docRow) {
	for i := range row.is.keys {
		old := &row.is.keys[i]
		if !old.unique {
			continue
		}
		if hold := (docKey{k.coll + "/" + old.index, old.key}); g.holders[hold] == k.id {
			g.holders[hold] = ""
		}
	}
}

func (g *group) hold(k docKey, c *coll, keys []storedKey) {
	for i := range keys {
		if hold, ok := c.holds(&keys[i]); ok {
			g.holders[hold] = k.id
		}
	}
}

// keepMarks: an index that the writer does not know, or defines otherwise, does
// not hold all documents any more.
func (g *group) keepMarks(c *coll) {
	for idx, def := range g.marks[c.path] {
		known := false
		for i := range c.indexes {
			known = known || c.indexes[i].path == idx && c.indexes[i].def() == def
		}
		if !known {
			g.unmark[idx] = true
			delete(g.marks[c.path], idx)
		}
	}
}

// add counts a document in, or out with a sign of -1.
func (u *usageRow) add(h *docHead, sign int64) {
	if h.revision == 0 {
		return
	}
	u.Documents += sign
	u.Bytes += sign * h.size
	u.changed = true
}

// scan reads a row of selectUsage.
func (u *usageRow) scan(rows *sql.Rows, plugin *string) error {
	return rows.Scan(plugin, &u.Documents, &u.Bytes, &u.Data, &u.Letters, &u.letterBytes, &u.Blobs, &u.BlobBytes)
}

// row appends the values of putUsage.
func (u *usageRow) row(plugin string, to []any) []any {
	return append(to, plugin, u.Documents, u.Bytes, int64(u.Data), u.Letters, u.letterBytes, u.Blobs, u.BlobBytes)
}
