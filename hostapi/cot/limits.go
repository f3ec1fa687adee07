package cot

// Limits bound what one event may be. A field of zero or less stands for that
// of DefaultLimits.
type Limits struct {
	Size  int // bytes of one event; at most 1 GiB
	Depth int // elements inside one another, event included
	Attrs int // attributes of one element
}

// DefaultLimits is what Scan and ParseDetail work by. The size is the official
// server's (spec/tak-streaming.md 2); depth and attributes are several times
// what any known client sends. To be read only.
var DefaultLimits = Limits{Size: 8 << 20, Depth: 64, Attrs: 64}

// MaxDests is how many destinations one event may have: each is looked up and
// delivered to, so their number must be bounded by more than the event's size.
const MaxDests = 1000

// Offsets are kept as int32.
const maxSize = 1 << 30

func (l Limits) orDefault() Limits {
	if l.Size <= 0 {
		l.Size = DefaultLimits.Size
	}
	if l.Depth <= 0 {
		l.Depth = DefaultLimits.Depth
	}
	if l.Attrs <= 0 {
		l.Attrs = DefaultLimits.Attrs
	}
	l.Size = min(l.Size, maxSize)
	return l
}
