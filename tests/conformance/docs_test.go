package conformance

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestDocs: what the documentation shows of an example is in it.
func TestDocs(t *testing.T) {
	read := func(name ...string) string {
		b, err := os.ReadFile(filepath.Join(append([]string{Root(t)}, name...)...))
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	doc := read("docs", "plugins.md")
	_, section, ok := strings.Cut(doc, "From [pictures](../examples/pictures)")
	section, _, end := strings.Cut(section, "Try it:")
	if !ok || !end {
		t.Fatal("docs/plugins.md shows nothing of examples/pictures")
	}
	// Without what is at the start of lines: the documentation has spaces, the code tabs.
	bare := func(text string) string {
		lines := strings.Split(strings.TrimSpace(text), "\n")
		for i := range lines {
			lines[i] = strings.TrimSpace(lines[i])
		}
		return strings.Join(lines, "\n")
	}
	code := bare(read("examples", "pictures", "main.go"))
	manifest := strings.Join(strings.Fields(read("examples", "pictures", "plugin.json")), " ")
	_, section, _ = strings.Cut(section, "\n\n")
	shown := 0
	for _, block := range strings.Split(bare(section), "\n\n") {
		shown++
		if head, tail, is := strings.Cut(block, "\n\"body\""); is { // of a route, without its doc
			if !strings.Contains(manifest, head) || !strings.Contains(manifest, "\"body\""+strings.TrimSuffix(tail, ",")) {
				t.Errorf("not in plugin.json:\n%s", block)
			}
			continue
		}
		if !strings.Contains(code, block) {
			t.Errorf("not in main.go:\n%s", block)
		}
	}
	if shown != 3 {
		t.Errorf("the documentation shows %d pieces, want 3", shown)
	}
}
