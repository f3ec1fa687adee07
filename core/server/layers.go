package server

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/takhost/takhost/core/config"
	"github.com/takhost/takhost/core/plugin"
	"github.com/takhost/takhost/hostapi/manifest"
)

// pluginLayers gives what file, environment and flags say of plugins in the
// form of the plugin host. The error names all that no plugin could have, each
// with its place.
func pluginLayers(values []config.PluginValue) (plugin.Layers, error) {
	layers := plugin.Layers{File: map[string]plugin.Setting{}, Environment: map[string]plugin.Setting{}, Flags: map[string]plugin.Setting{}}
	to := map[string]map[string]plugin.Setting{"file": layers.File, "environment": layers.Environment, "flag": layers.Flags}
	trees := map[[2]string]map[string]any{} // by source and plugin
	places := map[[2]string]map[string]string{}
	for _, v := range values {
		of := [2]string{v.Origin.Source(), v.Plugin}
		if trees[of] == nil {
			trees[of], places[of] = map[string]any{}, map[string]string{}
		}
		put(trees[of], v.Path, v.Value)
		places[of][strings.Join(v.Path, ".")] = v.Origin.String()
	}
	var errs []error
	for _, of := range slices.SortedFunc(maps.Keys(trees), func(a, b [2]string) int { return slices.Compare(a[:], b[:]) }) {
		path := "plugins." + of[1]
		s, err := plugin.ReadSetting(path, trees[of])
		if err != nil {
			errs = append(errs, placed(err, path+".", places[of]))
			continue
		}
		s.Extra = places[of]
		to[of[0]][of[1]] = s
	}
	return layers, errors.Join(errs...)
}

// put sets the value at path, in place of one that it cannot stand beside.
func put(tree map[string]any, path []string, v any) {
	for _, key := range path[:len(path)-1] {
		sub, ok := tree[key].(map[string]any)
		if !ok {
			sub = map[string]any{}
			tree[key] = sub
		}
		tree = sub
	}
	last := path[len(path)-1]
	if m, ok := v.(map[string]any); ok && len(m) == 0 && tree[last] != nil {
		return // an empty section takes nothing away
	}
	tree[last] = v
}

// placed puts in front of each fault the place of the value that it is about.
func placed(err error, prefix string, places map[string]string) error {
	var faults manifest.Faults
	if !errors.As(err, &faults) {
		return err
	}
	var errs []error
	for _, f := range faults {
		at := ""
		for key, place := range places {
			if rest := strings.TrimPrefix(f.Path, prefix); rest == key || strings.HasPrefix(rest, key+".") || strings.HasPrefix(rest, key+"[") || strings.HasPrefix(key, rest+".") {
				at = place + ": "
				break
			}
		}
		errs = append(errs, fmt.Errorf("%s%s", at, f))
	}
	return errors.Join(errs...)
}
