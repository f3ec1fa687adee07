package openapi

import (
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/manifest"
)

// Plugin is one plugin whose routes are part of a generation.
type Plugin struct {
	Name      string
	Version   string
	Manifest  *manifest.Manifest
	Files     fs.FS    // the files of manifest.Static.Folder; nil without
	Prefixes  []string // granted beside /api/plugins/NAME/
	Listeners []string // granted; empty: web and rest
}

// Route is one route of a plugin as it stands in a generation.
type Route struct {
	*manifest.Route
	Plugin    *Plugin
	Listeners []string // that have it
	Rest      string   // name of the parameter that takes the rest of the path; empty: none
	Names     []string // of all parameters of the path
}

// Refused says why a plugin cannot be part of a generation.
type Refused struct {
	Plugin string
	Route  string // id of the route; empty: the plugin as a whole
	Err    error
}

func (r *Refused) Error() string {
	at := "plugin " + r.Plugin
	if r.Route != "" {
		at += ", route " + r.Route
	}
	return at + ": " + r.Err.Error()
}

// Unwrap gives the reason.
func (r *Refused) Unwrap() error { return r.Err }

// usual are the listeners of a route that names none.
var usual = []string{"rest", "web"}

// allowed gives the listeners that are wanted and granted.
func (p *Plugin) allowed(wanted []string) []string {
	if len(wanted) == 0 {
		wanted = usual
	}
	var list []string
	for _, l := range wanted {
		if len(p.Listeners) == 0 || slices.Contains(p.Listeners, l) {
			list = append(list, l)
		}
	}
	return list
}

// mayHave says whether the plugin may have a route of that path.
func (p *Plugin) mayHave(path string) error {
	own := manifest.Prefix(p.Name)
	if strings.HasPrefix(path, own) || path == strings.TrimSuffix(own, "/") {
		return nil
	}
	for _, g := range p.Prefixes {
		if hostapi.MatchPath(g, path) {
			return nil
		}
	}
	return fmt.Errorf("%s is outside of %s and of the prefixes that are granted (%s)", path, own, orNone(p.Prefixes))
}

func orNone(list []string) string {
	if len(list) == 0 {
		return "none"
	}
	return strings.Join(list, ", ")
}

// belongs says whether the description of that name has what is on these
// listeners. Two may have it, but nothing on web alone is there twice.
func belongs(name string, listeners []string) bool {
	plain := slices.Contains(listeners, "http") || slices.Contains(listeners, "https")
	if name == Marti {
		return plain
	}
	return slices.Contains(listeners, "rest") || !plain && len(listeners) > 0
}

// routes gives the plugin's routes that the description of that name has.
func (p *Plugin) routes(name string) (list []*Route, err error) {
	if p.Manifest == nil {
		return nil, &Refused{p.Name, "", fmt.Errorf("has no manifest")}
	}
	for i := range p.Manifest.Routes {
		m := &p.Manifest.Routes[i]
		r := &Route{Route: m, Plugin: p, Listeners: p.allowed(m.Listeners)}
		if !belongs(name, r.Listeners) {
			continue
		}
		if err := r.check(); err != nil {
			return nil, &Refused{p.Name, m.ID, err}
		}
		list = append(list, r)
	}
	return list, nil
}

// methods are those that a route may have.
var methods = []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"}

// withheld are headers with credentials, which are nothing for a plugin.
var withheld = []string{"authorization", "cookie", "proxy-authorization", "sec-websocket-protocol"}

// check makes sure of what a manifest that was read without a fault has anyway:
// what is wrong here would panic further down.
func (r *Route) check() error {
	if r.ID == "" {
		return fmt.Errorf("has no id")
	}
	if !slices.Contains(methods, r.Method) {
		return fmt.Errorf("method %q is none of %s", r.Method, strings.Join(methods, ", "))
	}
	p, err := parsePattern(r.Path)
	if err != nil {
		return err
	}
	r.Names, r.Rest = p.names, p.rest
	for i, q := range r.Params {
		switch {
		case q.In != "path" && q.In != "query" && q.In != "header":
			return fmt.Errorf("params[%d]: %q is no place for a parameter", i, q.In)
		case q.In == "path" && !slices.Contains(r.Names, q.Name):
			return fmt.Errorf("params[%d]: %q is not in the path %s", i, q.Name, r.Path)
		case q.In == "header" && slices.Contains(withheld, strings.ToLower(q.Name)):
			return fmt.Errorf("params[%d]: the header %s has credentials, which no plugin gets", i, q.Name)
		}
	}
	return r.Plugin.mayHave(r.Path)
}
