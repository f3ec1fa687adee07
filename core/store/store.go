package store

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/takhost/takhost/hostapi"
)

// Store is an open database. Close it before the process ends.
type Store struct {
	state   *database
	archive *Archive
	plugins *Plugins
	blobs   *Blobs
}

// Open opens the database, creates it when missing and brings it to the form
// that this version works with. A database from a newer version is refused.
func Open(ctx context.Context, opt Options) (*Store, error) {
	if err := opt.setDefaults(); err != nil {
		return nil, err
	}
	state, archive, err := openDatabases(ctx, &opt)
	if err != nil {
		return nil, err
	}
	fail := func(err error) (*Store, error) { return nil, errors.Join(err, archive.close(), state.close()) }
	p, err := newPlugins(ctx, state, &opt)
	if err != nil {
		return fail(err)
	}
	b, err := newBlobs(ctx, p, &opt)
	if err != nil {
		return fail(err)
	}
	a, err := newArchive(ctx, archive, opt)
	if err != nil {
		b.metrics.unregister()
		return fail(err)
	}
	a.start()
	p.start()
	b.start(opt.test.blobEvery)
	return &Store{state: state, archive: a, plugins: p, blobs: b}, nil
}

func openDatabases(ctx context.Context, opt *Options) (state, archive *database, err error) {
	var parts [2]*database
	defer func() {
		if err == nil {
			return
		}
		for _, d := range parts {
			if d != nil {
				err = errors.Join(err, d.close())
			}
		}
	}()
	sqlite := opt.DSN == "sqlite"
	var pg pgDSN
	if sqlite {
		err = prepareDir(opt.Dir)
	} else {
		pg, err = parsePG(opt.DSN)
	}
	if err != nil {
		return nil, nil, err
	}
	files := [2]sqliteFile{stateFile(), archiveFile(opt.test.pragmas)}
	for i, part := range [2]string{"state", "archive"} {
		sql, err := migrations(part, sqlite)
		if err != nil {
			return nil, nil, fmt.Errorf("read migrations of %s: %w", part, err)
		}
		if sqlite {
			parts[i], err = openSQLite(ctx, opt.Dir, files[i])
			if err == nil {
				err = migratePart(ctx, parts[i], part, sql, opt.Log)
			}
		} else {
			parts[i], err = openPostgres(ctx, pg, part == "archive")
			if err == nil {
				err = migratePostgres(ctx, pg, part, sql, opt.Log)
			}
		}
		if err != nil {
			return nil, nil, err
		}
	}
	if sqlite {
		// The names of new files survive a power cut only with their folder.
		if err := syncDir(filepath.Clean(opt.Dir)); err != nil {
			return nil, nil, fmt.Errorf("sync data folder: %w", err)
		}
	}
	return parts[0], parts[1], nil
}

// Archive gives the archive of events.
func (s *Store) Archive() *Archive { return s.archive }

// Close commits the Works that wait, stores what waits in the archive's queue, as
// Archive.Close does, and closes the databases. Nothing may use the store any more.
func (s *Store) Close(ctx context.Context) error {
	s.blobs.close()
	s.plugins.close(ctx)
	err := s.archive.Close(ctx)
	return errors.Join(err, s.archive.db.close(), s.state.close())
}

// highID is the setting that SaveHighID keeps.
const highID = "high_id"

// MaxID gives the highest event id that was ever given out, as far as the store
// knows: of the stored events and of what SaveHighID was told; 0 in a new one.
func (s *Store) MaxID(ctx context.Context) (hostapi.ID, error) {
	top, err := s.archive.topID(ctx)
	if err != nil {
		return 0, fmt.Errorf("read the highest event id: %w", err)
	}
	v, err := s.Setting(ctx, highID)
	if CodeOf(err) == NotFound {
		return top, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read the highest event id: %w", err)
	}
	mark, err := hostapi.ParseID(v)
	if err != nil {
		return 0, fmt.Errorf("setting %s: %w", highID, err)
	}
	return max(top, mark), nil
}

// SaveHighID remembers that ids up to id may be in use. A lower id than one
// saved before changes nothing.
func (s *Store) SaveHighID(ctx context.Context, id hostapi.ID) error {
	return s.putSetting(ctx, highID, id.String(), "CASE WHEN CAST(excluded.value AS bigint) > CAST(setting.value AS bigint) THEN excluded.value ELSE setting.value END")
}
