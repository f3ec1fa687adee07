package pack

import (
	"errors"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/manifest"
)

// Report is what is wrong with a package.
type Report struct {
	Package  *Package // nil when it cannot be opened; to be closed
	Faults   []string // it will not run
	Warnings []string // it will, but perhaps not as meant
}

// Check opens a folder or an archive and tells all that can be told of it without
// running it.
func Check(name string) Report {
	p, err := Open(name)
	if err != nil {
		return Report{Faults: faultLines(err)}
	}
	r := p.Check()
	r.Package = p
	return r
}

func faultLines(err error) []string {
	var m *ManifestError
	if errors.As(err, &m) {
		return strings.Split(m.Error(), "\n")
	}
	return []string{err.Error()}
}

// Check reads all files and tells what is wrong with them.
func (p *Package) Check() Report {
	var r Report
	for _, f := range p.files {
		if err := copyFile(io.Discard, p.tree, f); err != nil {
			r.Faults = append(r.Faults, err.Error())
		}
	}
	if len(r.Faults) > 0 {
		return r
	}
	m := p.Manifest
	if m.Runtime == "wasm" {
		code, err := p.Module()
		if err != nil {
			return Report{Faults: []string{err.Error()}}
		}
		for _, f := range moduleFaults(code) {
			r.Faults = append(r.Faults, m.Entry+" "+f)
		}
	}
	r.Warnings = warnings(m)
	for _, f := range p.files {
		if ext := path.Ext(f.name); slices.Contains([]string{".pem", ".key", ".p12", ".pfx", ".env"}, ext) || path.Base(f.name) == "id_rsa" {
			r.Warnings = append(r.Warnings, f.name+" looks like a key or a password: whoever has the package can read it")
		}
	}
	return r
}

// warnings tells what is allowed and rarely meant.
func warnings(m *manifest.Manifest) (list []string) {
	warn := func(text string) { list = append(list, manifest.FileName+": "+text) }
	if m.Description == "" {
		warn("description: is missing: an operator reads it before granting anything")
	}
	unused := func(c hostapi.Capability, what string, used bool) {
		if _, asked := m.Capabilities[c]; asked && !used {
			warn("capabilities." + string(c) + ": is asked for, and there are no " + what)
		}
	}
	unused(hostapi.CapEventsRead, "subscriptions", len(m.Subscriptions) > 0)
	unused(hostapi.CapEventsFilter, "filters", len(m.Filters) > 0)
	unused(hostapi.CapStore, "collections", len(m.Collections) > 0)
	unused(hostapi.CapHTTPRoutes, "routes or static files", len(m.Routes) > 0 || m.Static != nil)
	for c, s := range m.Capabilities {
		for _, k := range c.Keys() {
			if k.Kind.IsList() && k.Kind != hostapi.ScopeTypes && slices.Contains(*s.List(k.Name), "*") {
				warn("capabilities." + string(c) + "." + k.Name + ": * is everything: operators grant what is narrow more gladly")
			}
		}
	}
	slices.Sort(list)
	if len(m.Subscriptions)+len(m.Filters)+len(m.Routes)+len(m.Timers)+len(m.Provides) == 0 && m.Static == nil && !m.Clients {
		warn("it has neither subscriptions, filters, routes, timers, actions nor static files: nothing will ever call it")
	}
	return list
}
