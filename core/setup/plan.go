package setup

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/takhost/takhost/core/config"
	"github.com/takhost/takhost/core/identity"
	"github.com/takhost/takhost/core/store"
)

// Plan is what a set-up is going to write.
type Plan struct {
	File   string // of the configuration
	Draft  *Draft
	Admin  *Admin // nil: the server offers a link that makes the first one
	FTS    *FTS   // nil: nothing is taken over
	Backup bool   // File is there, and is to be kept under another name
}

// Admin is the first administrator.
type Admin struct{ Name, Password string }

// Done tells what Write has written.
type Done struct {
	Config *config.Loaded
	Backup string // where the configuration before is now; "" when there was none
	Report Report // of the take-over
}

// Write writes configuration, users and authority, or nothing: what it has made is
// taken back when something goes wrong or ctx ends. (What was put into a database
// other than the data folder's files stays; to do it again does no harm.)
func (p *Plan) Write(ctx context.Context, log *slog.Logger) (done Done, err error) {
	if done.Config, err = p.Draft.Load(); err != nil {
		return Done{}, err
	}
	staged, err := p.stage(done.Config)
	if err != nil {
		return Done{}, fmt.Errorf("write the configuration: %w", err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(staged))
		}
	}()
	if p.Admin != nil || p.FTS != nil {
		if done.Report, err = p.people(ctx, &done.Config.Config, log); err != nil {
			return Done{}, err
		}
	}
	if p.FTS != nil {
		done.Report = p.FTS.Report.and(done.Report)
	}
	if done.Backup, err = p.keep(); err != nil {
		return Done{}, fmt.Errorf("keep the configuration that is there: %w", err)
	}
	if err = os.Rename(staged, p.File); err != nil {
		return Done{}, fmt.Errorf("write the configuration: %w", err)
	}
	done.Config.File = p.File
	return done, nil
}

// stage writes the configuration beside its place.
func (p *Plan) stage(c *config.Loaded) (name string, err error) {
	dir := filepath.Dir(p.File)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	f, err := os.CreateTemp(dir, "."+filepath.Base(p.File)+"-*") // 0600
	if err != nil {
		return "", err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	if err := config.WriteSample(f, c); err != nil {
		return "", errors.Join(err, f.Close())
	}
	if !c.HasSecret() {
		err = f.Chmod(0o644)
	}
	if err := errors.Join(err, f.Sync(), f.Close()); err != nil {
		return "", err
	}
	// Who reads it next is a server: what cannot be read must not get there.
	if _, err := config.Load(config.Sources{File: f.Name()}); err != nil {
		return "", err
	}
	return f.Name(), nil
}

// keep gives the configuration that is there another name.
func (p *Plan) keep() (to string, err error) {
	if _, err := os.Lstat(p.File); errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if !p.Backup {
		return "", fmt.Errorf("%s: %w", p.File, fs.ErrExist)
	}
	for n := 1; ; n++ {
		to = fmt.Sprintf("%s.old%d", p.File, n)
		// A link and no rename: it fails when the name is taken.
		if err = os.Link(p.File, to); !errors.Is(err, fs.ErrExist) {
			return to, err
		}
	}
}

// people puts users and authority into the data folder.
func (p *Plan) people(ctx context.Context, c *config.Config, log *slog.Logger) (r Report, err error) {
	_, statErr := os.Stat(c.Data)
	fresh, err := freshFolder(c.Data)
	if err != nil {
		return r, fmt.Errorf("look into the data folder: %w", err)
	}
	defer func() {
		if err != nil && fresh {
			err = errors.Join(err, sweepFolder(c.Data, statErr == nil))
		}
	}()
	o, err := OpenOffline(ctx, c, log)
	if err != nil {
		fresh = fresh && store.CodeOf(err) != store.Conflict // else it is that of another server by now
		return r, err
	}
	err = p.put(ctx, o.Identity, &r)
	if err == nil && p.FTS != nil {
		_, err = p.FTS.installAuthority(c.Data, &r)
	}
	if err == nil {
		err = ctx.Err()
	}
	return r, errors.Join(err, o.Close(context.WithoutCancel(ctx)))
}

func (p *Plan) put(ctx context.Context, ids *identity.Service, r *Report) error {
	if a := p.Admin; a != nil {
		u := identity.NewUser{User: identity.User{Name: a.Name, Roles: []string{identity.RoleAdmin}}, Password: a.Password}
		if _, err := ids.AddUser(ctx, byInit, u); err != nil {
			return fmt.Errorf("make the administrator: %w", err)
		}
	}
	if p.FTS == nil {
		return nil
	}
	taken, err := p.FTS.takeover(ctx, ids, false)
	if err != nil {
		return fmt.Errorf("take over users: %w", err)
	}
	*r = taken
	return nil
}
