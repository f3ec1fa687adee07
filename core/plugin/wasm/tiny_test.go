package wasm

import (
	"io/fs"
	"path/filepath"
	"testing"
)

// tinyModule makes the smallest plugin, changed in what a test is about. Its
// functions have one instruction.
type tinyModule struct {
	version string   // empty: that of a core module
	types   []string // more types, from number 4 on
	imports []string
	tables  []string
	memory  []string // nil: one of 2 pages
	drop    string   // export that it does not have
	exports []string // more exports
	abi     string   // body of tak_abi
	buf     string   // body of tak_buf
	call    string   // body of tak_call; its answer is the byte at 0, which is zero
	start   string   // body of a function that starts the module; empty: none
	last    string   // sections at the end
}

// sectionStart names the function that starts a module.
const sectionStart = 8

// Types 0 to 3 of a tinyModule, those of its functions.
const (
	typeStart  = "\x60\x00\x00"
	typeABI    = "\x60\x00\x01\x7f"
	typeBuffer = "\x60\x01\x7f\x01\x7f"
	typeCall   = "\x60\x02\x7f\x7f\x01\x7e"
)

// Bodies of functions.
const (
	bodyEnd  = "\x0b"
	bodyTrap = "\x00"
	bodyLoop = "\x03\x40\x0c\x00\x0b" // loop, br 0, end
)

func (m tinyModule) bytes() []byte {
	or := func(s, otherwise string) string {
		if s == "" {
			return otherwise
		}
		return s
	}
	out := []byte("\x00asm" + or(m.version, "\x01\x00\x00\x00"))
	section := func(id byte, entries ...string) {
		if len(entries) == 0 {
			return
		}
		body := appendNumber(nil, uint64(len(entries)))
		for _, e := range entries {
			body = append(body, e...)
		}
		out = append(appendNumber(append(out, id), uint64(len(body))), body...)
	}
	if m.memory == nil {
		m.memory = []string{"\x00\x02"}
	}
	section(sectionType, append([]string{typeStart, typeABI, typeBuffer, typeCall}, m.types...)...)
	section(sectionImport, m.imports...)
	section(sectionFunc, "\x01", "\x02", "\x03", "\x00")
	section(sectionTable, m.tables...)
	section(sectionMemory, m.memory...)
	functions := byte(0)
	for _, i := range m.imports {
		if i[len(i)-2] == kindFunc {
			functions++
		}
	}
	exports := m.exports
	for i, name := range []string{"tak_abi", "tak_buf", "tak_call", "tak_start"} {
		if name != m.drop {
			exports = append(exports, named(name)+"\x00"+string(functions+byte(i)))
		}
	}
	if m.drop != "memory" {
		exports = append(exports, named("memory")+"\x02\x00")
	}
	section(sectionExport, exports...)
	if m.start != "" {
		out = append(out, sectionStart, 1, functions+3)
	}
	body := func(code string) string {
		code = "\x00" + code + bodyEnd // no locals
		return string(appendNumber(nil, uint64(len(code)))) + code
	}
	section(sectionCode,
		body(or(m.abi, "\x41\x80\x80\x04")), // i32.const 65536
		body(or(m.buf, "\x41\x08")),         // i32.const 8
		body(or(m.call, "\x42\x01")),        // i64.const 1: one byte at 0
		body(m.start))
	return append(out, m.last...)
}

// named is a name as the binary format has it, below 128 bytes.
func named(s string) string { return string(rune(len(s))) + s }

// cached gives the files of a cache folder.
func cached(t *testing.T, dir string) (files []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			files = append(files, filepath.ToSlash(path))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}
