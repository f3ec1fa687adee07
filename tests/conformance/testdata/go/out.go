package main

import (
	"encoding/hex"
	"strconv"

	"github.com/takhost/takhost/sdk"
)

// out is text that the cases compare: fields with a bar behind each.
type out struct{ b []byte }

func (o *out) fields(texts ...string) *out {
	for _, s := range texts {
		o.b = append(append(o.b, s...), '|')
	}
	return o
}

func (o *out) number(n int64) *out    { return o.fields(strconv.FormatInt(n, 10)) }
func (o *out) unsigned(n uint64) *out { return o.fields(strconv.FormatUint(n, 10)) }
func (o *out) hex(b []byte) *out      { return o.fields(hex.EncodeToString(b)) }

// dump writes a tree: kind, name, attributes, text, and the nodes below.
func (o *out) dump(n sdk.Node) *out {
	o.b = append(append(strconv.AppendInt(o.b, int64(n.Kind()), 10), ':'), n.Name()...)
	o.b = append(o.b, '{')
	for _, name := range []string{"callsign", "name", "role", "empty", "none"} {
		if value, ok := n.Attr(name); ok {
			o.b = append(append(append(append(o.b, name...), '='), value...), ',')
		}
	}
	o.b = append(append(o.b, '}'), n.Text()...)
	for c := range n.Children() {
		o.b = append(o.b, '[')
		o.dump(c)
		o.b = append(o.b, ']')
	}
	return o
}
