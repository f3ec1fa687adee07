package tree

import (
	"strconv"
)

// Limits bound a document. A field of zero or less stands for that of
// DefaultLimits.
type Limits struct {
	Size  int // bytes
	Depth int // values or elements inside one another
	Nodes int // values or elements; each costs 36 bytes and more in the tree
}

// DefaultLimits serve request bodies. To be read only.
var DefaultLimits = Limits{Size: 1 << 20, Depth: 64, Nodes: 100_000}

func (l Limits) orDefault() Limits {
	if l.Size <= 0 {
		l.Size = DefaultLimits.Size
	}
	if l.Depth <= 0 {
		l.Depth = DefaultLimits.Depth
	}
	if l.Nodes <= 0 {
		l.Nodes = DefaultLimits.Nodes
	}
	return l
}

// Error says what is wrong with a document. It repeats nothing of it but a
// short key, so it may be logged and sent back.
type Error struct {
	Offset int // bytes from the start of the document
	Msg    string
	Limit  bool // well-formed up to there, but more than Limits allow
}

func (e *Error) Error() string { return "byte " + strconv.Itoa(e.Offset) + ": " + e.Msg }

const bom = "\xef\xbb\xbf"
