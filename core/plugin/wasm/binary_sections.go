package wasm

import "fmt"

// Bounds of what a module may declare. Each of these is memory of the host that
// a few bytes of a module ask for.
const (
	maxLocals = 50_000  // of one function; other engines have the same bound
	maxTable  = 1 << 18 // elements of a table, 8 bytes each
	maxTables = 16
)

// section reads one section, if it is one of those that matter here.
func (l *layout) section(id byte, s *scanner) {
	switch id {
	case sectionType:
		for n := s.u32(); s.more(&n); {
			if form := s.byte(); form != formFunc {
				s.fail(fmt.Errorf("a type in it has the form 0x%x: types of the garbage collection proposal are not supported", form))
				return
			}
			l.types = append(l.types, signature{params: string(s.bytes(s.u32())), results: string(s.bytes(s.u32()))})
		}
	case sectionImport:
		for n := s.u32(); s.more(&n); {
			l.imports = append(l.imports, s.imported())
		}
	case sectionFunc:
		for n := s.u32(); s.more(&n); {
			l.funcs = append(l.funcs, s.u32())
		}
	case sectionTable:
		for n := s.u32(); s.more(&n); {
			l.tables = append(l.tables, s.table())
		}
	case sectionMemory:
		for n := s.u32(); s.more(&n); {
			l.memories = append(l.memories, s.limits())
		}
	case sectionExport:
		for n := s.u32(); s.more(&n); {
			name := s.name()
			l.exports[name] = exported{kind: s.byte(), index: s.u32()}
		}
	case sectionCode:
		for n := s.u32(); s.more(&n); {
			s.code()
		}
	case sectionTag:
		l.tags = true
	}
}

func (s *scanner) imported() imported {
	i := imported{module: s.name(), name: s.name(), kind: s.byte()}
	switch i.kind {
	case kindFunc:
		i.typ = s.u32()
	case kindTable:
		s.table()
	case kindMemory:
		s.limits()
	case kindGlobal:
		s.bytes(2) // type, mutability
	default:
		s.fail(fmt.Errorf("it imports something of kind %d, which is not known", i.kind))
	}
	return i
}

func (s *scanner) limits() limits {
	l := limits{flags: s.byte()}
	l.min = s.number()
	if l.flags&limitMax != 0 {
		l.max = s.number()
	}
	return l
}

func (s *scanner) table() limits {
	ref := s.byte()
	if ref != refFunc && ref != refExtern {
		s.fail(fmt.Errorf("a table in it has elements of the type 0x%x, which is not supported", ref))
		return limits{}
	}
	l := s.limits()
	l.ref = ref
	return l
}

// code looks at the locals of one function, for which wazero makes room before
// it asks whether there are too many.
func (s *scanner) code() {
	body := &scanner{b: s.bytes(s.u32())}
	total := uint64(0)
	for n := body.u32(); body.more(&n); {
		total += uint64(body.u32())
		if t := body.byte(); t == 0x63 || t == 0x64 { // a typed reference
			body.number()
		}
	}
	if body.err != nil {
		s.fail(body.err)
	}
	if total > maxLocals {
		s.fail(fmt.Errorf("a function in it has %d local variables: at most %d are possible", total, maxLocals))
	}
}

// boundTables gives every table a maximum, so that table.grow cannot take memory
// without end: wazero bounds linear memory alone.
func (l *layout) boundTables(module []byte) []byte {
	bound := true
	for _, t := range l.tables {
		bound = bound && t.flags&limitMax != 0 && t.max <= maxTable
	}
	if bound {
		return module
	}
	body := appendNumber(nil, uint64(len(l.tables)))
	for _, t := range l.tables {
		most := uint64(maxTable)
		if t.flags&limitMax != 0 {
			most = min(most, t.max)
		}
		body = append(body, t.ref, limitMax)
		body = appendNumber(appendNumber(body, t.min), most)
	}
	out := make([]byte, 0, len(module)+len(body)+8)
	out = append(append(out, module[:l.tableFrom]...), sectionTable)
	out = append(appendNumber(out, uint64(len(body))), body...)
	return append(out, module[l.tableTo:]...)
}

func appendNumber(b []byte, v uint64) []byte {
	for v >= 0x80 {
		b = append(b, byte(v)|0x80)
		v >>= 7
	}
	return append(b, byte(v))
}
