package main

import (
	"fmt"
	"strconv"
	"strings"
)

type file struct {
	messages []*message
	enums    []*enum
}

type message struct {
	name, doc string
	fields    []*field
}

type field struct {
	name, typ, doc string
	number         int
	repeated       bool
}

type enum struct {
	name, doc string
	values    []value
	used      bool // by a field
}

type value struct {
	name, doc string
	number    int
}

// parser reads tokens: words, single characters of punctuation, texts in
// quotes. Comments in front of a token are kept for whom they describe.
type parser struct {
	src  string
	at   int
	line int
	tok  string // empty at the end
	doc  string // the comment lines directly in front of tok
}

func parse(src string) (f *file, err error) {
	p := &parser{src: src, line: 1}
	defer func() {
		if e, ok := recover().(syntaxError); ok {
			f, err = nil, fmt.Errorf("line %d: %s", p.line, string(e))
		}
	}()
	p.next()
	f = p.file()
	return f, f.check()
}

type syntaxError string

func (p *parser) fail(format string, args ...any) { panic(syntaxError(fmt.Sprintf(format, args...))) }

func (p *parser) next() string {
	last := p.tok
	p.doc = ""
	blank := 0
	for p.at < len(p.src) {
		rest := p.src[p.at:]
		switch c := rest[0]; {
		case c == '\n':
			p.line++
			p.at++
			if blank++; blank > 1 {
				p.doc = "" // a comment apart from what follows describes nothing
			}
		case c == ' ', c == '\t', c == '\r':
			p.at++
		case strings.HasPrefix(rest, "//"):
			text, _, _ := strings.Cut(rest, "\n")
			p.doc += strings.TrimSpace(strings.TrimPrefix(text, "//")) + "\n"
			p.at += len(text)
			blank = 0
		default:
			n := 1
			switch {
			case isWord(c):
				for n < len(rest) && isWord(rest[n]) {
					n++
				}
			case c == '"':
				end := strings.IndexByte(rest[1:], '"')
				if end < 0 {
					p.fail("a text without its end")
				}
				n = end + 2
			}
			p.tok = rest[:n]
			p.at += n
			return last
		}
	}
	p.tok = ""
	return last
}

func isWord(c byte) bool {
	return c == '_' || c == '.' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

func (p *parser) want(tok string) {
	if p.tok != tok {
		p.fail("got %q, want %q", p.tok, tok)
	}
	p.next()
}

func (p *parser) word() string {
	if p.tok == "" || !isWord(p.tok[0]) {
		p.fail("got %q, want a name", p.tok)
	}
	return p.next()
}

func (p *parser) number() int {
	n, err := strconv.ParseInt(p.tok, 0, 32)
	if err != nil || n < 0 {
		p.fail("got %q, want a number", p.tok)
	}
	p.next()
	return int(n)
}

func (p *parser) file() *file {
	f := &file{}
	for p.tok != "" {
		doc := p.doc
		switch kind := p.word(); kind {
		case "syntax":
			p.want("=")
			p.want(`"proto3"`)
			p.want(";")
		case "package":
			p.word()
			p.want(";")
		case "message":
			f.messages = append(f.messages, p.message(doc))
		case "enum":
			f.enums = append(f.enums, p.enum(doc))
		case "service":
			p.service()
		default:
			p.fail("%q is not known here", kind)
		}
	}
	return f
}

func (p *parser) service() {
	p.word()
	p.want("{")
	for p.tok != "}" {
		if p.tok == "" || p.tok == "{" {
			p.fail("service without its end")
		}
		p.next()
	}
	p.want("}")
}

func (p *parser) message(doc string) *message {
	m := &message{doc: doc, name: p.word()}
	p.want("{")
	for p.tok != "}" {
		f := &field{doc: p.doc}
		if f.typ = p.word(); f.typ == "repeated" {
			f.repeated = true
			f.typ = p.word()
		}
		f.name = p.word()
		p.want("=")
		f.number = p.number()
		p.want(";")
		m.fields = append(m.fields, f)
	}
	p.want("}")
	return m
}

func (p *parser) enum(doc string) *enum {
	e := &enum{doc: doc, name: p.word()}
	p.want("{")
	for p.tok != "}" {
		v := value{doc: p.doc}
		v.name = p.word()
		p.want("=")
		v.number = p.number()
		p.want(";")
		e.values = append(e.values, v)
	}
	p.want("}")
	return e
}

// check finds what would make code that does not compile, or is wrong.
func (f *file) check() error {
	names := map[string]bool{}
	for _, e := range f.enums {
		if names[e.name] {
			return fmt.Errorf("%s is there twice", e.name)
		}
		names[e.name] = true
		if len(e.values) == 0 || e.values[0].number != 0 {
			return fmt.Errorf("enum %s does not begin with 0", e.name)
		}
	}
	for _, m := range f.messages {
		if names[m.name] {
			return fmt.Errorf("%s is there twice", m.name)
		}
		names[m.name] = true
	}
	for _, m := range f.messages {
		fields, numbers := map[string]bool{}, map[int]bool{}
		for _, fl := range m.fields {
			if fields[fl.name] || numbers[fl.number] {
				return fmt.Errorf("%s.%s: name or number is there twice", m.name, fl.name)
			}
			fields[fl.name], numbers[fl.number] = true, true
			if fl.number < 1 || fl.number > 1<<29-1 {
				return fmt.Errorf("%s.%s: no field number: %d", m.name, fl.name, fl.number)
			}
			if scalars[fl.typ].goType == "" && !names[fl.typ] {
				return fmt.Errorf("%s.%s: type %s is not known", m.name, fl.name, fl.typ)
			}
			for _, e := range f.enums {
				e.used = e.used || e.name == fl.typ
			}
		}
	}
	return nil
}
