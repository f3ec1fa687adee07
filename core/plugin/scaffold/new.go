package scaffold

import (
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"text/template"
)

//go:embed template
var templates embed.FS

// GoVersion is what a new project's go.mod says: that of this module.
const GoVersion = "1.26.0"

// SourceFolder is where a project has its copy of the sdk.
const SourceFolder = "takhost-sdk"

var pluginName = regexp.MustCompile(`^[a-z][a-z0-9-]{0,62}$`)

// NewOptions say what New writes.
type NewOptions struct {
	Name string // of the plugin: lower-case letters, digits and -
	Dir  string // folder to make; empty: one of that name, here

	// Source has the folders hostapi and sdk of this module: takhost.Source.
	Source fs.FS
}

// New writes the project of a WASM plugin: a manifest, code that does something small,
// a test, a README and a copy of the sdk. It builds and tests without a network. The
// folder must be empty, or not there.
func New(o NewOptions) (dir string, err error) {
	if !pluginName.MatchString(o.Name) {
		return "", fmt.Errorf("%q is no name for a plugin: lower-case letters, digits and -, a letter first, at most 63", o.Name)
	}
	if dir = o.Dir; dir == "" {
		dir = o.Name
	}
	entries, err := os.ReadDir(dir)
	switch {
	case err == nil && len(entries) > 0:
		return "", fmt.Errorf("folder %s is not empty", dir)
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return "", fmt.Errorf("new plugin: %w", err)
	}
	if err := writeTemplates(dir, o.Name); err != nil {
		return "", err
	}
	if err := copySource(filepath.Join(dir, SourceFolder), o.Source); err != nil {
		return "", err
	}
	return dir, nil
}

// writeTemplates writes the files of the template folder. Their names end with .tmpl,
// which keeps tools from taking them for this module's own.
func writeTemplates(dir, name string) error {
	data := map[string]string{
		"Name": name, "Title": strings.ToUpper(name[:1]) + strings.ReplaceAll(name[1:], "-", " "),
		"Go": GoVersion, "Source": SourceFolder,
	}
	list, err := templates.ReadDir("template")
	if err != nil {
		return fmt.Errorf("new plugin: %w", err)
	}
	for _, e := range list {
		text, err := templates.ReadFile("template/" + e.Name())
		if err != nil {
			return fmt.Errorf("new plugin: %w", err)
		}
		t, err := template.New(e.Name()).Option("missingkey=error").Parse(string(text))
		if err != nil {
			return fmt.Errorf("new plugin: %w", err)
		}
		var b strings.Builder
		if err := t.Execute(&b, data); err != nil {
			return fmt.Errorf("new plugin: %w", err)
		}
		file := strings.TrimSuffix(e.Name(), ".tmpl")
		if file == "gitignore" {
			file = ".gitignore"
		}
		if err := writeFile(filepath.Join(dir, file), []byte(b.String())); err != nil {
			return err
		}
	}
	return nil
}

// copySource writes a module of what a plugin imports. Tests stay behind: their data is
// not there, and they are run where the sdk is made.
func copySource(dir string, source fs.FS) error {
	n := 0
	err := fs.WalkDir(source, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if isPart(name) {
				return nil
			}
			return fs.SkipDir
		}
		if name != "LICENSE" && (path.Ext(name) != ".go" || strings.HasSuffix(name, "_test.go") || path.Dir(name) == ".") {
			return nil
		}
		text, err := fs.ReadFile(source, name)
		if err != nil {
			return err
		}
		n++
		return writeFile(filepath.Join(dir, filepath.FromSlash(name)), text)
	})
	if err == nil && n < 2 {
		err = errors.New("there are none")
	}
	if err != nil {
		return fmt.Errorf("copy the sources of the sdk: %w", err)
	}
	mod := "// A copy of what plugins import of takhost. To use a released version instead,\n" +
		"// remove this folder and the replace line of the go.mod beside it.\n" +
		"module github.com/takhost/takhost\n\ngo " + GoVersion + "\n"
	return writeFile(filepath.Join(dir, "go.mod"), []byte(mod))
}

// isPart says whether a folder belongs to what plugins import. What needs other modules
// does not.
func isPart(folder string) bool {
	switch folder {
	case ".", "hostapi", "hostapi/cot", "hostapi/index", "hostapi/manifest", "hostapi/tree", "hostapi/wire", "sdk", "sdk/plugintest":
		return true
	}
	return false
}

func writeFile(name string, text []byte) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return fmt.Errorf("new plugin: %w", err)
	}
	if err := os.WriteFile(name, text, 0o644); err != nil {
		return fmt.Errorf("new plugin: %w", err)
	}
	return nil
}
