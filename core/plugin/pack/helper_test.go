package pack

import (
	"archive/zip"
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const geofence = `{"name": "geofence", "version": "1.2.0", "abi": "tak/1", "description": "tells when somebody leaves an area",
	"timers": [{"name": "sweep", "every": "1m"}], "capabilities": {"timers": true}}`

// section writes one section of a module.
func section(id byte, parts ...string) string {
	body := strings.Join(parts, "")
	return string(id) + leb(len(body)) + body
}

func leb(n int) string {
	var b []byte
	for ; n >= 0x80; n >>= 7 {
		b = append(b, byte(n)|0x80)
	}
	return string(append(b, byte(n)))
}

func name(s string) string { return leb(len(s)) + s }

func vec(items ...string) string { return leb(len(items)) + strings.Join(items, "") }

const wasmHead = "\x00asm\x01\x00\x00\x00"

// Types 0 to 3 of the modules in these tests.
var testTypes = section(1, vec("\x60\x00\x01\x7f", "\x60\x01\x7f\x01\x7f", "\x60\x02\x7f\x7f\x01\x7e", "\x60\x05\x7f\x7f\x7f\x7f\x7f\x01\x7e"))

func imported(from, what string, t byte) string { return name(from) + name(what) + "\x00" + string(t) }

// wasmModule gives a module with one import, tak1.call, and the exports of the ABI.
func wasmModule() string {
	return wasmHead + testTypes +
		section(2, vec(imported("tak1", "call", 3))) +
		section(3, vec("\x00", "\x01", "\x02")) +
		section(5, vec("\x00\x01")) +
		section(7, vec(name("memory")+"\x02\x00", name("tak_abi")+"\x00\x01", name("tak_buf")+"\x00\x02", name("tak_call")+"\x00\x03"))
}

func plain() map[string]string {
	return map[string]string{"plugin.json": geofence, "plugin.wasm": wasmModule()}
}

// with gives m with more, and without what is empty.
func with(m map[string]string, more ...string) map[string]string {
	m = maps.Clone(m)
	for i := 0; i < len(more); i += 2 {
		if m[more[i]] = more[i+1]; more[i+1] == "" {
			delete(m, more[i])
		}
	}
	return m
}

// archive packs files as somebody's zip program would.
func archive(t *testing.T, files map[string]string) []byte {
	t.Helper()
	return zipOf(t, func(z *zip.Writer) {
		for _, name := range slices.Sorted(maps.Keys(files)) {
			put(t, z, &zip.FileHeader{Name: name, Method: zip.Deflate}, files[name])
		}
	})
}

func zipOf(t *testing.T, fill func(*zip.Writer)) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	fill(z)
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func put(t *testing.T, z *zip.Writer, h *zip.FileHeader, content string) {
	t.Helper()
	w, err := z.CreateHeader(h)
	if err == nil {
		_, err = w.Write([]byte(content))
	}
	if err != nil {
		t.Fatal(err)
	}
}

func folder(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		file := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func wantError(t *testing.T, err error, want string) {
	t.Helper()
	got := "nil"
	if err != nil {
		got = err.Error()
	}
	if err == nil || !strings.Contains(got, want) {
		t.Errorf("got error %s, want one with %s", got, want)
	}
}
