package config

import (
	"errors"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v4"
)

// The file is walked as a tree of nodes rather than decoded into the structs:
// only so has every value a line, every unknown key a suggestion, and does one
// load report all faults. Nothing of the library's text about values is shown,
// as it may repeat a password.

func (l *loader) file(name string, data []byte) {
	at := Origin{kind: fromFile, name: name}
	root, faults := parseYAML(at, data)
	for _, f := range faults {
		l.fault(f.at, "", f.Problem)
	}
	if root != nil {
		l.section("", root, at)
	}
}

// place gives the origin of a node within at. Nodes of flags and environment
// have no line worth telling.
func place(at Origin, n *yaml.Node) Origin {
	if at.kind == fromFile {
		at.line, at.col = n.Line, n.Column
	}
	return at
}

// section takes the keys of a mapping. An empty one is a section of which all
// keys are commented out.
func (l *loader) section(section string, n *yaml.Node, at Origin) {
	l.eachKey(section, n, at, func(name string, value *yaml.Node, here Origin) {
		if section == "" && name == "plugins" {
			l.plugins(value, at)
			return
		}
		path := name
		if section != "" {
			path = section + "." + name
		}
		f, ok := l.schema.find(path)
		switch {
		case ok && f.parent != section:
			l.fault(here, "", fmt.Sprintf("key %q: in a file, sections hold their keys: write %s: {%s: …}", f.key, f.parent, f.name))
		case !ok:
			l.fault(here, "", l.schema.unknown(section, name))
		case f.section:
			l.section(path, value, at)
		default:
			l.node(f, value, place(at, value), here)
		}
	})
}

// eachKey goes over the keys of a mapping with their values and places.
func (l *loader) eachKey(section string, n *yaml.Node, at Origin, do func(name string, value *yaml.Node, here Origin)) {
	n = resolve(n)
	if isNull(n) {
		return
	}
	if n.Kind != yaml.MappingNode {
		wants := "keys"
		if names := l.schema.below(section); len(names) > 0 {
			wants = strings.Join(names, ", ")
		}
		l.fault(place(at, n), section, "wants "+wants+" with values, not "+kindText(n))
		return
	}
	first := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := resolve(n.Content[i]), n.Content[i+1]
		here := place(at, n.Content[i])
		if key.Kind != yaml.ScalarNode || key.Style&yaml.TaggedStyle != 0 {
			l.fault(here, section, "has a key that is not a word")
			continue
		}
		if line, twice := first[key.Value]; twice {
			l.fault(here, section, fmt.Sprintf("%s is there twice, first in line %d", keyText(key.Value), line))
			continue
		}
		first[key.Value] = key.Line
		do(key.Value, value, here)
	}
}

// node sets a leaf. Faults are at the value; the origin is the key's line.
func (l *loader) node(f field, n *yaml.Node, at, key Origin) {
	n = resolve(n)
	if isNull(n) {
		l.fault(key, f.key, `has no value: write one ("" for an empty one), or remove the key`)
		return
	}
	value := f.in(&l.result.Config)
	var err error
	switch {
	case n.Style&yaml.TaggedStyle != 0:
		err = errors.New("has a tag (!…), which has no meaning here")
	case isList(value) && n.Kind == yaml.SequenceNode:
		var texts []string
		for _, item := range n.Content {
			item = resolve(item)
			if item.Kind != yaml.ScalarNode || isNull(item) {
				err = fmt.Errorf("wants texts in its list, not %s", kindText(item))
				break
			}
			texts = append(texts, item.Value)
		}
		if err == nil {
			setList(value, texts)
		}
	case isList(value):
		err = fmt.Errorf("wants a list such as [a, b], not %s", kindText(n))
	case n.Kind != yaml.ScalarNode:
		err = fmt.Errorf("wants a single value, not %s", kindText(n))
	default:
		err = setScalar(value, n.Value)
	}
	if err != nil {
		l.fault(at, f.key, err.Error())
		return
	}
	l.result.origins[f.key] = key
}

// resolve follows an alias to what it stands for. An alias cannot stand for
// another alias.
func resolve(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode && n.Alias != nil {
		return n.Alias
	}
	return n
}

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }

func kindText(n *yaml.Node) string {
	switch {
	case n.Kind == yaml.MappingNode:
		return "keys with values"
	case n.Kind == yaml.SequenceNode:
		return "a list"
	case isNull(n):
		return "nothing"
	}
	return "a single value"
}
