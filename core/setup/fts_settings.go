package setup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v4"
)

// ftsSettings are the settings of a FreeTAKServer, by their names in the
// environment, which are those of its file: the environment beats the file, and
// the file the defaults (spec/config.md 1).
type ftsSettings struct {
	file   string // "" when there is none
	values map[string]string
	origin map[string]string
}

// ftsFile is what FreeTAKServer calls its settings.
const ftsFile = "FTSConfig.yaml"

// ftsBase is where a FreeTAKServer lies that says nothing else.
const ftsBase = "/opt/fts"

// maxYAML bounds its settings in bytes. Real ones have a thousand.
const maxYAML = 1 << 20

// readFTSSettings reads path, the file or the folder that has it, and the
// environment.
func readFTSSettings(path string, environ []string) (*ftsSettings, error) {
	s := &ftsSettings{values: map[string]string{}, origin: map[string]string{}}
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("settings of FreeTAKServer: %w", err)
	}
	base := ""
	if s.file = path; info.IsDir() {
		base, s.file = path, filepath.Join(path, ftsFile)
	}
	switch b, err := os.ReadFile(s.file); {
	case base != "" && errors.Is(err, fs.ErrNotExist):
		// FreeTAKServer runs without one too. Somebody has named its folder.
		s.file = ""
		s.values["FTS_PERSISTENCE_PATH"], s.origin["FTS_PERSISTENCE_PATH"] = base, "the folder given"
	case err != nil:
		return nil, fmt.Errorf("settings of FreeTAKServer: %w", err)
	case len(b) > maxYAML:
		return nil, fmt.Errorf("settings of FreeTAKServer: %s has more than 1 MiB, so it is hardly the right file", s.file)
	default:
		if err := s.parse(b); err != nil {
			return nil, fmt.Errorf("settings of FreeTAKServer: %s: %w", s.file, err)
		}
	}
	for _, line := range environ {
		if name, value, ok := strings.Cut(line, "="); ok && strings.HasPrefix(name, "FTS_") {
			s.values[name], s.origin[name] = value, "environment"
		}
	}
	return s, nil
}

// parse reads the file. Sections and keys that nobody knows say nothing there.
func (s *ftsSettings) parse(b []byte) error {
	var sections map[string]any
	if err := yaml.Unmarshal(b, &sections); err != nil {
		// The library's text may repeat a password.
		return errors.New("it is no YAML of sections with keys")
	}
	for _, name := range []string{"System", "Addresses", "Filesystem", "Certs"} {
		keys, ok := sections[name].(map[string]any)
		if !ok {
			continue
		}
		for key, value := range keys {
			text, ok := yamlValue(value)
			if !ok || !strings.HasPrefix(key, "FTS_") {
				continue
			}
			s.values[key], s.origin[key] = text, filepath.Base(s.file)
		}
	}
	return nil
}

// yamlValue gives a value in the form of the environment, where lists are joined
// by commas.
func yamlValue(v any) (string, bool) {
	switch v := v.(type) {
	case nil, map[string]any:
		return "", false
	case []any:
		var items []string
		for _, item := range v {
			text, ok := yamlValue(item)
			if !ok {
				return "", false
			}
			items = append(items, text)
		}
		return strings.Join(items, ","), true
	}
	return fmt.Sprint(v), true
}

// get gives a setting, or its default.
func (s *ftsSettings) get(name, byDefault string) string {
	if v, ok := s.values[name]; ok && v != "" {
		return v
	}
	return byDefault
}

// isTrue reads a setting as FreeTAKServer reads it from its environment.
func (s *ftsSettings) isTrue(name string, byDefault bool) bool {
	v, ok := s.values[name]
	if !ok || v == "" {
		return byDefault
	}
	return slices.Contains([]string{"1", "true", "yes", "y"}, strings.ToLower(v))
}

// base is its folder. One that is given in the file moves the defaults of the
// others too, which FreeTAKServer forgets (spec/config.md 1).
func (s *ftsSettings) base() string { return s.get("FTS_PERSISTENCE_PATH", ftsBase) }

// path gives a file or folder of the installation: where the setting has it, or
// below its folder. When it is not there, as the whole was copied from another
// machine, it is looked for at the same place beside the file of the settings.
func (s *ftsSettings) path(name string, below ...string) string {
	path := s.get(name, filepath.Join(append([]string{s.base()}, below...)...))
	if _, err := os.Lstat(path); err == nil || s.file == "" {
		return path
	}
	rel, err := filepath.Rel(s.base(), path)
	if err != nil || !filepath.IsLocal(rel) {
		return path
	}
	moved := filepath.Join(filepath.Dir(s.file), rel)
	if _, err := os.Lstat(moved); err == nil {
		return moved
	}
	return path
}
