package main

import "strings"

// Types of alerts (spec/rest.md 1.6). ATAK has the same names.
var kinds = []struct{ typ, name string }{
	{"b-a-o-tbl", "911 Alert"},
	{"b-a-o-pan", "Ring The Bell"},
	{"b-a-g", "Geo-fence Breached"},
	{"b-a-o-opn", "In Contact"},
}

const (
	typeCancel = "b-a-o-can"
	type911    = "b-a-o-tbl"
)

// kindOf gives the name of a CoT type: what the sender says, or ours.
func kindOf(typ, said string) string {
	if said != "" {
		return said
	}
	for _, k := range kinds {
		if k.typ == typ {
			return k.name
		}
	}
	return typ
}

// typeOf finds an alert by its name or CoT type, whatever the case.
func typeOf(name string) (typ, kind string, ok bool) {
	for _, k := range kinds {
		if strings.EqualFold(name, k.name) || strings.EqualFold(name, k.typ) {
			return k.typ, k.name, true
		}
	}
	return "", "", false
}

func kindNames() string {
	var names []string
	for _, k := range kinds {
		names = append(names, k.name)
	}
	return strings.Join(names, ", ")
}
