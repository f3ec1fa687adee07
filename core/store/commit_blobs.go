package store

import (
	"cmp"
	"database/sql"
	"slices"
	"strings"
)

var (
	selectRefs = onRows("SELECT plugin, hash, owner, size, content_type, name", "blob_refs", "plugin", "hash")

	putBlobs = insertRows("blobs", "hash, size, refs, touched, content_type, name", "hash", "size, refs, touched, content_type, name")
	putRefs  = insertRows("blob_refs", "plugin, hash, owner, size, content_type, name", "plugin, hash, owner", "size, content_type, name")

	deleteBlobs = onRows("DELETE", "blobs", "hash")
	deleteRefs  = onRows("DELETE", "blob_refs", "plugin", "hash", "owner")
)

// blobRow is a row of blobs.
type blobRow struct {
	Blob
	refs    int64
	touched int64 // µs; 0: never written by anybody but PutModule
	there   bool
	fresh   bool // it was not there before the transaction
	changed bool
}

func (r *blobRow) isBlob() bool { return r.there && r.touched != 0 }

func scanBlob(rows *sql.Rows) (r blobRow, err error) {
	err = rows.Scan(&r.Hash, &r.Size, &r.refs, &r.touched, &r.ContentType, &r.Name)
	r.there = err == nil
	return r, err
}

// refKey names a reference.
type refKey struct{ plugin, hash, owner string }

func compareRefs(a, b refKey) int {
	return cmp.Or(strings.Compare(a.plugin, b.plugin), strings.Compare(a.hash, b.hash), strings.Compare(a.owner, b.owner))
}

// stagedRef is a reference to be made, or taken back.
type stagedRef struct {
	owner *Owner
	keep  bool
}

// groupBlobs is what a transaction knows of files, see group.
type groupBlobs struct {
	rows    map[string]*blobRow
	refs    map[ownedName]map[string]Blob // plugin and hash → owner → as it was when it was kept
	changes map[refKey]*Blob              // nil: it goes
	written []*BlobWriter                 // whose files are entered
}

func newGroupBlobs() groupBlobs {
	return groupBlobs{rows: map[string]*blobRow{}, refs: map[ownedName]map[string]Blob{}, changes: map[refKey]*Blob{}}
}

func (g *group) wantBlobs(w *Work) {
	for hash := range w.blobs {
		g.blobs.rows[hash] = &blobRow{}
	}
	for k := range w.refs {
		g.blobs.rows[k.hash] = &blobRow{}
		g.blobs.refs[ownedName{k.plugin, k.hash}] = map[string]Blob{}
		g.usage[k.plugin] = &usageRow{}
	}
}

func (g *group) loadBlobs() error {
	hashes := sortedKeys(g.blobs.rows, strings.Compare)
	err := g.t.find(&selectBlobs, len(hashes), nameArgs(hashes), func(rows *sql.Rows) error {
		r, err := scanBlob(rows)
		g.blobs.rows[r.Hash] = &r
		return err
	})
	if err != nil {
		return err
	}
	keys := sortedKeys(g.blobs.refs, compareOwned)
	return g.t.find(&selectRefs, len(keys), ownedArgs(keys), func(rows *sql.Rows) error {
		var k refKey
		var b Blob
		err := rows.Scan(&k.plugin, &k.hash, &k.owner, &b.Size, &b.ContentType, &b.Name)
		if err == nil {
			b.Hash = k.hash
			g.blobs.refs[ownedName{k.plugin, k.hash}][k.owner] = b
		}
		return err
	})
}

