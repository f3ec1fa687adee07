package pack

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

const withStatic = `{"name": "console", "version": "1.0.0", "abi": "tak/1", "description": "pages",
	"static": {"folder": "www", "index": "index.html"}, "capabilities": {"http.routes": true}}`

func TestArchiveAndFolderAgree(t *testing.T) {
	files := map[string]string{
		"plugin.json": withStatic, "plugin.wasm": wasmModule(), "www/index.html": "<html>", "www/js/a.js": "1", "LICENSE": "MIT",
	}
	dir := folder(t, with(files, "main.go", "package main", "go.mod", "module x", ".git/config", "x", "vendor/a/a.go", "package a", "www/.DS_Store", "x"))
	fromFolder, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer fromFolder.Close()
	out := filepath.Join(t.TempDir(), "console.takplugin")
	if err := WriteFile(out, dir); err != nil {
		t.Fatal(err)
	}
	fromArchive, err := Open(out)
	if err != nil {
		t.Fatal(err)
	}
	defer fromArchive.Close()
	for _, p := range []*Package{fromFolder, fromArchive} {
		var got []string
		for _, f := range p.files {
			got = append(got, f.name)
			b, err := fs.ReadFile(p.Files(), f.name)
			if err != nil || string(b) != files[f.name] {
				t.Errorf("%s: got %q, %v", f.name, b, err)
			}
		}
		if diff := cmp.Diff([]string{"LICENSE", "plugin.json", "plugin.wasm", "www/index.html", "www/js/a.js"}, got); diff != "" {
			t.Errorf("files (-want +got):\n%s", diff)
		}
		if m, err := p.Module(); err != nil || string(m) != files["plugin.wasm"] {
			t.Errorf("module: %d bytes, %v", len(m), err)
		}
		if err := fstest.TestFS(p.Static(), "js/a.js", "index.html"); err != nil && p == fromArchive {
			t.Error(err)
		}
		if _, err := p.Files().Open("main.go"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("main.go: got %v, want that it is not there", err)
		}
		if p.Manifest.Name != "console" || len(p.SHA256) != 64 {
			t.Errorf("got %s, digest %s", p.Manifest.Name, p.SHA256)
		}
	}
}

func TestWriteIsDeterministic(t *testing.T) {
	files := with(plain(), "README.md", strings.Repeat("read me. ", 1000))
	var a, b bytes.Buffer
	one, two := folder(t, files), folder(t, files)
	if err := os.Chtimes(filepath.Join(two, "README.md"), epoch, epoch); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(Write(&a, one), Write(&b, two)); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(a.Bytes(), b.Bytes()) {
		t.Error("the same files gave different archives")
	}
}

func TestFolderDigest(t *testing.T) {
	digest := func(files map[string]string) string {
		p, err := Open(folder(t, files))
		if err != nil {
			t.Fatal(err)
		}
		defer p.Close()
		return p.SHA256
	}
	base := digest(plain())
	if again := digest(plain()); again != base {
		t.Errorf("the same files: got %s and %s", base, again)
	}
	if got := digest(with(plain(), "main.go", "package main")); got != base {
		t.Error("a source file, which is not packed, changed the digest")
	}
	for name, files := range map[string]map[string]string{
		"another byte": with(plain(), "plugin.wasm", wasmModule()+section(0, name("x"))),
		"another file": with(plain(), "LICENSE", "x"),
		"another name": with(plain(), "NOTICE", "x"),
	} {
		if digest(files) == base {
			t.Errorf("%s: the same digest", name)
		}
	}
}

