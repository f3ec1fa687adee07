package admin

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/takhost/takhost/core/identity"
)

// maxLines is how many people one file may bring.
const maxLines = 10_000

// columns of a file, in the order that holds without a first line that names
// them.
var columns = []string{"name", "full_name", "password", "groups", "roles"}

// csvLine is one person of a file.
type csvLine struct {
	line     int // in the file, the first being 1
	user     identity.User
	password string
	err      error // why the line cannot be taken
}

// readCSV reads a file of people. The first line may name the columns, in any
// order. Spreadsheets of many countries separate by semicolon: that is seen by
// the first line. An error is one of the file as a whole.
func readCSV(file []byte) ([]csvLine, error) {
	file = bytes.TrimPrefix(file, []byte("\ufeff"))
	if !utf8.Valid(file) {
		return nil, invalidf("body: it is not in UTF-8; save it as CSV in UTF-8")
	}
	first, _, _ := bytes.Cut(file, []byte("\n"))
	in := csv.NewReader(bytes.NewReader(file))
	in.FieldsPerRecord = -1
	in.TrimLeadingSpace = true
	if bytes.Count(first, []byte(";")) > bytes.Count(first, []byte(",")) {
		in.Comma = ';'
	}
	order := columns
	var lines []csvLine
	for n := 0; ; n++ {
		fields, err := in.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if p := (*csv.ParseError)(nil); errors.As(err, &p) {
			return nil, invalidf("body: line %d: %s", p.Line, p.Err)
		}
		if err != nil {
			return nil, invalidf("body: %s", err)
		}
		at, _ := in.FieldPos(0)
		if n == 0 && strings.EqualFold(strings.TrimSpace(fields[0]), columns[0]) || n == 0 && isHeader(fields) {
			if order, err = header(fields); err != nil {
				return nil, err
			}
			continue
		}
		if len(lines) == maxLines {
			return nil, invalidf("body: it has more than %d lines", maxLines)
		}
		lines = append(lines, personOf(at, fields, order))
	}
	if len(lines) == 0 {
		return nil, invalidf("body: it has no lines")
	}
	markTwice(lines)
	return lines, nil
}

// isHeader says whether a line names columns, name not being the first.
func isHeader(fields []string) bool {
	return slices.ContainsFunc(fields, func(f string) bool { return columnOf(f) == columns[0] }) &&
		!slices.ContainsFunc(fields, func(f string) bool { return !slices.Contains(columns, columnOf(f)) })
}

// columnOf takes Full Name for full_name.
func columnOf(field string) string {
	return strings.ReplaceAll(strings.ToLower(strings.TrimSpace(field)), " ", "_")
}

func header(fields []string) ([]string, error) {
	var order []string
	for _, f := range fields {
		c := columnOf(f)
		switch {
		case !slices.Contains(columns, c):
			return nil, invalidf("body: the first line names a column %q; there are %s", clip(f), strings.Join(columns, ", "))
		case slices.Contains(order, c):
			return nil, invalidf("body: the first line names the column %s twice", c)
		}
		order = append(order, c)
	}
	return order, nil
}

func personOf(line int, fields, order []string) csvLine {
	l := csvLine{line: line}
	if len(fields) > len(order) {
		l.user.Name = strings.TrimSpace(fields[0])
		l.err = fmt.Errorf("it has %d fields, but there are %d columns; a field with a separator in it is written in quotes", len(fields), len(order))
		return l
	}
	for i, f := range fields {
		switch order[i] {
		case "name":
			l.user.Name = strings.TrimSpace(f)
		case "full_name":
			l.user.FullName = strings.TrimSpace(f)
		case "password":
			l.password = f // spaces may be meant
		case "roles":
			l.user.Roles = parts(f)
		case "groups":
			l.user.Groups, l.err = groupsOf(f)
		}
	}
	if l.err == nil && l.user.Name == "" {
		l.err = errors.New("it has no name")
	}
	return l
}

// parts cuts a field that has several values.
func parts(field string) (list []string) {
	for part := range strings.FieldsFuncSeq(field, func(r rune) bool { return r == ';' || r == '|' }) {
		if part = strings.TrimSpace(part); part != "" {
			list = append(list, part)
		}
	}
	return list
}

// groupsOf reads Blue|Red:out, where a group without in or out is both.
func groupsOf(field string) (list []identity.Membership, err error) {
	for _, part := range parts(field) {
		m := identity.Membership{Group: part, In: true, Out: true}
		if name, ok := strings.CutSuffix(part, ":in"); ok {
			m.Group, m.Out = name, false
		} else if name, ok := strings.CutSuffix(part, ":out"); ok {
			m.Group, m.In = name, false
		}
		if slices.ContainsFunc(list, func(o identity.Membership) bool { return o.Group == m.Group }) {
			return nil, fmt.Errorf("it has the group %s twice", clip(m.Group))
		}
		list = append(list, m)
	}
	return list, nil
}

// markTwice refuses lines whose name is on a line before.
func markTwice(lines []csvLine) {
	first := map[string]int{}
	for i := range lines {
		l := &lines[i]
		if l.err != nil || l.user.Name == "" {
			continue
		}
		key := fold(l.user.Name)
		if at, ok := first[key]; ok {
			l.err = fmt.Errorf("line %d has the same name", at)
			continue
		}
		first[key] = l.line
	}
}
