package hostapi

import (
	"iter"
	"strconv"
)

// Tree is a document that somebody else has parsed: the detail of an event, a
// request body in XML or JSON, a config section. It is read in place. Layout,
// numbers little-endian, offsets in bytes from the tree's first byte:
//
//	at  size
//	 0  u32   size of the tree in bytes, these included
//	 4  u16   version: 1
//	 6  u16   length of the header, 16 in this version
//	 8  u32   number of nodes, at least 1
//	12  u32   number of attributes
//	          nodes, from the end of the header on, 36 bytes each
//	          attributes, 16 bytes each
//	          bytes of the texts
//
// A node:
//
//	 0  u32 ×2  offset and length of its name
//	 8  u32 ×2  offset and length of its text
//	16  u32 ×2  offset and length of its raw form: the XML or JSON as it was sent
//	24  u32     number of the first node that is behind it and not below it
//	28  u32     number of its first attribute; the last one is the one before the
//	            first of the next node
//	32  u8      NodeKind
//	33  3       zero
//
// An attribute:
//
//	0  u32 ×2  offset and length of its name
//	8  u32 ×2  offset and length of its value
//
// Nodes are in document order: node 0 is the root, the first child of node i is
// node i+1 if that is below the end of i, and the next sibling of a node is the
// node at its end if that is below the end of the parent. All texts are UTF-8,
// decoded; raw forms are not. Texts may share bytes.
//
// Methods accept any bytes and never panic: a number that points outside reads
// as nothing. Texts are parts of the tree's memory, without a copy. In a plugin
// that is the input of the call: whoever keeps a text beyond the call must copy it
// (strings.Clone).
type Tree []byte

// Sizes of version 1.
const (
	treeVersion  = 1
	treeHeader   = 16
	treeNode     = 36
	treeAttr     = 16
	treeMaxNodes = 1 << 26 // keeps offsets of the tables in 32 bits
)

// NodeKind says what a node is.
type NodeKind uint8

// The kinds. Readers take a kind they do not know as NoNode.
const (
	NoNode      NodeKind = iota // nothing: what the zero Node is
	NodeElement                 // XML: name, attributes, its own character data as text, elements
	NodeObject                  // JSON: its children have names
	NodeArray                   // JSON: its children have none
	NodeString                  // JSON: text is the string
	NodeNumber                  // JSON: text is the number as it was written
	NodeBool                    // JSON: text is true or false
	NodeNull                    // JSON: no text
)

var nodeKindNames = [...]string{"nothing", "element", "object", "array", "string", "number", "bool", "null"}

func (k NodeKind) String() string {
	if int(k) < len(nodeKindNames) {
		return nodeKindNames[k]
	}
	return "unknown"
}

// Root gives node 0: for the detail of an event an element "detail" whose
// children are the detail's and whose raw form is their text.
func (t Tree) Root() Node { return rootOf(text(t)) }

// NumNodes counts the nodes, the root included.
func (t Tree) NumNodes() int { return int(rootOf(text(t)).end) }

func rootOf(s string) Node {
	if len(s) < treeHeader || le16(s, 4) != treeVersion {
		return Node{}
	}
	size, head, n := uint64(le32(s, 0)), uint64(le16(s, 6)), uint64(le32(s, 8))
	if size > uint64(len(s)) || head < treeHeader || n == 0 || n > treeMaxNodes || head+n*treeNode > size {
		return Node{}
	}
	return Node{tree: s[:size], end: uint32(n), head: uint16(head)}
}

// Node is one node of a tree. The zero Node is no node: it has no name, no text
// and no children. A Node is as good as the memory of its tree, see Tree.
type Node struct {
	tree string
	i    uint32
	end  uint32 // not above the parent's: subtrees are never shared
	head uint16
}

func (n Node) at() int { return int(n.head) + int(n.i)*treeNode }

// Exists says whether there is a node.
func (n Node) Exists() bool { return n.tree != "" }

// Kind says what the node is.
func (n Node) Kind() NodeKind {
	if n.tree == "" {
		return NoNode
	}
	return NodeKind(n.tree[n.at()+32])
}

// Name is an element's name as written, with its prefix if it has one, and the
// key of an object's member.
func (n Node) Name() string { return n.part(0) }

