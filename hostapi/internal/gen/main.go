// Command gen writes the Go code of hostapi/wire from hostapi/plugin.proto: plain
// structs that write and read themselves, without reflection and without a
// protobuf library, so that a plugin that links them stays small.
//
// It knows the part of proto3 that plugin.proto uses: messages and enums at the
// top level, scalar fields of the types in emit.go, messages, enums, repeated.
// Anything else is an error that names the line. A service is passed over.
package main

import (
	"flag"
	"fmt"
	"os"
	"strings"
)

func main() {
	out := flag.String("o", "", "file to write")
	flag.Parse()
	if flag.NArg() != 1 || *out == "" {
		fmt.Fprintln(os.Stderr, "usage: gen -o FILE.go FILE.proto")
		os.Exit(2)
	}
	if err := run(flag.Arg(0), *out); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

func run(in, out string) error {
	src, err := os.ReadFile(in)
	if err != nil {
		return fmt.Errorf("read schema: %w", err)
	}
	f, err := parse(string(src))
	if err != nil {
		return fmt.Errorf("%s: %w", in, err)
	}
	code, err := emit(f)
	if err != nil {
		return fmt.Errorf("%s: %w", in, err)
	}
	list, err := emitList(f)
	if err != nil {
		return fmt.Errorf("%s: %w", in, err)
	}
	if err := os.WriteFile(out, code, 0o644); err != nil {
		return fmt.Errorf("write code: %w", err)
	}
	if err := os.WriteFile(strings.TrimSuffix(out, ".go")+"_test.go", list, 0o644); err != nil {
		return fmt.Errorf("write list for tests: %w", err)
	}
	return nil
}
