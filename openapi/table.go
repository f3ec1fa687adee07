package openapi

import (
	"errors"
	"fmt"
)

// table knows who has which requests, and finds out whether somebody else asks
// for the same.
type table struct {
	owners map[string]owner // by method and shape
	core   []entry
}

// owner is the core, whose name is empty, or a route of a plugin.
type owner struct{ plugin, route, path string }

type entry struct {
	method  string
	pattern pattern
	owner   owner
}

func (o owner) String() string {
	if o.plugin == "" {
		return "the core's " + o.path
	}
	return "route " + o.route + " of plugin " + o.plugin
}

// addCore notes an operation of the core.
func (t *table) addCore(method, path string) error {
	p, err := parsePattern(path)
	if err != nil {
		return fmt.Errorf("core: %w", err)
	}
	o := owner{path: method + " " + path}
	if t.owners == nil {
		t.owners = map[string]owner{}
	}
	key := method + " " + p.shape()
	if _, twice := t.owners[key]; twice {
		return fmt.Errorf("core: %s is there twice", o.path)
	}
	t.owners[key] = o
	t.core = append(t.core, entry{method, p, o})
	return nil
}

// addPlugin notes a route of a plugin, or says whose requests it would take.
func (t *table) addPlugin(o owner, method, path string) error {
	p, err := parsePattern(path)
	if err != nil {
		return &Refused{o.plugin, o.route, err}
	}
	key := method + " " + p.shape()
	if other, taken := t.owners[key]; taken {
		return &Refused{o.plugin, o.route, fmt.Errorf("%s %s takes the same requests as %s", method, path, other)}
	}
	for _, c := range t.core {
		if c.method == method && p.takesFrom(c.pattern) {
			return &Refused{o.plugin, o.route, fmt.Errorf("%s %s would take requests from %s", method, path, c.owner)}
		}
	}
	if t.owners == nil {
		t.owners = map[string]owner{}
	}
	t.owners[key] = o
	return nil
}

// isThere says whether the same route was added by another description.
func (t *table) isThere(o owner, method string, p pattern) bool {
	return t.owners[method+" "+p.shape()] == o
}

// has says whether somebody has that method and shape.
func (t *table) has(method string, p pattern) bool {
	_, taken := t.owners[method+" "+p.shape()]
	return taken
}

// caught turns a panic into an error: whatever a manifest says, a build ends in
// a generation or in an error.
func caught(do func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	return do()
}

// caughtFor is caught for what is done on behalf of a plugin.
func caughtFor(plugin, route string, do func() error) error {
	err := caught(do)
	if r := (*Refused)(nil); err == nil || errors.As(err, &r) {
		return err
	}
	return &Refused{plugin, route, err}
}
