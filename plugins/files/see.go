package main

import (
	"slices"
	"strings"

	"github.com/takhost/takhost/sdk"
)

// eye says what the caller may see and change. A file is for the groups of its set,
// into which its sender may send, or for those of them that he named. Who sent it
// sees it in any case, and so do administrators.
type eye struct {
	c      *sdk.Call
	groups []string // the caller's, when they were asked for
	asked  bool
}

func look(c *sdk.Call) *eye { return &eye{c: c} }

func (e *eye) all() bool { return e.c.HasRole("admin") }

// files is the collection as the caller sees it; sees has the last word.
func (e *eye) files() sdk.Collection {
	k := e.c.Collection("files")
	if e.all() {
		return k
	}
	return k.AsCaller()
}

// own says whether the caller is who sent f. Those who do not log in are all one.
func (e *eye) own(f *file) bool { return f.submitter == e.c.Caller().User }

// sees says whether a file that files gave is for the caller.
func (e *eye) sees(f *file) (bool, error) {
	if over(e.c, f) {
		return false, nil
	}
	if len(f.groups) == 0 || e.all() || e.own(f) && f.submitter != "" {
		return true, nil
	}
	if !e.asked {
		var err error
		if e.groups, err = groupsOf(e.c, e.c.Caller().OutSet); err != nil {
			return false, err
		}
		e.asked = true
	}
	return slices.ContainsFunc(f.groups, func(g string) bool { return slices.Contains(e.groups, g) }), nil
}

// over says whether the time of a file is over; the sweep removes it soon.
func over(c *sdk.Call, f *file) bool { return !f.expires.IsZero() && !f.expires.After(c.Now()) }

// lists says whether a file that the caller sees shows in lists.
func (e *eye) lists(f *file) bool {
	return !f.private() || e.own(f) && f.submitter != "" || e.c.HasRole("admin", "operator")
}

// mayChange says whether the caller may change or delete a file that he sees.
func (e *eye) mayChange(f *file) bool {
	return e.own(f) || e.c.HasRole("admin", "operator")
}

// groupsOf gives the names of a set; of none there are none.
func groupsOf(c *sdk.Call, set int32) ([]string, error) {
	if set == 0 {
		return nil, nil
	}
	return c.GroupsOf(set)
}

// mostAlike bounds the uploads of one content, uid or name that are looked through.
const mostAlike = 1000

// find gives all files of an index value that the caller sees, the latest first.
func (e *eye) find(index, value string) (found []*file, err error) {
	add := func(files sdk.Collection, want func(*file) (bool, error)) error {
		seen := 0
		for d, err := range files.By(index).Is(sdk.Text(value)).Descending().All() {
			if err != nil {
				return err
			}
			f, err := parse(d)
			if err != nil {
				return err
			}
			if slices.ContainsFunc(found, func(had *file) bool { return had.key == f.key }) {
				continue
			}
			ok, err := want(f)
			if err != nil {
				return err
			}
			if ok {
				found = append(found, f)
			}
			if seen++; seen == mostAlike {
				break
			}
		}
		return nil
	}
	if err := add(e.files(), e.sees); err != nil {
		return nil, err
	}
	if e.c.Caller().User == "" || e.all() {
		return found, nil
	}
	// His own, also of groups that he may send to but not see.
	if err := add(e.c.Collection("files"), func(f *file) (bool, error) { return e.own(f) && !over(e.c, f), nil }); err != nil {
		return nil, err
	}
	slices.SortStableFunc(found, func(a, b *file) int { return b.added.Compare(a.added) })
	return found, nil
}

// byHash gives the files of a content that the caller sees. FreeTAKServer's clients
// have the uid in the place of the hash.
func (e *eye) byHash(value string) (found []*file, err error) {
	if hash := strings.ToLower(value); isHash(hash) {
		found, err = e.find("by-hash", hash)
	}
	if err == nil && len(found) == 0 && value != "" && len(value) <= maxText {
		found, err = e.find("by-uid", value)
	}
	return found, err
}

// byID gives the file of a number, which has to be there.
func (e *eye) byID(id string) (*file, error) {
	missing := sdk.NotFoundf("there is no file %s", clip(id, 64))
	if id == "" || len(id) > 19 || strings.Trim(id, "0123456789") != "" {
		return nil, missing
	}
	d, ok, err := e.files().Find(id)
	if err == nil && !ok && e.c.Caller().User != "" {
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
	if err == nil && !ok {
		err = missing
	}
	return f, err
}

// changeable gives those of files that the caller may change.
func (e *eye) changeable(files []*file) ([]*file, error) {
	if len(files) == 0 {
		return nil, errNoFile
	}
	files = slices.DeleteFunc(files, func(f *file) bool { return !e.mayChange(f) })
	if len(files) == 0 {
		return nil, sdk.Forbiddenf("only who sent a file, or an operator, may change it")
	}
	return files, nil
}

// errNoFile is what clients are told in the words of the official server.
var errNoFile = sdk.NotFoundf("File not found")
