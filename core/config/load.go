package config

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
)

// maxFile bounds the file in bytes. A real one has a few thousand.
const maxFile = 1 << 20

// maxFaults is how many faults an error names before it only counts.
const maxFaults = 20

// Sources says what to load from, weakest first.
type Sources struct {
	// File is the file that the operator named. It must exist. When it is
	// empty, DefaultFile is read if there is one.
	File string
	// Environ has NAME=value lines as os.Environ gives them. Variables that
	// do not start with EnvPrefix are not looked at.
	Environ []string
	// Set has key=value lines, the key as a dotted path.
	Set []string
	// Flags are command line flags for single keys. They win over Set.
	Flags []Flag
}

// Flag is a command line flag that stands for a key, such as --data.
type Flag struct {
	Name  string
	Key   string
	Value string
}

// Loaded is a valid configuration that knows where its values come from.
type Loaded struct {
	Config
	// File is what was read, empty without a file.
	File string
	// Warnings are for the log: whole sentences about settings that work, but
	// perhaps not as meant.
	Warnings []string
	// Plugins is what the sources say of plugins, the weakest first: file,
	// environment, flags.
	Plugins []PluginValue

	origins map[string]Origin
}

// Origin says where the value of a key (a dotted path) comes from.
func (l *Loaded) Origin(key string) Origin { return l.origins[key] }

// Load reads all sources, lets exposure move the listeners that nobody has set
// by hand, and validates the result. The error names all faults, one a line,
// each with its place.
func Load(src Sources) (*Loaded, error) {
	name, data, err := readFile(src.File)
	if err != nil {
		return nil, err
	}
	return load(name, data, src)
}

func readFile(name string) (string, []byte, error) {
	named := name != ""
	if !named {
		name = DefaultFile
	}
	f, err := os.Open(name)
	if !named && errors.Is(err, fs.ErrNotExist) {
		return "", nil, nil
	}
	if err != nil {
		return "", nil, fmt.Errorf("open configuration: %w", err)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err := errors.Join(err, f.Close()); err != nil {
		return "", nil, fmt.Errorf("read configuration: %w", err)
	}
	if len(data) > maxFile {
		return "", nil, fmt.Errorf("read configuration: %s has more than 1 MiB, so it is hardly the right file", name)
	}
	return name, data, nil
}

// load does everything but reading the disk. fileName is empty without a file.
func load(fileName string, data []byte, src Sources) (*Loaded, error) {
	l := &loader{
		schema: newSchema(),
		result: Loaded{Config: Default(), File: fileName, origins: map[string]Origin{}},
		failed: map[string]bool{},
	}
	if fileName != "" {
		l.file(fileName, data)
	}
	l.environ(src.Environ)
	for _, s := range src.Set {
		l.set(s)
	}
	for _, f := range src.Flags {
		l.flag(f)
	}
	l.finish()
	if err := l.err(); err != nil {
		return nil, err
	}
	return &l.result, nil
}

// A loader collects values and faults of one load.
type loader struct {
	schema schema
	result Loaded
	faults []located
	failed map[string]bool // keys whose value could not be read
}

type located struct {
	Fault
	at Origin
}

func (e *located) Error() string {
	if e.Key == "" {
		return e.at.prefix() + e.Problem
	}
	return e.at.prefix() + e.Fault.Error()
}

func (e *located) Unwrap() error { return &e.Fault }

func (l *loader) fault(at Origin, key, problem string) {
	l.faults = append(l.faults, located{Fault{key, problem}, at})
	l.failed[key] = true
}

// finish applies exposure and adds what Validate finds. A key whose value
// could not be read has its fault already.
func (l *loader) finish() {
	c := &l.result.Config
	byHand := func(key string) bool { return l.result.origins[key].ByHand() || l.failed[key] }
	l.result.Warnings = append(l.result.Warnings, c.expose(byHand, func(key string) {
		l.result.origins[key] = Origin{kind: fromExposure, name: "exposure " + string(c.Exposure)}
	})...)
	joined, ok := c.Validate().(interface{ Unwrap() []error })
	if !ok {
		return
	}
	unread := maps.Clone(l.failed)
	for _, err := range joined.Unwrap() {
		if f := (*Fault)(nil); errors.As(err, &f) && !unread[f.Key] {
			l.fault(l.result.origins[f.Key], f.Key, f.Problem)
		}
	}
}

func (l *loader) err() error {
	if len(l.faults) == 0 {
		return nil
	}
	slices.SortStableFunc(l.faults, func(a, b located) int {
		return cmp.Or(cmp.Compare(a.at.kind, b.at.kind), cmp.Compare(a.at.line, b.at.line), cmp.Compare(a.at.col, b.at.col))
	})
	var errs []error
	for i := range l.faults {
		if i == maxFaults {
			errs = append(errs, fmt.Errorf("and %d more", len(l.faults)-maxFaults))
			break
		}
		errs = append(errs, &l.faults[i])
	}
	return errors.Join(errs...)
}

// environ takes the variables of all leaves. Others with the prefix belong to
// somebody else (a container platform makes its own for a service of this
// name), unless they look like a misspelt one.
func (l *loader) environ(environ []string) {
	leaves := map[string]field{}
	var names []string
	for _, f := range l.schema {
		if !f.section {
			leaves[f.envName()] = f
			names = append(names, strings.TrimPrefix(f.envName(), EnvPrefix))
		}
	}
	for _, line := range environ {
		name, value, _ := strings.Cut(line, "=")
		if !strings.HasPrefix(name, EnvPrefix) {
			continue
		}
		at := Origin{kind: fromEnv, name: name}
		if f, ok := leaves[name]; ok {
			l.text(f, value, at)
			continue
		}
		rest := strings.TrimPrefix(name, EnvPrefix)
		if of, ok := strings.CutPrefix(rest, "PLUGINS_"); ok {
			l.pluginVariable(at, of, value)
			continue
		}
		if answer, ok := later(strings.ToLower(strings.Replace(rest, "_", ".", 1))); ok {
			l.fault(at, "", answer)
		} else if meant := nearest(rest, names); meant != "" {
			l.result.Warnings = append(l.result.Warnings, "environment variable "+quote(name)+
				" is not known and has no effect: did you mean "+EnvPrefix+meant+"?")
		}
	}
}

func (l *loader) set(s string) {
	at := Origin{kind: fromFlag, name: "--set"}
	key, value, ok := strings.Cut(s, "=")
	if !ok {
		l.fault(at, "", "lacks a value: write --set key=value, such as --set log.level=debug")
		return
	}
	l.keyValue(at, key, value)
}

func (l *loader) flag(f Flag) { l.keyValue(Origin{kind: fromFlag, name: f.Name}, f.Key, f.Value) }

func (l *loader) keyValue(at Origin, key, value string) {
	if of, ok := strings.CutPrefix(key, "plugins."); ok {
		path := strings.Split(of, ".")
		l.pluginSetting(at, path[0], path[1:], value)
		return
	}
	f, ok := l.schema.find(key)
	if !ok {
		section, name := "", key
		if i := strings.LastIndexByte(key, '.'); i >= 0 {
			if s, ok := l.schema.find(key[:i]); ok && s.section {
				section, name = key[:i], key[i+1:]
			}
		}
		l.fault(at, "", l.schema.unknown(section, name))
		return
	}
	l.text(f, value, at)
}
