package hostapi

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/takhost/takhost/hostapi/cot"
)

// Scope says how much of a capability is asked for or granted. A field counts
// for the capabilities that have a key of that name, see [Capability.Keys]; an
// empty one is an absent key.
type Scope struct {
	Types     []string
	Groups    []string
	Box       *cot.Box
	Missions  bool
	Rate      int64 // a second
	Span      time.Duration
	Rows      int64
	Bytes     int64
	Number    int64
	Prefixes  []string
	Listeners []string
	Names     []string
	Hosts     []string
	Methods   []string
	Listen    []string
	Dial      []string
	Trust     []string
	Actions   []string
}

// Grants are capabilities with their scopes: what a manifest asks for, or what
// a config grants.
type Grants map[Capability]Scope

// List gives the list of a key, to be read or set, and nil for a key that is
// no list.
func (s *Scope) List(key string) *[]string {
	switch key {
	case "types":
		return &s.Types
	case "groups":
		return &s.Groups
	case "prefixes":
		return &s.Prefixes
	case "listeners":
		return &s.Listeners
	case "names":
		return &s.Names
	case "hosts":
		return &s.Hosts
	case "methods":
		return &s.Methods
	case "listen":
		return &s.Listen
	case "dial":
		return &s.Dial
	case "trust":
		return &s.Trust
	case "actions":
		return &s.Actions
	}
	return nil
}

// Amount gives the number of a key, to be read or set, and nil for a key that
// is none. A span counts in nanoseconds.
func (s *Scope) Amount(key string) *int64 {
	switch key {
	case "rate":
		return &s.Rate
	case "span":
		return (*int64)(&s.Span)
	case "rows":
		return &s.Rows
	case "bytes":
		return &s.Bytes
	case "number":
		return &s.Number
	}
	return nil
}

// has says whether the key is there.
func (s *Scope) has(k ScopeKey) bool {
	switch k.Kind {
	case ScopeBox:
		return s.Box != nil
	case ScopeFlag:
		return s.Missions
	case ScopeCount, ScopeBytes, ScopeSpan:
		return *s.Amount(k.Name) != 0
	}
	return len(*s.List(k.Name)) > 0
}

// Check gives what is wrong with a scope of c, each fault with its key in front:
// "types: …".
func (c Capability) Check(s Scope) (faults []string) {
	for _, k := range c.Keys() {
		if k.Absent == AbsentRefused && !s.has(k) {
			faults = append(faults, k.Name+": is missing: "+k.Doc)
		}
		switch {
		case k.Kind == ScopeBox:
			if s.Box != nil && !s.Box.Valid() {
				faults = append(faults, k.Name+": its edges are no degrees, or not in the order south, west, north, east")
			}
		case !k.Kind.IsList():
			if n := s.Amount(k.Name); n != nil && *n < 0 {
				faults = append(faults, k.Name+": is below zero")
			}
		default:
			for _, text := range *s.List(k.Name) {
				if why := k.Kind.fault(text); why != "" {
					faults = append(faults, k.Name+": "+quote(text)+" "+why)
				}
			}
		}
	}
	return faults
}

// fault says why text cannot stand in a list of that kind.
func (k ScopeKind) fault(text string) string {
	if text == "" {
		return "is empty"
	}
	switch k {
	case ScopeTypes:
		if _, err := cot.ParseTypeGlob(text); err != nil {
			return "is no CoT type: write one such as b-t-f, with * for any text, such as a-f-*"
		}
	case ScopePaths:
		if text[0] != '/' {
			return "is no path: it begins with /"
		}
	case ScopeHosts:
		if _, _, ok := splitHost(text); !ok {
			return "is no host: write a name such as *.example.org, with :port or :* if it is not 80 or 443"
		}
	case ScopeActions:
		if text != "*" && strings.IndexByte(text, '.') < 1 {
			return "is no action: write plugin.action, with * for any text"
		}
	}
	return ""
}

