package sdk

import (
	"math"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/cot"
)

// Rule bounds a value that Fields reads.
type Rule struct {
	low, high float64
	words     []string
}

// Between bounds a number, or the characters of a text; both ends are allowed.
func Between(low, high float64) Rule { return Rule{low: low, high: high} }

// AtLeast bounds a number, or the characters of a text.
func AtLeast(low float64) Rule { return Rule{low: low, high: math.Inf(1)} }

// AtMost bounds a number, or the characters of a text.
func AtMost(high float64) Rule { return Rule{low: math.Inf(-1), high: high} }

// OneOf lists the texts that are allowed.
func OneOf(words ...string) Rule { return Rule{words: words} }

// fault says what is wrong with a number that shown describes, or nothing.
func (r Rule) fault(v float64, unit string) string {
	switch {
	case r.words != nil:
		return ""
	case v < r.low:
		return " is below " + strconv.FormatFloat(r.low, 'f', -1, 64) + unit
	case v > r.high:
		return " is above " + strconv.FormatFloat(r.high, 'f', -1, 64) + unit
	}
	return ""
}

// value is what Fields found: a text and, of JSON, its kind. Attributes, elements and
// pairs are texts that may stand for any kind.
type value struct {
	text string
	kind hostapi.NodeKind
}

func (v value) any() bool { return v.kind == hostapi.NoNode }

func (f Fields) find(name string) (v value, ok bool) {
	if f.isPairs {
		for i := range f.pairs {
			if f.named(f.pairs[i].Name, name) {
				return value{text: f.pairs[i].Value}, true
			}
		}
		return v, false
	}
	if f.node.Kind() == hostapi.NodeElement {
		for have, s := range f.node.Attrs {
			if f.named(have, name) {
				return value{text: s}, true
			}
		}
		c := f.child(name)
		return value{text: strings.TrimSpace(c.Text())}, c.Exists()
	}
	c := f.child(name)
	return value{text: c.Text(), kind: c.Kind()}, c.Exists() && c.Kind() != hostapi.NodeNull
}

// child gives what the node has of that name.
func (f Fields) child(name string) Node {
	if !f.anyCase {
		return f.node.Child(name)
	}
	for c := range f.node.Children() {
		if f.named(c.Name(), name) {
			return c
		}
	}
	return Node{}
}

