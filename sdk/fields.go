package sdk

import (
	"iter"
	"strconv"
	"strings"
	"time"

	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/tree"
)

// Fields reads named values strictly: of a config section, of a request's body,
// query, form or path, of a document in JSON, of an answer of another server. What is
// wrong is collected, and Err gives all of it with the names of the keys, so a reader
// takes all it wants first and asks once:
//
//	in := r.Fields()
//	uid := in.Text("uid")
//	radius := in.FloatOr("radius", 500, sdk.Between(1, 100_000))
//	if err := r.Err(); err != nil {
//		return err // invalid: radius: 0 is below 1
//	}
//
// Text and the others need their value; TextOr and the others take the second argument
// where there is none. JSON's null counts as none. In XML a name is an attribute, or
// the text of a child element. Texts are copies.
type Fields struct {
	node    Node
	pairs   []Pair
	isPairs bool // of a query or form, where all values are texts
	loose   bool
	anyCase bool
	path    string
	faults  *faults
}

// FieldsOf reads a node of a tree.
func FieldsOf(n Node) Fields { return Fields{node: n, faults: &faults{}} }

// ParseJSON reads a JSON document, such as the body of a Document, by the limits of a
// request body. The error has the status Invalid.
func ParseJSON(doc []byte) (Fields, error) {
	t, err := tree.AppendJSON(nil, doc)
	if err != nil {
		return Fields{}, &Error{Status: Invalid, Message: "read JSON: " + err.Error(), cause: err}
	}
	return FieldsOf(Tree(t).Root()), nil
}

// ParseXML reads an XML document by the same limits.
func ParseXML(doc string) (Fields, error) {
	t, err := tree.AppendXML(nil, doc)
	if err != nil {
		return Fields{}, &Error{Status: Invalid, Message: "read XML: " + err.Error(), cause: err}
	}
	return FieldsOf(Tree(t).Root()), nil
}

// Loose also takes numbers and bools that are written as texts, and texts that are
// written as numbers, as old clients do.
func (f Fields) Loose() Fields { f.loose = true; return f }

// AnyCase also finds values whose names are written in upper or lower case otherwise
// (of ASCII letters), as clients of Marti do: a query may say uid, UID or Uid. Of
// several spellings the first counts, Texts takes all of them. Faults name what was
// asked for.
func (f Fields) AnyCase() Fields { f.anyCase = true; return f }

// Node is the node that is read; there is none of a query or form.
func (f Fields) Node() Node { return f.node }

// Err gives all faults so far as one error of the status Invalid.
func (f Fields) Err() error { return f.faults.err() }

// Has says whether there is a value.
func (f Fields) Has(name string) bool {
	_, ok := f.find(name)
	return ok
}

// Text reads a text that must not be empty.
func (f Fields) Text(name string, rules ...Rule) string {
	s, is := f.text(name, rules)
	if is == good && s == "" {
		f.fault(name, "is empty")
	}
	f.need(name, is)
	return s
}

// TextOr reads a text.
func (f Fields) TextOr(name, or string, rules ...Rule) string {
	if s, is := f.text(name, rules); is == good {
		return s
	}
	return or
}

// Int reads a whole number.
func (f Fields) Int(name string, rules ...Rule) int64 {
	n, is := f.int(name, rules)
	f.need(name, is)
	return n
}

// IntOr reads a whole number.
func (f Fields) IntOr(name string, or int64, rules ...Rule) int64 {
	if n, is := f.int(name, rules); is == good {
		return n
	}
	return or
}

// Float reads a finite number.
func (f Fields) Float(name string, rules ...Rule) float64 {
	v, is := f.float(name, rules)
	f.need(name, is)
	return v
}

// FloatOr reads a finite number.
func (f Fields) FloatOr(name string, or float64, rules ...Rule) float64 {
	if v, is := f.float(name, rules); is == good {
		return v
	}
	return or
}

// Bool reads true or false.
func (f Fields) Bool(name string) bool {
	v, is := f.bool(name)
	f.need(name, is)
	return v
}