func TestHostileArchives(t *testing.T) {
	header := func(h zip.FileHeader, content string) func(t *testing.T) []byte {
		return func(t *testing.T) []byte {
			return zipOf(t, func(z *zip.Writer) {
				for name, text := range plain() {
					put(t, z, &zip.FileHeader{Name: name}, text)
				}
				put(t, z, &h, content)
			})
		}
	}
	named := func(name string) func(t *testing.T) []byte { return header(zip.FileHeader{Name: name}, "x") }
	files := func(m map[string]string) func(t *testing.T) []byte {
		return func(t *testing.T) []byte { return archive(t, m) }
	}
	link := zip.FileHeader{Name: "www"}
	link.SetMode(fs.ModeSymlink | 0o777)
	device := zip.FileHeader{Name: "dev"}
	device.SetMode(fs.ModeDevice)
	tests := []struct {
		name string
		make func(t *testing.T) []byte
		want string
	}{
		{"parent folder", named("../evil"), `the name "../evil" leads out of the package`},
		{"parent folder inside", named("a/../../evil"), "leads out of the package"},
		{"absolute", named("/etc/passwd"), "leads out of the package"},
		{"drive", named(`C:\evil`), "has a character"},
		{"backslash", named(`..\evil`), "has a character"},
		{"empty part", named("a//b"), "leads out of the package"},
		{"dot", named("./a"), "leads out of the package"},
		{"zero byte", named("a\x00b"), "has a character"},
		{"newline", named("a\nb"), "has a character"},
		{"no UTF-8", named("a\xff"), "is not UTF-8"},
		{"long name", named(strings.Repeat("a", 300)), "is too long"},
		{"deep", named(strings.Repeat("a/", 40) + "b"), "has too many folders"},
		{"device of Windows", named("www/NUL.txt"), "device on Windows"},
		{"trailing dot", named("a."), "ends in a dot"},
		{"the same twice", named("plugin.json"), `"plugin.json" is there twice`},
		{"the same but case", named("Plugin.JSON"), "are the same file where case does not count"},
		{"file and folder", named("plugin.wasm/x"), "is both a file and a folder"},
		{"symbolic link", header(link, "/etc/passwd"), "is no plain file"},
		{"device", header(device, ""), "is no plain file"},
		{"too many files", func(t *testing.T) []byte {
			return zipOf(t, func(z *zip.Writer) {
				for i := range MaxFiles + 1 {
					put(t, z, &zip.FileHeader{Name: leb(i)}, "")
				}
			})
		}, "at most 4096"},
		{"bomb", func(t *testing.T) []byte {
			return zipOf(t, func(z *zip.Writer) {
				zeros := strings.Repeat("\x00", 10<<20)
				for i := range 13 {
					put(t, z, &zip.FileHeader{Name: "zeros" + string(rune('a'+i)), Method: zip.Deflate}, zeros)
				}
			})
		}, "would have more than 128.0 MiB"},
		{"manifest too large", files(with(plain(), "plugin.json", strings.Repeat(" ", 300<<10))), "plugin.json has 300.0 KiB: at most 256.0 KiB"},
		{"no manifest", files(with(plain(), "plugin.json", "")), "plugin.json is missing"},
		{"packed with the folder", files(map[string]string{"geofence/plugin.json": geofence}), "plugin.json is in the folder geofence: pack what is in that folder"},
		{"no JSON", files(with(plain(), "plugin.json", "{")), "plugin.json:1:"},
		{"faults", files(with(plain(), "plugin.json", `{"name": "Geo", "version": "1"}`)), "plugin.json: abi: is missing"},
		{"no module", files(with(plain(), "plugin.wasm", "")), "the module plugin.wasm is missing: build it"},
		{"no static files", files(with(plain(), "plugin.json", withStatic)), "the folder www of static files is missing"},
		{"no index", files(with(plain(), "plugin.json", withStatic, "www/a.html", "x")), "index.html, the index of the static files, is missing"},
		{"no zip", func(*testing.T) []byte { return []byte("hello") }, "is no zip archive"},
		{"empty", func(*testing.T) []byte { return nil }, "is no zip archive"},
		{"cut off", func(t *testing.T) []byte { b := archive(t, plain()); return b[:len(b)/2] }, "is no zip archive"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, err := OpenBytes(tt.make(t))
			if err == nil {
				p.Close()
			}
			wantError(t, err, tt.want)
		})
	}
}

// An archive that lies about a size gives no more bytes than it said.
func TestLyingSize(t *testing.T) {
	b := archive(t, with(plain(), "LICENSE", strings.Repeat("a", 100_000)))
	at := bytes.LastIndex(b, []byte("LICENSE")) - 46 // the central header before its name
	if !bytes.Equal(b[at:at+4], []byte("PK\x01\x02")) {
		t.Fatal("the test no longer finds the header")
	}
	binary.LittleEndian.PutUint32(b[at+24:], 10)
	p, err := OpenBytes(b)
	if err != nil {
		t.Fatal(err)
	}
	r := p.Check()
	if got := strings.Join(r.Faults, "\n"); !strings.Contains(got, "LICENSE") {
		t.Errorf("got faults %q, want one of LICENSE", got)
	}
}

