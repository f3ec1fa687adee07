package plugin

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/takhost/takhost/core/plugin/pack"
)

// InstallOptions say how a package is installed.
type InstallOptions struct {
	SHA256 string // that the package must have; empty: any
	Enable bool   // switch it on, and fail if it does not run

	// GrantAll grants all that the manifest asks for, and the limits too.
	GrantAll bool

	// Replace lets it take the place of another version of the plugin. If that
	// one runs, they are swapped while events flow, and an error leaves the old
	// one running.
	Replace bool

	// Force lets other plugins fail that need what the version before had.
	Force bool

	name string // of the plugin that it must be; empty: any
}

// Install takes in a package of a plugin that is not there yet, and keeps it,
// pinned by its digest. It is neither switched on nor granted anything.
func (h *Host) Install(ctx context.Context, r io.Reader, sha256 string) (Info, error) {
	return h.InstallWith(ctx, r, InstallOptions{SHA256: sha256})
}

// InstallWith takes in a package, pinned by its digest. After an error nothing of
// it is left.
func (h *Host) InstallWith(ctx context.Context, r io.Reader, o InstallOptions) (Info, error) {
	digest, _, err := h.opt.Store.PutModule(ctx, r, pack.MaxArchive)
	if err != nil {
		return Info{}, fmt.Errorf("install a plugin: %w", err)
	}
	name, err := h.install(ctx, digest, o)
	if err != nil {
		return Info{}, fmt.Errorf("install a plugin: %w", errors.Join(err, h.dropModule(ctx, digest)))
	}
	return h.Show(name)
}

func (h *Host) install(ctx context.Context, digest string, o InstallOptions) (name string, err error) {
	if o.SHA256 != "" && o.SHA256 != digest {
		return "", conflict("the package has the SHA-256 %s, not %s", digest, o.SHA256)
	}
	m, err := h.inspect(digest)
	if err != nil {
		return "", err
	}
	if o.name != "" && o.name != m.Name {
		return "", invalid("the package is the plugin %s, not %s", m.Name, o.name)
	}
	if err := h.take(ctx); err != nil {
		return "", err
	}
	defer h.release()
	defer h.poke()
	ctx = h.alive
	had := h.find(m.Name)
	known := had != nil
	if known && had.want.pkg != nil && had.want.pkg.SHA256 != digest && !o.Replace {
		return "", conflict("the plugin %s is there already, in version %s: to replace it say takhost plugin swap %s", m.Name, had.want.pkg.Manifest.Version, m.Name)
	}
	changes := rows{}
	put := func(key string, v any) {
		text, eerr := encode(key, v)
		changes[key] = text
		err = errors.Join(err, eerr)
	}
	put("source", sourceInstalled)
	put("sha256", digest)
	if o.GrantAll {
		for c, s := range m.Grants() {
			put("grant."+string(c), ScopeTree(c, s))
		}
		for key, v := range askedLimits(m.Limits) {
			put("limits."+key, v)
		}
	}
	if o.Enable {
		put("enabled", true)
	}
	// The package before is kept as long as it may come back.
	older := h.rows[m.Name][formerKey]
	if before := h.rows[m.Name]["sha256"]; before != "" && before != changes["sha256"] {
		changes[formerKey] = before
	}
	if err != nil {
		return "", err
	}
	next := h.target(m.Name, h.layers, h.rows[m.Name].with(changes))
	if err := h.hides(next, changes); err != nil {
		return "", err
	}
	e := h.entry(m.Name)
	if !known {
		e.setWant(next.off())
	}
	err = h.change(ctx, e, next, changes, editOptions{must: o.Enable, force: o.Force, back: true})
	switch {
	case err != nil && !known:
		h.forget(m.Name)
	case err == nil && older != changes[formerKey]:
		err = h.dropUnused(unquote(older))
	}
	if err == nil && e.running == nil {
		e.setSpent(unquote(h.rows[m.Name][formerKey]))
	}
	return m.Name, err
}

// off is the same target, switched off.
func (t *target) off() *target {
	c := *t
	c.set.enabled = false
	return &c
}

func (h *Host) forget(name string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.entries, name)
}

// Swap makes another package the version of a plugin that is there, while events
// flow if it runs. Without r the plugin's source is read again: the way to take up
// a file that has changed.
func (h *Host) Swap(ctx context.Context, name string, r io.Reader, sha256 string) (Info, error) {
	if _, err := h.known(name); err != nil {
		return Info{}, err
	}
	if r != nil {
		return h.InstallWith(ctx, r, InstallOptions{SHA256: sha256, Replace: true, name: name})
	}
	if err := h.reread(ctx, name, InstallOptions{SHA256: sha256}); err != nil {
		return Info{}, fmt.Errorf("swap plugin %s: %w", name, err)
	}
	return h.Show(name)
}

