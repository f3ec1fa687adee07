package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

// parseYAML gives the tree of a single document, nil for an empty text.
func parseYAML(at Origin, data []byte) (root *yaml.Node, faults []located) {
	fail := func(at Origin, problem string) (*yaml.Node, []located) {
		return nil, append(faults, located{Fault{Problem: problem}, at})
	}
	// The library has had panics on odd input. Such a file is the operator's
	// to mend, and no reason to die with a stack trace.
	defer func() {
		if p := recover(); p != nil {
			root, faults = fail(at, "is not readable as YAML (the reader gave up on it)")
		}
	}()
	if line, col, problem := badText(data); problem != "" {
		at.line, at.col = line, col
		return fail(at, problem)
	}
	loader, err := yaml.NewLoader(bytes.NewReader(data))
	if err != nil {
		return fail(at, "is not readable as YAML")
	}
	var doc, second yaml.Node
	switch err := loader.Load(&doc); {
	case errors.Is(err, io.EOF):
		return nil, nil
	case err != nil:
		return nil, yamlFaults(at, err)
	}
	switch err := loader.Load(&second); {
	case err == nil:
		return fail(place(at, &second), "has a second document (---): only one is read")
	case !errors.Is(err, io.EOF):
		return nil, yamlFaults(at, err)
	}
	if doc.Kind == yaml.DocumentNode && len(doc.Content) == 1 {
		return doc.Content[0], nil
	}
	return &doc, nil
}

// yamlFaults turns the library's errors into ours, with the place and without
// any text of the file.
func yamlFaults(at Origin, err error) []located {
	var one *yaml.LoadError
	var many *yaml.LoadErrors
	var list []*yaml.LoadError
	switch {
	case errors.As(err, &many):
		list = many.Errors
	case errors.As(err, &one):
		list = []*yaml.LoadError{one}
	}
	if len(list) == 0 {
		return []located{{Fault{Problem: "is not readable as YAML"}, at}}
	}
	var faults []located
	for _, e := range list {
		here := at
		if at.kind == fromFile {
			here.line, here.col = e.Mark.Line, e.Mark.Column
		}
		problem := withoutQuoted(e.Message)
		if e.ContextMsg != "" {
			problem += " " + withoutQuoted(e.ContextMsg)
			if at.kind == fromFile && e.ContextMark.Line > 0 {
				problem += fmt.Sprintf(" that begins in line %d", e.ContextMark.Line)
			}
		}
		faults = append(faults, located{Fault{Problem: "not valid YAML: " + problem}, here})
	}
	return faults
}

// quoted matches what the library cites from a file.
var quoted = regexp.MustCompile("'[^']*'|\"[^\"]*\"|`[^`]*`")

// withoutQuoted keeps only single characters that are cited, such as a missing
// bracket.
func withoutQuoted(s string) string {
	return quoted.ReplaceAllStringFunc(s, func(cited string) string {
		if len(cited) <= 3 {
			return cited
		}
		return "…"
	})
}

// badText finds bytes that no YAML text has.
func badText(data []byte) (line, col int, problem string) {
	line, col = 1, 1
	for i := 0; i < len(data); {
		r, n := utf8.DecodeRune(data[i:])
		switch {
		case r == utf8.RuneError && n == 1:
			return line, col, "is not UTF-8 text: save the file in that encoding"
		case r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0x7f:
			return line, col, fmt.Sprintf("holds the control character %U", r)
		case r == '\n':
			line, col = line+1, 0
		}
		i += n
		col++
	}
	return 0, 0, ""
}
