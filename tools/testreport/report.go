package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
)

// event is one line of `go test -json` (go doc cmd/test2json).
type event struct {
	Action      string
	Package     string
	ImportPath  string // of build-output and build-fail
	FailedBuild string
	Test        string
	Output      string
	Elapsed     float64 // seconds
}

// report collects the output of running tests, and drops it when they pass.
type report struct {
	out     io.Writer
	running map[testName][]string
	order   []testName          // of running, by first output
	builds  map[string][]string // output of failed builds by import path
	counts  map[string]*counts
	failed  []string // packages
	passed  int      // packages that passed
	empty   int      // packages without tests
	skipped []string
	leftOut []string
}

type testName struct{ pkg, test string }

type counts struct{ passed, failed, skipped int }

func newReport(out io.Writer) *report {
	return &report{
		out:     out,
		running: map[testName][]string{},
		builds:  map[string][]string{},
		counts:  map[string]*counts{},
	}
}

func (r *report) ok() bool { return len(r.failed) == 0 && r.passed+r.empty > 0 }

func (r *report) read(in io.Reader) error {
	lines := bufio.NewReader(in)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			var e event
			// What is not JSON comes from the go command itself.
			if json.Unmarshal(line, &e) != nil || e.Action == "" {
				fmt.Fprintf(r.out, "%s\n", strings.TrimRight(string(line), "\r\n"))
			} else {
				r.take(e)
			}
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (r *report) take(e event) {
	switch {
	case e.Action == "build-output":
		r.builds[e.ImportPath] = append(r.builds[e.ImportPath], e.Output)
	case e.Action == "output":
		r.output(testName{e.Package, e.Test}, e.Output)
	case e.Action == "pass" || e.Action == "fail" || e.Action == "skip":
		if e.Test == "" {
			r.packageDone(e)
		} else {
			r.testDone(e)
		}
	}
}

func (r *report) output(name testName, text string) {
	if _, ok := r.running[name]; !ok {
		r.order = append(r.order, name)
	}
	r.running[name] = append(r.running[name], text)
	if what, ok := leftOutText(text); ok && name.test != "" && !slices.Contains(r.leftOut, what) {
		r.leftOut = append(r.leftOut, what)
	}
}

// leftOutLine matches what t.Skip and t.Log make of such a text.
var leftOutLine = regexp.MustCompile(`^\s*(?:[\w./-]+\.go:\d+: )?left out: (.+?)\s*$`)

func leftOutText(text string) (string, bool) {
	if m := leftOutLine.FindStringSubmatch(text); m != nil {
		return m[1], true
	}
	return "", false
}

func (r *report) testDone(e event) {
	name := testName{e.Package, e.Test}
	c := r.counts[e.Package]
	if c == nil {
		c = &counts{}
		r.counts[e.Package] = c
	}
	switch e.Action {
	case "pass":
		c.passed++
	case "fail":
		c.failed++
		r.print(name)
	case "skip":
		c.skipped++
		if reason := r.reason(name); reason != "" {
			r.skipped = append(r.skipped, fmt.Sprintf("%s %s: %s", short(e.Package), e.Test, reason))
		}
	}
	r.drop(name)
}

// reason gives why a test was skipped, empty if it was left out, as that is
// told elsewhere.
func (r *report) reason(name testName) string {
	reason := "no reason given"
	for _, text := range r.running[name] {
		if _, ok := leftOutText(text); ok {
			return ""
		}
		if !isFrame(text) {
			reason = strings.TrimSpace(text)
		}
	}
	return reason
}

func (r *report) packageDone(e event) {
	c := r.counts[e.Package]
	if c == nil {
		c = &counts{}
	}
	switch {
	case e.Action == "fail":
		r.failed = append(r.failed, short(e.Package))
		for _, text := range r.builds[e.FailedBuild] {
			fmt.Fprint(r.out, text)
		}
		// Tests that never ended (a panic, a deadline), then the package's own.
		for _, name := range slices.Clone(r.order) {
			if name.pkg == e.Package {
				r.print(name)
			}
		}
		fmt.Fprintf(r.out, "FAIL  %-32s %6.1fs  %s\n", short(e.Package), e.Elapsed, c)
	case e.Action == "skip" || *c == counts{}:
		r.empty++
	default:
		r.passed++
		fmt.Fprintf(r.out, "ok    %-32s %6.1fs  %s\n", short(e.Package), e.Elapsed, c)
	}
	for _, name := range slices.Clone(r.order) {
		if name.pkg == e.Package {
			r.drop(name)
		}
	}
}

func (r *report) print(name testName) {
	for _, text := range r.running[name] {
		if !isFrame(text) {
			fmt.Fprint(r.out, text)
		}
	}
}

// isFrame reports whether a line only says that a test begins or goes on.
func isFrame(text string) bool {
	for _, p := range []string{"=== RUN", "=== PAUSE", "=== CONT", "=== NAME", "--- SKIP", "FAIL\n", "-test.shuffle", "exit status", "FAIL\t"} {
		if strings.HasPrefix(strings.TrimLeft(text, " "), p) {
			return true
		}
	}
	return false
}

func (r *report) drop(name testName) {
	delete(r.running, name)
	r.order = slices.DeleteFunc(r.order, func(n testName) bool { return n == name })
}

func (r *report) finish() {
	for _, s := range r.skipped {
		fmt.Fprintln(r.out, "skipped:", s)
	}
	fmt.Fprintf(r.out, "%d packages passed, %d failed, %d have no tests\n", r.passed, len(r.failed), r.empty)
}

func (c *counts) String() string {
	s := fmt.Sprintf("%d tests", c.passed+c.failed+c.skipped)
	if c.failed > 0 {
		s += fmt.Sprintf(", %d failed", c.failed)
	}
	if c.skipped > 0 {
		s += fmt.Sprintf(", %d skipped", c.skipped)
	}
	return s
}

func short(pkg string) string {
	return strings.TrimPrefix(strings.TrimPrefix(pkg, "github.com/takhost/takhost"), "/")
}
