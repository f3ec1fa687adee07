package store

import (
	"context"
	"slices"

	"github.com/takhost/takhost/hostapi"
)

// Work is one transaction: of one call of a plugin and of the actions of other
// plugins that are called in it. It reads at once and writes when it is
// committed; what it has staged it sees itself. It belongs to one goroutine at a
// time and is used once.
//
// A commit fails with the code conflict when a document, topic, alias or counter
// that the Work has read, or looked for and not found, has changed since. That a
// query would now find more is not noticed: unique indexes and counters guard
// against that.
type Work struct {
	p     *Plugins
	colls []*coll

	reads map[docKey]uint64 // revisions of documents when they were first read; 0: there was none
	docs  map[docKey]*stagedDoc
	holds map[docKey]string // unique index and key → id of the staged document

	counters map[ownedName]*stagedCounter
	topics   map[string]*stagedTopic
	aliases  map[string]*stagedAlias
	timers   map[ownedName]*Timer
	cursors  map[string]Cursor
	notes    map[ownedName][]byte
	letters  []DeadLetter
	refs     map[refKey]stagedRef
	blobs    map[string]writtenBlob // files that are written in it, by their hash
	bytes    map[*Owner]int64       // by how much staged documents change the owner's

	journal []func() // undoes the steps of staging, last one first
	done    bool
}

// docKey names a document: coll is plugin/collection. In Work.holds, coll is that
// of an index and id a key.
type docKey struct{ coll, id string }

// ownedName is a plugin's name for something.
type ownedName struct{ plugin, name string }

type stagedDoc struct {
	coll     *coll
	deleted  bool
	set      hostapi.SetID
	body     []byte
	keys     []storedKey
	modified int64
	size     int64
}

// Begin starts a Work. It costs nothing until it is used, and needs no end.
func (p *Plugins) Begin() *Work { return &Work{p: p} }

// coll finds a collection once.
func (w *Work) coll(o *Owner, name string) (*coll, error) {
	if w.done {
		return nil, errDone
	}
	for _, c := range w.colls {
		if c.owner == o && c.name == name {
			return c, nil
		}
	}
	c, err := newColl(o, name)
	if err != nil {
		return nil, err
	}
	w.colls = append(w.colls, c)
	return c, nil
}

var errDone = &Error{Code: Invalid, Msg: "the transaction has ended"}

// check is what steps that stage something begin with.
func (w *Work) check(o *Owner, what, name string) error {
	if w.done {
		return errDone
	}
	if err := checkOwner(o); err != nil {
		return err
	}
	return checkName(what, name)
}

// note remembers with which revision a document was first read.
func (w *Work) note(k docKey, revision uint64) {
	if _, ok := w.reads[k]; ok {
		return
	}
	if w.reads == nil {
		w.reads = map[docKey]uint64{}
	}
	w.reads[k] = revision
}

// stage puts v into a map of what is staged, so that Undo takes it out again.
func stage[K comparable, V any](w *Work, m *map[K]V, k K, v V) {
	if *m == nil {
		*m = map[K]V{}
	}
	old, was := (*m)[k]
	(*m)[k] = v
	w.journal = append(w.journal, func() {
		if was {
			(*m)[k] = old
		} else {
			delete(*m, k)
		}
	})
}

// Mark names what is staged so far, for Undo.
func (w *Work) Mark() int { return len(w.journal) }

// Undo takes back what was staged since the mark. What was read stays guarded.
func (w *Work) Undo(mark int) {
	mark = max(mark, 0)
	for i := len(w.journal) - 1; i >= mark; i-- {
		w.journal[i]()
		w.journal[i] = nil
	}
	w.journal = w.journal[:min(mark, len(w.journal))]
}

// Staged says whether a commit would write something.
func (w *Work) Staged() bool { return len(w.journal) > 0 }

// SetCursor stages the place in the archive up to which the plugin has handled
// events.
func (w *Work) SetCursor(o *Owner, c Cursor) error {
	if err := w.check(o, "cursor", "archive"); err != nil {
		return err
	}
	stage(w, &w.cursors, o.Plugin, c)
	return nil
}

// SetState stages a note of the host's about the plugin, which the plugin does
// not see; nil removes it.
func (w *Work) SetState(o *Owner, key string, value []byte) error {
	if err := w.check(o, "state", key); err != nil {
		return err
	}
	stage(w, &w.notes, ownedName{o.Plugin, key}, slices.Clone(value))
	return nil
}

// AddDeadLetter stages a dead letter. Plugin is the owner's, the id is given by
// the commit.
func (w *Work) AddDeadLetter(o *Owner, d DeadLetter) error {
	if err := w.check(o, "dead letter", "letter"); err != nil {
		return err
	}
	d.Plugin = o.Plugin
	d.clean(w.p.now())
	w.letters = append(w.letters, d)
	w.journal = append(w.journal, func() { w.letters = w.letters[:len(w.letters)-1] })
	return nil
}

// Commit writes what is staged; when it returns without an error, that survives
// a power cut. A Work that has staged nothing commits nothing and checks
// nothing. The code of an error is conflict (somebody was faster: the whole call
// again), limit, invalid or unavailable.
//
// When ctx ends before the database has begun with it, the Work is withdrawn and
// the error is the context's. From then on Commit waits for the outcome, so an
// error means that nothing was written, but for one whose chain has ErrOutcome.
func (w *Work) Commit(ctx context.Context) (Committed, error) {
	if w.done {
		return Committed{}, errDone
	}
	w.done = true
	if !w.Staged() {
		return Committed{}, nil
	}
	return w.p.queue.commit(ctx, w)
}
