package cot

import (
	"iter"
	"strings"
)

// Tree is the detail of an event as a flat table of elements in document order.
// It keeps no copies: names, values and texts are parts of the event unless
// they have to be decoded. It is never changed after ParseDetail, so any number
// of goroutines may read it.
type Tree struct {
	src   string
	nodes []node
	attrs []attr
}

// node is one element. Its first child, if it has any, is the next node of the
// table.
type node struct {
	name           span
	at, to         int32 // from '<' to the end of its end tag
	bodyAt, bodyTo int32 // between the tags; empty for <a/>
	attrAt, attrTo int32 // in Tree.attrs
	next           int32 // the next sibling, or none
	children       bool
}

const none = -1

// ParseDetail gives the tree of a detail that Scan found: see
// [Limits.ParseDetail].
func ParseDetail(xml string, h *Header) (Tree, error) { return DefaultLimits.ParseDetail(xml, h) }

// ParseDetail gives the tree of the detail of xml, a text that Scan read into
// h. The text is checked again, so that a header of another text gives an
// error, or the tree of what happens to stand there, but no harm. An event
// without detail gives a tree with nothing below its root.
func (l Limits) ParseDetail(xml string, h *Header) (Tree, error) {
	return l.parseDetail(Tree{}, xml, h)
}

// parseDetail fills the empty tables of t.
func (l Limits) parseDetail(t Tree, xml string, h *Header) (Tree, error) {
	l = l.orDefault()
	if len(xml) > l.Size {
		return Tree{}, fault{why: textTooLong, at: int32(l.Size)}.error(xml)
	}
	from, to := h.DetailAt, h.DetailTo
	if from < 0 || to < from || to > len(xml) {
		return Tree{}, fault{why: badRange}.error(xml)
	}
	text := xml[:to]
	t.src = xml
	t.reserve(text[from:])

	var tab tables
	// The event and its detail are two levels, which are not counted here.
	l.Depth = max(l.Depth-2, 0)
	open, attrs := tab.sized(l, len(text))
	tb := treeBuilder{lexer: lexer{at: from, openTab: open, attrTab: attrs}, tree: &t}
	if f := tb.run(text); f.why != 0 {
		return Tree{}, f.error(xml)
	}
	return t, nil
}

// reserve makes room for what the text can hold, from counts that are quick to
// make and seldom too high by much. Above a bound the tables grow as they fill:
// a text of nothing but '=' shall not cost sixteen times its size.
func (t *Tree) reserve(text string) {
	const most = 1024
	if t.nodes == nil {
		t.nodes = make([]node, 0, 1+min(most, strings.Count(text, "<")-strings.Count(text, "</")))
	}
	if t.attrs == nil {
		t.attrs = make([]attr, 0, min(most, strings.Count(text, "=")))
	}
	t.nodes = append(t.nodes, node{})
}

type treeBuilder struct {
	lexer
	tree *Tree
	last int32 // the sibling before the next element, or none
}

func (tb *treeBuilder) run(text string) fault {
	t := tb.tree
	t.nodes[0] = node{at: int32(tb.at), to: int32(len(text)), bodyAt: int32(tb.at), bodyTo: int32(len(text)), next: none}
	// up is the open elements' nodes, the root first.
	up := make([]int32, 1, 16)
	tb.last = none
	for {
		switch tb.next(text) {
		case tokStart:
			i := tb.add()
			if p := up[len(up)-1]; tb.last == none {
				t.nodes[p].children = true
			} else {
				t.nodes[tb.last].next = i
			}
			tb.last = i
			if !tb.empty {
				up = append(up, i)
				tb.last = none
			}
		case tokEnd:
			i := up[len(up)-1]
			up = up[:len(up)-1]
			t.nodes[i].bodyTo, t.nodes[i].to = int32(tb.endAt), int32(tb.at)
			tb.last = i
		case tokDone:
			return fault{}
		default:
			return tb.fault
		}
	}
}

// add appends the element just started.
func (tb *treeBuilder) add() int32 {
	t := tb.tree
	n := node{
		name: tb.tag.name(), at: tb.tag.at, to: int32(tb.at),
		bodyAt: int32(tb.at), bodyTo: int32(tb.at),
		attrAt: int32(len(t.attrs)), next: none,
	}
	t.attrs = append(t.attrs, tb.attrs()...)
	n.attrTo = int32(len(t.attrs))
	t.nodes = append(t.nodes, n)
	return int32(len(t.nodes) - 1)
}

// Root stands for <detail> itself: its children are the detail's. It has no
// attributes, and its Raw is the content of detail alone.
func (t *Tree) Root() Node { return Node{t, 0} }

// Len counts the elements below the root.
func (t *Tree) Len() int { return max(len(t.nodes)-1, 0) }

// Node is one element of a tree. The zero Node is an element without name,
// attributes and content.
type Node struct {
	t *Tree
	i int32
}

func (n Node) node() node {
	if n.t == nil || len(n.t.nodes) == 0 {
		return node{next: none}
	}
	return n.t.nodes[n.i]
}

func (n Node) in(p span) string {
	if n.t == nil {
		return ""
	}
	return p.in(n.t.src)
}

// Name is the element's name as written, with its prefix if it has one.
func (n Node) Name() string {
	if n.t != nil && n.i == 0 {
		return "detail"
	}
	return n.in(n.node().name)
}

// Attr gives the value of an attribute, decoded.
func (n Node) Attr(name string) (value string, ok bool) {
	for _, a := range n.attrs() {
		if a.name.in(n.t.src) == name {
			return a.value(n.t.src), true
		}
	}
	return "", false
}

// Attrs goes over the attributes as they stand, values decoded:
//
//	for name, value := range n.Attrs {
func (n Node) Attrs(yield func(name, value string) bool) {
	for _, a := range n.attrs() {
		if !yield(a.name.in(n.t.src), a.value(n.t.src)) {
			return
		}
	}
}

// NumAttrs counts the attributes.
func (n Node) NumAttrs() int { return len(n.attrs()) }

func (n Node) attrs() []attr {
	if n.t == nil {
		return nil
	}
	nd := n.node()
	return n.t.attrs[nd.attrAt:nd.attrTo]
}

// Raw is the element as it was sent, tags included.
func (n Node) Raw() string {
	nd := n.node()
	return n.in(span{nd.at, nd.to})
}

// Children goes over the elements directly below this one.
func (n Node) Children() iter.Seq[Node] {
	return func(yield func(Node) bool) {
		if !n.node().children {
			return
		}
		for i := n.i + 1; i != none; i = n.t.nodes[i].next {
			if !yield(Node{n.t, i}) {
				return
			}
		}
	}
}

// Child gives the first element of that name directly below this one.
func (n Node) Child(name string) (Node, bool) {
	for c := range n.Children() {
		if c.Name() == name {
			return c, true
		}
	}
	return Node{}, false
}
