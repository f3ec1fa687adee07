package pack

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/takhost/takhost/hostapi"
)

// moduleFaults reads the sections of a WASM module that say what it wants of the
// host and gives to it, and tells what does not fit the ABI (hostapi/abi.go). The
// code itself is left to the runtime.
func moduleFaults(b []byte) []string {
	if len(b) < 8 || string(b[:4]) != "\x00asm" {
		return []string{"is no WebAssembly module"}
	}
	// A component has a version of its own in the same place, and a 1 behind it.
	if b[6] != 0 || b[7] != 0 {
		return []string{"is a component: build a core module instead (takhost does not run WASI components)"}
	}
	if b[4] != 1 || b[5] != 0 {
		return []string{fmt.Sprintf("has the WebAssembly version %d: 1 is supported", b[4])}
	}
	m := &module{}
	if err := m.read(b[8:]); err != nil {
		return []string{"is damaged: " + err.Error()}
	}
	return m.faults
}

// module is what the reader of sections has seen.
type module struct {
	types    []string // of functions: "(i32 i32) -> (i64)"
	funcs    []uint32 // types of imported, then of own functions
	memories int
	exports  map[string]bool
	faults   []string
}

var errTruncated = errors.New("it ends in the middle of a section")

// maxItems bounds what is remembered of one module.
const maxItems = 1 << 20

func (m *module) fault(format string, args ...any) {
	if len(m.faults) < 20 {
		m.faults = append(m.faults, fmt.Sprintf(format, args...))
	}
}

func (m *module) read(b []byte) error {
	m.exports = map[string]bool{}
	for r := (reader{b: b}); len(r.b) > 0; {
		id, size := r.byte(), r.u32()
		body := reader{b: r.bytes(size)}
		if r.bad {
			return errTruncated
		}
		read := map[byte]func(*reader){1: m.typeSection, 2: m.importSection, 3: m.functionSection, 5: m.memorySection, 7: m.exportSection}[id]
		if read == nil {
			continue
		}
		if read(&body); body.bad {
			return errTruncated
		}
	}
	m.checkExports()
	return nil
}

func (m *module) typeSection(r *reader) {
	for range r.count() {
		if form := r.byte(); form != 0x60 {
			r.bad = true // types of the GC proposal
			return
		}
		params, results := r.valueTypes(), r.valueTypes()
		m.types = append(m.types, "("+params+") -> ("+results+")")
	}
}

// Functions that the host gives, with their types.
var hostImports = map[string]string{
	hostapi.ImportCall:  "(i32 i32 i32 i32 i32) -> (i64)",
	hostapi.ImportTake:  "(i32 i32) -> (i32)",
	hostapi.ImportYield: "() -> ()",
}

func (m *module) importSection(r *reader) {
	for range r.count() {
		from, name, kind := r.name(), r.name(), r.byte()
		switch kind {
		case 0:
			t := r.u32()
			if m.funcs = append(m.funcs, t); !r.bad {
				m.checkImport(from, name, m.typeOf(t))
			}
			continue
		case 1:
			r.byte()
			r.limits()
		case 2:
			r.limits()
			m.memories++
			m.fault("imports its memory: a plugin brings and exports its own")
		case 3:
			r.bytes(2)
		default:
			r.bad = true
		}
		if r.bad {
			return
		}
		if kind != 2 {
			m.fault("imports %s of %s, which is no function: there are none but %s of %s and wasi_snapshot_preview1",
				show(name), show(from), hostNames(), hostapi.ImportModule)
		}
	}
}

func (m *module) checkImport(from, name, t string) {
	switch want, known := hostImports[name]; {
	case from == "wasi_snapshot_preview1":
	case from == hostapi.ImportModule && !known:
		m.fault("imports %s of %s: there are %s", show(name), from, hostNames())
	case from == hostapi.ImportModule && want != t:
		m.fault("imports %s of %s as %s: it is %s", name, from, t, want)
	case from == hostapi.ImportModule:
	case strings.HasPrefix(from, "tak") && strings.Trim(from[3:], "0123456789") == "" && from != "tak":
		m.fault("is built for the plugin contract %s, and this server speaks %s", from, hostapi.ImportModule)
	case from == "wasi_unstable" || strings.HasPrefix(from, "wasi:"):
		m.fault("imports %s of %s: of WASI there is wasi_snapshot_preview1 alone", show(name), show(from))
	default:
		m.fault("imports %s of %s, which nobody gives: a plugin may import %s of %s and wasi_snapshot_preview1",
			show(name), show(from), hostNames(), hostapi.ImportModule)
	}
}

