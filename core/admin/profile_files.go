package admin

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"slices"

	"github.com/takhost/takhost/core/identity"
	"github.com/takhost/takhost/core/onboard"
	"github.com/takhost/takhost/core/store"
)

// MaxFile is how many bytes a file of a profile may have.
func (p *Profiles) MaxFile() int64 { return min(p.opt.MaxFile(), onboard.MostProfileSize) }

// Open opens the content of a file, which the caller closes.
func (p *Profiles) Open(ctx context.Context, hash string) (io.ReadSeekCloser, error) {
	r, err := p.opt.Files.Open(ctx, hash)
	if err != nil {
		return nil, err // not a pointer that is nil
	}
	return r, nil
}

// PutFile puts a file into a profile, in the place of one of that name, which
// keeps its id. from is read when the profile may have such a file; size is what
// was announced, 0 if nothing was. It is never in memory as a whole, and after an
// error nothing is left of it.
func (p *Profiles) PutFile(ctx context.Context, by identity.Actor, name, file string, size int64, from io.Reader) (f onboard.File, err error) {
	v, err := p.Profile(name)
	if err != nil {
		return onboard.File{}, err
	}
	if err := onboard.CheckFileName(v.Kind, file); err != nil {
		return onboard.File{}, &store.Error{Code: store.Invalid, Err: err}
	}
	if fileIn(&v, file) < 0 && len(v.Files) >= onboard.MostFiles {
		return onboard.File{}, &store.Error{Code: store.Invalid, Msg: fmt.Sprintf("profile %s: has %d files already", clip(v.Name), len(v.Files))}
	}
	hold := p.opt.Files.Hold()
	defer func() { err = p.release(ctx, hold, err) }()
	if f, err = p.write(ctx, hold, file, size, from); err != nil {
		return onboard.File{}, err
	}
	err = p.update(ctx, by, "profile.file", name+"/"+file, name, func(v *onboard.Profile) error {
		f.Changed = p.opt.Now().UTC()
		if i := fileIn(v, file); i >= 0 {
			f.ID = v.Files[i].ID
			v.Files[i] = f
		} else {
			v.Files = append(v.Files, f)
		}
		return nil
	})
	if err != nil {
		return onboard.File{}, err
	}
	if v, err = p.Profile(name); err == nil {
		if i := fileIn(&v, file); i >= 0 {
			return v.Files[i], nil
		}
	}
	return f, nil // somebody has taken it out again already
}

// release ends a hold: after an error nothing new stays of what it held.
func (p *Profiles) release(ctx context.Context, hold *store.Hold, err error) error {
	if err == nil {
		hold.End()
		return nil
	}
	return errors.Join(err, hold.Drop(context.WithoutCancel(ctx)))
}

// write stores the content of a file.
func (p *Profiles) write(ctx context.Context, hold *store.Hold, name string, size int64, from io.Reader) (onboard.File, error) {
	w, err := p.opt.Files.Create(store.BlobSpec{Name: name, Max: p.MaxFile(), Size: max(size, 0), Hold: hold})
	if err != nil {
		return onboard.File{}, err
	}
	defer w.Drop()
	sum := crc32.NewIEEE()
	if _, err := w.ReadFrom(io.TeeReader(from, sum)); err != nil {
		return onboard.File{}, err
	}
	blob, err := w.Keep(ctx)
	if err != nil {
		return onboard.File{}, err
	}
	return onboard.File{Name: name, Hash: blob.Hash, Size: blob.Size, CRC: sum.Sum32()}, nil
}

// RemoveFile takes a file out of a profile.
func (p *Profiles) RemoveFile(ctx context.Context, by identity.Actor, name, file string) error {
	return p.update(ctx, by, "profile.file-remove", name+"/"+file, name, func(v *onboard.Profile) error {
		i := fileIn(v, file)
		if i < 0 {
			return noFile(name, file)
		}
		v.Files = slices.Delete(v.Files, i, i+1)
		return nil
	})
}

// Preferences gives those of a profile: none, when it has no such file.
func (p *Profiles) Preferences(ctx context.Context, name string) (onboard.Preferences, error) {
	v, err := p.Profile(name)
	if err != nil {
		return nil, err
	}
	i := fileIn(&v, onboard.PrefsFile)
	if i < 0 {
		return onboard.Preferences{}, nil
	}
	text, err := p.small(ctx, &v.Files[i])
	if err != nil {
		return nil, err
	}
	prefs, err := onboard.ReadPreferences(text)
	if err != nil {
		return nil, &store.Error{Code: store.Conflict, Msg: onboard.PrefsFile + " of profile " + clip(v.Name) + " was uploaded, and can only be changed by another upload", Err: err}
	}
	return prefs, nil
}

// small reads a file of preferences.
func (p *Profiles) small(ctx context.Context, f *onboard.File) ([]byte, error) {
	if f.Size > onboard.MostPrefsSize {
		return nil, &store.Error{Code: store.Conflict, Msg: fmt.Sprintf("%s has %d bytes: it was uploaded, and can only be changed by another upload", f.Name, f.Size)}
	}
	r, err := f.Open(func(hash string) (io.ReadSeekCloser, error) { return p.Open(ctx, hash) })
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

// SetPreferences makes preferences those of a profile, in the place of all that
// there were. Without any, the file goes.
func (p *Profiles) SetPreferences(ctx context.Context, by identity.Actor, name string, prefs onboard.Preferences) error {
	if len(prefs) == 0 {
		v, err := p.Profile(name)
		if err != nil || fileIn(&v, onboard.PrefsFile) < 0 {
			return err
		}
		return p.RemoveFile(ctx, by, name, onboard.PrefsFile)
	}
	text, err := prefs.Bytes()
	if err != nil {
		return &store.Error{Code: store.Invalid, Err: err}
	}
	_, err = p.PutFile(ctx, by, name, onboard.PrefsFile, int64(len(text)), bytes.NewReader(text))
	return err
}

func fileIn(v *onboard.Profile, name string) int {
	return slices.IndexFunc(v.Files, func(f onboard.File) bool { return f.Name == name })
}

func noFile(profile, file string) error {
	return &store.Error{Code: store.NotFound, Msg: fmt.Sprintf("profile %s has no file %s", clip(profile), clip(file))}
}
