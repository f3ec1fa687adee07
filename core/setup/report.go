package setup

import (
	"fmt"
	"slices"
	"strings"
)

// Report tells what became of what a FreeTAKServer had.
type Report struct {
	Taken []Item // over as it was, or with the change that Text tells
	Weak  []Item // taken over, but something should be done about it
	Left  []Item // not taken, and why
}

// Item is one thing of a report.
type Item struct{ What, Text string }

func (r *Report) taken(what, format string, args ...any) {
	r.Taken = append(r.Taken, Item{what, fmt.Sprintf(format, args...)})
}

func (r *Report) weak(what, format string, args ...any) {
	r.Weak = append(r.Weak, Item{what, fmt.Sprintf(format, args...)})
}

func (r *Report) left(what, format string, args ...any) {
	r.Left = append(r.Left, Item{what, fmt.Sprintf(format, args...)})
}

// and gives both reports as one.
func (r Report) and(o Report) Report {
	return Report{slices.Concat(r.Taken, o.Taken), slices.Concat(r.Weak, o.Weak), slices.Concat(r.Left, o.Left)}
}

// Text gives the report for people.
func (r Report) Text() string {
	var b strings.Builder
	for _, part := range []struct {
		title string
		items []Item
	}{
		{"Taken over from FreeTAKServer", r.Taken},
		{"To look after", r.Weak},
		{"Not taken over", r.Left},
	} {
		if len(part.items) == 0 {
			continue
		}
		fmt.Fprintln(&b, part.title)
		for _, i := range part.items {
			fmt.Fprintf(&b, "  %s: %s\n", i.What, i.Text)
		}
	}
	return b.String()
}

// bytesText writes a size in decimal units.
func bytesText(n uint64) string {
	for i, unit := range []string{"TB", "GB", "MB", "kB"} {
		one := [...]uint64{1e12, 1e9, 1e6, 1e3}[i]
		if n >= one {
			return fmt.Sprintf("%.1f %s", float64(n)/float64(one), unit)
		}
	}
	return fmt.Sprintf("%d B", n)
}

// word writes a name so that a shell takes it for one word.
func word(name string) string {
	if strings.ContainsFunc(name, func(r rune) bool { return r == ' ' }) {
		return "'" + name + "'" // no name has a quote
	}
	return name
}
