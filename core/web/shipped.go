package web

import (
	"errors"
	"fmt"
	"io/fs"
	"path"

	"github.com/takhost/takhost/core/plugin"
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/manifest"
)

// DescribedVersion stands for the server's version in the descriptions that are
// committed, which must not change with each commit.
const DescribedVersion = "v1"

// ShippedRoutes reads the manifests of plugins from their folders, and gives
// their routes as a server with the default configuration has them: shipped
// plugins are granted what they ask for. A folder without a manifest is none.
func ShippedRoutes(plugins fs.FS) ([]plugin.Routes, error) {
	entries, err := fs.ReadDir(plugins, ".")
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read plugins: %w", err)
	}
	var sets []plugin.Routes
	for _, e := range entries {
		text, err := fs.ReadFile(plugins, path.Join(e.Name(), manifest.FileName))
		if errors.Is(err, fs.ErrNotExist) || !e.IsDir() {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read plugins: %w", err)
		}
		m, err := manifest.Parse(text)
		if err != nil {
			return nil, fmt.Errorf("plugin %s: %w", e.Name(), err)
		}
		set := DefaultRoutes(m)
		if m.Static != nil {
			if set.Files, err = fs.Sub(plugins, path.Join(e.Name(), m.Static.Folder)); err != nil {
				return nil, fmt.Errorf("plugin %s: %w", e.Name(), err)
			}
		}
		sets = append(sets, set)
	}
	return sets, nil
}

// DefaultRoutes gives the routes of a plugin that is granted what it asks for,
// without its static files.
func DefaultRoutes(m *manifest.Manifest) plugin.Routes {
	asked := m.Grants()[hostapi.CapHTTPRoutes]
	return plugin.Routes{Plugin: m.Name, Version: m.Version, Manifest: m, Prefixes: asked.Prefixes, Listeners: asked.Listeners}
}
