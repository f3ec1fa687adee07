package pack

import (
	"math/rand/v2"
	"strings"
	"testing"
)

func TestModuleFaults(t *testing.T) {
	exports := func(items ...string) string { return section(7, vec(items...)) }
	abi := []string{name("tak_abi") + "\x00\x00", name("tak_buf") + "\x00\x01", name("tak_call") + "\x00\x02"}
	memory := name("memory") + "\x02\x00"
	funcs := section(3, vec("\x00", "\x01", "\x02"))
	module := func(imports, mem, exp string) string {
		if imports != "" {
			// An imported function shifts the numbers of the module's own.
			imports = section(2, vec(imports))
		}
		return wasmHead + testTypes + imports + funcs + mem + exp
	}
	mem := section(5, vec("\x00\x01"))
	good := exports(append(abi, memory)...)
	shifted := exports(memory, name("tak_abi")+"\x00\x01", name("tak_buf")+"\x00\x02", name("tak_call")+"\x00\x03")
	tests := []struct {
		name, module string
		want         []string
	}{
		{"good", module("", mem, good), nil},
		{"good with import", wasmModule(), nil},
		{"text", "hello, world", []string{"is no WebAssembly module"}},
		{"component", "\x00asm\x0d\x00\x01\x00", []string{"is a component: build a core module instead (takhost does not run WASI components)"}},
		{"version 2", "\x00asm\x02\x00\x00\x00", []string{"has the WebAssembly version 2: 1 is supported"}},
		{"truncated", wasmHead + "\x01\x20", []string{"is damaged: it ends in the middle of a section"}},
		{"nothing", wasmHead, []string{"does not export memory, tak_abi, tak_buf, tak_call"}},
		{"program", module("", mem, exports(memory, name("_start")+"\x00\x00")), []string{"is a program, not a library: build it as a reactor (Go: -buildmode=c-shared, C: -mexec-model=reactor)"}},
		{"one export missing", module("", mem, exports(memory, abi[0], abi[1])), []string{"does not export tak_call"}},
		{"export of another type", module("", mem, exports(memory, abi[0], abi[1], name("tak_call")+"\x00\x01")), []string{"exports tak_call as (i32) -> (i32): it must be (i32 i32) -> (i64)"}},
		{"another contract", module(imported("tak2", "call", 3), mem, shifted), []string{"is built for the plugin contract tak2, and this server speaks tak1"}},
		{"unknown function", module(imported("tak1", "jump", 3), mem, shifted), []string{`imports "jump" of tak1: there are call, take, yield`}},
		{"function of another type", module(imported("tak1", "take", 3), mem, shifted), []string{"imports take of tak1 as (i32 i32 i32 i32 i32) -> (i64): it is (i32 i32) -> (i32)"}},
		{"WASI", module(imported("wasi_snapshot_preview1", "fd_write", 3), mem, shifted), nil},
		{"WASI 2", module(imported("wasi:cli/run", "x", 3), mem, shifted), []string{`imports "x" of "wasi:cli/run": of WASI there is wasi_snapshot_preview1 alone`}},
		{"of a browser", module(imported("env", "alert", 3), mem, shifted), []string{`imports "alert" of "env", which nobody gives: a plugin may import call, take, yield of tak1 and wasi_snapshot_preview1`}},
		{"64-bit memory", module("", section(5, vec("\x04\x01")), good), []string{"has a 64-bit memory: build it for wasm32"}},
		{"threads", module("", section(5, vec("\x03\x01\x02")), good), []string{"has a shared memory: build it without threads"}},
		{"two memories", module("", section(5, vec("\x00\x01", "\x00\x01")), good), []string{"has 2 memories: exactly one"}},
		{"imported memory", module(name("env")+name("memory")+"\x02\x00\x01", "", good), []string{"imports its memory: a plugin brings and exports its own"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, want := strings.Join(moduleFaults([]byte(tt.module)), "\n"), strings.Join(tt.want, "\n")
			if got != want {
				t.Errorf("got  %q\nwant %q", got, want)
			}
		})
	}
}

// Nothing that stands in a module may panic the reader or hold it up.
func TestModuleOfRandomBytes(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		b := []byte(wasmModule())
		for range 1 + rnd.IntN(4) {
			b[8+rnd.IntN(len(b)-8)] = byte(rnd.Uint32())
		}
		moduleFaults(b[:8+rnd.IntN(len(b)-7)])
	}
}

func FuzzModule(f *testing.F) {
	f.Add([]byte(wasmModule()))
	f.Fuzz(func(_ *testing.T, b []byte) { moduleFaults(b) })
}

func FuzzOpen(f *testing.F) {
	t := &testing.T{}
	f.Add(archive(t, plain()))
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := OpenBytes(b)
		if err == nil {
			p.Check()
		}
	})
}

func TestCheck(t *testing.T) {
	t.Run("good", func(t *testing.T) {
		r := Check(folder(t, plain()))
		if r.Package == nil || len(r.Faults)+len(r.Warnings) > 0 {
			t.Fatalf("got %+v", r)
		}
		r.Package.Close()
	})
	t.Run("every fault of the manifest", func(t *testing.T) {
		r := Check(folder(t, with(plain(), "plugin.json", `{"name": "Geo", "version": "1"}`)))
		if r.Package != nil || len(r.Faults) != 3 {
			t.Errorf("got %+v", r)
		}
	})
	t.Run("module", func(t *testing.T) {
		r := Check(folder(t, with(plain(), "plugin.wasm", "\x00asm\x0d\x00\x01\x00")))
		want := "plugin.wasm is a component: build a core module instead (takhost does not run WASI components)"
		if len(r.Faults) != 1 || r.Faults[0] != want {
			t.Errorf("got %q, want %q", r.Faults, want)
		}
	})
	t.Run("warnings", func(t *testing.T) {
		doc := `{"name": "geofence", "version": "1.2.0", "abi": "tak/1", "static": {"folder": "www"},
			"capabilities": {"store": true, "http.routes": true, "http.client": ["*"]}}`
		r := Check(folder(t, with(plain(), "plugin.json", doc, "www/server.key", "x")))
		want := []string{
			"plugin.json: capabilities.http.client.hosts: * is everything: operators grant what is narrow more gladly",
			"plugin.json: capabilities.store: is asked for, and there are no collections",
			"plugin.json: description: is missing: an operator reads it before granting anything",
			"www/server.key looks like a key or a password: whoever has the package can read it",
		}
		if got := strings.Join(r.Warnings, "\n"); got != strings.Join(want, "\n") || len(r.Faults) > 0 {
			t.Errorf("got %s\n%s", r.Faults, got)
		}
	})
}
