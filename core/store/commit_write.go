package store

import (
	"cmp"
	"database/sql"
	"encoding/json"
	"slices"
	"strings"
)

var (
	selectUsage = onRows("SELECT plugin, documents, bytes, data, letters, letter_bytes, blobs, blob_bytes", "plugin_usage", "plugin")
	selectMarks = onRows("SELECT coll, idx, def", "doc_indexes", "coll")

	putDocs = insertRows("documents", `coll, id, revision, data, "set", modified, size, keys, body`, "coll, id",
		`revision, data, "set", modified, size, keys, body`)
	putKeys     = insertRows("doc_keys", `idx, key, id, "set"`, "idx, key, id", `"set"`)
	putUnique   = insertRows("doc_unique", `idx, key, id, "set"`, "", "")
	putCounters = insertRows("counters", "plugin, name, value", "plugin, name", "value")
	putUsage    = insertRows("plugin_usage", "plugin, documents, bytes, data, letters, letter_bytes, blobs, blob_bytes", "plugin",
		"documents, bytes, data, letters, letter_bytes, blobs, blob_bytes")
	putTopics  = insertRows("topics", "name, plugin, revision", "name", "plugin, revision")
	putMembers = insertRows("topic_members", `topic, "user", client, may_publish`, `topic, "user", client`, "may_publish")
	putAliases = insertRows("topic_aliases", "name, plugin, revision, topics", "name", "plugin, revision, topics")
	putTimers  = insertRows("timers", "plugin, name, revision, due, every, data", "plugin, name", "revision, due, every, data")
	putCursors = insertRows("archive_cursors", "plugin, id, late", "plugin", "id, late")
	putNotes   = insertRows("plugin_state", "plugin, key, value", "plugin, key", "value")
	putMarks   = insertRows("doc_indexes", "idx, coll, def", "idx", "coll, def")

	deleteDocs    = onRows("DELETE", "documents", "coll", "id")
	deleteKeys    = onRows("DELETE", "doc_keys", "idx", "key", "id")
	deleteUnique  = onRows("DELETE", "doc_unique", "idx", "key")
	deleteTopics  = onRows("DELETE", "topics", "name")
	deleteMembers = onRows("DELETE", "topic_members", "topic", `"user"`, "client")
	deleteAliases = onRows("DELETE", "topic_aliases", "name")
	deleteTimers  = onRows("DELETE", "timers", "plugin", "name")
	deleteNotes   = onRows("DELETE", "plugin_state", "plugin", "key")
	deleteMarks   = onRows("DELETE", "doc_indexes", "idx")
)

// sortedKeys gives the keys of m in an order, so that both databases and all
// tries do the same.
func sortedKeys[K comparable, V any](m map[K]V, compare func(a, b K) int) []K {
	keys := make([]K, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, compare)
	return keys
}

func compareDocKeys(a, b docKey) int {
	return cmp.Or(strings.Compare(a.coll, b.coll), strings.Compare(a.id, b.id))
}

func compareOwned(a, b ownedName) int {
	return cmp.Or(strings.Compare(a.plugin, b.plugin), strings.Compare(a.name, b.name))
}

// load reads what was wanted.
func (g *group) load() error {
	docs := sortedKeys(g.docs, compareDocKeys)
	err := g.t.find(&selectHeads, len(docs), docArgs(docs), func(rows *sql.Rows) error {
		k, h, err := scanHead(rows)
		if err == nil {
			g.docs[k].was, g.docs[k].is = h, h
		}
		return err
	})
	if err != nil {
		return err
	}
	holds := sortedKeys(g.holders, compareDocKeys)
	err = g.t.find(&selectUnique, len(holds), docArgs(holds), func(rows *sql.Rows) error {
		idx, key, id, err := scanUnique(rows)
		g.holders[docKey{idx, key}] = id
		return err
	})
	if err != nil {
		return err
	}
	counters := sortedKeys(g.counters, compareOwned)
	err = g.t.find(&selectCounters, len(counters), ownedArgs(counters), func(rows *sql.Rows) error {
		var k ownedName
		var v int64
		err := rows.Scan(&k.plugin, &k.name, &v)
		g.counters[k] = &counterRow{value: v}
		return err
	})
	if err != nil {
		return err
	}
	plugins := sortedKeys(g.usage, strings.Compare)
	err = g.t.find(&selectUsage, len(plugins), nameArgs(plugins), func(rows *sql.Rows) error {
		var plugin string
		u := &usageRow{}
		err := u.scan(rows, &plugin)
		g.usage[plugin] = u
		return err
	})
	if err != nil {
		return err
	}
	colls := sortedKeys(g.marks, strings.Compare)
	err = g.t.find(&selectMarks, len(colls), nameArgs(colls), func(rows *sql.Rows) error {
		var coll, idx, def string
		err := rows.Scan(&coll, &idx, &def)
		if g.marks[coll] == nil {
			g.marks[coll] = map[string]string{}
		}
		g.marks[coll][idx] = def
		return err
	})
	if err != nil {
		return err
	}
	topics := sortedKeys(g.topics, strings.Compare)
	err = g.t.find(&selectTopics, len(topics), nameArgs(topics), func(rows *sql.Rows) error {
		var name string
		r := &nameRow{}
		err := rows.Scan(&name, &r.plugin, &r.revision)
		g.topics[name] = r
		return err
	})
	if err != nil {
		return err
	}
	if err := g.loadBlobs(); err != nil {
		return err
	}
	aliases := sortedKeys(g.aliases, strings.Compare)
	return g.t.find(&selectAliases, len(aliases), nameArgs(aliases), func(rows *sql.Rows) error {
		a, err := scanAlias(rows)
		g.aliases[a.Name] = &nameRow{plugin: a.Plugin, revision: a.Revision}
		return err
	})
}

