package manifest

import (
	"mime"
	"slices"
	"strings"

	"github.com/takhost/takhost/hostapi"
)

// listeners are those that can have routes, as the config names them.
var listeners = []string{"web", "rest", "http", "https"}

func (m *Manifest) checkRoutes(f *faults) {
	if n := len(m.Routes); n > maxRoutes {
		f.add("routes", "are %d: at most %d", n, maxRoutes)
	}
	routes := m.Capabilities[hostapi.CapHTTPRoutes]
	switch {
	case len(m.Routes) > 0:
		m.ask(f, "routes", hostapi.CapHTTPRoutes, routes)
	case m.Static != nil:
		m.ask(f, "static", hostapi.CapHTTPRoutes, routes)
	}
	ids, shapes := map[string]int{}, map[string]int{}
	for i := range m.Routes {
		at, r := item("routes", i), &m.Routes[i]
		checkName(f, join(at, "id"), r.ID, ids, i, "routes")
		names, ok := checkPath(f, join(at, "path"), r.Path)
		if ok {
			m.checkPrefix(f, join(at, "path"), r.Path)
			shape := r.Method + " " + Shape(r.Path)
			if first, twice := shapes[shape]; twice {
				f.add(join(at, "path"), "%s %s takes the same requests as %s", r.Method, show(r.Path), item("routes", first))
			} else {
				shapes[shape] = i
			}
			r.checkParams(f, at, names)
		}
		m.checkRoute(f, at, r)
	}
}

func (m *Manifest) checkRoute(f *faults, at string, r *Route) {
	m.checkListeners(f, join(at, "listeners"), r.Listeners)
	if _, _, err := mime.ParseMediaType(r.Response); err != nil || !strings.Contains(r.Response, "/") {
		f.add(join(at, "response"), "%s is no content type: write such as application/json", show(r.Response))
	}
	if r.Input != nil && r.Body != "json" && r.Body != "loose" && r.Body != "form" {
		f.add(join(at, "input"), "needs body json, loose or form")
	}
	if r.Body == "none" && r.MaxBody != 0 {
		f.add(join(at, "maxBody"), "needs a body")
	}
	if r.Body == "blob" {
		m.ask(f, join(at, "body"), hostapi.CapBlobs, m.Capabilities[hostapi.CapBlobs])
	}
	if r.Writes && r.Method != "GET" && r.Method != "HEAD" {
		f.add(join(at, "writes"), "goes without saying for %s: leave it out", r.Method)
	}
	if r.Action != "" && !slices.ContainsFunc(m.Provides, func(a Action) bool { return a.Name == r.Action }) {
		var known []string
		for _, a := range m.Provides {
			known = append(known, a.Name)
		}
		f.add(join(at, "action"), "%s is not in provides%s", show(r.Action), nearest(r.Action, known))
	}
	if r.Open && len(r.Roles) > 0 {
		f.add(join(at, "roles"), "and open cannot be together: without a login there are no roles")
	}
}

// checkPath reads the parameters of a path, which are whole segments.
func checkPath(f *faults, at, path string) (names []string, ok bool) {
	before := len(f.list)
	if !strings.HasPrefix(path, "/") {
		f.add(at, "%s is no path: it begins with /", show(path))
		return nil, false
	}
	if strings.ContainsAny(path, "?#* \\\t\r\n%") {
		f.add(at, "%s has a character that a path of a route cannot have", show(path))
	}
	segments := strings.Split(path[1:], "/")
	for i, s := range segments {
		last := i == len(segments)-1
		switch name, isParam := param(s); {
		case s == "" && !last, s == ".", s == "..":
			f.add(at, "%s has the segment %q", show(path), s)
		case !isParam && strings.ContainsAny(s, "{}"):
			f.add(at, "%s: %s is no parameter: write {name}, as a whole segment", show(path), show(s))
		case !isParam:
		case strings.HasSuffix(s, "...}") && !last:
			f.add(at, "%s: %s takes the rest of the path: it can only be the last segment", show(path), show(s))
		case slices.Contains(names, name):
			f.add(at, "%s has the parameter %q twice", show(path), name)
		default:
			names = append(names, name)
		}
	}
	return names, len(f.list) == before
}

// param reads {name} and {name...}.
func param(segment string) (name string, ok bool) {
	name, ok = strings.CutPrefix(segment, "{")
	if !ok {
		return "", false
	}
	if name, ok = strings.CutSuffix(name, "}"); !ok {
		return "", false
	}
	name = strings.TrimSuffix(name, "...")
	return name, partName.MatchString(name)
}

// Shape gives a path with its parameters made nameless: two routes of one method
// and shape take the same requests.
func Shape(path string) string {
	segments := strings.Split(path, "/")
	for i, s := range segments {
		if _, ok := param(s); ok {
			segments[i] = "{}"
			if strings.HasSuffix(s, "...}") {
				segments[i] = "{...}"
			}
		}
	}
	return strings.Join(segments, "/")
}

// checkPrefix says whether the plugin may have a route of that path.
func (m *Manifest) checkPrefix(f *faults, at, path string) {
	own := Prefix(m.Name)
	if f.follows("name") || f.follows("capabilities."+string(hostapi.CapHTTPRoutes)) {
		return
	}
	if strings.HasPrefix(path, own) || path == strings.TrimSuffix(own, "/") {
		return
	}
	for _, p := range m.Capabilities[hostapi.CapHTTPRoutes].Prefixes {
		if hostapi.MatchPath(p, path) {
			return
		}
	}
	f.add(at, "%s is outside of %s: ask for http.routes with this prefix", show(path), own)
}

func (m *Manifest) checkListeners(f *faults, at string, names []string) {
	for i, n := range names {
		if !slices.Contains(listeners, n) {
			f.add(item(at, i), "%s is no listener%s", show(n), enumHelp(n, listeners))
			continue
		}
		if f.follows("capabilities." + string(hostapi.CapHTTPRoutes)) {
			continue
		}
		allowed := m.Capabilities[hostapi.CapHTTPRoutes].Listeners
		if len(allowed) > 0 && !slices.Contains(allowed, n) {
			f.add(item(at, i), "%s is not among those that capabilities asks for: add it to http.routes.listeners", show(n))
		}
	}
}

func (r *Route) checkParams(f *faults, at string, inPath []string) {
	seen := map[string]int{}
	for i, p := range r.Params {
		at := item(join(at, "params"), i)
		key := p.In + " " + strings.ToLower(p.Name)
		if _, twice := seen[key]; twice {
			f.add(join(at, "name"), "%s is there twice", show(p.Name))
		}
		seen[key] = i
		if p.In == "path" && !slices.Contains(inPath, p.Name) {
			f.add(join(at, "name"), "%s is not in the path%s", show(p.Name), nearest(p.Name, inPath))
		}
		if p.Schema != nil && (p.Schema.Type == "object" || p.Schema.Type == "array" && p.In != "query") {
			f.add(join(at, "schema.type"), "%s cannot stand in %s", p.Schema.Type, p.In)
		}
	}
}
