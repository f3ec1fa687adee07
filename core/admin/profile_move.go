package admin

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"

	"github.com/takhost/takhost/core/onboard"
	"github.com/takhost/takhost/core/store"
)

// move puts the content of files that an earlier version kept in the rows of
// profiles into the store of files, and numbers what has no id. A profile is moved
// in one transaction, so a server that is killed at it goes on at the next start.
// Where there is no room its files stay in the row, and clients get them from
// memory.
func (p *Profiles) move(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	state := p.all.Load()
	for _, key := range slices.Sorted(maps.Keys(state.profiles)) {
		v := state.profiles[key]
		if v.ID != 0 && !slices.ContainsFunc(v.Files, inRow) {
			continue
		}
		next := state.clone()
		v.Files = slices.Clone(v.Files)
		for i := range v.Files {
			if f := &v.Files[i]; inRow(*f) {
				var err error
				if *f, err = p.moved(ctx, *f); err != nil {
					return fmt.Errorf("move file %s of device profile %s: %w", f.Name, v.Name, err)
				}
			}
		}
		next.number(&v)
		next.profiles[key] = v
		c := store.RecordChange{Keep: kept(key, &v)}
		if err := next.put(&c, key); err != nil {
			return err
		}
		if err := p.opt.Records.Change(ctx, c); err != nil {
			return fmt.Errorf("move device profile %s: %w", v.Name, err)
		}
		state = next
	}
	p.all.Store(state)
	return nil
}

// inRow says whether the content of a file is in the row of its profile.
func inRow(f onboard.File) bool { return f.Hash == "" || len(f.Data) > 0 }

// moved gives a file whose content is stored, if there is room.
func (p *Profiles) moved(ctx context.Context, f onboard.File) (onboard.File, error) {
	made := onboard.Made(f.Name, f.Data)
	made.ID, made.Changed = f.ID, f.Changed
	if made.Size == 0 {
		made.Data = nil
		return made, nil // there is nothing to store
	}
	blob, err := p.opt.Files.Put(ctx, bytes.NewReader(f.Data), store.BlobSpec{Name: f.Name, Size: made.Size})
	switch {
	case errors.Is(err, store.ErrNoSpace) || store.CodeOf(err) == store.Limit:
		p.opt.Log.Warn("there is no room to store a file of a device profile, it stays in the database until the next start", slog.String("file", f.Name), slog.Any("err", err))
		return made, nil
	case err != nil:
		return f, err
	case blob.Hash != made.Hash:
		return f, fmt.Errorf("its hash is %s, it was stored as %s", made.Hash, blob.Hash)
	}
	made.Data = nil
	return made, nil
}