func ownedArgs(keys []ownedName) rowArgs {
	return func(i int, to []any) []any { return append(to, keys[i].plugin, keys[i].name) }
}

func nameArgs(names []string) rowArgs {
	return func(i int, to []any) []any { return append(to, names[i]) }
}

// write makes the database what the rows are now.
func (g *group) write() error {
	for _, step := range []func() error{g.writeDocs, g.writeTopics, g.writeRows, g.writeBlobs, g.writeLetters} {
		if err := step(); err != nil {
			return err
		}
	}
	plugins := sortedKeys(g.usage, strings.Compare)
	plugins = slices.DeleteFunc(plugins, func(name string) bool { return !g.usage[name].changed })
	return g.t.exec(&putUsage, len(plugins), func(i int, to []any) []any {
		return g.usage[plugins[i]].row(plugins[i], to)
	})
}

// place is a row of doc_keys or doc_unique.
type place struct {
	idx, key, id string
	set          int64
}

func (g *group) writeDocs() error {
	var put, gone []docKey
	var add, drop [2][]place // doc_keys and doc_unique
	for _, k := range sortedKeys(g.docs, compareDocKeys) {
		d := g.docs[k]
		if !d.changed && !d.rekeyed || d.was.revision == 0 && d.is.revision == 0 {
			continue
		}
		g.t.p.noteChange(k, d.rekeyed)
		switch {
		case d.rekeyed:
		case d.is.revision > 0:
			put = append(put, k)
		default:
			gone = append(gone, k)
		}
		moved := d.was.set != d.is.set
		diffKeys(k, &d.was, &d.is, moved, &drop)
		diffKeys(k, &d.is, &d.was, moved, &add)
	}
	// Places are given up before they are taken by others.
	if err := g.t.exec(&deleteKeys, len(drop[0]), func(i int, to []any) []any {
		p := &drop[0][i]
		return append(to, p.idx, []byte(p.key), []byte(p.id))
	}); err != nil {
		return err
	}
	if err := g.t.exec(&deleteUnique, len(drop[1]), func(i int, to []any) []any {
		p := &drop[1][i]
		return append(to, p.idx, []byte(p.key))
	}); err != nil {
		return err
	}
	if err := g.t.exec(&deleteDocs, len(gone), docArgs(gone)); err != nil {
		return err
	}
	if err := g.t.exec(&putDocs, len(put), func(i int, to []any) []any {
		d := g.docs[put[i]]
		return append(to, put[i].coll, []byte(put[i].id), int64(d.is.revision), int64(d.data), int64(d.is.set), g.now, d.is.size,
			appendKeys([]byte{}, d.is.keys), d.body)
	}); err != nil {
		return err
	}
	for i, s := range []*rowStatement{&putKeys, &putUnique} {
		if err := g.t.exec(s, len(add[i]), func(j int, to []any) []any {
			p := &add[i][j]
			return append(to, p.idx, []byte(p.key), []byte(p.id), p.set)
		}); err != nil {
			return err
		}
	}
	idx := sortedKeys(g.unmark, strings.Compare)
	return g.t.exec(&deleteMarks, len(idx), nameArgs(idx))
}

