// Package tests holds what must be true of the whole: acceptance over real
// sockets, and the rules of the house that no compiler checks.
package tests

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/takhost/takhost"

// A row of the table says what the packages in a folder may import of ours.
// The longest folder that holds a package is its row, of equal ones the first.
// Packages of one row may import one another. plugins/* is a row for each plugin.
type row struct {
	folder string
	may    []string // folders, with all that is below them; "*" is everything
	also   []string // modules beyond the standard library, for rows that are closed to others
	closed bool     // nothing but the standard library and also
}

// The table of the design. A new folder gets its row on purpose or not at all.
var rows = []row{
	{folder: "cmd/takhost", may: []string{"*"}},
	{folder: ".", closed: true}, // the sources that cmd/takhost carries
	// hostapi goes without saying here: the parts of the core speak its types.
	{folder: "core/server", may: []string{"core", "openapi", "hostapi"}},
	{folder: "core/config", closed: true, also: []string{"go.yaml.in/yaml/v4"}},
	{folder: "core/stream", may: []string{"core/proxy", "hostapi"}},
	{folder: "core/route", may: []string{"hostapi"}},
	{folder: "core/large", may: []string{"hostapi"}},
	{folder: "core/identity", may: []string{"core/store", "hostapi"}},
	{folder: "core/store", may: []string{"hostapi"}},
	{folder: "core/bus", may: []string{"hostapi"}},
	{folder: "core/plugin", may: []string{"core/store", "core/route", "core/identity", "core/filename", "hostapi"}},
	{folder: "core/pki"},
	{folder: "core/filename", closed: true},
	{folder: "core/onboard", may: []string{"core/filename"}},
	{folder: "core/proxy"},
	{folder: "core/acme"},
	{folder: "core/web", may: []string{"core/identity", "core/store", "core/plugin", "core/proxy", "openapi", "hostapi"}},
	{folder: "core/admin", may: []string{"core/web", "core/identity", "core/pki", "core/onboard", "core/store", "openapi", "hostapi"}},
	{folder: "core/marti", may: []string{"core/web", "core/identity", "core/pki", "core/onboard", "core/store", "openapi", "hostapi"}},
	{folder: "core/fts", may: []string{"core/web", "core/identity", "core/pki", "core/onboard", "core/store", "openapi", "hostapi"}},
	{folder: "core/setup", may: []string{"core/config", "core/pki", "core/identity", "core/route", "core/store", "hostapi"}},
	{folder: "hostapi", closed: true},
	{folder: "hostapi/cot", closed: true},
	{folder: "hostapi/takproto", may: []string{"hostapi/cot"}, closed: true, also: []string{"google.golang.org/protobuf"}},
	{folder: "sdk", may: []string{"hostapi"}, closed: true},
	{folder: "sdk/native", may: []string{"sdk", "hostapi"}, closed: true, also: []string{"github.com/hashicorp/go-plugin", "github.com/hashicorp/go-hclog", "google.golang.org/grpc"}},
	{folder: "plugins/dist", closed: true},
	{folder: "plugins/*", may: []string{"sdk", "hostapi"}},
	{folder: "openapi", may: []string{"hostapi"}},
	{folder: "examples", may: []string{"sdk"}},
	{folder: "tests", may: []string{"*"}},
}

// onlyIn has imports that one folder alone may have.
var onlyIn = []struct{ path, folder string }{
	{"database/sql", "core/store"},
	{"github.com/uptrace/bun", "core/store"},
	{"modernc.org/sqlite", "core/store"},
	{"github.com/jackc/pgx", "core/store"},
	{"github.com/mattn/go-sqlite3", "core/store"},
	{"github.com/caddyserver/certmagic", "core/acme"},
	{"github.com/pires/go-proxyproto", "core/proxy"},
	{"golang.org/x/crypto/argon2", "core/identity"},
	{module + "/plugins/dist", "cmd/takhost"},
}