func TestDamagedFile(t *testing.T) {
	b := zipOf(t, func(z *zip.Writer) {
		put(t, z, &zip.FileHeader{Name: "plugin.json"}, geofence)
		put(t, z, &zip.FileHeader{Name: "plugin.wasm"}, wasmModule())
	})
	at := bytes.Index(b, []byte("tak_call"))
	b[at] ^= 1
	p, err := OpenBytes(b)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Module(); err == nil {
		t.Fatal("a module with a wrong checksum was read")
	} else {
		wantError(t, err, "plugin.wasm: is damaged in the archive")
	}
}

func TestFolderTricks(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(secret, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Run("link as module", func(t *testing.T) {
		dir := folder(t, with(plain(), "plugin.wasm", ""))
		if err := os.Symlink(secret, filepath.Join(dir, "plugin.wasm")); err != nil {
			t.Fatal(err)
		}
		_, err := Open(dir)
		wantError(t, err, "is no plain file")
	})
	t.Run("link among static files", func(t *testing.T) {
		dir := folder(t, with(plain(), "plugin.json", withStatic, "www/index.html", "x"))
		if err := os.Symlink(secret, filepath.Join(dir, "www", "secret")); err != nil {
			t.Fatal(err)
		}
		_, err := Open(dir)
		wantError(t, err, "is no plain file")
	})
	t.Run("manifest as link out", func(t *testing.T) {
		dir := folder(t, with(plain(), "plugin.json", ""))
		if err := os.Symlink(secret, filepath.Join(dir, "plugin.json")); err != nil {
			t.Fatal(err)
		}
		_, err := Open(dir)
		wantError(t, err, "plugin.json")
	})
	t.Run("not there", func(t *testing.T) {
		_, err := Open(filepath.Join(t.TempDir(), "nothing"))
		wantError(t, err, "no such file")
		if n := strings.Count(err.Error(), "nothing"); n != 1 {
			t.Errorf("%v: names the file %d times", err, n)
		}
	})
}

func TestExtract(t *testing.T) {
	files := map[string]string{
		"plugin.json": `{"name": "bridge", "version": "1.0.0", "abi": "tak/1", "runtime": "process", "entry": "bin/bridge"}`,
		"bin/bridge":  "#!/bin/sh\n", "lib/data.txt": "data",
	}
	p, err := OpenBytes(archive(t, files))
	if err != nil {
		t.Fatal(err)
	}
	base := filepath.Join(t.TempDir(), "plugins", "bridge")
	first, err := p.Extract(base)
	if err != nil {
		t.Fatal(err)
	}
	check := func(step string) {
		t.Helper()
		again, err := p.Extract(base)
		if err != nil || again != first {
			t.Errorf("%s: got %+v, %v, want %+v", step, again, err, first)
		}
		for name, mode := range map[string]fs.FileMode{"": fs.ModeDir | 0o700, "bin/bridge": 0o700, "lib/data.txt": 0o600} {
			info, err := os.Stat(filepath.Join(base, p.SHA256, name))
			if err != nil || info.Mode() != mode {
				t.Errorf("%s: %s: got mode %v, %v, want %v", step, name, info.Mode(), err, mode)
			}
		}
		b, err := os.ReadFile(first.File)
		if err != nil || string(b) != files["bin/bridge"] {
			t.Errorf("%s: the program is %q, %v", step, b, err)
		}
	}
	check("again")
	if err := os.WriteFile(first.File, []byte("#!/bin/evil"), 0o700); err != nil {
		t.Fatal(err)
	}
	check("after the program was changed")
	if err := os.WriteFile(filepath.Join(base, p.SHA256, "lib", "more.so"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	check("after a file was added")
	if err := os.Mkdir(filepath.Join(base, "old"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := Prune(base, p.SHA256); err != nil {
		t.Fatal(err)
	}
	left, err := os.ReadDir(base)
	if err != nil || len(left) != 1 || left[0].Name() != p.SHA256 {
		t.Errorf("after Prune: got %v, %v", left, err)
	}
}
