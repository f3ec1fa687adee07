package config

import (
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
)

// text sets a field from a flag or a variable. Single values are taken as they
// stand, so that nobody has to quote for YAML inside a shell; text in quotes,
// lists in brackets and whole sections are YAML.
func (l *loader) text(f field, text string, at Origin) {
	value := f.in(&l.result.Config)
	trimmed := strings.TrimSpace(text)
	switch {
	case f.section:
		if root, ok := l.yamlText(f, trimmed, at); ok {
			l.section(f.key, root, at)
		}
	case isList(value) && !strings.HasPrefix(trimmed, "["):
		var texts []string
		for item := range strings.SplitSeq(trimmed, ",") {
			if item = strings.TrimSpace(item); item != "" {
				texts = append(texts, item)
			}
		}
		setList(value, texts)
		l.result.origins[f.key] = at
	case isList(value) || isQuoted(trimmed):
		if root, ok := l.yamlText(f, trimmed, at); ok {
			l.node(f, root, at, at)
		}
	default:
		if err := setScalar(value, text); err != nil {
			l.fault(at, f.key, err.Error())
			return
		}
		l.result.origins[f.key] = at
	}
}

func (l *loader) yamlText(f field, text string, at Origin) (*yaml.Node, bool) {
	root, faults := parseYAML(at, []byte(text))
	for _, fault := range faults {
		l.fault(at, f.key, fault.Problem+hint(text))
	}
	if root == nil && len(faults) == 0 {
		l.fault(at, f.key, "has no value")
	}
	return root, root != nil
}

func hint(text string) string {
	if strings.Contains(text, "*") {
		return ` (in a list a text that begins with * needs quotes: ["*"])`
	}
	return ""
}

func isQuoted(s string) bool {
	return len(s) >= 2 && (s[0] == '"' || s[0] == '\'') && s[len(s)-1] == s[0]
}

func isList(v reflect.Value) bool { return v.Kind() == reflect.Slice }

// setList makes an empty list, not nil, of no texts.
func setList(v reflect.Value, texts []string) { v.Set(reflect.ValueOf(append([]string{}, texts...))) }

// setScalar reads text as the type of v.
func setScalar(v reflect.Value, text string) error {
	switch p := v.Addr().Interface().(type) {
	case *Duration:
		d, err := ParseDuration(text)
		if err == nil {
			*p = d
		}
		return err
	case *Bytes:
		b, err := ParseBytes(text)
		if err == nil {
			*p = b
		}
		return err
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Int:
		n, err := strconv.ParseInt(text, 10, 32)
		if errors.Is(err, strconv.ErrRange) {
			return fmt.Errorf("%s is too large", quote(text))
		}
		if err != nil {
			return fmt.Errorf("%s is not a whole number", quote(text))
		}
		v.SetInt(n)
	case reflect.Bool:
		switch strings.ToLower(text) {
		case "true", "yes", "on":
			v.SetBool(true)
		case "false", "no", "off":
			v.SetBool(false)
		default:
			return fmt.Errorf("%s is not true or false", quote(text))
		}
	default:
		return fmt.Errorf("has a type that cannot be set (%s)", v.Type())
	}
	return nil
}
