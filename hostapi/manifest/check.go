package manifest

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/cot"
)

var (
	pluginName = regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`)
	partName   = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_.-]{0,63}$`)
	semver     = regexp.MustCompile(`^(0|[1-9][0-9]{0,8})\.(0|[1-9][0-9]{0,8})\.(0|[1-9][0-9]{0,8})(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$`)
	abiName    = regexp.MustCompile(`^tak/([0-9]{1,4})(?:\.([0-9]{1,4}))?$`)
)

const (
	maxName          = 40
	maxSubscriptions = 32 // View.Matched has a bit for each
	maxFilters       = 16
	maxRoutes        = 200
	maxCollections   = 64
	maxIndexes       = 16
	maxTimers        = 64
)

// check finds what no single key can show.
func (m *Manifest) check(f *faults) {
	m.checkHead(f)
	m.checkRuntime(f)
	m.checkActions(f)
	m.checkEvents(f)
	m.checkRoutes(f)
	m.checkStore(f)
	m.checkTimers(f)
	if m.Config != nil && m.Config.Type != "object" {
		f.add("config.type", "is %s: the section of a plugin is an object", show(m.Config.Type))
	}
}

func (m *Manifest) checkHead(f *faults) {
	if !pluginName.MatchString(m.Name) || len(m.Name) > maxName {
		f.add("name", "%s is no name for a plugin: lower-case letters, digits and -, a letter first, at most %d", show(m.Name), maxName)
	}
	if !semver.MatchString(m.Version) {
		f.add("version", "%s is no version: write three numbers, such as 1.2.0", show(m.Version))
	}
	parts := abiName.FindStringSubmatch(m.ABI)
	switch {
	case parts == nil:
		f.add("abi", "%s is no version of the plugin contract: write %q", show(m.ABI), hostapi.ABIName)
	case parts[1] != strconv.Itoa(hostapi.ABIMajor):
		f.add("abi", "%s is not spoken here: this version of takhost speaks %s", show(m.ABI), hostapi.ABIName)
	default:
		if minor, err := strconv.Atoi(parts[2]); err == nil && minor > hostapi.ABIMinor {
			f.add("abi", "%s is newer than this version of takhost, which speaks %s.%d: update takhost, or build for an older one",
				show(m.ABI), hostapi.ABIName, hostapi.ABIMinor)
		}
	}
}

func (m *Manifest) checkRuntime(f *faults) {
	if m.Entry == "" {
		if m.Runtime == "process" {
			f.add("entry", "is missing: a process plugin names its program")
		}
		m.Entry = "plugin.wasm"
	}
	checkFile(f, "entry", m.Entry)
	if m.Runtime == "process" {
		if len(m.Filters) > 0 {
			f.add("filters", "need runtime \"wasm\": a filter runs on the way of each event")
		}
		if m.Termination != "" {
			f.add("termination", "is for runtime \"wasm\": leave it out")
		}
	} else if len(m.Args) > 0 {
		f.add("args", "are for runtime \"process\": leave them out, or use config")
	}
	if m.State != "memory" && len(m.Accepts) > 0 {
		f.add("accepts", "is for state \"memory\": with state \"store\" nothing is handed over")
	}
	if m.Limits.Instances > 1 && m.HTTP != "pool" && !slices.ContainsFunc(m.Routes, func(r Route) bool { return r.HTTP == "pool" }) {
		f.add("limits.instances", "needs http \"pool\"")
	}
	if m.Limits.Memory > 0 && m.Limits.Memory < 1<<20 {
		f.add("limits.memory", "%d bytes are too few: at least 1MiB", m.Limits.Memory)
	}
	if m.Static != nil {
		checkFile(f, "static.folder", m.Static.Folder)
		m.checkListeners(f, "static.listeners", m.Static.Listeners)
		if m.Static.Path == "" {
			m.Static.Path = Prefix(m.Name) + "static/"
		}
		m.checkPrefix(f, "static.path", m.Static.Path)
	}
}

// checkFile says whether a path stays in the plugin's folder, on every system.
func checkFile(f *faults, path, name string) {
	bad := name == "" || strings.ContainsAny(name, "\\:\x00") || strings.HasPrefix(name, "/")
	for part := range strings.SplitSeq(strings.TrimSuffix(name, "/"), "/") {
		bad = bad || part == "" || part == "." || part == ".."
	}
	if bad {
		f.add(path, "%s is no path inside of the plugin: write it as bin/plugin", show(name))
	}
}

func (m *Manifest) checkActions(f *faults) {
	seen := map[string]int{}
	for i, a := range m.Provides {
		at := item("provides", i)
		checkName(f, join(at, "name"), a.Name, seen, i, "provides")
		if strings.Contains(a.Name, "/") {
			f.add(join(at, "name"), "%s has / in it", show(a.Name))
		}
	}
	for i, n := range m.Needs {
		at := join(item("needs", i), "action")
		plugin, action, ok := strings.Cut(n.Action, ".")
		switch {
		case !ok || !pluginName.MatchString(plugin) || !partName.MatchString(action):
			f.add(at, "%s is no action: write PLUGIN.NAME", show(n.Action))
		case plugin == m.Name:
			f.add(at, "%s is the plugin's own", show(n.Action))
		default:
			m.ask(f, at, hostapi.CapCall, hostapi.Scope{Actions: []string{n.Action}})
		}
	}
}

