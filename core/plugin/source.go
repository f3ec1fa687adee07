package plugin

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/takhost/takhost/core/plugin/pack"
	"github.com/takhost/takhost/core/store"
	"github.com/takhost/takhost/hostapi/manifest"
)

// Sources of packages beside files, as Setting.Source and Info.Source name them.
const (
	sourceShipped   = "shipped"
	sourceInstalled = "installed"
)

// library opens packages and keeps those that are open, so that a package that
// did not change is read and hashed once. A package that nothing uses any more is
// closed when the host closes: files of one may be read by a request that began
// before its version was replaced.
type library struct {
	store   *store.Store // of packages that were installed
	base    string       // what relative sources count from; empty: the working directory
	shipped map[string]*pack.Package

	mu   sync.Mutex
	open map[string]*pack.Package // by source and digest
}

// newLibrary opens the packages that come with the server. One that is damaged
// is left out and logged: it was built wrongly, and the others work.
func newLibrary(shipped fs.FS, store *store.Store, base string, log *slog.Logger) *library {
	l := &library{store: store, base: base, shipped: map[string]*pack.Package{}, open: map[string]*pack.Package{}}
	if shipped == nil {
		return l
	}
	names, err := fs.Glob(shipped, "*"+pack.Ext)
	if err != nil { // the pattern is ours
		log.Error("cannot list the plugins that come with the server", slog.Any("err", err))
	}
	for _, name := range names {
		p, err := openShipped(shipped, name)
		if err == nil && p.Manifest.Name != strings.TrimSuffix(path.Base(name), pack.Ext) {
			err = fmt.Errorf("is the plugin %s", p.Manifest.Name)
		}
		if err != nil {
			log.Error("a plugin that comes with the server is left out", slog.String("file", name), slog.Any("err", err))
			continue
		}
		l.shipped[p.Manifest.Name] = p
	}
	return l
}

// openShipped reads an embedded archive where it lies, if the file system lets.
func openShipped(shipped fs.FS, name string) (*pack.Package, error) {
	f, err := shipped.Open(name)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	if r, ok := f.(io.ReaderAt); ok {
		p, err := pack.OpenReader(r, info.Size())
		if err != nil {
			return nil, errors.Join(err, f.Close())
		}
		return p.Owning(f), nil
	}
	b, err := io.ReadAll(io.LimitReader(f, pack.MaxArchive+1))
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, err
	}
	return pack.OpenBytes(b)
}

// get gives the package of a source. digest is the one that it must have; empty
// takes what is there.
func (l *library) get(name, source, digest string) (*pack.Package, error) {
	switch source {
	case "", sourceShipped:
		p := l.shipped[name]
		if p == nil {
			return nil, notFound("there is no plugin %s%s: set its source, or install it", name, nearest(name, l.shippedNames()))
		}
		if digest != "" && digest != p.SHA256 {
			return nil, conflict("the %s that comes with this server has the SHA-256 %s, not %s", name, p.SHA256, digest)
		}
		return p, nil
	case sourceInstalled:
		if digest == "" {
			return nil, invalid("the digest of the installed package is missing: install it again")
		}
	}
	key := source + " " + digest
	l.mu.Lock()
	defer l.mu.Unlock()
	if p := l.open[key]; p != nil && digest != "" {
		return p, nil
	}
	p, err := l.read(source, digest)
	if err != nil {
		return nil, err
	}
	if digest != "" && digest != p.SHA256 {
		err := conflict("%s has changed: its SHA-256 is %s, not %s. If that is meant, say: takhost plugin swap %s", source, p.SHA256, digest, name)
		return nil, errors.Join(err, p.Close())
	}
	if p.Manifest.Name != name {
		err := invalid("%s is the plugin %s, not %s", source, p.Manifest.Name, name)
		return nil, errors.Join(err, p.Close())
	}
	key = source + " " + p.SHA256
	if had := l.open[key]; had != nil {
		return had, p.Close()
	}
	l.open[key] = p
	return p, nil
}

func (l *library) read(source, digest string) (*pack.Package, error) {
	if source == sourceInstalled {
		return l.readInstalled(digest)
	}
	file := source
	if l.base != "" && !filepath.IsAbs(file) {
		file = filepath.Join(l.base, file)
	}
	p, err := pack.Open(file)
	if err != nil {
		return nil, &store.Error{Code: store.Invalid, Err: err}
	}
	return p, nil
}

func (l *library) readInstalled(digest string) (*pack.Package, error) {
	r, err := l.store.OpenModule(digest)
	if err != nil {
		return nil, fmt.Errorf("the installed package %s cannot be read: %w; install it again", short(digest), err)
	}
	info, err := r.Stat()
	if err != nil {
		return nil, errors.Join(err, r.Close())
	}
	p, err := pack.OpenReader(r, info.Size())
	if err != nil {
		return nil, errors.Join(&store.Error{Code: store.Invalid, Err: err}, r.Close())
	}
	return p.Owning(r), nil
}

func (l *library) shippedNames() []string {
	var names []string
	for name := range l.shipped {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// drop closes a package that nothing uses any more.
func (l *library) drop(source, digest string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	key := source + " " + digest
	if p := l.open[key]; p != nil {
		_ = p.Close() // it was only read
		delete(l.open, key)
	}
}

func (l *library) close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	var errs []error
	for _, p := range l.open {
		errs = append(errs, p.Close())
	}
	clear(l.open)
	for _, p := range l.shipped {
		errs = append(errs, p.Close())
	}
	return errors.Join(errs...)
}

func short(digest string) string { return digest[:min(12, len(digest))] }

// inspect gives the manifest of an installed package.
func (h *Host) inspect(digest string) (*manifest.Manifest, error) {
	p, err := h.lib.readInstalled(digest)
	if err != nil {
		return nil, err
	}
	m := p.Manifest
	report := p.Check()
	if err := p.Close(); err != nil {
		return nil, err
	}
	if len(report.Faults) > 0 {
		return nil, invalid("%s %s: %s", m.Name, m.Version, strings.Join(report.Faults, "\n"))
	}
	return m, nil
}