func (h *Host) reread(ctx context.Context, name string, o InstallOptions) error {
	if err := h.take(ctx); err != nil {
		return err
	}
	defer h.release()
	defer h.poke()
	ctx = h.alive
	e, err := h.known(name)
	if err != nil {
		return err
	}
	source := e.want.source
	if source == sourceShipped || source == sourceInstalled {
		return invalid("it comes from no file that could have changed (%s): give the new package", source)
	}
	if at := e.want.set.where("sha256"); at != "" {
		return conflict("its digest is set by %s: change it there", at)
	}
	p, err := h.lib.get(name, source, "")
	if err != nil {
		return err
	}
	if o.SHA256 != "" && o.SHA256 != p.SHA256 {
		return conflict("%s has the SHA-256 %s, not %s", source, p.SHA256, o.SHA256)
	}
	text, err := encode(pinKey, pin{Source: source, SHA256: p.SHA256})
	if err != nil {
		return err
	}
	changes := rows{pinKey: text}
	next := h.target(name, h.layers, h.rows[name].with(changes))
	return h.change(ctx, e, next, changes, editOptions{must: true, force: o.Force, back: true})
}

// Remove takes a plugin away with everything that it kept: documents, timers,
// topics, dead letters, settings. One that comes with the server cannot be
// removed, but what was installed in its place can: then the server's own holds
// again, and all documents stay.
func (h *Host) Remove(ctx context.Context, name string, force bool) error {
	if err := h.take(ctx); err != nil {
		return err
	}
	defer h.release()
	defer h.poke()
	ctx = h.alive
	e, err := h.known(name)
	if err != nil {
		return err
	}
	switch {
	case e.want.source == sourceShipped:
		return conflict("the plugin %s comes with the server and cannot be removed: disable it", name)
	case slices.Contains(h.layers.names(), name):
		return conflict("the plugin %s is named in the config (%s): take it out there first, or disable it",
			name, cmp.Or(e.want.set.where("source"), e.want.set.where("enabled"), e.want.set.where("config"), fromFile))
	}
	digests := []string{unquote(h.rows[name]["sha256"]), unquote(h.rows[name][formerKey])}
	if h.lib.shipped[name] != nil {
		changes := rows{"source": "", "sha256": "", formerKey: ""}
		next := h.target(name, h.layers, h.rows[name].with(changes))
		if err := h.change(ctx, e, next, changes, editOptions{force: force}); err != nil {
			return err
		}
		return h.dropUnused(digests...)
	}
	if err := h.move(ctx, e, e.want.off(), editOptions{force: force}); err != nil {
		return err
	}
	gone, err := h.db.RemovePlugin(ctx, name)
	if err != nil {
		return fmt.Errorf("remove what plugin %s kept: %w", name, err)
	}
	for _, t := range gone.Topics {
		h.opt.Calls.Router.DropTopic(t.Name)
	}
	for _, a := range gone.Aliases {
		h.opt.Calls.Router.SetAlias(a.Name)
	}
	delete(h.rows, name)
	h.forget(name)
	h.opt.Calls.Forget(name)
	h.gates.update(h.list())
	h.log.Info("plugin removed", "plugin", name)
	err = h.dropUnused(digests...)
	if filepath.IsLocal(name) && filepath.Base(name) == name { // names that only a row has may be anything
		err = errors.Join(err, os.RemoveAll(h.programs(name)))
	}
	return err
}

// dropModule removes an installed package that nothing refers to.
func (h *Host) dropModule(ctx context.Context, digest string) error {
	if err := h.take(ctx); err != nil {
		return nil // it is removed when the same is installed and removed again
	}
	defer h.release()
	return h.dropUnused(digest)
}

// dropUnused removes packages that no row names and no plugin runs. The caller has
// the turn.
func (h *Host) dropUnused(digests ...string) error {
	used := map[string]bool{"": true}
	for _, r := range h.rows {
		used[unquote(r["sha256"])], used[unquote(r[formerKey])] = true, true
	}
	for _, e := range h.list() {
		if e.running != nil {
			used[e.running.target.pkg.SHA256] = true
		}
	}
	var errs []error
	for _, digest := range digests {
		if used[digest] {
			continue
		}
		used[digest] = true
		h.lib.drop(sourceInstalled, digest)
		if err := h.opt.Store.RemoveModule(digest); err != nil {
			errs = append(errs, fmt.Errorf("remove the package %s: %w", short(digest), err))
		}
	}
	return errors.Join(errs...)
}

// unquote reads the text of a row; anything else is none.
func unquote(row string) string {
	var s string
	if json.Unmarshal([]byte(row), &s) != nil {
		return ""
	}
	return s
}

// dropSpent removes the packages of versions that will not come back. The caller
// has the turn.
func (h *Host) dropSpent(ctx context.Context, e *entry) {
	e.mu.Lock()
	spent := e.spent
	e.spent = nil
	e.mu.Unlock()
	var err error
	if slices.Contains(spent, unquote(h.rows[e.name][formerKey])) {
		err = h.write(ctx, e.name, rows{formerKey: ""})
	}
	if err == nil {
		err = h.dropUnused(spent...)
	}
	if err != nil {
		h.log.Warn("packages of versions before were not removed", "plugin", e.name, "err", err)
	}
}

// setSpent says that the version with that package will not come back.
func (e *entry) setSpent(digest string) {
	if digest == "" {
		return
	}
	e.mu.Lock()
	e.spent = append(e.spent, digest)
	e.mu.Unlock()
	e.h.poke()
}