// forTests has packages that only tests import.
var forTests = []string{"tests", "core/store/storetest", "sdk/plugintest"}

type listed struct {
	ImportPath   string
	ForTest      string
	Standard     bool
	Imports      []string
	TestImports  []string
	XTestImports []string
	Module       *struct{ Path string }
	Error        *struct{ Err string }
}

// list runs go list as for one system, as files differ between systems.
func list(t *testing.T, goos string) []listed {
	t.Helper()
	cmd := exec.Command("go", "list", "-e", "-deps", "-json=ImportPath,ForTest,Standard,Imports,TestImports,XTestImports,Module,Error", "./...")
	cmd.Dir = root(t)
	cmd.Env = append(cmd.Environ(), "GOOS="+goos, "GOARCH=amd64", "CGO_ENABLED=0")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.String())
	}
	var pkgs []listed
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatalf("go list: %v", err)
		}
		pkgs = append(pkgs, p)
	}
	return pkgs
}

func TestImports(t *testing.T) {
	for _, goos := range []string{"linux", "windows", "darwin"} {
		t.Run(goos, func(t *testing.T) {
			standard, ours := map[string]bool{"C": true}, 0
			pkgs := list(t, goos)
			for _, p := range pkgs {
				standard[p.ImportPath] = p.Standard
			}
			for _, p := range pkgs {
				folder, ok := inModule(p.ImportPath)
				if !ok {
					continue
				}
				ours++
				if p.Error != nil {
					t.Errorf("%s: %s", p.ImportPath, p.Error.Err)
				}
				for _, fault := range importFaults(folder, p, func(path string) bool { return standard[path] }) {
					t.Error(fault)
				}
			}
			if ours == 0 {
				t.Error("go list gave no package of this module")
			}
		})
	}
}

// importFaults checks one package against the tables.
func importFaults(folder string, p listed, standard func(string) bool) (faults []string) {
	r, ok := rowOf(folder)
	if !ok {
		return []string{folder + ": is in no row of the table: give the folder one, or move the package"}
	}
	for _, imp := range p.Imports {
		target, ours := inModule(imp)
		switch {
		case imp == "C":
			faults = append(faults, folder+": uses cgo")
		case ours && !r.allows(target):
			faults = append(faults, folder+": must not import "+target)
		case ours && !isBelow(folder, "tests") && slices.ContainsFunc(forTests, func(f string) bool { return isBelow(target, f) && !isBelow(folder, f) }):
			faults = append(faults, folder+": imports "+target+", which is for tests")
		case !ours && r.closed && !standard(imp) && !slices.ContainsFunc(r.also, func(m string) bool { return isBelow(imp, m) }):
			faults = append(faults, folder+": must not import "+imp)
		}
		for _, o := range onlyIn {
			if isBelow(imp, o.path) && !isBelow(folder, o.folder) && !isBelow(folder, "tests") {
				faults = append(faults, folder+": imports "+imp+", which is for "+o.folder+" alone")
			}
		}
	}
	// Tests may use more, but core and plugins stay strangers in them too.
	for _, imp := range slices.Concat(p.TestImports, p.XTestImports) {
		target, ours := inModule(imp)
		if ours && (isBelow(folder, "core") && isBelow(target, "plugins") || isBelow(folder, "plugins") && isBelow(target, "core")) {
			faults = append(faults, folder+": its tests must not import "+target)
		}
	}
	return faults
}

func rowOf(folder string) (best row, ok bool) {
	for _, r := range rows {
		f := r.folder
		if parent, wild := strings.CutSuffix(f, "/*"); wild && isBelow(folder, parent) && folder != parent {
			name, _, _ := strings.Cut(folder[len(parent)+1:], "/")
			f = parent + "/" + name
		}
		if isBelow(folder, f) && (!ok || len(f) > len(best.folder)) {
			best, ok = r, true
			best.folder = f
		}
	}
	return best, ok
}

