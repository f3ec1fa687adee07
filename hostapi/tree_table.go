package hostapi

import (
	"slices"

	"github.com/takhost/takhost/hostapi/cot"
)

// Span is a part of the texts of AppendTree, from At to before To.
type Span struct{ At, To int }

// TreeNode is one node for AppendTree.
type TreeNode struct {
	Kind            NodeKind
	Name, Text, Raw Span
	End             int // number of the first node that is behind it and not below it
	Attr            int // number of its first attribute
}

// TreeAttr is one attribute for AppendTree.
type TreeAttr struct{ Name, Value Span }

// AppendTree appends a tree whose spans are parts of texts. It is for what turns
// some other form into a tree: hostapi/tree, and tests.
func AppendTree(dst []byte, nodes []TreeNode, attrs []TreeAttr, texts []byte) []byte {
	start := len(dst)
	tables := treeHeader + len(nodes)*treeNode + len(attrs)*treeAttr
	dst = extend(slices.Grow(dst, tables+len(texts)), tables)
	head := dst[start:]
	put32(head, uint32(tables+len(texts)))
	put16(head[4:], treeVersion)
	put16(head[6:], treeHeader)
	put32(head[8:], uint32(len(nodes)))
	put32(head[12:], uint32(len(attrs)))
	span := func(at int, s Span) { pair(head, at, s.At+tables, s.To-s.At) }
	at := treeHeader
	for i := range nodes {
		n := &nodes[i]
		span(at, n.Name)
		span(at+8, n.Text)
		span(at+16, n.Raw)
		put32(head[at+24:], uint32(n.End))
		put32(head[at+28:], uint32(n.Attr))
		head[at+32] = byte(n.Kind)
		at += treeNode
	}
	for _, a := range attrs {
		span(at, a.Name)
		span(at+8, a.Value)
		at += treeAttr
	}
	return append(dst, texts...)
}

// AppendElementTree appends a tree of the first element below the root of t,
// and what is below that.
func AppendElementTree(dst []byte, t cot.Tree) []byte {
	if t.Len() == 0 {
		return dst
	}
	to := t.Element(1).Next
	if to < 0 {
		to = t.Len() + 1
	}
	w := treeWriter{src: t, chunks: []chunk{{1, to}}}
	return w.append(dst, "", false)
}
