package wasm

import (
	"context"
	"strings"
	"testing"

	"github.com/takhost/takhost/core/plugin/guest"
)

func TestLoadSaysWhatIsWrong(t *testing.T) {
	from := func(module, name, rest string) string { return named(module) + named(name) + rest }
	tests := []struct {
		name   string
		module []byte
		want   string
	}{
		{"nothing", nil, "this is no WebAssembly module"},
		{"other file", []byte("PK\x03\x04 a zip"), "this is no WebAssembly module"},
		{"component", []byte("\x00asm\x0d\x00\x01\x00"), "this is a component: build a core module, for Go with GOOS=wasip1"},
		{"later version", []byte("\x00asm\x02\x00\x00\x00"), "version 2 of the binary format"},
		{"cut", goGuest[:len(goGuest)/2], "it ends in the middle"},
		{"empty", tinyModule{}.bytes()[:8], "it has no memory of its own; it does not export tak_abi, tak_buf, tak_call"},
		{"no tak_buf", tinyModule{drop: "tak_buf"}.bytes(), "it does not export tak_buf"},
		{"program", tinyModule{drop: "tak_call", exports: []string{named("_start") + "\x00\x03"}}.bytes(),
			"it does not export tak_call (it is a program with a main function: build a library, for Go with -buildmode=c-shared"},
		{"other type", tinyModule{drop: "tak_call", exports: []string{named("tak_call") + "\x00\x01"}}.bytes(),
			"its export tak_call has the type (i32) → (i32), but it must be (i32, i32) → (i64)"},
		{"no function", tinyModule{drop: "tak_call", exports: []string{named("tak_call") + "\x02\x00"}}.bytes(), "its export tak_call is no function"},
		{"memory not exported", tinyModule{drop: "memory"}.bytes(), `it does not export its memory under the name "memory"`},
		{"several memories", tinyModule{memory: []string{"\x00\x01", "\x00\x01"}}.bytes(), "it has 2 memories"},
		{"threads", tinyModule{memory: []string{"\x03\x01\x02"}}.bytes(), "its memory is shared, so it uses threads"},
		{"64-bit memory", tinyModule{memory: []string{"\x04\x01"}}.bytes(), "its memory is 64-bit"},
		{"too much memory", tinyModule{memory: []string{"\x00\x80\x10"}}.bytes(),
			"it starts with 131072 KiB of memory and may have 65536 KiB: ask for more by limits.memory"},
		{"large table", tinyModule{tables: []string{"\x70\x00\x80\x80\x80\x01"}}.bytes(), "it has a table of 2097152 elements"},
		{"exceptions", tinyModule{last: "\x0d\x03\x01\x00\x00"}.bytes(), "it uses WebAssembly exceptions"},
		{"unknown import", tinyModule{imports: []string{from("host", "log", "\x00\x00")}}.bytes(), "it imports host.log: a plugin may import tak1 and wasi_snapshot_preview1 alone"},
		{"undefined function", tinyModule{imports: []string{from("env", "memcpy", "\x00\x00")}}.bytes(), "it imports env.memcpy, which nobody provides"},
		{"unknown function", tinyModule{imports: []string{from("tak1", "emit", "\x00\x00")}}.bytes(), "it imports tak1.emit, which tak/1 does not have: it has call, take and yield"},
		{"later contract", tinyModule{imports: []string{from("tak2", "call", "\x00\x00")}}.bytes(), "it is built for another version of the plugin contract, this server speaks tak/1"},
		{"other type of import", tinyModule{imports: []string{from("tak1", "call", "\x00\x00")}}.bytes(),
			"it imports tak1.call with the type () → (), but it is (i32, i32, i32, i32, i32) → (i64)"},
		{"unknown WASI function", tinyModule{imports: []string{from(wasiModule, "fd_fly", "\x00\x00")}}.bytes(), "which WASI preview 1 does not have"},
		{"WASI preview 2", tinyModule{imports: []string{from("wasi:cli/environment", "get", "\x00\x00")}}.bytes(), "of WASI only preview 1"},
		{"imports memory", tinyModule{imports: []string{from("env", "memory", "\x02\x00\x01")}}.bytes(), "it imports env.memory, which is no function"},
		{"two faults", tinyModule{drop: "tak_buf", memory: []string{"\x04\x01"}}.bytes(), "its memory is 64-bit, which is not supported: build for wasm32; it does not export tak_buf"},
		{"type of the garbage collection proposal", []byte("\x00asm\x01\x00\x00\x00\x01\x03\x01\x5f\x00"), "types of the garbage collection proposal"},
		{"not valid", tinyModule{call: "\x01"}.bytes(), "the module is not valid"},
		{"section twice", append(tinyModule{}.bytes(), "\x05\x03\x01\x00\x01"...), "two sections of the kind 5"},
		{"locals", []byte("\x00asm\x01\x00\x00\x00\x0a\x0a\x01\x08\x01\xff\xff\xff\xff\x0f\x7f\x0b"), "4294967295 local variables"},
	}
	r := newRuntime(t, Options{})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m, err := r.Load(t.Context(), guest.Code{Name: "test", Module: tt.module})
			if err == nil {
				_ = m.Close(t.Context())
				t.Fatalf("got no error, want %q", tt.want)
			}
			if !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %q, want %q in it", err, tt.want)
			}
		})
	}
	t.Run("memory limit", func(t *testing.T) {
		if _, err := r.Load(t.Context(), guest.Code{Module: goGuest, Memory: 100}); err == nil || !strings.Contains(err.Error(), "needs 65536 at least") {
			t.Errorf("got %v, want it refused", err)
		}
	})
	t.Run("termination", func(t *testing.T) {
		if _, err := r.Load(t.Context(), guest.Code{Module: goGuest, Termination: "none"}); err == nil || !strings.Contains(err.Error(), "it is check or fuel") {
			t.Errorf("got %v, want it refused", err)
		}
	})
	t.Run("no time to wait", func(t *testing.T) {
		r.compile <- struct{}{}
		defer func() { <-r.compile }()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := r.Load(ctx, guest.Code{Module: tinyModule{}.bytes()}); err == nil || !strings.Contains(err.Error(), "wait for the compiler") {
			t.Errorf("got %v, want that it waited", err)
		}
	})
}