// Missing lists what is asked for and not granted, one readable line each, in
// the order of the capabilities: an empty list means that the grant is enough.
func Missing(ask, grant Grants) (lines []string) {
	for i := range capabilities {
		c := &capabilities[i]
		a, asked := ask[c.name]
		if !asked {
			continue
		}
		g, granted := grant[c.name]
		if !granted {
			line := string(c.name) + ": is not granted"
			if want := c.describe(&a); want != "" {
				line += " (asked for with " + want + ")"
			}
			lines = append(lines, line)
			continue
		}
		for _, k := range c.keys {
			if what, have := k.lacks(&a, &g); what != "" {
				lines = append(lines, string(c.name)+": "+k.Name+" "+what+" is asked for, granted is "+have)
			}
		}
	}
	for _, name := range unknown(ask) {
		lines = append(lines, string(name)+": there is no such capability")
	}
	return lines
}

func unknown(g Grants) (names []Capability) {
	for name := range g {
		if !name.Known() && name != CapAlways {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// lacks gives what of the key a asks for beyond g, and what g has instead; two
// empty texts when g is enough.
func (k ScopeKey) lacks(a, g *Scope) (what, have string) {
	switch k.Kind {
	case ScopeFlag:
		if a.Missions && !g.Missions {
			return "yes", "no"
		}
	case ScopeBox:
		if g.Box != nil && (a.Box == nil || !boxCovers(*g.Box, *a.Box)) {
			return k.text(a), k.text(g)
		}
	case ScopeCount, ScopeBytes, ScopeSpan:
		want, most := k.amount(a), k.amount(g)
		if most != 0 && (want == 0 || want > most) {
			return k.text(a), k.text(g)
		}
	default:
		if !g.has(k) && k.Absent == AbsentAll {
			return "", ""
		}
		if !a.has(k) && k.Absent == AbsentAll {
			return "all", k.text(g)
		}
		var over []string
		for _, text := range *a.List(k.Name) {
			if !k.Kind.coveredBy(text, *g.List(k.Name)) {
				over = append(over, text)
			}
		}
		if len(over) > 0 {
			return strings.Join(over, ", "), k.text(g)
		}
	}
	return "", ""
}

// amount is the number that holds: the scope's, or the default.
func (k ScopeKey) amount(s *Scope) int64 {
	if n := *s.Amount(k.Name); n != 0 {
		return n
	}
	return k.Default
}

// text gives the key's value as a reader wants it.
func (k ScopeKey) text(s *Scope) string {
	switch k.Kind {
	case ScopeFlag:
		if s.Missions {
			return "yes"
		}
		return "no"
	case ScopeBox:
		if s.Box == nil {
			return "everywhere"
		}
		var b []byte
		for i, v := range []float64{s.Box.South, s.Box.West, s.Box.North, s.Box.East} {
			if i > 0 {
				b = append(b, ',')
			}
			b = strconv.AppendFloat(b, v, 'f', -1, 64)
		}
		return string(b)
	case ScopeCount, ScopeBytes, ScopeSpan:
		n := k.amount(s)
		switch {
		case n == 0:
			return "no bound"
		case k.Kind == ScopeSpan:
			return time.Duration(n).String()
		case k.Kind == ScopeBytes:
			return bytesText(n)
		}
		return strconv.FormatInt(n, 10)
	}
	if !s.has(k) {
		if k.Absent == AbsentAll {
			return "all"
		}
		return "none"
	}
	return strings.Join(*s.List(k.Name), ", ")
}

// describe gives all keys that are there: "types a-f-*; rate 10".
func (c *capability) describe(s *Scope) string {
	var parts []string
	for _, k := range c.keys {
		if s.has(k) {
			parts = append(parts, k.Name+" "+k.text(s))
		}
	}
	return strings.Join(parts, "; ")
}

func bytesText(n int64) string {
	for _, u := range []struct {
		size int64
		name string
	}{{1 << 30, "GiB"}, {1 << 20, "MiB"}, {1 << 10, "KiB"}} {
		if n >= u.size && n%u.size == 0 {
			return strconv.FormatInt(n/u.size, 10) + " " + u.name
		}
	}
	return strconv.FormatInt(n, 10) + " bytes"
}

// quote is for texts of a manifest in messages.
func quote(s string) string {
	const most = 64
	if len(s) > most {
		s = s[:most] + "…"
	}
	return strconv.Quote(s)
}
