package hostapi

import (
	"slices"

	"github.com/takhost/takhost/hostapi/cot"
)

// treeWriter turns the parser's tables into a Tree. The bytes of the elements
// are copied as they were sent, once; names, texts and values are parts of that
// copy, and only what has to be decoded is written behind it.
type treeWriter struct {
	src    cot.Tree
	chunks []chunk
	open   []int32 // elements whose end has not come, outermost first
}

// chunk is a run of elements that goes into the tree whole, with their text.
type chunk struct{ at, to int }

// appendDetail appends the detail of e, or those of its elements that are
// wanted; nothing when there are none or the detail cannot be read.
func (w *treeWriter) appendDetail(dst []byte, e *Event, want DetailWant) []byte {
	if err := cot.DefaultLimits.ParseDetailInto(&w.src, e.XML, &e.Header); err != nil {
		return dst
	}
	all := w.src.Len() + 1
	w.chunks = w.chunks[:0]
	if want.All {
		w.chunks = append(w.chunks, chunk{1, all})
		return w.append(dst, "detail", true)
	}
	for i := 1; i > 0 && i < all; {
		el := w.src.Element(i)
		if slices.Contains(want.Names, e.XML[el.Name.At:el.Name.To]) {
			to := el.Next
			if to < 0 {
				to = all
			}
			w.chunks = append(w.chunks, chunk{i, to})
		}
		i = el.Next
	}
	if len(w.chunks) == 0 {
		return dst
	}
	return w.append(dst, "detail", false)
}

// append writes the tree: a root of that name, if it has one, and the chunks
// below it. whole says that the root's raw form and text are there too.
func (w *treeWriter) append(dst []byte, root string, whole bool) []byte {
	start := len(dst)
	nodes, attrs := 0, 0
	if root != "" {
		nodes = 1
	}
	for _, c := range w.chunks {
		nodes += c.to - c.at
		attrs += w.attrsOf(c)
	}
	dst = extend(dst, treeHeader+nodes*treeNode+attrs*treeAttr)
	f := treeFill{w: w, start: start, node: start + treeHeader}
	f.attr = f.node + nodes*treeNode
	put16(dst[start+4:], treeVersion)
	put16(dst[start+6:], treeHeader)
	put32(dst[start+8:], uint32(nodes))
	put32(dst[start+12:], uint32(attrs))

	if root != "" {
		dst = f.root(dst, root, nodes, whole)
	}
	for _, c := range w.chunks {
		dst = f.chunk(dst, c, whole)
	}
	put32(dst[start:], uint32(len(dst)-start))
	return dst
}

func (w *treeWriter) attrsOf(c chunk) int {
	if c.to == c.at {
		return 0
	}
	return w.src.Element(c.to-1).AttrTo - w.src.Element(c.at).AttrAt
}

// treeFill is where the next node and attribute go.
type treeFill struct {
	w          *treeWriter
	start      int // of the tree
	node, attr int // in dst
	nodes      int // written
	attrs      int
	shift      int // from a place in the source to one in the tree
}

func (f *treeFill) root(dst []byte, name string, nodes int, whole bool) []byte {
	n := dst[f.node : f.node+treeNode]
	n[32] = byte(NodeElement)
	put32(n[24:], uint32(nodes))
	pair(n, 0, len(dst)-f.start, len(name))
	dst = append(dst, name...)
	if whole {
		el := f.w.src.Element(0)
		f.shift = len(dst) - f.start - int(el.All.At)
		pair(dst[f.node:], 16, len(dst)-f.start, int(el.All.To-el.All.At))
		dst = append(dst, f.w.src.Source()[el.All.At:el.All.To]...)
		dst = f.text(dst, f.node, 0, el)
	}
	f.node += treeNode
	f.nodes++
	return dst
}

// chunk writes the nodes and attributes of c. Their text is copied first unless
// whole says that it is there.
func (f *treeFill) chunk(dst []byte, c chunk, whole bool) []byte {
	if c.to == c.at {
		return dst
	}
	w, src := f.w, f.w.src.Source()
	if first := w.src.Element(c.at); !whole {
		f.shift = len(dst) - f.start - int(first.All.At)
		dst = append(dst, src[first.All.At:first.All.To]...)
	}
	back := f.nodes - c.at // from a number in the source to one in the tree
	first := f.node - c.at*treeNode
	w.open = w.open[:0]
	for i := c.at; i < c.to; i++ {
		el := w.src.Element(i)
		for n := len(w.open); n > 0 && w.src.Element(int(w.open[n-1])).All.To <= el.All.At; n-- {
			put32(dst[first+int(w.open[n-1])*treeNode+24:], uint32(i+back))
			w.open = w.open[:n-1]
		}
		w.open = append(w.open, int32(i))

		n := dst[f.node : f.node+treeNode]
		pair(n, 0, int(el.Name.At)+f.shift, int(el.Name.To-el.Name.At))
		pair(n, 16, int(el.All.At)+f.shift, int(el.All.To-el.All.At))
		put32(n[28:], uint32(f.attrs))
		n[32] = byte(NodeElement)
		dst = f.text(dst, f.node, i, el)
		for a := el.AttrAt; a < el.AttrTo; a++ {
			dst = f.attribute(dst, a)
		}
		f.node += treeNode
	}
	f.nodes += c.to - c.at
	for _, i := range w.open {
		put32(dst[first+int(i)*treeNode+24:], uint32(f.nodes))
	}
	return dst
}

func (f *treeFill) text(dst []byte, node, i int, el cot.Element) []byte {
	if el.Body.At == el.Body.To {
		return dst
	}
	if f.w.src.PlainBody(el) {
		pair(dst[node:], 8, int(el.Body.At)+f.shift, int(el.Body.To-el.Body.At))
		return dst
	}
	from := len(dst)
	dst = f.w.src.AppendText(dst, i)
	pair(dst[node:], 8, from-f.start, len(dst)-from)
	return dst
}

func (f *treeFill) attribute(dst []byte, i int) []byte {
	a := f.w.src.Attribute(i)
	pair(dst[f.attr:], 0, int(a.Name.At)+f.shift, int(a.Name.To-a.Name.At))
	if !a.Coded {
		pair(dst[f.attr:], 8, int(a.Value.At)+f.shift, int(a.Value.To-a.Value.At))
	} else {
		from := len(dst)
		dst = f.w.src.AppendValue(dst, i)
		pair(dst[f.attr:], 8, from-f.start, len(dst)-from)
	}
	f.attr += treeAttr
	f.attrs++
	return dst
}
