package main

import (
	"bytes"
	"os"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/term"
	"golang.org/x/text/width"
)

// usualWidth is what a terminal has that does not say how wide it is.
const usualWidth = 80

// table is a list for people. On a terminal its columns are cut to fit; into a
// pipe all of it goes.
type table struct {
	head  []string
	rows  [][]string
	whole []string // columns that are there to be copied, so are never cut
}

func newTable(head ...string) *table { return &table{head: head} }

// row adds a row; what is empty shows as a dash.
func (t *table) row(cells ...string) {
	for i, c := range cells {
		if cells[i] = clean(strings.Join(strings.Fields(c), " ")); cells[i] == "" {
			cells[i] = "-"
		}
	}
	t.rows = append(t.rows, cells)
}

// write writes the table, or none when it has no rows.
func (t *table) write(std streams, none string) error {
	var out bytes.Buffer
	if len(t.rows) == 0 {
		out.WriteString(none + "\n")
	} else {
		t.print(&out, widthOf(std))
	}
	_, err := out.WriteTo(std.out)
	return err
}

// print writes lines of at most limit columns; 0 is no limit.
func (t *table) print(out *bytes.Buffer, limit int) {
	const gap = 2
	wide := make([]int, len(t.head))
	lines := append([][]string{t.head}, t.rows...)
	for _, l := range lines {
		for i, c := range l {
			wide[i] = max(wide[i], columns(c))
		}
	}
	total := gap * (len(wide) - 1)
	for _, w := range wide {
		total += w
	}
	for limit > 0 && total > limit {
		i := t.widest(wide)
		if i < 0 {
			break
		}
		wide[i]--
		total--
	}
	for _, l := range lines {
		var b strings.Builder
		for i, c := range l {
			c = cut(c, wide[i])
			b.WriteString(c)
			b.WriteString(strings.Repeat(" ", wide[i]-columns(c)+gap))
		}
		out.WriteString(strings.TrimRight(b.String(), " ") + "\n")
	}
}

// widest gives the column that can best do with less, -1 if none can.
func (t *table) widest(wide []int) int {
	const least = 8
	best := -1
	for i, w := range wide {
		if w > max(least, columns(t.head[i])) && !slices.Contains(t.whole, t.head[i]) && (best < 0 || w > wide[best]) {
			best = i
		}
	}
	return best
}

// widthOf gives how wide the terminal is; 0 when the output is none.
func widthOf(std streams) int {
	f, ok := std.out.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return 0
	}
	if w, _, err := term.GetSize(int(f.Fd())); err == nil && w > 0 {
		return w
	}
	return usualWidth
}

// columns says how wide text is on a terminal: a Chinese character takes two
// columns, an accent that stands over a letter none.
func columns(s string) (n int) {
	for _, r := range s {
		n += columnsOf(r)
	}
	return n
}

func columnsOf(r rune) int {
	if unicode.In(r, unicode.Mn, unicode.Me) {
		return 0
	}
	if k := width.LookupRune(r).Kind(); k == width.EastAsianWide || k == width.EastAsianFullwidth {
		return 2
	}
	return 1
}

// cut shortens s to n columns.
func cut(s string, n int) string {
	if columns(s) <= n {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		w := columnsOf(r)
		if w >= n {
			break
		}
		n -= w
		b.WriteRune(r)
	}
	return b.String() + "…"
}