// BoolOr reads true or false.
func (f Fields) BoolOr(name string, or bool) bool {
	if v, is := f.bool(name); is == good {
		return v
	}
	return or
}

// Time reads a time such as 2006-01-02T15:04:05Z, in any zone.
func (f Fields) Time(name string) time.Time {
	t, is := f.time(name)
	f.need(name, is)
	return t
}

// TimeOr reads a time.
func (f Fields) TimeOr(name string, or time.Time) time.Time {
	if t, is := f.time(name); is == good {
		return t
	}
	return or
}

// Duration reads a span such as 250ms, 30s, 5m, 12h or 30d. Rules count seconds.
func (f Fields) Duration(name string, rules ...Rule) time.Duration {
	d, is := f.duration(name, rules)
	f.need(name, is)
	return d
}

// DurationOr reads a span.
func (f Fields) DurationOr(name string, or time.Duration, rules ...Rule) time.Duration {
	if d, is := f.duration(name, rules); is == good {
		return d
	}
	return or
}

// Texts reads a list of texts: an array, all values of that name in a query, all child
// elements of that name. None is an empty list.
func (f Fields) Texts(name string, rules ...Rule) []string {
	var list []string
	add := func(at, s string) {
		if f.check(at, s, rules) {
			list = append(list, strings.Clone(s))
		}
	}
	switch {
	case f.isPairs:
		for i := range f.pairs {
			if f.named(f.pairs[i].Name, name) {
				add(name, f.pairs[i].Value)
			}
		}
	case f.node.Kind() == hostapi.NodeElement:
		for c := range f.node.Children() {
			if f.named(c.Name(), name) {
				add(name, c.Text())
			}
		}
	default:
		for i, c := range f.array(name) {
			at := item(name, i)
			if s, ok := f.textOf(at, value{text: c.Text(), kind: c.Kind()}); ok {
				add(at, s)
			}
		}
	}
	return list
}

// Object reads the object, or the element, of that name. One that is missing is a
// fault at the first value that is needed of it.
func (f Fields) Object(name string) Fields {
	n := f.child(name)
	if k := n.Kind(); k == hostapi.NodeNull {
		n = Node{}
	} else if n.Exists() && k != hostapi.NodeObject && k != hostapi.NodeElement {
		f.fault(name, "is no object")
		n = Node{}
	}
	return f.below(n, f.at(name))
}

// Objects goes over an array of objects, or all child elements of that name, from 0 on.
// None is no fault.
func (f Fields) Objects(name string) iter.Seq2[int, Fields] {
	return func(yield func(int, Fields) bool) {
		if f.node.Kind() == hostapi.NodeElement {
			i := 0
			for c := range f.node.Children() {
				if f.named(c.Name(), name) {
					if !yield(i, f.below(c, f.at(item(name, i)))) {
						return
					}
					i++
				}
			}
			return
		}
		for i, c := range f.array(name) {
			if c.Kind() != hostapi.NodeObject {
				f.fault(item(name, i), "is no object")
				continue
			}
			if !yield(i, f.below(c, f.at(item(name, i)))) {
				return
			}
		}
	}
}

// below reads a node inside, with the same faults.
func (f Fields) below(n Node, path string) Fields {
	return Fields{node: n, loose: f.loose, anyCase: f.anyCase, path: path, faults: f.faults}
}

// array goes over the elements of an array, which may be missing.
func (f Fields) array(name string) iter.Seq2[int, Node] {
	return func(yield func(int, Node) bool) {
		n := f.child(name)
		if k := n.Kind(); k == hostapi.NodeNull || k == hostapi.NoNode {
			return
		} else if k != hostapi.NodeArray {
			f.fault(name, "is no array")
			return
		}
		i := 0
		for c := range n.Children() {
			if !yield(i, c) {
				return
			}
			i++
		}
	}
}

func item(name string, i int) string { return name + "[" + strconv.Itoa(i) + "]" }
