package openapi

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// asYAML writes a JSON document as YAML: objects and lists in block form, texts
// that could be taken for something else as JSON has them, which YAML 1.2 takes
// too.
func asYAML(text []byte) ([]byte, error) {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var doc any
	if err := dec.Decode(&doc); err != nil {
		return nil, fmt.Errorf("write the description as YAML: %w", err)
	}
	var b bytes.Buffer
	writeYAML(&b, doc, 0)
	return b.Bytes(), nil
}

// writeYAML writes a value and ends its line. What stands before it on the line
// is the caller's: a key with its colon, a dash, or nothing.
func writeYAML(b *bytes.Buffer, v any, depth int) {
	switch v := v.(type) {
	case map[string]any:
		if len(v) == 0 {
			b.WriteString(" {}\n")
			return
		}
		newLine(b)
		for _, key := range slices.Sorted(maps.Keys(v)) {
			indent(b, depth)
			b.WriteString(yamlText(key) + ":")
			writeYAML(b, v[key], depth+1)
		}
	case []any:
		if len(v) == 0 {
			b.WriteString(" []\n")
			return
		}
		newLine(b)
		for _, x := range v {
			indent(b, depth)
			b.WriteString("-")
			writeYAML(b, x, depth+1)
		}
	case string:
		b.WriteString(" " + yamlText(v) + "\n")
	case json.Number:
		b.WriteString(" " + v.String() + "\n")
	default: // bool and nil
		fmt.Fprintf(b, " %s\n", map[any]string{true: "true", false: "false", nil: "null"}[v])
	}
}

// newLine ends the line of a key or dash; the document itself has none.
func newLine(b *bytes.Buffer) {
	if b.Len() > 0 {
		b.WriteByte('\n')
	}
}

func indent(b *bytes.Buffer, depth int) {
	for range depth {
		b.WriteString("  ")
	}
}

// words are texts that YAML, of one version or another, takes for no text.
var words = []string{"true", "false", "null", "yes", "no", "on", "off", "y", "n", "nan", "inf"}

// yamlText writes a text: as it is if it is a plain word or sentence, or quoted.
func yamlText(s string) string {
	if isPlain(s) {
		return s
	}
	b, err := json.Marshal(s)
	if err != nil {
		return `""` // a text can always be written
	}
	// JSON leaves as they are some characters that YAML does not allow.
	var out strings.Builder
	for _, c := range string(b) {
		if c == 0x7f || c >= 0x80 && c < 0xa0 || c == 0xfeff || c == 0xfffe || c == 0xffff {
			fmt.Fprintf(&out, `\u%04x`, c)
		} else {
			out.WriteRune(c)
		}
	}
	return out.String()
}

func isPlain(s string) bool {
	if s == "" || len(s) > 100 || slices.Contains(words, strings.ToLower(s)) {
		return false
	}
	for i, c := range []byte(s) {
		letter := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
		inner := i > 0 && (c >= '0' && c <= '9' || c == '_' || c == '.' || c == '-' || c == '/' || c == '{' || c == '}' || c == ' ' && i < len(s)-1)
		if !letter && !inner && !(i == 0 && c == '/') {
			return false
		}
	}
	return true
}
