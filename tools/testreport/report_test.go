package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestReport(t *testing.T) {
	const pkg = `"Package":"github.com/takhost/takhost/core/x"`
	tests := []struct {
		name    string
		in      []string
		ok      bool
		want    []string
		not     []string
		leftOut string
	}{
		{
			name: "passing output is dropped",
			in: []string{
				`{"Action":"start",` + pkg + `}`,
				`{"Action":"output",` + pkg + `,"Test":"TestA","Output":"    a.go:1: chatter\n"}`,
				`{"Action":"pass",` + pkg + `,"Test":"TestA"}`,
				`{"Action":"output",` + pkg + `,"Output":"ok  \tcore/x\t1s\n"}`,
				`{"Action":"pass",` + pkg + `,"Elapsed":1.5}`,
			},
			ok:   true,
			want: []string{"ok    core/x", "1.5s  1 tests\n", "1 packages passed, 0 failed"},
			not:  []string{"chatter"},
		},
		{
			name: "failing output is shown",
			in: []string{
				`{"Action":"output",` + pkg + `,"Test":"TestA","Output":"=== RUN   TestA\n"}`,
				`{"Action":"output",` + pkg + `,"Test":"TestB","Output":"    b.go:1: chatter\n"}`,
				`{"Action":"output",` + pkg + `,"Test":"TestA","Output":"    a.go:1: got 1, want 2\n"}`,
				`{"Action":"output",` + pkg + `,"Test":"TestA","Output":"--- FAIL: TestA (0.00s)\n"}`,
				`{"Action":"fail",` + pkg + `,"Test":"TestA"}`,
				`{"Action":"pass",` + pkg + `,"Test":"TestB"}`,
				`{"Action":"fail",` + pkg + `}`,
			},
			want: []string{"    a.go:1: got 1, want 2\n--- FAIL: TestA (0.00s)\n", "FAIL  core/x", "2 tests, 1 failed"},
			not:  []string{"chatter", "=== RUN"},
		},
		{
			name: "a test that never ends is shown",
			in: []string{
				`{"Action":"output",` + pkg + `,"Test":"TestA","Output":"panic: deadline\n"}`,
				`{"Action":"output",` + pkg + `,"Output":"exit status 2\n"}`,
				`{"Action":"fail",` + pkg + `}`,
			},
			want: []string{"panic: deadline\n", "FAIL  core/x"},
		},
		{
			name: "a failed build is shown",
			in: []string{
				`{"ImportPath":"core/x [core/x.test]","Action":"build-output","Output":"x.go:1:1: undefined: y\n"}`,
				`{"ImportPath":"core/x [core/x.test]","Action":"build-fail"}`,
				`{"Action":"fail",` + pkg + `,"FailedBuild":"core/x [core/x.test]"}`,
			},
			want: []string{"x.go:1:1: undefined: y\n", "FAIL  core/x"},
		},
		{
			name: "left out and skipped",
			in: []string{
				`{"Action":"output",` + pkg + `,"Test":"TestA","Output":"    a.go:1: left out: PyTAK (make tools installs it)\n"}`,
				`{"Action":"skip",` + pkg + `,"Test":"TestA"}`,
				`{"Action":"output",` + pkg + `,"Test":"TestB","Output":"    b.go:1: left out: PyTAK (make tools installs it)\n"}`,
				`{"Action":"pass",` + pkg + `,"Test":"TestB"}`,
				`{"Action":"output",` + pkg + `,"Test":"TestC","Output":"    c.go:1: no such folder\n"}`,
				`{"Action":"output",` + pkg + `,"Test":"TestC","Output":"--- SKIP: TestC (0.00s)\n"}`,
				`{"Action":"skip",` + pkg + `,"Test":"TestC"}`,
				`{"Action":"pass",` + pkg + `}`,
			},
			ok:      true,
			want:    []string{"3 tests, 2 skipped", "skipped: core/x TestC: c.go:1: no such folder\n"},
			not:     []string{"skipped: core/x TestA"},
			leftOut: "PyTAK (make tools installs it)\n",
		},
		{
			name: "no tests",
			in:   []string{`{"Action":"output",` + pkg + `,"Output":"?   \tcore/x\t[no test files]\n"}`, `{"Action":"skip",` + pkg + `}`},
			ok:   true,
			want: []string{"0 packages passed, 0 failed, 1 have no tests"},
		},
		{name: "nothing ran", in: []string{"go: cannot find main module"}, want: []string{"go: cannot find main module\n"}},
		{name: "empty", in: nil, want: []string{"0 packages passed"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			file := filepath.Join(t.TempDir(), "left-out")
			ok, err := run(strings.NewReader(strings.Join(tt.in, "\n")), &out, file)
			if err != nil {
				t.Fatal(err)
			}
			if ok != tt.ok {
				t.Errorf("ok: got %v, want %v", ok, tt.ok)
			}
			for _, want := range tt.want {
				if !strings.Contains(out.String(), want) {
					t.Errorf("got\n%s\nwant %q in it", out.String(), want)
				}
			}
			for _, not := range tt.not {
				if strings.Contains(out.String(), not) {
					t.Errorf("got\n%s\nwant no %q in it", out.String(), not)
				}
			}
			leftOut, err := os.ReadFile(file)
			if err != nil && !os.IsNotExist(err) {
				t.Fatal(err)
			}
			if string(leftOut) != tt.leftOut {
				t.Errorf("left out: got %q, want %q", leftOut, tt.leftOut)
			}
		})
	}
}
