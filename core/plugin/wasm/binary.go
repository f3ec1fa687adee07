package wasm

import (
	"errors"
	"fmt"
	"unicode/utf8"
)

// Numbers of the binary format (WebAssembly core specification 2.0, 5).
const (
	sectionType   = 1
	sectionImport = 2
	sectionFunc   = 3
	sectionTable  = 4
	sectionMemory = 5
	sectionExport = 7
	sectionCode   = 10
	sectionTag    = 13

	kindFunc   = 0
	kindTable  = 1
	kindMemory = 2
	kindGlobal = 3

	i32 = "\x7f"
	i64 = "\x7e"

	limitMax    = 1 << 0 // a maximum follows
	limitShared = 1 << 1
	limit64     = 1 << 2

	formFunc    = 0x60
	refFunc     = 0x70
	refExtern   = 0x6f
	versionCore = 1
)

var (
	errCut  = errors.New("it ends in the middle")
	errLong = errors.New("a number in it is too long")
)

// signature is the type of a function: the bytes of the types that it takes and
// gives.
type signature struct{ params, results string }

func (s signature) String() string { return typeNames(s.params) + " → " + typeNames(s.results) }

func typeNames(types string) string {
	out := "("
	for i := range len(types) {
		if i > 0 {
			out += ", "
		}
		switch types[i : i+1] {
		case i32:
			out += "i32"
		case i64:
			out += "i64"
		case "\x7d":
			out += "f32"
		case "\x7c":
			out += "f64"
		case "\x7b":
			out += "v128"
		default:
			out += "ref"
		}
	}
	return out + ")"
}

// imported is one import.
type imported struct {
	module, name string
	kind         byte
	typ          uint32 // of a function
}

// exported is one export.
type exported struct {
	kind  byte
	index uint32
}

// limits are those of a memory, in pages, or of a table, in elements.
type limits struct {
	flags    byte
	min, max uint64
	ref      byte // of a table: what its elements are
}

// layout is what this package looks at in a module. wazero validates the rest.
type layout struct {
	types    []signature
	imports  []imported
	funcs    []uint32 // types of the module's own functions
	tables   []limits
	memories []limits
	exports  map[string]exported
	tags     bool

	tableFrom, tableTo int // the section of the tables, with its head
	dataFrom, dataTo   int // that of the data
	dataCount          bool
}

// scanner reads numbers and names. After an error it gives zeros.
type scanner struct {
	b   []byte
	at  int
	err error
}

func (s *scanner) fail(err error) {
	if s.err == nil {
		s.err = err
	}
	s.at = len(s.b)
}

func (s *scanner) byte() byte {
	if s.at >= len(s.b) {
		s.fail(errCut)
		return 0
	}
	s.at++
	return s.b[s.at-1]
}

// number reads an unsigned LEB128 of up to 64 bits.
func (s *scanner) number() uint64 {
	var v uint64
	for shift := 0; shift < 64; shift += 7 {
		c := s.byte()
		v |= uint64(c&0x7f) << shift
		if c < 0x80 {
			return v
		}
	}
	s.fail(errLong)
	return 0
}

func (s *scanner) u32() uint32 {
	v := s.number()
	if v > 1<<32-1 {
		s.fail(errors.New("a number in it is too large"))
		return 0
	}
	return uint32(v)
}

func (s *scanner) bytes(n uint32) []byte {
	if uint64(n) > uint64(len(s.b)-s.at) {
		s.fail(errCut)
		return nil
	}
	s.at += int(n)
	return s.b[s.at-int(n) : s.at]
}

func (s *scanner) name() string {
	b := s.bytes(s.u32())
	if !utf8.Valid(b) {
		s.fail(errors.New("a name in it is not UTF-8"))
		return ""
	}
	return string(b)
}

// more counts down over the entries of a list, which take a byte each at least.
func (s *scanner) more(n *uint32) bool {
	if s.err != nil || *n == 0 {
		return false
	}
	*n--
	return true
}

// parse reads the parts of a module that layout has.
func parse(module []byte) (*layout, error) {
	s := &scanner{b: module}
	if string(s.bytes(4)) != "\x00asm" || s.err != nil {
		return nil, errors.New("this is no WebAssembly module")
	}
	version := uint32(0)
	for shift := 0; shift < 32; shift += 8 {
		version |= uint32(s.byte()) << shift
	}
	switch {
	case s.err != nil:
		return nil, fmt.Errorf("the module cannot be read: %w", s.err)
	case version != versionCore && version>>16 != 0: // the upper half is the layer: 1 in components
		return nil, errors.New("this is a component: build a core module, for Go with GOOS=wasip1 GOARCH=wasm and -buildmode=c-shared, for other languages without the step that makes a component")
	case version != versionCore:
		return nil, fmt.Errorf("the module has version %d of the binary format: only version 1 is known", version)
	}
	l := &layout{exports: map[string]exported{}}
	seen := uint64(0)
	for s.at < len(s.b) && s.err == nil {
		from := s.at
		id := s.byte()
		body := &scanner{b: s.bytes(s.u32())}
		if s.err != nil {
			break
		}
		// Custom sections aside, wazero takes the last of several of a kind.
		if id != 0 && seen>>(id&63)&1 != 0 {
			return nil, fmt.Errorf("the module cannot be read: it has two sections of the kind %d", id)
		}
		seen |= 1 << (id & 63)
		switch id {
		case sectionTable:
			l.tableFrom, l.tableTo = from, s.at
		case sectionData:
			l.dataFrom, l.dataTo = from, s.at
		case sectionDataCount:
			l.dataCount = true
		}
		l.section(id, body)
		if body.err != nil {
			s.fail(body.err)
		}
	}
	if s.err != nil {
		return nil, fmt.Errorf("the module cannot be read: %w", s.err)
	}
	return l, nil
}
