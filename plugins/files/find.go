package main

import (
	"iter"
	"slices"
	"strings"

	"github.com/takhost/takhost/sdk"
)

// mostAlike bounds the uploads of one content, uid or name that are looked through.
const mostAlike = 1000

// alike goes over the files of a query, as many as one may look through. The first one is
// mostly the one that is wanted, so a page is small.
func alike(q *sdk.Query) iter.Seq2[*file, error] {
	return func(yield func(*file, error) bool) {
		seen := 0
		for d, err := range q.Limit(16).All() {
			if err != nil {
				yield(nil, err)
				return
			}
			f, err := parse(d)
			if !yield(f, err) || err != nil {
				return
			}
			if seen++; seen == mostAlike {
				return
			}
		}
	}
}

// seen goes over those of a query that the caller sees.
func (e *eye) seen(q *sdk.Query) iter.Seq2[*file, error] {
	return func(yield func(*file, error) bool) {
		for f, err := range alike(q) {
			ok := false
			if err == nil {
				ok, err = e.sees(f)
			}
			if err != nil {
				yield(nil, err)
				return
			}
			if ok && !yield(f, nil) {
				return
			}
		}
	}
}

// mine goes over the caller's own files of an index value, the latest first, also of
// groups that he may send to but not see. Who has not logged in has none.
func (e *eye) mine(index, value string) iter.Seq2[*file, error] {
	q := e.c.Collection("files").By(index).Is(sdk.Text(value))
	if index == "by-hash" {
		q = e.c.Collection("files").By("by-sender").Is(sdk.Text(e.c.Caller().User), sdk.Text(value))
	}
	return func(yield func(*file, error) bool) {
		if !e.known() {
			return
		}
		for f, err := range alike(q.Descending()) {
			if err != nil || e.own(f) && !over(e.c, f) {
				if !yield(f, err) {
					return
				}
			}
		}
	}
}

// is gives the query for a value of an index, in the order of time.
func (e *eye) is(index, value string) *sdk.Query { return e.files().By(index).Is(sdk.Text(value)) }

// first gives the first one of some, or nil.
func first(some iter.Seq2[*file, error]) (*file, error) {
	for f, err := range some {
		return f, err
	}
	return nil, nil
}

// one gives the file of a hash or uid that the caller sees, the latest of several.
// FreeTAKServer's clients have the uid in the place of the hash; what is a hash is never
// taken for a uid, or its bytes could be others.
func (e *eye) one(value string) (*file, error) {
	hash := strings.ToLower(value)
	if !isHash(hash) {
		return e.oneOf(value)
	}
	f, err := first(e.seen(e.is("by-hash", hash).Descending()))
	if err == nil && f == nil {
		f, err = first(e.mine("by-hash", hash))
	}
	if err == nil && f == nil {
		err = errNoFile
	}
	return f, err
}

// oneOf gives the file of a uid: his own, or else the latest one of who was the first to
// use the uid, among those that the caller sees. Senders in other groups cannot know that
// it is taken, and must not lay their file over his.
func (e *eye) oneOf(uid string) (*file, error) {
	if uid == "" || len(uid) > maxText {
		return nil, errNoFile
	}
	if f, err := first(e.mine("by-uid", uid)); f != nil || err != nil {
		return f, err
	}
	owner, err := first(e.seen(e.is("by-uid", uid)))
	if err != nil {
		return nil, err
	}
	if owner == nil {
		return nil, errNoFile
	}
	for f, err := range e.seen(e.is("by-uid", uid).Descending()) {
		if err != nil || f.submitter == owner.submitter {
			return f, err
		}
	}
	return owner, nil
}

// byID gives the file of a number, which has to be there and to show in lists.
func (e *eye) byID(id string) (*file, error) {
	missing := sdk.NotFoundf("there is no file %s", shown(id))
	if id == "" || len(id) > 19 || strings.Trim(id, "0123456789") != "" {
		return nil, missing
	}
	d, ok, err := e.files().Find(id)
	if err == nil && !ok && e.known() {
		d, ok, err = e.c.Collection("files").Find(id)
		if err == nil && ok {
			f, err := parse(&d)
			if err != nil {
				return nil, err
			}
			ok = e.own(f)
		}
	}
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, missing
	}
	f, err := parse(&d)
	if err != nil {
		return nil, err
	}
	ok, err = e.sees(f)
	if err == nil && (!ok || !e.lists(f)) {
		return nil, missing
	}
	return f, err
}

// toChange gives all files of a hash or uid that the caller may change, which have to be
// some and at most so many: what is answered with success is true of all of them.
func (e *eye) toChange(value string, most int) (found []*file, err error) {
	index := "by-uid"
	if hash := strings.ToLower(value); isHash(hash) {
		index, value = "by-hash", hash
	}
	if value == "" || len(value) > maxText {
		return nil, errNoFile
	}
	q := e.is(index, value)
	if index == "by-hash" && !e.manages() { // others' are none of his
		q = e.files().By("by-sender").Is(sdk.Text(e.c.Caller().User), sdk.Text(value))
	}
	looks := 0
	for _, some := range []iter.Seq2[*file, error]{e.seen(q.Descending()), e.mine(index, value)} {
		for f, err := range some {
			if err != nil {
				return nil, err
			}
			if looks++; e.mayChange(f) && !slices.ContainsFunc(found, func(had *file) bool { return had.key == f.key }) {
				found = append(found, f)
			}
			if len(found) > most || looks >= mostAlike {
				return nil, tooMany(most)
			}
		}
	}
	return e.some(found, value)
}

// some refuses an empty list with the reason.
func (e *eye) some(found []*file, value string) ([]*file, error) {
	if len(found) > 0 {
		return found, nil
	}
	if _, err := e.one(value); err != nil {
		return nil, err
	}
	return nil, errNotYours
}

var errNotYours = sdk.Forbiddenf("only who sent a file, or an operator, may change it")

func tooMany(most int) error {
	return sdk.Limitf("there are more than %d of these files, and one request changes no more: nothing was changed; name them one by one, by number", most)
}