// checkBlobs: what is to be kept must be there, and within the plugin's quota. A
// file counts once for a plugin, however many of its owners keep it.
func (g *group) checkBlobs(w *Work) error {
	if len(w.refs) == 0 {
		return nil
	}
	after := map[ownedName]int{} // owners that would keep it
	owners := map[ownedName]*Owner{}
	for k, r := range w.refs {
		if _, written := w.blobs[k.hash]; r.keep && !written && !g.blobs.rows[k.hash].isBlob() {
			return &Error{Code: NotFound, Msg: "commit: there is no file " + k.hash + " any more"}
		}
		h := ownedName{k.plugin, k.hash}
		if _, ok := after[h]; !ok {
			after[h], owners[h] = len(g.blobs.refs[h]), r.owner
		}
		_, has := g.blobs.refs[h][k.owner]
		switch {
		case r.keep && !has:
			after[h]++
		case !r.keep && has:
			after[h]--
		}
	}
	sums := map[*Owner]int64{}
	for h, n := range after {
		size := g.blobs.rows[h.name].Size
		if b, ok := w.blobs[h.name]; ok {
			size = b.Size
		}
		switch before := len(g.blobs.refs[h]); {
		case before == 0 && n > 0:
			sums[owners[h]] += size
		case before > 0 && n == 0:
			sums[owners[h]] -= size
		}
	}
	for o, delta := range sums {
		if total := g.usage[o.Plugin].BlobBytes + delta; delta > 0 && o.BlobQuota > 0 && total > o.BlobQuota {
			return overBlobQuota(o, total)
		}
	}
	return nil
}

func (g *group) applyBlobs(w *Work) {
	for hash, b := range w.blobs {
		row := g.blobs.rows[hash]
		row.Blob, row.fresh, row.touched, row.there, row.changed = b.Blob, row.fresh || !row.there, g.now, true, true
		g.blobs.written = append(g.blobs.written, b.by)
	}
	for k, r := range w.refs {
		h, row := ownedName{k.plugin, k.hash}, g.blobs.rows[k.hash]
		held := g.blobs.refs[h]
		if _, has := held[k.owner]; has == r.keep {
			continue
		}
		u := g.usage[k.plugin]
		row.changed, u.changed = true, true
		if r.keep {
			if len(held) == 0 {
				u.Blobs++
				u.BlobBytes += row.Size
			}
			b := row.Blob
			held[k.owner] = b
			g.blobs.changes[k] = &b
			row.refs++
			continue
		}
		size := held[k.owner].Size
		delete(held, k.owner)
		if len(held) == 0 {
			u.Blobs--
			u.BlobBytes -= size
		}
		g.blobs.changes[k] = nil
		row.refs, row.touched = row.refs-1, g.now
	}
}

func (g *group) writeBlobs() error {
	hashes := slices.DeleteFunc(sortedKeys(g.blobs.rows, strings.Compare), func(hash string) bool {
		r := g.blobs.rows[hash]
		return !r.changed || !r.there
	})
	if err := g.t.exec(&putBlobs, len(hashes), func(i int, to []any) []any {
		r := g.blobs.rows[hashes[i]]
		return append(to, r.Hash, r.Size, r.refs, r.touched, r.ContentType, r.Name)
	}); err != nil {
		return err
	}
	var kept, gone []refKey
	for _, k := range sortedKeys(g.blobs.changes, compareRefs) {
		if g.blobs.changes[k] != nil {
			kept = append(kept, k)
		} else {
			gone = append(gone, k)
		}
	}
	if err := g.t.exec(&deleteRefs, len(gone), func(i int, to []any) []any {
		return append(to, gone[i].plugin, gone[i].hash, gone[i].owner)
	}); err != nil {
		return err
	}
	return g.t.exec(&putRefs, len(kept), func(i int, to []any) []any {
		k, b := kept[i], g.blobs.changes[kept[i]]
		return append(to, k.plugin, k.hash, k.owner, b.Size, b.ContentType, b.Name)
	})
}

// countBlobs counts the files that a transaction has entered, and passes on what
// became of them.
func (p *Plugins) countBlobs(g *group) {
	var files, bytes, promised int64
	for _, r := range g.blobs.rows {
		if r.fresh {
			files++
			bytes += r.Size
			p.holds.entered(r.Hash)
		}
	}
	for _, w := range g.blobs.written { // they wait for the commit
		promised += w.promised
		w.promised = 0
	}
	p.room.change(files, bytes, promised)
	for k, b := range g.blobs.changes {
		if b != nil {
			p.holds.kept(k.hash)
		}
	}
}
