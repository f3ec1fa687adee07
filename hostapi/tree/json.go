package tree

import (
	"bytes"
	"strconv"
	"unicode/utf8"

	"github.com/takhost/takhost/hostapi"
)

// AppendJSON appends the tree of a JSON document by DefaultLimits: see
// [Limits.AppendJSON].
func AppendJSON(dst, doc []byte) ([]byte, error) { return DefaultLimits.AppendJSON(dst, doc) }

// AppendJSON appends the tree of a JSON document. A byte order mark in front is
// passed over. A lone half of a surrogate pair, which JavaScript can produce,
// reads as U+FFFD. The error is an *Error; dst is then given back as it was.
func (l Limits) AppendJSON(dst, doc []byte) ([]byte, error) {
	l = l.orDefault()
	if len(doc) > l.Size {
		return dst, &Error{Offset: l.Size, Msg: "document is too long", Limit: true}
	}
	p := jsonParser{limits: l, doc: doc, at: len(doc) - len(bytes.TrimPrefix(doc, []byte(bom)))}
	p.nodes = make([]hostapi.TreeNode, 0, min(l.Nodes, 8+bytes.Count(doc, []byte{','})))
	if p.value(hostapi.Span{}, 0); p.err == nil {
		if p.space(); p.at < len(doc) {
			p.fail("more text after the end of the value")
		}
	}
	if p.err != nil {
		return dst, p.err
	}
	texts := doc
	if len(p.decoded) > 0 {
		texts = append(append(make([]byte, 0, len(doc)+len(p.decoded)), doc...), p.decoded...)
	}
	return hostapi.AppendTree(dst, p.nodes, nil, texts), nil
}

type jsonParser struct {
	limits  Limits
	doc     []byte
	at      int
	nodes   []hostapi.TreeNode
	decoded []byte // strings with escapes; they lie behind doc
	err     *Error
}

func (p *jsonParser) fail(msg string) bool {
	p.err = &Error{Offset: p.at, Msg: msg}
	return false
}

func (p *jsonParser) space() {
	for p.at < len(p.doc) {
		switch p.doc[p.at] {
		case ' ', '\t', '\n', '\r':
			p.at++
		default:
			return
		}
	}
}

// peek gives the next byte that is not space, 0 at the end.
func (p *jsonParser) peek() byte {
	p.space()
	if p.at < len(p.doc) {
		return p.doc[p.at]
	}
	return 0
}

// value reads one value and what is in it.
func (p *jsonParser) value(name hostapi.Span, depth int) bool {
	c := p.peek()
	if depth >= p.limits.Depth {
		p.err = &Error{Offset: p.at, Msg: "values nested too deep", Limit: true}
		return false
	}
	i := len(p.nodes)
	if i >= p.limits.Nodes {
		p.err = &Error{Offset: p.at, Msg: "too many values", Limit: true}
		return false
	}
	from := p.at
	p.nodes = append(p.nodes, hostapi.TreeNode{Name: name})
	var kind hostapi.NodeKind
	var text hostapi.Span
	ok := false
	switch {
	case c == '{':
		kind, ok = hostapi.NodeObject, p.object(depth)
	case c == '[':
		kind, ok = hostapi.NodeArray, p.array(depth)
	case c == '"':
		kind = hostapi.NodeString
		text, ok = p.str()
	case c == '-' || c >= '0' && c <= '9':
		kind, ok = hostapi.NodeNumber, p.number()
		text = hostapi.Span{At: from, To: p.at}
	case p.word("true") || p.word("false"):
		kind, ok = hostapi.NodeBool, true
		text = hostapi.Span{At: from, To: p.at}
	case p.word("null"):
		kind, ok = hostapi.NodeNull, true
	case from == len(p.doc):
		p.fail("document ends where a value should be")
	default:
		p.fail("no JSON value")
	}
	n := &p.nodes[i]
	n.Kind, n.Text, n.Raw, n.End = kind, text, hostapi.Span{At: from, To: p.at}, len(p.nodes)
	return ok
}

func (p *jsonParser) word(w string) bool {
	if !bytes.HasPrefix(p.doc[p.at:], []byte(w)) {
		return false
	}
	p.at += len(w)
	return true
}

func (p *jsonParser) array(depth int) bool {
	p.at++
	if p.peek() == ']' {
		p.at++
		return true
	}
	for p.value(hostapi.Span{}, depth+1) {
		switch p.peek() {
		case ',':
			p.at++
		case ']':
			p.at++
			return true
		default:
			return p.fail("neither , nor ] after a value")
		}
	}
	return false
}

func (p *jsonParser) object(depth int) bool {
	p.at++
	if p.peek() == '}' {
		p.at++
		return true
	}
	var seen keySet
	for {
		if p.peek() != '"' {
			return p.fail("no key in quotes in an object")
		}
		at := p.at
		name, ok := p.str()
		if !ok {
			return false
		}
		if key := p.text(name); !seen.add(key) {
			p.at = at
			return p.fail("the same key twice: " + strconv.Quote(clip(key)))
		}
		if p.peek() != ':' {
			return p.fail("no : after a key")
		}
		p.at++
		if !p.value(name, depth+1) {
			return false
		}
		switch p.peek() {
		case ',':
			p.at++
		case '}':
			p.at++
			return true
		default:
			return p.fail("neither , nor } after a value")
		}
	}
}

// keySet finds a key that is there twice: by comparison while there are few,
// then with a map, so that a large object costs no more than its size.
type keySet struct {
	few  []string
	many map[string]bool
}

func (s *keySet) add(key string) bool {
	if s.many != nil {
		if s.many[key] {
			return false
		}
		s.many[key] = true
		return true
	}
	for _, k := range s.few {
		if k == key {
			return false
		}
	}
	if s.few = append(s.few, key); len(s.few) > 16 {
		s.many = make(map[string]bool, 64)
		for _, k := range s.few {
			s.many[k] = true
		}
	}
	return true
}

// clip cuts a key to what an error message may hold of it.
func clip(key string) string {
	const most = 32
	if len(key) <= most {
		return key
	}
	n := most
	for n > 0 && !utf8.RuneStart(key[n]) {
		n--
	}
	return key[:n] + "…"
}
