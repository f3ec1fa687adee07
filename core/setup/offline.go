package setup

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/takhost/takhost/core/config"
	"github.com/takhost/takhost/core/identity"
	"github.com/takhost/takhost/core/route"
	"github.com/takhost/takhost/core/store"
	"github.com/takhost/takhost/hostapi"
)

// Offline is the data folder of a server that does not run, opened to change
// users. Close it.
type Offline struct {
	Identity *identity.Service

	store  *store.Store
	unlock func()
}

// OpenOffline opens the data folder and the database, and makes what is missing.
// While a server runs there it is an error that says so.
func OpenOffline(ctx context.Context, c *config.Config, log *slog.Logger) (_ *Offline, err error) {
	o := &Offline{}
	if o.unlock, err = store.LockDir(c.Data); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, o.Close(context.WithoutCancel(ctx)))
		}
	}()
	// No types: nothing is routed, so nothing is to be archived.
	if o.store, err = store.Open(ctx, store.Options{DSN: c.Database.DSN(), Dir: c.Data, Log: log}); err != nil {
		return nil, err
	}
	sets, err := o.store.LoadSets(ctx)
	if err != nil {
		return nil, err
	}
	groups := route.NewGroups(sets, func(id hostapi.SetID, members []hostapi.GroupID) error {
		return o.store.SaveSet(context.WithoutCancel(ctx), id, members)
	})
	o.Identity, err = identity.Open(ctx, identity.Options{Store: o.store, Sets: groups, Log: log, Hashes: c.Login.Hashes})
	if err != nil {
		return nil, fmt.Errorf("open users: %w", err)
	}
	return o, nil
}

// Close closes what OpenOffline has opened.
func (o *Offline) Close(ctx context.Context) error {
	var err error
	if o.store != nil {
		err = o.store.Close(ctx)
	}
	o.unlock()
	return err
}

// tryDatabase connects to the database, and changes nothing there. It gives the
// engine's name and version.
func tryDatabase(ctx context.Context, dsn, dir string) (store.Look, error) {
	ctx, cancel := context.WithTimeout(ctx, databaseWait)
	defer cancel()
	return store.LookAt(ctx, dsn, dir)
}

// freshFolder reports whether a data folder has nothing in it yet, or is not
// there.
func freshFolder(dir string) (bool, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, os.ErrNotExist) {
		return true, nil
	}
	return len(entries) == 0, err
}

// sweepFolder takes back what a set-up that failed has made in a folder that was
// fresh before.
func sweepFolder(dir string, wasThere bool) error {
	if !wasThere {
		return os.RemoveAll(dir)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		err = errors.Join(err, os.RemoveAll(filepath.Join(dir, e.Name())))
	}
	return err
}
