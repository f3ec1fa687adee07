package manifest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"

	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/tree"
)

// Parse reads a manifest. The error is Faults when it is JSON, and else says
// where it is not.
func Parse(doc []byte) (*Manifest, error) {
	b, err := tree.Limits{Size: MaxSize, Depth: 32}.AppendJSON(nil, doc)
	if err != nil {
		var at *tree.Error
		if errors.As(err, &at) {
			line, col := place(doc, at.Offset)
			return nil, fmt.Errorf("%s:%d:%d: %s", FileName, line, col, at.Msg)
		}
		return nil, fmt.Errorf("read %s: %w", FileName, err)
	}
	return FromTree(plain(hostapi.Tree(b).Root()))
}

// place turns an offset into line and column, both from 1 on.
func place(doc []byte, offset int) (line, col int) {
	before := doc[:offset]
	return 1 + bytes.Count(before, []byte{'\n'}), offset - bytes.LastIndexByte(before, '\n')
}

// plain gives the form in which decoders without types give a document. Depth is
// bounded by whoever made the tree.
func plain(n hostapi.Node) any {
	switch n.Kind() {
	case hostapi.NodeObject:
		m := map[string]any{}
		for c := range n.Children() {
			m[c.Name()] = plain(c)
		}
		return m
	case hostapi.NodeArray:
		l := []any{}
		for c := range n.Children() {
			l = append(l, plain(c))
		}
		return l
	case hostapi.NodeString:
		return n.Text()
	case hostapi.NodeNumber:
		return json.Number(n.Text())
	case hostapi.NodeBool:
		v, _ := n.Bool() // the kind says that it is one
		return v
	}
	return nil
}

// FromTree reads a manifest from a decoded form: map[string]any, []any, string,
// bool, nil and numbers of the kinds that JSON and YAML decoders give. The error
// is Faults.
func FromTree(v any) (*Manifest, error) {
	m := &Manifest{}
	var f faults
	object(&f, "", v, reflect.ValueOf(m).Elem())
	if _, ok := v.(map[string]any); ok {
		f.unread = f.list
		m.check(&f)
	}
	if err := f.err(); err != nil {
		return nil, err
	}
	return m, nil
}
