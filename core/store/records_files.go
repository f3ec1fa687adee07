package store

import (
	"context"
	"encoding/json"
	"fmt"
)

// Kept says that the server itself keeps a file for something, as plugins do by
// Work.KeepBlob.
type Kept struct {
	Owner string // what it is kept for: any text
	Hash  string
}

// RecordChange is a change of records and of the files that the server itself
// keeps for them.
type RecordChange struct {
	// One that is to be removed need not be there; one that is put replaces that of
	// the same name, and is there in the end even if it is in both lists.
	Put, Remove []Record

	// A file that is to be kept must be there. Those that nobody keeps any longer
	// are removed an hour later. What is in both lists is kept.
	Keep, Release []Kept

	Audit []AuditEntry
}

// Change makes all of a change or nothing, in one transaction that is durable
// when it returns. The code of an error is not_found when a file to be kept is not
// there. With ErrOutcome in its chain it is not known whether the change was made.
func (s *Store) Change(ctx context.Context, c RecordChange) error {
	const what = "change records"
	if err := c.check(); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	put, audit := lastOfEach(c.Put), cleanAudit(c.Audit, s.plugins.now())
	return s.plugins.change(ctx, what, func(t *stateTx) error {
		err := t.exec(&deleteRecords, len(c.Remove), func(i int, to []any) []any { return append(to, c.Remove[i].Kind, c.Remove[i].ID) })
		if err != nil {
			return err
		}
		err = t.exec(&putRecords, len(put), func(i int, to []any) []any { return append(to, put[i].Kind, put[i].ID, put[i].Body) })
		if err != nil {
			return err
		}
		if err := t.keepFiles(c.Keep, c.Release); err != nil {
			return err
		}
		return t.addAudit(audit)
	})
}

func (c *RecordChange) check() error {
	for _, list := range [][]Record{c.Put, c.Remove} {
		for i := range list {
			if err := list[i].check(); err != nil {
				return err
			}
		}
	}
	for _, r := range c.Put {
		if !json.Valid(r.Body) {
			return invalidf("%s %s: its body is not JSON", r.Kind, r.ID)
		}
	}
	for _, list := range [][]Kept{c.Keep, c.Release} {
		for _, k := range list {
			if err := checkName("owner of a file", k.Owner); err != nil {
				return err
			}
			if k.Owner == moduleRef.owner {
				return invalidf("owner of a file: %s is for the packages of plugins", k.Owner)
			}
			if !blobName.MatchString(k.Hash) {
				return invalidf("%.80q is no SHA-256 in lower-case hexadecimal digits", k.Hash)
			}
		}
	}
	return nil
}

// lastOfEach leaves of records of one name the last one: PostgreSQL refuses a
// statement that puts one row twice.
func lastOfEach(put []Record) []Record {
	last := map[[2]string]int{}
	for i, r := range put {
		last[[2]string{r.Kind, r.ID}] = i
	}
	if len(last) == len(put) {
		return put
	}
	var once []Record
	for i, r := range put {
		if last[[2]string{r.Kind, r.ID}] == i {
			once = append(once, r)
		}
	}
	return once
}

// keepFiles changes the references of the server itself: in the place of a
// plugin's name there is none.
func (t *stateTx) keepFiles(keep, release []Kept) error {
	if len(keep)+len(release) == 0 {
		return nil
	}
	wanted := map[refKey]bool{}
	for _, k := range release {
		wanted[refKey{hash: k.Hash, owner: k.Owner}] = false
	}
	for _, k := range keep {
		wanted[refKey{hash: k.Hash, owner: k.Owner}] = true
	}
	g := newGroup(t)
	for k := range wanted {
		g.blobs.rows[k.hash] = &blobRow{}
		g.blobs.refs[ownedName{k.plugin, k.hash}] = map[string]Blob{}
	}
	if err := g.loadBlobs(); err != nil {
		return err
	}
	for k, stays := range wanted {
		row, held := g.blobs.rows[k.hash], g.blobs.refs[ownedName{k.plugin, k.hash}]
		_, has := held[k.owner]
		switch {
		case stays && !row.isBlob():
			return noBlob(k.hash)
		case stays == has:
			continue
		case stays:
			b := row.Blob
			g.blobs.changes[k] = &b
			row.refs++
		default:
			g.blobs.changes[k] = nil
			row.refs, row.touched = row.refs-1, g.now
		}
		row.changed = true
	}
	t.after = append(t.after, func() { t.p.countBlobs(g) })
	return g.writeBlobs()
}
