package run

import (
	"context"
	"fmt"
	"sync"

	"github.com/takhost/takhost/core/plugin/guest"
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/manifest"
	"github.com/takhost/takhost/hostapi/wire"
)

// Version is one version of a plugin with its settings: what an actor runs. A
// change of settings makes a new one of the same Code. Nothing in it is changed
// once an actor has it.
type Version struct {
	Manifest *manifest.Manifest
	Digest   string // of the package, for logs
	Code     *Code
	Calls    Calls
	Limits   Limits
	Grants   hostapi.Grants

	// Init is what each instance is started with; the actor fills in the role,
	// the version before, and where clients reach the server.
	Init wire.Init

	subs   *subscriptions
	gates  []gate
	people *groupSets      // of clients it may see; nil: all
	routes map[string]bool // routes by id: whether any instance may answer
}

// Prepare checks what of the manifest the actor uses and makes it quick to use.
// It must be called once before the version is given to an actor.
func (v *Version) Prepare(groups func(hostapi.SetID) []string) error {
	subs, err := newSubscriptions(v.Manifest, v.Grants, groups)
	if err != nil {
		return fmt.Errorf("subscriptions: %w", err)
	}
	gates, err := newGates(v.Manifest, v.Grants, groups)
	if err != nil {
		return fmt.Errorf("filters: %w", err)
	}
	v.subs, v.gates = subs, gates
	if g := v.Grants[hostapi.CapClients].Groups; len(g) > 0 {
		v.people = &groupSets{patterns: g, names: groups}
	}
	v.routes = make(map[string]bool, len(v.Manifest.Routes))
	for _, r := range v.Manifest.Routes {
		how := r.HTTP
		if how == "" {
			how = v.Manifest.HTTP
		}
		v.routes[r.ID] = how == "pool"
	}
	return nil
}

// memory says whether the state lives in the instance.
func (v *Version) memory() bool { return v.Manifest.State == "memory" }

// hold says whether events queue while the plugin cannot run.
func (v *Version) hold() bool { return v.Manifest.OnFailure == "hold" }

// Code is the prepared code of a version: loaded when it is needed, given up
// when the last user has released it. Versions that differ in settings alone
// share one. Safe for concurrent use.
type Code struct {
	load func(ctx context.Context) (guest.Module, error)

	mu   sync.Mutex // held while loading: nobody loads twice
	mod  guest.Module
	refs int
}

// NewCode gives code that load prepares, each time it is needed anew.
func NewCode(load func(ctx context.Context) (guest.Module, error)) *Code { return &Code{load: load} }

// Acquire gives the code, which stays until Release.
func (c *Code) Acquire(ctx context.Context) (guest.Module, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mod == nil {
		m, err := c.load(ctx)
		if err != nil {
			return nil, err
		}
		c.mod = m
	}
	c.refs++
	return c.mod, nil
}

// Release gives the code up.
func (c *Code) Release(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.refs--; c.refs > 0 {
		return nil
	}
	m := c.mod
	c.mod = nil
	return m.Close(ctx)
}

// Size is how many bytes the code takes, 0 when it is not loaded. It does not
// wait for a load.
func (c *Code) Size() int64 {
	if !c.mu.TryLock() {
		return 0
	}
	defer c.mu.Unlock()
	if c.mod == nil {
		return 0
	}
	return c.mod.Size()
}
