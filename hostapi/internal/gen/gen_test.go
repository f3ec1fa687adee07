package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestGeneratedCodeIsFresh(t *testing.T) {
	out := filepath.Join(t.TempDir(), "messages.gen.go")
	if err := run("../../plugin.proto", out); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"messages.gen.go", "messages.gen_test.go"} {
		want, err := os.ReadFile(filepath.Join(filepath.Dir(out), name))
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(filepath.Join("../../wire", name))
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != string(want) {
			t.Errorf("hostapi/wire/%s is not what plugin.proto gives: run go generate ./hostapi/wire", name)
		}
	}
}

func TestParse(t *testing.T) {
	f, err := parse("syntax = \"proto3\";\npackage a.b;\n// of the file\n\n// M is one.\nmessage M {\n  // Many.\n  repeated int32 n = 0x2;\n  E e = 1;\n}\n" +
		"service S { rpc X(stream M) returns (stream M); }\nenum E {\n  // None.\n  E_NONE = 0;\n}\n")
	if err != nil {
		t.Fatal(err)
	}
	want := &file{
		messages: []*message{{name: "M", doc: "M is one.\n", fields: []*field{
			{name: "n", typ: "int32", doc: "Many.\n", number: 2, repeated: true}, {name: "e", typ: "E", number: 1},
		}}},
		enums: []*enum{{name: "E", values: []value{{name: "E_NONE", doc: "None.\n"}}, used: true}},
	}
	if diff := cmp.Diff(want, f, cmp.AllowUnexported(file{}, message{}, field{}, enum{}, value{})); diff != "" {
		t.Errorf("schema (-want +got):\n%s", diff)
	}
}

func TestParseFaults(t *testing.T) {
	tests := []struct{ name, src, want string }{
		{"proto2", "syntax = \"proto2\";", `line 1: got "\"proto2\"", want "\"proto3\""`},
		{"map", "message M {\n  map<string, int32> m = 1;\n}", `line 2: got "<", want a name`},
		{"oneof", "message M {\n oneof x { int32 a = 1; } }", `line 2: got "{", want "="`},
		{"number", "message M { int32 a = x; }", `line 1: got "x", want a number`},
		{"number twice", "message M { int32 a = 1; int32 b = 1; }", "M.b: name or number is there twice"},
		{"number 0", "message M { int32 a = 0; }", "M.a: no field number: 0"},
		{"type", "message M { float a = 1; }", "M.a: type float is not known"},
		{"message twice", "message M {} message M {}", "M is there twice"},
		{"enum without 0", "enum E { A = 1; }", "enum E does not begin with 0"},
		{"end", "message M {", `line 1: got "", want a name`},
		{"service without end", "service S { rpc", "line 1: service without its end"},
		{"quotes", "syntax = \"proto3;", "line 1: a text without its end"},
		{"other", "import \"x\";", `line 1: "import" is not known here`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := parse(tt.src)
			if err == nil || !strings.HasPrefix(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}
