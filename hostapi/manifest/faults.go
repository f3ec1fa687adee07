package manifest

import (
	"fmt"
	"strings"
)

// Fault is one thing that is wrong with a manifest.
type Fault struct {
	Path string // such as routes[2].path; empty for the whole
	Msg  string // what is wrong and what to do about it
}

func (f Fault) String() string {
	if f.Path == "" {
		return f.Msg
	}
	return f.Path + ": " + f.Msg
}

// Faults are all that is wrong: first what cannot be read, then what does not fit
// together, each in the order of the manifest's keys. As an error it has one line
// for each.
type Faults []Fault

func (f Faults) Error() string {
	lines := make([]string, len(f))
	for i := range f {
		lines[i] = f[i].String()
	}
	return strings.Join(lines, "\n")
}

// faults collects them.
type faults struct {
	list Faults
	// What could not be read. Faults found there, above or below it afterwards
	// are likely to be its consequence, and are left out.
	unread Faults
}

// maxFaults is where a file is plainly not what it is taken for.
const maxFaults = 50

func (f *faults) add(path, format string, args ...any) {
	if f.follows(path) {
		return
	}
	if len(f.list) < maxFaults {
		f.list = append(f.list, Fault{path, fmt.Sprintf(format, args...)})
	} else if len(f.list) == maxFaults {
		f.list = append(f.list, Fault{"", "and more: the rest is left out"})
	}
}

// follows says whether something at path, or above or below it, could not be
// read.
func (f *faults) follows(path string) bool {
	for _, u := range f.unread {
		if above(u.Path, path) || above(path, u.Path) {
			return true
		}
	}
	return false
}

// above says whether path is at or below top.
func above(top, path string) bool {
	rest, ok := strings.CutPrefix(path, top)
	return ok && (rest == "" || top == "" || rest[0] == '.' || rest[0] == '[')
}

func (f *faults) err() error {
	if len(f.list) == 0 {
		return nil
	}
	return f.list
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func item(path string, i int) string { return fmt.Sprintf("%s[%d]", path, i) }

// show is a text of the manifest in a message.
func show(s string) string {
	const most = 64
	if r := []rune(s); len(r) > most {
		s = string(r[:most]) + "…"
	}
	return fmt.Sprintf("%q", s)
}

// nearest gives ", did you mean …?" for a word that is close to one of those
// known.
func nearest(word string, known []string) string {
	best, most := "", max(1, min(len(word)/3, 3))
	for _, k := range known {
		if d := distance(strings.ToLower(word), strings.ToLower(k), most); d <= most {
			best, most = k, d-1
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf(": did you mean %q?", best)
}

// distance counts the letters to change, insert, remove or swap with their
// neighbour to turn a into b; more than most is told as most+1.
func distance(a, b string, most int) int {
	if len(a) > 64 || len(b) > 64 || len(a)-len(b) > most || len(b)-len(a) > most {
		return most + 1
	}
	var before, prev []int
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		before, prev, row = prev, row, make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			row[j] = min(prev[j]+1, row[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
	}
	return row[len(b)]
}
