package cot

import "strings"

// This file is for code that carries a tree over into a form of its own, such
// as the event view of package hostapi: it tells where things stand in the
// event instead of what they say.

// Range is a part of the event's text, from At to before To.
type Range struct{ At, To int32 }

func (p span) rng() Range { return Range{p.at, p.to} }

// Element is where one element of a tree stands.
type Element struct {
	Name Range
	All  Range // from '<' to the end of its end tag
	Body Range // between the tags; empty for <a/>

	AttrAt, AttrTo int // its attributes, for Tree.AttrAt
	Next           int // its next sibling, or -1
}

// Attribute is where one attribute of a tree stands. Coded says that Value
// needs AppendValue to be read.
type Attribute struct {
	Name, Value Range
	Coded       bool
}

// Source is the text that the ranges are parts of.
func (t *Tree) Source() string { return t.src }

// NumAttrs counts the attributes of all elements.
func (t *Tree) NumAttrs() int { return len(t.attrs) }

// Element tells of element i, 0 ≤ i ≤ Len. Element 0 is the root; the elements
// follow in document order, an element's first child directly behind it.
func (t *Tree) Element(i int) Element {
	n := &t.nodes[i]
	return Element{
		Name: n.name.rng(), All: Range{n.at, n.to}, Body: Range{n.bodyAt, n.bodyTo},
		AttrAt: int(n.attrAt), AttrTo: int(n.attrTo), Next: int(n.next),
	}
}

// Attribute tells of attribute i, 0 ≤ i < NumAttrs.
func (t *Tree) Attribute(i int) Attribute {
	a := t.attrs[i]
	if a.val.to < 0 {
		return Attribute{Name: a.name.rng(), Value: Range{a.val.at, ^a.val.to}, Coded: true}
	}
	return Attribute{Name: a.name.rng(), Value: a.val.rng()}
}

// PlainBody says whether the text of an element is its body as it stands:
// nothing in it is an element or has to be decoded.
func (t *Tree) PlainBody(e Element) bool { return plain(t.src[e.Body.At:e.Body.To]) }

// AppendText appends the text of element i, as Node.Text gives it.
func (t *Tree) AppendText(dst []byte, i int) []byte {
	n := &t.nodes[i]
	at := n.bodyAt
	if n.children {
		for c := int32(i) + 1; c != none; c = t.nodes[c].next {
			dst = appendText(dst, t.src[at:t.nodes[c].at])
			at = t.nodes[c].to
		}
	}
	return appendText(dst, t.src[at:n.bodyTo])
}

// appendText appends the character data of s, in which there is no element.
func appendText(dst []byte, s string) []byte {
	if plain(s) {
		return append(dst, s...)
	}
	var b strings.Builder
	writeText(&b, s)
	return append(dst, b.String()...)
}

// plain says whether character data stands for itself.
func plain(s string) bool {
	for i := range len(s) {
		if s[i] == '<' || s[i] == '&' || s[i] == '\r' {
			return false
		}
	}
	return true
}

// AppendValue appends what the value of attribute i says, as Node.Attr gives
// it.
func (t *Tree) AppendValue(dst []byte, i int) []byte {
	return append(dst, t.attrs[i].value(t.src)...)
}

// ParseDetailInto is ParseDetail into a tree whose tables are used again:
// nothing is allocated once they are large enough. Nodes of what t was before
// must no longer be in use. After an error t is empty.
func (l Limits) ParseDetailInto(t *Tree, xml string, h *Header) error {
	empty := Tree{nodes: t.nodes[:0], attrs: t.attrs[:0]}
	got, err := l.parseDetail(empty, xml, h)
	if err != nil {
		*t = empty
		return err
	}
	*t = got
	return nil
}
