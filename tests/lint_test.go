package tests

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// maxLines is where a file surely has a second idea in it.
const maxLines = 500

// root gives the folder of the repository.
func root(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "go.mod")); err != nil {
		t.Fatalf("not beside go.mod: %v", err)
	}
	return dir
}

// files calls do for each file that somebody wrote, with its path from the
// root. What is built, fetched or made by a server that ran here is not there.
func files(t *testing.T, do func(path string, text []byte)) {
	t.Helper()
	top := root(t)
	err := filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(top, path)
		if err != nil {
			return err
		}
		rel = filepath.ToSlash(rel)
		if d.IsDir() {
			switch name := d.Name(); {
			case name == "node_modules", name == "__pycache__", rel == "bin", rel == "takhost-data":
				return filepath.SkipDir
			case strings.HasPrefix(name, ".") && rel != "." && rel != ".ci":
				return filepath.SkipDir
			}
			return nil
		}
		if !d.Type().IsRegular() {
			return nil
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		do(rel, text)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

var generated = regexp.MustCompile(`(?m)^// Code generated .* DO NOT EDIT\.$`)

func TestFilesAreShort(t *testing.T) {
	seen := 0
	files(t, func(path string, text []byte) {
		if !strings.HasSuffix(path, ".go") || generated.Match(text) {
			return
		}
		seen++
		if n := bytes.Count(text, []byte("\n")); n > maxLines {
			t.Errorf("%s: got %d lines, want at most %d: look for a second idea in it", path, n, maxLines)
		}
	})
	if seen == 0 {
		t.Error("no Go file found")
	}
}

// machinePath matches folders that exist on one machine only. It is put
// together from parts, so as not to match itself.
var machinePath = regexp.MustCompile(`(^|[^A-Za-z0-9_.~/-])(/` + `(root|work|farm)/|/` + `(home|Users)/[A-Za-z]|[A-Z]:\\` + `Users\\)`)

func TestNoPathsOfOneMachine(t *testing.T) {
	for _, text := range []string{"cd /" + "root/x", "\"/" + "home/me/x\"", "/" + "work/x"} {
		if !machinePath.MatchString(text) {
			t.Errorf("%q: not seen as a path of one machine", text)
		}
	}
	files(t, func(path string, text []byte) {
		if bytes.IndexByte(text, 0) >= 0 || strings.Contains(path, "/testdata/fuzz/") {
			return // not written by hand
		}
		for i, line := range strings.Split(string(text), "\n") {
			if m := machinePath.FindString(line); m != "" {
				t.Errorf("%s:%d: names %q, which is a folder of one machine", path, i+1, m)
			}
		}
	})
}

func TestPackagesAreDocumented(t *testing.T) {
	type pkg struct{ name, doc string }
	packages := map[string]pkg{}
	files(t, func(path string, text []byte) {
		if !strings.HasSuffix(path, ".go") || strings.Contains(path, "/testdata/") {
			return
		}
		f, err := parser.ParseFile(token.NewFileSet(), path, text, parser.PackageClauseOnly|parser.ParseComments)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			return
		}
		dir := filepath.ToSlash(filepath.Dir(path))
		p := packages[dir]
		if !strings.HasSuffix(f.Name.Name, "_test") && (p.name == "" || !strings.HasSuffix(path, "_test.go")) {
			p.name = f.Name.Name
		}
		p.doc += docText(f.Doc)
		packages[dir] = p
	})
	for dir, p := range packages {
		want := "Package " + p.name + " "
		if p.name == "main" {
			want = "Command "
		}
		if !strings.HasPrefix(p.doc, want) {
			t.Errorf("%s: got the comment %.40q, want one that begins with %q", dir, p.doc, want)
		}
	}
}

func docText(g *ast.CommentGroup) string {
	if g == nil {
		return ""
	}
	return g.Text()
}