// ask says what capabilities lack for what is used at path.
func (m *Manifest) ask(f *faults, path string, c hostapi.Capability, s hostapi.Scope) {
	if f.follows("capabilities") {
		return
	}
	have, ok := m.Capabilities[c]
	if !ok {
		f.add(path, "needs the capability %s: ask for it in capabilities", c)
		return
	}
	for _, line := range hostapi.Missing(hostapi.Grants{c: s}, hostapi.Grants{c: have}) {
		what, _, _ := strings.Cut(strings.TrimPrefix(line, string(c)+": "), " is asked for")
		name, value, _ := strings.Cut(what, " ")
		help := "set " + string(c) + "." + name + " to " + value
		for _, k := range c.Keys() {
			switch {
			case k.Name != name:
			case k.Kind.IsList():
				help = "add " + value + " to " + string(c) + "." + name
			case k.Kind == hostapi.ScopeFlag:
				help = "set " + string(c) + "." + name + " to true"
			}
		}
		f.add(path, "goes beyond what capabilities asks for: %s", help)
	}
}

func (m *Manifest) checkEvents(f *faults) {
	if n := len(m.Subscriptions); n > maxSubscriptions {
		f.add("subscriptions", "are %d: at most %d", n, maxSubscriptions)
	}
	for i, s := range m.Subscriptions {
		at := item("subscriptions", i)
		if s.Latest && s.Durable {
			f.add(join(at, "durable"), "and latest cannot be together: one leaves out nothing, the other what is old")
		}
		if checkTypes(f, join(at, "types"), s.Types) && checkDetail(f, join(at, "detail"), s.Detail) {
			m.ask(f, at, hostapi.CapEventsRead, selection(s.Types, s.Groups, s.Box, len(s.Missions) > 0, m.Capabilities[hostapi.CapEventsRead]))
		}
	}
	if n := len(m.Filters); n > maxFilters {
		f.add("filters", "are %d: at most %d", n, maxFilters)
	}
	for i, s := range m.Filters {
		at := item("filters", i)
		if checkTypes(f, join(at, "types"), s.Types) && checkDetail(f, join(at, "detail"), s.Detail) {
			m.ask(f, at, hostapi.CapEventsFilter, selection(s.Types, s.Groups, s.Box, false, m.Capabilities[hostapi.CapEventsFilter]))
		}
	}
	if m.Clients {
		m.ask(f, "clients", hostapi.CapClients, m.Capabilities[hostapi.CapClients])
	}
}

// selection is the scope that a subscription uses. What it does not narrow, the
// capability narrows for it.
func selection(types, groups []string, box *Box, missions bool, have hostapi.Scope) hostapi.Scope {
	s := hostapi.Scope{Types: types, Groups: groups, Missions: missions, Rate: have.Rate}
	if len(groups) == 0 {
		s.Groups = have.Groups
	}
	if s.Box = have.Box; box != nil {
		s.Box = (*cot.Box)(box)
	}
	return s
}

func checkTypes(f *faults, path string, types []string) bool {
	for i, t := range types {
		if _, err := cot.ParseTypeGlob(t); err != nil {
			f.add(item(path, i), "%s is no CoT type: write one such as b-t-f, with * for any text, such as a-f-*", show(t))
			return false
		}
	}
	return true
}

func checkDetail(f *faults, path string, names []string) bool {
	for i, n := range names {
		if strings.ContainsAny(n, " <>/=\"'&\t\r\n") || n == "*" && len(names) > 1 {
			f.add(item(path, i), "%s is no name of an element: write such as remarks, or [\"*\"] for all", show(n))
			return false
		}
	}
	return true
}

func (m *Manifest) checkTimers(f *faults) {
	if n := len(m.Timers); n > maxTimers {
		f.add("timers", "are %d: at most %d", n, maxTimers)
	}
	seen := map[string]int{}
	for i, t := range m.Timers {
		at := item("timers", i)
		checkName(f, join(at, "name"), t.Name, seen, i, "timers")
		if t.Every < Duration(1e9) {
			f.add(join(at, "every"), "is too short: at least 1s")
		}
	}
	if len(m.Timers) > 0 {
		m.ask(f, "timers", hostapi.CapTimers, hostapi.Scope{Number: int64(len(m.Timers))})
	}
}

// checkName checks a name that must be the only one of its list.
func checkName(f *faults, path, name string, seen map[string]int, i int, list string) {
	if !partName.MatchString(name) {
		f.add(path, "%s is no name: letters, digits, _ . and -, a letter first, at most 64", show(name))
	}
	if first, twice := seen[name]; twice {
		f.add(path, "%s is there twice: also in %s", show(name), item(list, first))
		return
	}
	seen[name] = i
}
