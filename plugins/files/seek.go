package main

import (
	"slices"
	"time"

	"github.com/takhost/takhost/sdk"
)

// Bounds of what one request looks for.
const (
	mostFound  = 2000         // files of one answer, the latest
	mostAnswer = 3 << 20      // bytes of one, and one file more; the host takes 4 MiB
	mostSeen   = 50_000       // files that are looked through, the latest
	seekTime   = time.Second  // for all that a request looks for; nobody else has this instance meanwhile
	exprTime   = seekTime / 2 // where there are expressions
	timeEvery  = 16           // files between two looks at the clock
)

// patience ends a search by the clock.
type patience struct {
	until time.Time
	n     int
}

func (f *filter) patience() *patience {
	if f.costly() {
		return &patience{until: time.Now().Add(exprTime)}
	}
	return &patience{until: time.Now().Add(seekTime)}
}

// over counts one file.
func (p *patience) over() bool {
	p.n++
	return p.n >= mostSeen || p.n%timeEvery == 0 && !time.Now().Before(p.until)
}

// costly says whether the filter has expressions.
func (f *filter) costly() bool {
	is := func(m *pattern) bool { return m != nil && m.re != nil }
	return slices.ContainsFunc([]*pattern{f.name, f.uid, f.hash, f.mime, f.submitter}, is) || slices.ContainsFunc(f.keywords, is) || slices.ContainsFunc(f.tools, is)
}

// query finds what a filter may find, by the narrowest index.
func (e *eye) query(f *filter) *sdk.Query {
	switch {
	case f.hash.exact():
		return e.is("by-hash", f.hash.text)
	case f.uid.exact():
		return e.is("by-uid", f.uid.text)
	case f.name.exact():
		return e.is("by-name", f.name.text)
	}
	q := e.files().By("by-time")
	if slices.ContainsFunc(f.keywords, func(m *pattern) bool { return m.exact() && m.text == packageKeyword }) {
		q = e.files().By("packages")
	}
	if !f.from.IsZero() {
		q.From(sdk.At(f.from))
	}
	if !f.to.IsZero() {
		q.Before(sdk.At(f.to))
	}
	return q
}

// each goes over the files that a filter asks for and that show in the caller's lists,
// the latest first, until do has enough. Who asks for a hash or uid knows it, and finds
// private ones too. None is kept in memory.
func (e *eye) each(f *filter, do func(*file) (enough bool, err error)) error {
	known := f.hash.exact() || f.uid.exact()
	owner := ""
	if f.uid.exact() && !f.hash.exact() {
		x, err := e.one(f.uid.text)
		if sdk.Is(err, sdk.NotFound) {
			return nil
		}
		if err != nil {
			return err
		}
		owner = x.submitter
	}
	given := map[int64]bool{} // of the caller's own
	found := false
	look := func(x *file) (enough bool, err error) {
		if !f.matches(x) || !known && !e.lists(x) || f.uid.exact() && !f.hash.exact() && x.submitter != owner {
			return false, nil
		}
		if ok, err := e.sees(x); !ok || err != nil {
			return false, err
		}
		if known && e.own(x) {
			if given[x.key] {
				return false, nil
			}
			given[x.key] = true
		}
		found = true
		return do(x)
	}
	p := f.patience()
	for d, err := range e.query(f).Descending().Limit(500).All() {
		if err != nil {
			return err
		}
		x, err := parse(d)
		if err != nil {
			return err
		}
		if enough, err := look(x); enough || err != nil {
			return err
		}
		if p.over() {
			if found && f.partial && !f.costly() { // long descriptions, of somebody else maybe
				return nil
			}
			return sdk.Limitf("there are too many files to look through: narrow the search by hash, keyword, name or time")
		}
	}
	if !known {
		return nil
	}
	index, value := "by-hash", f.hash
	if !f.hash.exact() {
		index, value = "by-uid", f.uid
	}
	for x, err := range e.mine(index, value.text) { // of groups that he does not see
		if err != nil {
			return err
		}
		if enough, err := look(x); enough || err != nil {
			return err
		}
	}
	return nil
}

// search writes the files that each gives into an array, as many as an answer may have,
// and says how many these are.
func (e *eye) search(f *filter, j *sdk.JSON, write func(*file, *sdk.JSON)) (n int64, err error) {
	to := filling{j: j}
	f.partial = true
	err = e.each(f, func(x *file) (bool, error) {
		write(x, to.one())
		n++
		return to.add() || n == mostFound, to.j.Err()
	})
	return n, err
}

// filling is an array that grows up to mostAnswer.
type filling struct {
	j, next *sdk.JSON
	size    int
}

// one gives the writer of the next element.
func (a *filling) one() *sdk.JSON {
	if a.next == nil {
		a.next = &sdk.JSON{}
	}
	a.next.Reset()
	return a.next
}

// add takes it over, and says whether the array is full.
func (a *filling) add() (full bool) {
	b := a.next.Bytes()
	a.j.Raw(b)
	a.size += len(b)
	return a.size >= mostAnswer
}
