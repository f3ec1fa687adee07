// Command testreport reads what `go test -json` writes and prints it for
// people: a line for each package, the output of what failed and of nothing
// else, and at the end which tests were skipped and why.
//
// A test that cannot run because a tool is missing says "left out: WHAT" when
// it skips. With -left-out FILE these are appended to a file, one a line.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
)

func main() {
	leftOut := flag.String("left-out", "", "`file` to append to what was left out")
	flag.Parse()
	ok, err := run(os.Stdin, os.Stdout, *leftOut)
	if err != nil {
		fmt.Fprintln(os.Stderr, "testreport:", err)
	}
	if err != nil || !ok {
		os.Exit(1)
	}
}

func run(in io.Reader, out io.Writer, leftOutFile string) (ok bool, err error) {
	r := newReport(out)
	if err := r.read(in); err != nil {
		return false, fmt.Errorf("read test output: %w", err)
	}
	r.finish()
	if leftOutFile != "" && len(r.leftOut) > 0 {
		f, err := os.OpenFile(leftOutFile, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
		if err != nil {
			return false, fmt.Errorf("open list of what was left out: %w", err)
		}
		defer f.Close()
		for _, what := range r.leftOut {
			if _, err := fmt.Fprintln(f, what); err != nil {
				return false, fmt.Errorf("write list of what was left out: %w", err)
			}
		}
	}
	return r.ok(), nil
}
