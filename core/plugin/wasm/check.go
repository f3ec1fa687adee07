package wasm

import (
	"errors"
	"fmt"
	"strings"

	"github.com/takhost/takhost/hostapi"
)

const wasiModule = "wasi_snapshot_preview1"

// exports that a plugin must have.
var exports = []struct {
	name string
	typ  signature
	need bool
}{
	{hostapi.ExportABI, signature{"", i32}, true},
	{hostapi.ExportBuffer, signature{i32, i32}, true},
	{hostapi.ExportCall, signature{i32 + i32, i64}, true},
	{hostapi.ExportStart, signature{"", ""}, false},
}

// check says all that keeps a module from being a plugin, in the words of
// someone who writes one. memory is its limit in bytes.
func (l *layout) check(memory uint64) error {
	var faults []string
	fault := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	l.checkMemory(memory, fault)
	l.checkExports(fault)
	for _, i := range l.imports {
		l.checkImport(i, fault)
	}
	if len(l.tables) > maxTables {
		fault("it has %d tables: at most %d are possible", len(l.tables), maxTables)
	}
	for _, t := range l.tables {
		if t.flags&(limitShared|limit64) != 0 {
			fault("it has a table that is shared or has 64-bit indexes, which is not supported")
		}
		if t.min > maxTable {
			fault("it has a table of %d elements: at most %d are possible", t.min, maxTable)
		}
	}
	if l.tags {
		fault("it uses WebAssembly exceptions, which are not supported: build without them (-fno-exceptions)")
	}
	if len(faults) == 0 {
		return nil
	}
	return errors.New("the module is no plugin: " + strings.Join(faults, "; "))
}

func (l *layout) checkMemory(limit uint64, fault func(string, ...any)) {
	if len(l.memories) > 1 {
		fault("it has %d memories: one is possible", len(l.memories))
	}
	for _, m := range l.memories {
		switch {
		case m.flags&limitShared != 0:
			fault("its memory is shared, so it uses threads, which are not supported: build without them (no -pthread, no atomics)")
		case m.flags&limit64 != 0:
			fault("its memory is 64-bit, which is not supported: build for wasm32")
		case m.min > limit/pageSize:
			fault("it starts with %d KiB of memory and may have %d KiB: ask for more by limits.memory in the manifest", m.min*(pageSize>>10), limit>>10)
		}
	}
	if e, ok := l.exports[hostapi.ExportMemory]; len(l.memories) > 0 && (!ok || e.kind != kindMemory) {
		fault("it does not export its memory under the name %q", hostapi.ExportMemory)
	} else if len(l.memories) == 0 {
		fault("it has no memory of its own")
	}
}

func (l *layout) checkExports(fault func(string, ...any)) {
	var missing []string
	for _, want := range exports {
		e, ok := l.exports[want.name]
		if !ok {
			if want.need {
				missing = append(missing, want.name)
			}
			continue
		}
		if e.kind != kindFunc {
			fault("its export %s is no function", want.name)
		} else if got, ok := l.typeOf(e.index); ok && got != want.typ {
			fault("its export %s has the type %v, but it must be %v", want.name, got, want.typ)
		}
	}
	_, command := l.exports["_start"]
	_, reactor := l.exports[hostapi.ExportStart]
	hint := ""
	if len(missing) > 0 && command && !reactor {
		hint = " (it is a program with a main function: build a library, for Go with -buildmode=c-shared, for C with -mexec-model=reactor or -nostartfiles)"
	}
	if len(missing) > 0 {
		fault("it does not export %s%s", strings.Join(missing, ", "), hint)
	}
}

// typeOf gives the type of a function, if the module has it.
func (l *layout) typeOf(function uint32) (signature, bool) {
	at := uint64(function)
	for _, i := range l.imports {
		if i.kind != kindFunc {
			continue
		}
		if at == 0 {
			return l.typ(i.typ)
		}
		at--
	}
	if at < uint64(len(l.funcs)) {
		return l.typ(l.funcs[at])
	}
	return signature{}, false
}

func (l *layout) typ(i uint32) (signature, bool) {
	if uint64(i) < uint64(len(l.types)) {
		return l.types[i], true
	}
	return signature{}, false
}

func (l *layout) checkImport(i imported, fault func(string, ...any)) {
	name := i.module + "." + i.name
	if i.kind != kindFunc {
		fault("it imports %s, which is no function: a plugin brings its memory, tables and globals along", name)
		return
	}
	functions := map[string]function{}
	switch i.module {
	case hostapi.ImportModule:
		functions = imports
	case wasiModule:
		functions = wasi
	}
	want, ok := functions[i.name]
	switch got, known := l.typ(i.typ); {
	case ok && known && got != want.typ:
		fault("it imports %s with the type %v, but it is %v", name, got, want.typ)
	case ok:
	case isContract(i.module):
		fault("it imports %s: it is built for another version of the plugin contract, this server speaks %s", name, hostapi.ABIName)
	case i.module == hostapi.ImportModule:
		fault("it imports %s, which %s does not have: it has %s, %s and %s", name, hostapi.ABIName, hostapi.ImportCall, hostapi.ImportTake, hostapi.ImportYield)
	case i.module == wasiModule:
		fault("it imports %s, which WASI preview 1 does not have", name)
	case strings.HasPrefix(i.module, "wasi:") || i.module == "wasi_unstable":
		fault("it imports %s: of WASI only preview 1 (%s) is supported", name, wasiModule)
	case i.module == "env":
		fault("it imports %s, which nobody provides: a function is declared and not defined, or a library is missing", name)
	default:
		fault("it imports %s: a plugin may import %s and %s alone", name, hostapi.ImportModule, wasiModule)
	}
}

// isContract says whether a module's name is that of another version of ours.
func isContract(module string) bool {
	digits, ok := strings.CutPrefix(module, "tak")
	return ok && module != hostapi.ImportModule && digits != "" && strings.Trim(digits, "0123456789") == ""
}