// diffKeys appends the places that the document has by a, and by b has not or,
// when it moved, has with another set.
func diffKeys(k docKey, a, b *docHead, moved bool, to *[2][]place) {
	for i := range a.keys {
		key := &a.keys[i]
		if !moved && slices.Contains(b.keys, *key) {
			continue
		}
		table := 0
		if key.unique {
			table = 1
		}
		to[table] = append(to[table], place{k.coll + "/" + key.index, key.key, k.id, int64(a.set)})
	}
}

func (g *group) writeTopics() error {
	var put, gone []*stagedTopic
	type row struct {
		topic string
		TopicMember
	}
	var join, leave []row
	for _, t := range g.members {
		if t.there {
			put = append(put, t)
		} else {
			gone = append(gone, t)
		}
		was := make(map[TopicMember]bool, len(t.base.Members))
		for _, m := range t.base.Members {
			was[m] = true
		}
		is := make(map[TopicMember]bool, len(t.now.Members)) // without their rights
		for _, m := range t.now.Members {
			if !was[m] {
				join = append(join, row{t.now.Name, m})
			}
			is[TopicMember{User: m.User, Client: m.Client}] = true
		}
		for _, m := range t.base.Members {
			if !is[TopicMember{User: m.User, Client: m.Client}] {
				leave = append(leave, row{t.now.Name, m})
			}
		}
	}
	if err := g.t.exec(&deleteTopics, len(gone), func(i int, to []any) []any { return append(to, gone[i].now.Name) }); err != nil {
		return err
	}
	if err := g.t.exec(&putTopics, len(put), func(i int, to []any) []any {
		return append(to, put[i].now.Name, put[i].now.Plugin, int64(put[i].now.Revision))
	}); err != nil {
		return err
	}
	if err := g.t.exec(&deleteMembers, len(leave), func(i int, to []any) []any {
		return append(to, leave[i].topic, leave[i].User, leave[i].Client)
	}); err != nil {
		return err
	}
	if err := g.t.exec(&putMembers, len(join), func(i int, to []any) []any {
		return append(to, join[i].topic, join[i].User, join[i].Client, join[i].MayPublish)
	}); err != nil {
		return err
	}
	var set, unset []string
	for _, name := range sortedKeys(g.aliasTopics, strings.Compare) {
		if len(g.aliasTopics[name].Topics) > 0 {
			set = append(set, name)
		} else {
			unset = append(unset, name)
		}
	}
	if err := g.t.exec(&deleteAliases, len(unset), nameArgs(unset)); err != nil {
		return err
	}
	return g.t.exec(&putAliases, len(set), func(i int, to []any) []any {
		a := g.aliasTopics[set[i]]
		topics, _ := json.Marshal(a.Topics) // strings cannot fail
		return append(to, a.Name, a.Plugin, int64(a.Revision), string(topics))
	})
}

// writeRows writes what no Work has to be checked for, and counters.
func (g *group) writeRows() error {
	counters := slices.DeleteFunc(sortedKeys(g.counters, compareOwned), func(k ownedName) bool { return !g.counters[k].changed })
	if err := g.t.exec(&putCounters, len(counters), func(i int, to []any) []any {
		return append(to, counters[i].plugin, counters[i].name, g.counters[counters[i]].value)
	}); err != nil {
		return err
	}
	var set, cancelled []ownedName
	for _, k := range sortedKeys(g.timers, compareOwned) {
		if g.timers[k].Cancelled {
			cancelled = append(cancelled, k)
		} else {
			set = append(set, k)
		}
	}
	if err := g.t.exec(&deleteTimers, len(cancelled), ownedArgs(cancelled)); err != nil {
		return err
	}
	if err := g.t.exec(&putTimers, len(set), func(i int, to []any) []any {
		t := g.timers[set[i]]
		return append(to, t.Plugin, t.Name, int64(t.Revision), t.Due.UnixMicro(), t.Every.Microseconds(), t.Data)
	}); err != nil {
		return err
	}
	cursors := sortedKeys(g.cursors, strings.Compare)
	if err := g.t.exec(&putCursors, len(cursors), func(i int, to []any) []any {
		c := g.cursors[cursors[i]]
		return append(to, cursors[i], int64(c.ID), c.Late)
	}); err != nil {
		return err
	}
	var kept, removed []ownedName
	for _, k := range sortedKeys(g.notes, compareOwned) {
		if g.notes[k] != nil {
			kept = append(kept, k)
		} else {
			removed = append(removed, k)
		}
	}
	if err := g.t.exec(&deleteNotes, len(removed), ownedArgs(removed)); err != nil {
		return err
	}
	return g.t.exec(&putNotes, len(kept), func(i int, to []any) []any {
		return append(to, kept[i].plugin, kept[i].name, g.notes[kept[i]])
	})
}
