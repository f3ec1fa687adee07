package plugin

import (
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/manifest"
)

// ReadSetting reads the section of one plugin from a decoded form: maps, lists,
// texts and numbers as decoders of JSON and YAML give them. The error is
// manifest.Faults; their paths begin with path, such as plugins.geofence.
func ReadSetting(path string, v any) (Setting, error) {
	var s Setting
	m, ok := v.(map[string]any)
	if v != nil && !ok {
		return s, manifest.Faults{{Path: path, Msg: "is no section: write keys below it, such as enabled: true"}}
	}
	var faults manifest.Faults
	add := func(key, msg string) { faults = append(faults, manifest.Fault{Path: path + "." + key, Msg: msg}) }
	text := func(key string, to *string) {
		if t, ok := m[key].(string); ok && t != "" {
			*to = t
		} else {
			add(key, "is no text")
		}
	}
	section := func(key string, to *map[string]any) {
		switch v := m[key].(type) {
		case map[string]any:
			*to = v
		case nil:
		default:
			add(key, "is no section: write keys below it")
		}
	}
	for _, key := range slices.Sorted(maps.Keys(m)) {
		switch key {
		case "enabled":
			if on, ok := m[key].(bool); ok {
				s.Enabled = &on
			} else {
				add(key, "is neither true nor false")
			}
		case "source":
			text(key, &s.Source)
		case "sha256":
			if text(key, &s.SHA256); s.SHA256 != "" && !isDigest(s.SHA256) {
				add(key, "is no SHA-256: 64 hexadecimal digits, as takhost plugin check prints them")
			}
		case "grant":
			if m[key] == nil {
				break
			}
			var c manifest.Capabilities
			faults = appendFaults(faults, c.Decode(path+".grant", m[key]))
			s.Grant = hostapi.Grants(c)
		case "limits":
			section(key, &s.Limits)
			_, err := readLimits(path+".limits", s.Limits)
			faults = appendFaults(faults, err)
		case "config":
			section(key, &s.Config)
		default:
			add(key, "is not known: there are enabled, source, sha256, grant, limits and config")
		}
	}
	if len(faults) > 0 {
		return Setting{}, faults
	}
	return s, nil
}

func appendFaults(list manifest.Faults, err error) manifest.Faults {
	if f, ok := err.(manifest.Faults); ok {
		return append(list, f...)
	}
	return list
}

func isDigest(s string) bool {
	return len(s) == 64 && strings.Trim(strings.ToLower(s), "0123456789abcdef") == ""
}

// readLimits reads limits by the rules of a manifest, which are one set for
// both. What a limit needs of the rest of a manifest does not count here.
func readLimits(path string, v map[string]any) (manifest.Limits, error) {
	if len(v) == 0 {
		return manifest.Limits{}, nil
	}
	m, err := manifest.FromTree(map[string]any{"name": "x", "version": "0.0.0", "abi": hostapi.ABIName, "http": "pool", "limits": v})
	if err == nil {
		return m.Limits, nil
	}
	faults, ok := err.(manifest.Faults)
	if !ok {
		return manifest.Limits{}, err
	}
	own := slices.Clone(faults)
	for i := range own {
		own[i].Path = path + strings.TrimPrefix(own[i].Path, "limits")
	}
	return manifest.Limits{}, own
}

// ScopeTree gives a scope in the form in which a manifest or a grant has it.
func ScopeTree(c hostapi.Capability, s hostapi.Scope) any {
	out := map[string]any{}
	for _, k := range c.Keys() {
		switch {
		case k.Kind.IsList():
			if l := *s.List(k.Name); len(l) > 0 {
				out[k.Name] = anyList(l)
			}
		case k.Kind == hostapi.ScopeBox:
			if b := s.Box; b != nil {
				out[k.Name] = []any{b.South, b.West, b.North, b.East}
			}
		case k.Kind == hostapi.ScopeFlag:
			if s.Missions {
				out[k.Name] = true
			}
		case k.Kind == hostapi.ScopeSpan:
			if s.Span != 0 {
				out[k.Name] = time.Duration(s.Span).String()
			}
		default:
			if n := *s.Amount(k.Name); n != 0 {
				out[k.Name] = n
			}
		}
	}
	if len(out) == 0 {
		return true
	}
	return out
}

func anyList(l []string) []any {
	out := make([]any, len(l))
	for i, s := range l {
		out[i] = s
	}
	return out
}

// durationText writes a span as a manifest has it: 1m30s, 250ms.
func durationText(d manifest.Duration) string {
	s := time.Duration(d).String()
	if strings.HasSuffix(s, "m0s") {
		s = s[:len(s)-2]
	}
	if strings.HasSuffix(s, "h0m") {
		s = s[:len(s)-2]
	}
	return s
}
