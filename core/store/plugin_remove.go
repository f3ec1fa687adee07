package store

import (
	"context"
	"database/sql"
	"fmt"
)

// removeChunk is how many documents go in one transaction, so that others get
// their turn.
const removeChunk = 500

// RemovePlugin removes everything of a plugin, its settings too. The topics,
// aliases and timers that are gone are in Committed. After an error some of its
// documents may be left; the same call again goes on. Nothing may write for the
// plugin meanwhile.
func (p *Plugins) RemovePlugin(ctx context.Context, plugin string) (Committed, error) {
	what := "remove plugin " + plugin
	if err := checkOwner(&Owner{Plugin: plugin}); err != nil {
		return Committed{}, fmt.Errorf("%s: %w", what, err)
	}
	var out Committed
	err := p.change(ctx, what, func(t *stateTx) (err error) {
		out, err = t.removeRows(plugin)
		return err
	})
	if err != nil {
		return Committed{}, err
	}
	for more := true; more; {
		err := p.change(ctx, what, func(t *stateTx) error {
			n, err := t.removeDocs(plugin)
			more = n > 0
			out.Documents += n
			return err
		})
		if err != nil {
			return out, err
		}
	}
	err = p.change(ctx, what, func(t *stateTx) error {
		_, err := t.run("DELETE FROM plugin_usage WHERE plugin = ?", plugin)
		return err
	})
	p.mu.Lock()
	delete(p.used, plugin)
	p.mu.Unlock()
	return out, err
}

// collRange gives the bounds of the names of a plugin's collections: / is
// followed by 0.
func collRange(plugin string) (from, to string) { return plugin + "/", plugin + "0" }

func (t *stateTx) removeRows(plugin string) (out Committed, err error) {
	ctx := context.Background()
	d := t.p.db
	rows, err := t.tx.QueryContext(ctx, d.dialect("SELECT name FROM topics WHERE plugin = ? ORDER BY name"), plugin)
	err = each(rows, err, func(rows *sql.Rows) error {
		topic := Topic{Plugin: plugin, Revision: t.last, Dropped: true}
		err := rows.Scan(&topic.Name)
		out.Topics = append(out.Topics, topic)
		return err
	})
	if err != nil {
		return out, err
	}
	rows, err = t.tx.QueryContext(ctx, d.dialect("SELECT name FROM topic_aliases WHERE plugin = ? ORDER BY name"), plugin)
	err = each(rows, err, func(rows *sql.Rows) error {
		a := Alias{Plugin: plugin, Revision: t.last}
		err := rows.Scan(&a.Name)
		out.Aliases = append(out.Aliases, a)
		return err
	})
	if err != nil {
		return out, err
	}
	rows, err = t.tx.QueryContext(ctx, d.dialect("SELECT name FROM timers WHERE plugin = ? ORDER BY name"), plugin)
	err = each(rows, err, func(rows *sql.Rows) error {
		timer := Timer{Plugin: plugin, Revision: t.last, Cancelled: true}
		err := rows.Scan(&timer.Name)
		out.Timers = append(out.Timers, timer)
		return err
	})
	if err != nil {
		return out, err
	}
	// Files stay an hour longer, as others that are given up.
	_, err = t.run(`UPDATE blobs SET touched = ?, refs = refs - (SELECT COUNT(*) FROM blob_refs AS r WHERE r.hash = blobs.hash AND r.plugin = ?)
		WHERE hash IN (SELECT hash FROM blob_refs WHERE plugin = ?)`, t.p.now().UnixMicro(), plugin, plugin)
	if err != nil {
		return out, err
	}
	for _, text := range []string{
		"DELETE FROM topic_members WHERE topic IN (SELECT name FROM topics WHERE plugin = ?)",
		"DELETE FROM topics WHERE plugin = ?",
		"DELETE FROM topic_aliases WHERE plugin = ?",
		"DELETE FROM timers WHERE plugin = ?",
		"DELETE FROM counters WHERE plugin = ?",
		"DELETE FROM archive_cursors WHERE plugin = ?",
		"DELETE FROM plugin_state WHERE plugin = ?",
		"DELETE FROM dead_letters WHERE plugin = ?",
		"DELETE FROM plugin_settings WHERE name = ?",
		"DELETE FROM blob_refs WHERE plugin = ?",
		"UPDATE plugin_usage SET letters = 0, letter_bytes = 0, blobs = 0, blob_bytes = 0 WHERE plugin = ?",
	} {
		if _, err := t.run(text, plugin); err != nil {
			return out, err
		}
	}
	from, to := collRange(plugin)
	_, err = t.run("DELETE FROM doc_indexes WHERE coll >= ? AND coll < ?", from, to)
	return out, err
}

// removeDocs removes some of the plugin's documents and tells how many.
func (t *stateTx) removeDocs(plugin string) (n int, err error) {
	from, to := collRange(plugin)
	g := newGroup(t)
	u, err := t.usage(plugin)
	if err != nil {
		return 0, err
	}
	g.usage[plugin] = u
	rows, err := t.tx.QueryContext(context.Background(),
		t.p.db.dialect(`SELECT coll, id, revision, "set", size, keys FROM documents WHERE coll >= ? AND coll < ? LIMIT ?`), from, to, removeChunk)
	err = each(rows, err, func(rows *sql.Rows) error {
		k, h, err := scanHead(rows)
		g.docs[k] = &docRow{was: h, changed: true}
		u.add(&h, -1)
		n++
		return err
	})
	if err != nil || n == 0 {
		return 0, err
	}
	t.after = append(t.after, func() { t.p.remember(g) })
	return n, g.write()
}
