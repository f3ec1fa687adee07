package plugin

import (
	"fmt"
	"slices"
	"strings"

	"github.com/takhost/takhost/hostapi"
)

// generation lets the next routes be made and checked: those of all plugins in
// force, with t in the place of what name runs now, or without it when t is nil.
// commit puts them in force; it is called before anything else changes.
func (h *Host) generation(name string, t *target) (commit func(), err error) {
	var sets []Routes
	for _, e := range h.list() {
		if e.name != name && e.running != nil {
			sets = append(sets, routesOf(e.running.target))
		}
	}
	if t != nil {
		sets = append(sets, routesOf(t))
	}
	return h.generate(sets)
}

func (h *Host) generate(sets []Routes) (commit func(), err error) {
	defer func() {
		// What a manifest says must never end the server.
		if p := recover(); p != nil {
			commit, err = nil, fmt.Errorf("its routes cannot be used: %v", p)
		}
	}()
	sets = slices.DeleteFunc(sets, func(r Routes) bool { return len(r.Manifest.Routes) == 0 && r.Files == nil && !hasPublic(r) })
	slices.SortFunc(sets, func(a, b Routes) int { return strings.Compare(a.Plugin, b.Plugin) })
	return h.opt.Generation(sets)
}

func hasPublic(r Routes) bool {
	for _, a := range r.Manifest.Provides {
		if a.Public {
			return true
		}
	}
	return false
}

func routesOf(t *target) Routes {
	scope := t.grants[hostapi.CapHTTPRoutes]
	return Routes{
		Plugin: t.name, Version: t.pkg.Manifest.Version, Manifest: t.pkg.Manifest, Files: t.pkg.Static(),
		Prefixes: scope.Prefixes, Listeners: scope.Listeners,
	}
}