func hostNames() string {
	return strings.Join([]string{hostapi.ImportCall, hostapi.ImportTake, hostapi.ImportYield}, ", ")
}

func (m *module) functionSection(r *reader) {
	for range r.count() {
		m.funcs = append(m.funcs, r.u32())
	}
}

func (m *module) memorySection(r *reader) {
	for range r.count() {
		m.memories++
		switch flags := r.limits(); {
		case flags&4 != 0:
			m.fault("has a 64-bit memory: build it for wasm32")
		case flags&2 != 0:
			m.fault("has a shared memory: build it without threads")
		}
	}
	if m.memories > 1 {
		m.fault("has %d memories: exactly one", m.memories)
	}
}

// Functions that a plugin must have, with their types, beside its memory.
var guestExports = []struct{ name, want string }{
	{hostapi.ExportABI, "() -> (i32)"},
	{hostapi.ExportBuffer, "(i32) -> (i32)"},
	{hostapi.ExportCall, "(i32 i32) -> (i64)"},
}

func (m *module) exportSection(r *reader) {
	for range r.count() {
		name, kind, at := r.name(), r.byte(), r.u32()
		if r.bad {
			return
		}
		if kind == 2 && name == hostapi.ExportMemory {
			m.exports[name] = true
		}
		if kind != 0 {
			continue
		}
		m.exports[name] = true
		t := ""
		if int64(at) < int64(len(m.funcs)) {
			t = m.typeOf(m.funcs[at])
		}
		want := ""
		if name == hostapi.ExportStart {
			want = "() -> ()"
		}
		if i := slices.IndexFunc(guestExports, func(e struct{ name, want string }) bool { return e.name == name }); i >= 0 {
			want = guestExports[i].want
		}
		if want != "" && t != want {
			m.fault("exports %s as %s: it must be %s", name, t, want)
		}
	}
}

func (m *module) checkExports() {
	var missing []string
	if !m.exports[hostapi.ExportMemory] {
		missing = append(missing, hostapi.ExportMemory)
	}
	for _, e := range guestExports {
		if !m.exports[e.name] {
			missing = append(missing, e.name)
		}
	}
	switch {
	case len(missing) == 0:
	case m.exports["_start"] && len(missing) >= len(guestExports):
		m.fault("is a program, not a library: build it as a reactor (Go: -buildmode=c-shared, C: -mexec-model=reactor)")
	default:
		m.fault("does not export %s", strings.Join(missing, ", "))
	}
}

func (m *module) typeOf(i uint32) string {
	if int64(i) >= int64(len(m.types)) {
		return "a type that is not there"
	}
	return m.types[i]
}

// reader reads the parts of a section. After the first that is not there it is
// bad and gives zeros.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) byte() byte {
	if len(r.b) == 0 {
		r.bad = true
		return 0
	}
	c := r.b[0]
	r.b = r.b[1:]
	return c
}

// u32 reads LEB128, also of 64 bits where a limit has them.
func (r *reader) u32() uint32 {
	var v uint64
	for shift := 0; shift < 70; shift += 7 {
		c := r.byte()
		if shift < 64 {
			v |= uint64(c&0x7f) << shift
		}
		if c&0x80 == 0 {
			return uint32(min(v, 1<<32-1))
		}
	}
	r.bad = true
	return 0
}

func (r *reader) bytes(n uint32) []byte {
	if int64(n) > int64(len(r.b)) {
		r.bad = true
		r.b = nil
		return nil
	}
	b := r.b[:n]
	r.b = r.b[n:]
	return b
}

func (r *reader) name() string { return string(r.bytes(r.u32())) }

// count is the length of a list, which cannot have more items than bytes follow.
func (r *reader) count() uint32 {
	n := r.u32()
	if int64(n) > int64(len(r.b)) || n > maxItems {
		r.bad = true
		return 0
	}
	return n
}

func (r *reader) limits() (flags byte) {
	flags = r.byte()
	r.u32()
	if flags&1 != 0 {
		r.u32()
	}
	return flags
}

var valueTypeNames = map[byte]string{0x7f: "i32", 0x7e: "i64", 0x7d: "f32", 0x7c: "f64", 0x7b: "v128", 0x70: "funcref", 0x6f: "externref"}

func (r *reader) valueTypes() string {
	var names []string
	for _, c := range r.bytes(r.u32()) {
		name := valueTypeNames[c]
		if name == "" {
			name = "?"
		}
		names = append(names, name)
	}
	return strings.Join(names, " ")
}