// Text is the character data of an element, that of elements below it left out,
// the value of a JSON string, or a number or bool as it was written.
func (n Node) Text() string { return n.part(8) }

// Raw is the element with its tags, or the JSON value, as it was sent.
func (n Node) Raw() string { return n.part(16) }

func (n Node) part(field int) string {
	if n.tree == "" {
		return ""
	}
	return part(n.tree, n.at()+field)
}

// Bool reads a JSON bool, or the text true or false.
func (n Node) Bool() (value, ok bool) {
	t := n.Text()
	return t == "true", t == "true" || t == "false"
}

// Int reads the text as a whole number.
func (n Node) Int() (int64, bool) {
	v, err := strconv.ParseInt(n.Text(), 10, 64)
	return v, err == nil
}

// Float reads the text as a number.
func (n Node) Float() (float64, bool) {
	v, err := strconv.ParseFloat(n.Text(), 64)
	return v, err == nil
}

// Children goes over the nodes directly below this one.
func (n Node) Children() iter.Seq[Node] {
	return func(yield func(Node) bool) {
		for c, ok := n.first(); ok; c, ok = c.nextIn(n.end) {
			if !yield(c) {
				return
			}
		}
	}
}

// Child gives the first node of that name directly below this one, or no node.
func (n Node) Child(name string) Node {
	for c, ok := n.first(); ok; c, ok = c.nextIn(n.end) {
		if c.Name() == name {
			return c
		}
	}
	return Node{}
}

// At gives child i, from 0 on, or no node. It counts from the first one on each
// time: to see all, use Children.
func (n Node) At(i int) Node {
	for c, ok := n.first(); ok; c, ok = c.nextIn(n.end) {
		if i == 0 {
			return c
		}
		i--
	}
	return Node{}
}

// NumChildren counts the nodes directly below this one.
func (n Node) NumChildren() int {
	num := 0
	for c, ok := n.first(); ok; c, ok = c.nextIn(n.end) {
		num++
	}
	return num
}

func (n Node) first() (Node, bool) {
	if n.i+1 >= n.end {
		return Node{}, false
	}
	return n.node(n.i+1, n.end), true
}

// nextIn gives the next sibling, whose parent ends at end.
func (n Node) nextIn(end uint32) (Node, bool) {
	if n.end >= end {
		return Node{}, false
	}
	return n.node(n.end, end), true
}

// node makes node i, which is below the end of its parent. Each node ends behind
// itself and not behind its parent, whatever its bytes say.
func (n Node) node(i, parentEnd uint32) Node {
	c := Node{tree: n.tree, i: i, head: n.head}
	c.end = min(max(le32(n.tree, c.at()+24), i+1), parentEnd)
	return c
}

// Attr gives the value of an attribute.
func (n Node) Attr(name string) (value string, ok bool) {
	at, to := n.attrs()
	for ; at < to; at += treeAttr {
		if part(n.tree, at) == name {
			return part(n.tree, at+8), true
		}
	}
	return "", false
}

// Attrs goes over the attributes as they stand:
//
//	for name, value := range n.Attrs {
func (n Node) Attrs(yield func(name, value string) bool) {
	at, to := n.attrs()
	for ; at < to; at += treeAttr {
		if !yield(part(n.tree, at), part(n.tree, at+8)) {
			return
		}
	}
}

// NumAttrs counts the attributes.
func (n Node) NumAttrs() int {
	at, to := n.attrs()
	return (to - at) / treeAttr
}

// attrs gives where the node's attributes begin and end in the tree.
func (n Node) attrs() (at, to int) {
	if n.tree == "" {
		return 0, 0
	}
	nodes, total := le32(n.tree, 8), uint64(le32(n.tree, 12))
	table := uint64(n.head) + uint64(nodes)*treeNode
	if table+total*treeAttr > uint64(len(n.tree)) {
		return 0, 0
	}
	first, last := uint64(le32(n.tree, n.at()+28)), total
	if n.i+1 < nodes {
		last = uint64(le32(n.tree, n.at()+treeNode+28))
	}
	if first > last || last > total {
		return 0, 0
	}
	return int(table + first*treeAttr), int(table + last*treeAttr)
}
