package store

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/migrate"
)

//go:embed migrations
var migrationFiles embed.FS

// migrations gives one part's files: part is state or archive.
func migrations(part string, sqlite bool) (fs.FS, error) {
	dialect := "postgres"
	if sqlite {
		dialect = "sqlite"
	}
	return fs.Sub(migrationFiles, "migrations/"+part+"/"+dialect)
}

// migratePart brings one part of a database to the newest form that files
// knows. Each migration and its mark are one transaction, so a killed one has
// left nothing behind and runs again.
//
// Nobody else may migrate at the same time: with SQLite the lock of the data
// folder sees to that, with PostgreSQL an advisory lock, which ends with its
// session. The row that bun's own tools write as a lock says nothing then; one
// that is found was left by a process that died, and goes.
func migratePart(ctx context.Context, d *database, part string, files fs.FS, log *slog.Logger) error {
	if !d.sqlite {
		unlock, err := advisoryLock(ctx, d, log)
		if err != nil {
			return err
		}
		defer unlock()
	}
	known := migrate.NewMigrations()
	if err := known.Discover(files); err != nil {
		return fmt.Errorf("read migrations of %s: %w", part, err)
	}
	table, locks := part+"_migrations", part+"_migration_locks"
	m := migrate.NewMigrator(d.write, known,
		migrate.WithTableName(table), migrate.WithLocksTableName(locks),
		migrate.WithMarkAppliedOnSuccess(true), migrate.WithUpsert(true),
		migrate.AfterMigration(func(ctx context.Context, tx bun.IConn, mig *migrate.Migration) error {
			_, err := tx.ExecContext(ctx, "INSERT INTO ? (name, group_id) VALUES (?, ?)", bun.Ident(table), mig.Name, mig.GroupID)
			return err
		}))
	if err := m.Init(ctx); err != nil {
		return fmt.Errorf("%s: prepare migrations: %w", d.name, err)
	}
	if n, err := d.write.NewDelete().TableExpr("?", bun.Ident(locks)).Where("1 = 1").Exec(ctx); err != nil {
		return fmt.Errorf("%s: clear migration lock: %w", d.name, err)
	} else if rows, err := n.RowsAffected(); err == nil && rows > 0 {
		log.Warn("a migration was interrupted; its lock is removed and it runs again", "database", d.name)
	}
	all, err := m.MigrationsWithStatus(ctx)
	if err != nil {
		return fmt.Errorf("%s: read migrations: %w", d.name, err)
	}
	if err := refuseNewer(ctx, d, m, all); err != nil {
		return err
	}
	pending := all.Unapplied()
	if len(pending) == 0 {
		return nil
	}
	if d.sqlite && len(pending) < len(all) {
		if err := snapshot(ctx, d, pending[0].String(), log); err != nil {
			return err
		}
	}
	group, err := m.Migrate(ctx)
	if err != nil {
		return fmt.Errorf("%s: migrate: %w", d.name, err)
	}
	log.Info("database migrated", "database", d.name, "migrations", group.Migrations.String())
	return nil
}

// refuseNewer returns an error when the database has migrations that this
// binary does not know.
func refuseNewer(ctx context.Context, d *database, m *migrate.Migrator, known migrate.MigrationSlice) error {
	unknown, err := m.MissingMigrations(ctx)
	if err != nil {
		return fmt.Errorf("%s: read migrations: %w", d.name, err)
	}
	if len(unknown) == 0 {
		return nil
	}
	names := make([]string, len(unknown))
	for i := range unknown {
		names[i] = unknown[i].Name
	}
	remedy := "or restore the database from a backup made before it was upgraded"
	if found, err := filepath.Glob(d.path + beforeMark + "*"); d.sqlite && err == nil && len(found) > 0 {
		remedy = "or put the snapshot " + strings.Join(found, " or ") + " in its place"
	}
	newest := known[len(known)-1]
	return &Error{Code: Conflict, Msg: fmt.Sprintf(
		"%s is from a newer version: it has migration %s, this version knows none above %s; run the newer takhost, %s",
		d.name, strings.Join(names, ", "), newest.Name, remedy)}
}

const beforeMark = ".before-"

// snapshot copies the database aside before its first migration to come.
func snapshot(ctx context.Context, d *database, next string, log *slog.Logger) (err error) {
	to := d.path + beforeMark + next
	part := to + ".part"
	if err := os.Remove(part); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("snapshot before migration: %w", err)
	}
	defer func() {
		if err != nil {
			_ = os.Remove(part)
			err = fmt.Errorf("snapshot of %s before migration %s: %w; it needs as much free disk space as the database takes", d.name, next, err)
		}
	}()
	f, err := os.OpenFile(part, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600) // VACUUM INTO takes an empty file, and leaves its mode
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	log.Info("making a snapshot before migration, which may take a while", "database", d.name, "migration", next)
	began := time.Now()
	if _, err := d.write.ExecContext(ctx, "VACUUM INTO ?", part); err != nil {
		return err
	}
	if err := syncFile(part); err != nil {
		return err
	}
	if err := os.Rename(part, to); err != nil {
		return err
	}
	log.Info("snapshot made, delete it when the new version has proved itself", "file", to, "took", time.Since(began))
	return nil
}

// advisoryKey is "takhost" in ASCII.
const advisoryKey = 0x74616b686f7374

// advisoryLock waits until no other server migrates the database.
func advisoryLock(ctx context.Context, d *database, log *slog.Logger) (unlock func(), err error) {
	conn, err := d.write.Conn(ctx)
	if err != nil {
		return nil, fmt.Errorf("%s: lock for migration: %w", d.name, err)
	}
	for said := false; ; {
		var got bool
		if err := conn.NewRaw("SELECT pg_try_advisory_lock(?)", advisoryKey).Scan(ctx, &got); err != nil {
			_ = conn.Close()
			return nil, fmt.Errorf("%s: lock for migration: %w", d.name, err)
		}
		if got {
			return func() {
				_, _ = conn.ExecContext(context.WithoutCancel(ctx), "SELECT pg_advisory_unlock(?)", advisoryKey)
				discard(conn) // the end of the session is the end of the lock in any case
			}, nil
		}
		if !said {
			said = true
			log.Info("another server migrates the database, waiting for it", "database", d.name)
		}
		select {
		case <-ctx.Done():
			_ = conn.Close()
			return nil, fmt.Errorf("%s: wait for another server's migration: %w", d.name, ctx.Err())
		case <-time.After(250 * time.Millisecond):
		}
	}
}
