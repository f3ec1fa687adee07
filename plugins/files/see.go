package main

import (
	"slices"

	"github.com/takhost/takhost/sdk"
)

// eye says what the caller may see and change. A file is for the groups of its set,
// into which its sender may send, or for those of them that he named. Who sent it
// sees it in any case, and so do administrators.
type eye struct {
	c     *sdk.Call
	names map[int32][]string // of the sets that were asked for
}

func look(c *sdk.Call) *eye { return &eye{c: c, names: map[int32][]string{}} }

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

// known says whether the caller has logged in, so that his own files are his alone.
func (e *eye) known() bool { return e.c.Caller().User != "" }

// sees says whether a file that files gave is for the caller.
func (e *eye) sees(f *file) (bool, error) {
	if over(e.c, f) {
		return false, nil
	}
	if len(f.groups) == 0 || e.all() || e.own(f) && e.known() {
		return true, nil
	}
	groups, err := e.groupsOf(e.c.Caller().OutSet)
	return meet(f.groups, groups), err
}

// over says whether the time of a file is over; the sweep removes it soon.
func over(c *sdk.Call, f *file) bool { return !f.expires.IsZero() && !f.expires.After(c.Now()) }

// lists says whether a file that the caller sees shows in lists, and by its number,
// which anybody can count up to. Others take its hash or uid.
func (e *eye) lists(f *file) bool {
	return !f.private() || e.own(f) && e.known() || e.manages()
}

// manages says whether the caller may change what others sent.
func (e *eye) manages() bool { return e.c.HasRole("admin", "operator") }

// mayChange says whether the caller may change or delete a file that he sees.
func (e *eye) mayChange(f *file) bool { return e.own(f) || e.manages() }

// groupsOf gives the names of a set; of none there are none.
func (e *eye) groupsOf(set int32) ([]string, error) {
	if set == 0 {
		return nil, nil
	}
	if names, ok := e.names[set]; ok {
		return names, nil
	}
	names, err := e.c.GroupsOf(set)
	if err == nil {
		e.names[set] = names
	}
	return names, err
}

// meet says whether two lists have one in common.
func meet(a, b []string) bool {
	return slices.ContainsFunc(a, func(s string) bool { return slices.Contains(b, s) })
}

// audience gives the groups of a file as far as the caller may know them: all to who may
// change it, otherwise those that he sees. Of a file for everybody it gives none.
func (e *eye) audience(f *file) ([]string, error) {
	groups := f.groups
	if len(groups) == 0 {
		var err error
		if groups, err = e.groupsOf(f.set); err != nil {
			return nil, err
		}
	}
	if e.mayChange(f) {
		return groups, nil
	}
	mine, err := e.groupsOf(e.c.Caller().OutSet)
	return slices.DeleteFunc(slices.Clone(groups), func(g string) bool { return !slices.Contains(mine, g) }), err
}

// everybody is the submitter of files for all groups, also those that are made later: who
// administers the server by its socket, or by the token of its data folder. He is in all
// groups, and is no account: a user's name has no parentheses.
const everybody = "(admin)"

// errNoFile is what clients are told in the words of the official server.
var errNoFile = sdk.NotFoundf("File not found")