func (r row) allows(target string) bool {
	if own, ok := rowOf(target); ok && own.folder == r.folder {
		return true
	}
	return slices.ContainsFunc(r.may, func(f string) bool { return f == "*" || isBelow(target, f) }) ||
		// hostapi is one contract in several packages.
		r.folder == "hostapi" && target == "hostapi/cot"
}

// inModule gives a package's folder in the repository, if it is ours.
func inModule(path string) (folder string, ok bool) {
	if path == module {
		return ".", true
	}
	return strings.CutPrefix(path, module+"/")
}

// isBelow reports whether path is dir or in it.
func isBelow(path, dir string) bool { return path == dir || strings.HasPrefix(path, dir+"/") }

// The table has to catch what it is for.
func TestImportTableBites(t *testing.T) {
	std := func(path string) bool { return !strings.Contains(path, ".") }
	tests := []struct {
		folder, imp string
		want        string // empty: allowed
	}{
		{"core/route", "core/stream", "core/route: must not import core/stream"},
		{"core/route", "hostapi/cot", ""},
		{"core/stream", "core/config", "core/stream: must not import core/config"},
		{"core/config", "hostapi", "core/config: must not import hostapi"},
		{"core/server", "core/store", ""},
		{"core/server", "plugins/chat", "core/server: must not import plugins/chat"},
		{"core/server", "core/store/storetest", "core/server: imports core/store/storetest, which is for tests"},
		{"core/plugin/wasm", "core/plugin", ""},
		{"core/plugin/wasm", "core/web", "core/plugin/wasm: must not import core/web"},
		{"plugins/chat", "core/route", "plugins/chat: must not import core/route"},
		{"plugins/chat", "plugins/mission", "plugins/chat: must not import plugins/mission"},
		{"plugins/chat/feed", "plugins/chat", ""},
		{"plugins/chat", "sdk", ""},
		{"plugins/dist", "sdk", "plugins/dist: must not import sdk"},
		{"core/web", "plugins/dist", "core/web: must not import plugins/dist\ncore/web: imports " + module + "/plugins/dist, which is for cmd/takhost alone"},
		{"hostapi", "hostapi/cot", ""},
		{"hostapi/cot", "hostapi", "hostapi/cot: must not import hostapi"},
		{"hostapi/takproto", "hostapi/cot", ""},
		{"hostapi/takproto", "hostapi", "hostapi/takproto: must not import hostapi"},
		{"cmd/takhost", "plugins/dist", ""},
		{"cmd/takhost", "tests/takclient", "cmd/takhost: imports tests/takclient, which is for tests"},
		{"core/stuff", "hostapi", "core/stuff: is in no row of the table: give the folder one, or move the package"},

		{"hostapi/cot", "ext:encoding/xml", ""},
		{"hostapi/cot", "ext:google.golang.org/protobuf/proto", "hostapi/cot: must not import google.golang.org/protobuf/proto"},
		{"hostapi/takproto", "ext:google.golang.org/protobuf/encoding/protowire", ""},
		{"core/config", "ext:go.yaml.in/yaml/v4", ""},
		{"core/config", "ext:github.com/google/go-cmp/cmp", "core/config: must not import github.com/google/go-cmp/cmp"},
		{"core/store", "ext:database/sql", ""},
		{"core/route", "ext:database/sql", "core/route: imports database/sql, which is for core/store alone"},
		{"core/identity", "ext:github.com/uptrace/bun/dialect", "core/identity: imports github.com/uptrace/bun/dialect, which is for core/store alone"},
		{"core/stream", "ext:C", "core/stream: uses cgo"},
	}
	for _, tt := range tests {
		t.Run(tt.folder+" "+tt.imp, func(t *testing.T) {
			imp, external := strings.CutPrefix(tt.imp, "ext:")
			if !external {
				imp = module + "/" + imp
			}
			got := strings.Join(importFaults(tt.folder, listed{Imports: []string{imp}}, std), "\n")
			if got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}
