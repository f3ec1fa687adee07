package admin

import (
	"testing"

	"github.com/takhost/takhost/openapi"
)

// FuzzReadCSV shows that whatever comes is people or a clear refusal.
func FuzzReadCSV(f *testing.F) {
	for _, s := range []string{
		"ann,Ann,pw,Blue|Red:in,user\n", "\ufeffname;groups\r\n\"a\"\"b\";x", "name\n\n,\n", "\"", ";;;;\n", "a\nA\n", "groups,name\n:in|:out,x\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, file []byte) {
		lines, err := readCSV(file)
		if p, ok := err.(*openapi.Problem); err != nil && (!ok || p.Status != 400) {
			t.Fatalf("got %v", err)
		}
		names := map[string]bool{}
		for i, l := range lines {
			if l.line < 1 || i > 0 && l.line <= lines[i-1].line {
				t.Errorf("line %d after another", l.line)
			}
			if l.err == nil && (l.user.Name == "" || names[fold(l.user.Name)]) {
				t.Errorf("line %d: name %q", l.line, l.user.Name)
			}
			names[fold(l.user.Name)] = true
		}
	})
}