// named says whether a value of one name is what another name asks for.
func (f Fields) named(have, name string) bool {
	if !f.anyCase {
		return have == name
	}
	if len(have) != len(name) {
		return false
	}
	for i := range len(have) {
		if lower(have[i]) != lower(name[i]) {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}

// found says what became of a value.
type found uint8

const (
	absent found = iota
	faulty       // there, but wrong: the fault is noted
	good
)

func (f Fields) text(name string, rules []Rule) (string, found) {
	v, ok := f.find(name)
	if !ok {
		return "", absent
	}
	s, ok := f.textOf(name, v)
	if !ok || !f.check(name, s, rules) {
		return "", faulty
	}
	return strings.Clone(s), good
}

func (f Fields) textOf(name string, v value) (string, bool) {
	switch {
	case v.any() || v.kind == hostapi.NodeString,
		f.loose && (v.kind == hostapi.NodeNumber || v.kind == hostapi.NodeBool):
		return v.text, true
	}
	f.fault(name, "is no text")
	return "", false
}

func (f Fields) check(name, s string, rules []Rule) bool {
	for _, r := range rules {
		if r.words != nil {
			if !contains(r.words, s) {
				f.fault(name, shown(s)+" is none of "+strings.Join(r.words, ", "))
				return false
			}
		} else if why := r.fault(float64(utf8.RuneCountInString(s)), " characters"); why != "" {
			f.fault(name, "the length of "+shown(s)+why)
			return false
		}
	}
	return true
}

// number gives the text of a number. An empty text where all are texts, such as
// ?limit=, is none: so browsers send a form that was left empty.
func (f Fields) number(name, kind string) (string, found) {
	v, ok := f.find(name)
	if !ok || v.any() && v.text == "" {
		return "", absent
	}
	if !v.any() && v.kind != hostapi.NodeNumber && !(f.loose && v.kind == hostapi.NodeString) {
		f.fault(name, "is no "+kind)
		return "", faulty
	}
	return strings.TrimSpace(v.text), good
}

func (f Fields) int(name string, rules []Rule) (int64, found) {
	s, is := f.number(name, "whole number")
	if is != good {
		return 0, is
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		f.fault(name, shown(s)+" is no whole number")
		return 0, faulty
	}
	return n, f.bound(name, s, float64(n), rules, "")
}

func (f Fields) float(name string, rules []Rule) (float64, found) {
	s, is := f.number(name, "number")
	if is != good {
		return 0, is
	}
	v, err := strconv.ParseFloat(s, 64)
	if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
		f.fault(name, shown(s)+" is no number")
		return 0, faulty
	}
	return v, f.bound(name, s, v, rules, "")
}

func (f Fields) bound(name, s string, v float64, rules []Rule, unit string) found {
	for _, r := range rules {
		if why := r.fault(v, unit); why != "" {
			f.fault(name, s+why)
			return faulty
		}
	}
	return good
}

func (f Fields) bool(name string) (bool, found) {
	v, ok := f.find(name)
	if !ok || v.any() && v.text == "" {
		return false, absent
	}
	switch texts := v.any() || f.loose; {
	case v.text == "true" && (texts || v.kind == hostapi.NodeBool), texts && (v.text == "1" || v.text == "True"):
		return true, good
	case v.text == "false" && (texts || v.kind == hostapi.NodeBool), texts && (v.text == "0" || v.text == "False"):
		return false, good
	}
	f.fault(name, "is neither true nor false")
	return false, faulty
}

func (f Fields) time(name string) (time.Time, found) {
	s, is := f.text(name, nil)
	if is == good && s == "" {
		is = absent
	}
	if is != good {
		return time.Time{}, is
	}
	us, ok := cot.ParseTime(s)
	if !ok {
		f.fault(name, shown(s)+" is no time: write such as 2006-01-02T15:04:05Z")
		return time.Time{}, faulty
	}
	return TimeOf(us), good
}

func (f Fields) duration(name string, rules []Rule) (time.Duration, found) {
	s, is := f.text(name, nil)
	if is == good && s == "" {
		is = absent
	}
	if is != good {
		return 0, is
	}
	d, err := parseDuration(s)
	if err != nil {
		f.fault(name, shown(s)+" is no span: write such as 250ms, 30s, 5m, 12h or 30d")
		return 0, faulty
	}
	return d, f.bound(name, s, d.Seconds(), rules, "s")
}

func parseDuration(s string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, err := strconv.ParseInt(days, 10, 16) // the longest span has some 106,000 days
		return time.Duration(n) * 24 * time.Hour, err
	}
	return time.ParseDuration(s)
}

// at gives the whole path of a key.
func (f Fields) at(name string) string {
	if f.path == "" {
		return name
	}
	return f.path + "." + name
}

func (f Fields) need(name string, is found) {
	if is == absent {
		f.fault(name, "is missing")
	}
}

func (f Fields) fault(name, why string) {
	if f.faults != nil {
		f.faults.list = append(f.faults.list, Pair{Name: f.at(name), Value: why})
	}
}

// Faultf adds a fault that the plugin found itself.
func (f Fields) Faultf(name, format string, args ...any) { f.fault(name, Format(format, args...)) }

// faults are collected by all readers of one source.
type faults struct{ list []Pair }

func (f *faults) err() error {
	if f == nil || len(f.list) == 0 {
		return nil
	}
	var b []byte
	for i, p := range f.list {
		if i > 0 {
			b = append(b, "; "...)
		}
		b = append(append(append(b, p.Name...), ": "...), p.Value...)
	}
	return &Error{Status: Invalid, Message: string(b), Details: f.list}
}

// shown is a foreign text in a message.
func shown(s string) string {
	const most = 64
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return strconv.Quote(s)
}

func contains(list []string, s string) bool {
	for _, w := range list {
		if w == s {
			return true
		}
	}
	return false
}
