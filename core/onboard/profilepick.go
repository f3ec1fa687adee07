package onboard

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// PackageName is the name that ATAK expects for the answer of a kind.
func (w Wanted) PackageName() string {
	switch w.Kind {
	case OnEnrolment:
		return "Enrollment"
	case OnConnection:
		return "Connection"
	}
	return w.Tool
}

// ErrNoFile says that no profile has a file that was asked for.
var ErrNoFile = errors.New("no such file in the profiles of the tool")

// Pick gives the files of those relative paths, which ATAK writes with a slash in
// front. A file that did not change since is left out; one that does not exist is
// ErrNoFile.
func Pick(list []Profile, paths []string, since time.Time) ([]File, error) {
	var out []File
	for _, want := range paths {
		f, ok := find(list, strings.TrimLeft(want, "/"))
		if !ok {
			return nil, fmt.Errorf("%q: %w", want, ErrNoFile)
		}
		if since.IsZero() || f.Changed.After(since) {
			out = append(out, f)
		}
	}
	return out, nil
}

func find(list []Profile, name string) (File, bool) {
	for _, p := range list {
		for _, f := range p.Files {
			if f.Name == name {
				return f, true
			}
		}
	}
	return File{}, false
}

// Newest is the time of the last change among files.
func Newest(files []File) (t time.Time) {
	for _, f := range files {
		if f.Changed.After(t) {
			t = f.Changed
		}
	}
	return t
}
