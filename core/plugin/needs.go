package plugin

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/takhost/takhost/hostapi/manifest"
)

// offer says which plugin is there with what manifest. Functions here know
// nothing but offers, so that a change can be judged before it is made.
type offer map[string]*manifest.Manifest

// inForce gives the manifests of plugins that run.
func (h *Host) inForce() offer {
	o := offer{}
	for _, e := range h.list() {
		if e.running != nil {
			o[e.name] = e.running.target.pkg.Manifest
		}
	}
	return o
}

// lacks gives what m needs and nobody offers, one line each.
func (o offer) lacks(m *manifest.Manifest) (lines []string) {
	for _, n := range m.Needs {
		if n.Optional {
			continue
		}
		if why := o.lack(n); why != "" {
			lines = append(lines, why)
		}
	}
	return lines
}

func (o offer) lack(n manifest.Need) string {
	plugin, action, _ := strings.Cut(n.Action, ".")
	from := o[plugin]
	if from == nil {
		return fmt.Sprintf("needs the action %s, and the plugin %s is not active", n.Action, plugin)
	}
	for _, a := range from.Provides {
		if a.Name != action {
			continue
		}
		if a.Version < n.Version {
			return fmt.Sprintf("needs version %d of the action %s, and %s %s has version %d", n.Version, n.Action, plugin, from.Version, a.Version)
		}
		return ""
	}
	return fmt.Sprintf("needs the action %s, which %s %s does not have", n.Action, plugin, from.Version)
}

// losers gives the plugins, other than name itself, that have what they need and
// would not any more if name had the manifest m; nil is none at all. Each comes
// with what it would lack.
func (o offer) losers(name string, m *manifest.Manifest) map[string]string {
	next := maps.Clone(o)
	if next[name] = m; m == nil {
		delete(next, name)
	}
	out := map[string]string{}
	for other, theirs := range o {
		if other == name {
			continue
		}
		if lines := next.lacks(theirs); len(lines) > 0 && len(o.lacks(theirs)) == 0 {
			out[other] = strings.Join(lines, "; ")
		}
	}
	return out
}

// needsPlugin gives the plugins that m cannot do without.
func needsPlugin(m *manifest.Manifest) []string {
	var names []string
	for _, n := range m.Needs {
		if plugin, _, _ := strings.Cut(n.Action, "."); !n.Optional && !slices.Contains(names, plugin) {
			names = append(names, plugin)
		}
	}
	slices.Sort(names)
	return names
}

// sortByNeeds orders plugins so that each comes after those that it needs, and
// else by name. Plugins that need one another in a circle are told apart, each
// with its circle: "a needs b, b needs a".
func sortByNeeds(o offer) (order []string, circles map[string]string) {
	circles = map[string]string{}
	const open, closed = 1, 2
	mark := map[string]int{}
	var path []string
	var visit func(name string)
	visit = func(name string) {
		switch {
		case mark[name] == closed:
			return
		case mark[name] == open:
			circle := path[slices.Index(path, name):]
			parts := make([]string, len(circle))
			for i, from := range circle {
				parts[i] = from + " needs " + circle[(i+1)%len(circle)]
			}
			for _, member := range circle {
				circles[member] = strings.Join(parts, ", ")
			}
			return
		}
		mark[name] = open
		path = append(path, name)
		for _, other := range needsPlugin(o[name]) {
			if o[other] != nil {
				visit(other)
			}
		}
		path = path[:len(path)-1]
		mark[name] = closed
		order = append(order, name)
	}
	for _, name := range slices.Sorted(maps.Keys(o)) {
		visit(name)
	}
	return order, circles
}

// order gives the plugins that are to run, or run, those that others need first.
func (h *Host) order() []string {
	order, _ := sortByNeeds(h.wanted())
	return order
}

// wanted gives the manifests of plugins that run or could.
func (h *Host) wanted() offer {
	o := offer{}
	for _, e := range h.list() {
		switch {
		case e.running != nil:
			o[e.name] = e.running.target.pkg.Manifest
		case e.want.set.enabled && e.want.pkg != nil:
			o[e.name] = e.want.pkg.Manifest
		}
	}
	return o
}
