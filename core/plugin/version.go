package plugin

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"slices"

	"github.com/takhost/takhost/core/plugin/call"
	"github.com/takhost/takhost/core/plugin/guest"
	"github.com/takhost/takhost/core/plugin/run"
	"github.com/takhost/takhost/core/store"
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/wire"
)

// build makes what the actor runs out of a target. With before, a version of the
// same plugin that runs, the code is shared if it is the same.
func (h *Host) build(t *target, before *running) (r *running, err error) {
	m := t.pkg.Manifest
	p, err := h.opt.Calls.NewPlugin(call.Spec{Name: t.name, Manifest: m, Grants: t.grants, Limits: t.limits, Config: t.tree})
	if err != nil {
		return nil, err
	}
	v := &run.Version{
		Manifest: m, Digest: t.pkg.SHA256, Calls: run.FromPlugin(p), Limits: run.LimitsOf(t.limits, m.Runtime), Grants: t.grants,
		Init: wire.Init{
			Name: t.name, Version: m.Version, Config: t.tree, Grants: wireGrants(t.grants), Node: h.opt.Node, NodeID: h.opt.NodeID,
		},
	}
	if before != nil && before.target.pkg == t.pkg && before.version.Limits.Memory == v.Limits.Memory {
		v.Code = before.version.Code
	} else {
		v.Code = run.NewCode(h.loader(t, v.Limits.Memory, p.Log()))
	}
	if err := v.Prepare(h.namesOf); err != nil {
		p.Close()
		return nil, err
	}
	return &running{target: t, version: v, calls: p}, nil
}

// loader prepares the code each time that it is needed. The package may lie in a
// file: should somebody have written to it, the code is refused.
func (h *Host) loader(t *target, memory int64, log *slog.Logger) func(context.Context) (guest.Module, error) {
	m := t.pkg.Manifest
	c := guest.Code{
		Name: t.name, Version: m.Version, Termination: m.Termination, Args: m.Args, Memory: memory,
		Log: slog.New(newPrintLimit(log.Handler(), h.opt.Now)),
	}
	if m.Runtime == "process" {
		return func(ctx context.Context) (guest.Module, error) {
			if h.opt.Process == nil {
				return nil, invalid("this server does not run process plugins")
			}
			prog, err := t.pkg.Extract(h.programs(t.name))
			if err != nil {
				return nil, err
			}
			c := c
			c.Program, c.Digest = prog.File, prog.SHA256
			return h.opt.Process.Load(ctx, c)
		}
	}
	first := ""
	return func(ctx context.Context) (guest.Module, error) {
		if h.opt.WASM == nil {
			return nil, invalid("this server does not run WASM plugins")
		}
		code, err := t.pkg.Module()
		if err != nil {
			return nil, err
		}
		sum := sha256.Sum256(code)
		digest := hex.EncodeToString(sum[:])
		if first == "" {
			first = digest
		}
		if digest != first {
			return nil, conflict("the module was changed while the plugin is in use: to use the new one say takhost plugin swap %s", t.name)
		}
		c := c
		c.Module, c.Digest = code, digest
		return h.opt.WASM.Load(ctx, c)
	}
}

// wireGrants gives grants as a guest reads them, in the order of the contract.
func wireGrants(g hostapi.Grants) []wire.Grant {
	var list []wire.Grant
	for _, c := range hostapi.Capabilities() {
		s, ok := g[c]
		if !ok {
			continue
		}
		w := wire.Grant{
			Capability: string(c), Types: s.Types, Groups: s.Groups, Missions: s.Missions, Rate: s.Rate, Span: s.Span.Microseconds(),
			Rows: s.Rows, Bytes: s.Bytes, Number: s.Number, Prefixes: s.Prefixes, Listeners: s.Listeners, Names: s.Names,
			Hosts: s.Hosts, Methods: s.Methods, Listen: s.Listen, Dial: s.Dial, Trust: s.Trust, Actions: s.Actions,
		}
		if b := s.Box; b != nil {
			w.Box = &wire.Box{South: b.South, West: b.West, North: b.North, East: b.East}
		}
		list = append(list, w)
	}
	return list
}

// checkData refuses a version that is older than the documents that are stored.
func (h *Host) checkData(ctx context.Context, t *target) error {
	stored, err := h.db.DataVersion(ctx, t.name)
	if err != nil {
		return fmt.Errorf("read the version of the documents: %w", err)
	}
	if own := t.pkg.Manifest.Data; int64(stored) > own {
		return conflict("its documents are of data version %d, and %s %s reads up to %d: use the version that wrote them, or a newer one",
			stored, t.name, t.pkg.Manifest.Version, own)
	}
	return nil
}

// timersOf gives the plugin's rows.
func (h *Host) timersOf(ctx context.Context, name string) ([]store.Timer, error) {
	all, err := h.db.Timers(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the timers: %w", err)
	}
	return slices.DeleteFunc(all, func(t store.Timer) bool { return t.Plugin != name }), nil
}
