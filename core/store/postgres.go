package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/dialect/pgdialect"
	"github.com/uptrace/bun/driver/pgdriver"
)

const (
	pgMaxOpen  = 4
	pgMaxIdle  = 2
	pgIdleTime = 5 * time.Minute

	// A statement that takes longer than pgWait is given up by us; one of the
	// pool that reads, also by the server, which goes on by itself otherwise.
	pgWait = 30 * time.Second
)

// pgConnector dials with the options of a parsed URL. It keeps the sockets, as
// the driver leaves one behind when the start of a session fails, and as
// nothing else ends a statement that waits for its answer.
type pgConnector struct {
	dsn     pgDSN
	wait    time.Duration  // for one answer; 0: for ever
	session map[string]any // set at the start of each session

	mu    sync.Mutex
	conns map[net.Conn]struct{}
}

var _ driver.Connector = (*pgConnector)(nil)

func (c *pgConnector) Driver() driver.Driver { return pgdriver.NewDriver() }

func (c *pgConnector) Connect(ctx context.Context) (driver.Conn, error) {
	var sock net.Conn
	opts := append(c.dsn.options(),
		pgdriver.WithReadTimeout(c.wait), pgdriver.WithWriteTimeout(pgWait),
		pgdriver.WithConnParams(c.session), pgdriver.WithTracing(false), pgdriver.WithBufferSize(32<<10),
		func(conf *pgdriver.Config) {
			dial := conf.Dialer
			conf.Dialer = func(ctx context.Context, network, addr string) (net.Conn, error) {
				s, err := dial(ctx, network, addr)
				if err != nil {
					return nil, err
				}
				sock = &pgSocket{Conn: s, of: c}
				c.mu.Lock()
				c.conns[sock] = struct{}{}
				c.mu.Unlock()
				return sock, nil
			}
		})
	conn, err := pgdriver.NewConnector(opts...).Connect(ctx)
	if err != nil {
		if sock != nil {
			_ = sock.Close()
		}
		return nil, err
	}
	return conn, nil
}

func (c *pgConnector) abort() {
	c.mu.Lock()
	var all []net.Conn
	for s := range c.conns {
		all = append(all, s)
	}
	c.mu.Unlock()
	for _, s := range all {
		_ = s.Close()
	}
}

func (d pgDSN) pool(wait time.Duration, session map[string]any) (*bun.DB, *pgConnector) {
	c := &pgConnector{dsn: d, wait: wait, session: session, conns: map[net.Conn]struct{}{}}
	db := sql.OpenDB(c)
	db.SetMaxOpenConns(pgMaxOpen)
	db.SetMaxIdleConns(pgMaxIdle)
	db.SetConnMaxIdleTime(pgIdleTime)
	return bun.NewDB(db, pgdialect.New()), c
}

// openPostgres makes the pools of one use of the database. What writes events
// does not wait for the server's disk (synchronous_commit=off): a power cut
// there costs about the last second, as with SQLite.
func openPostgres(ctx context.Context, d pgDSN, bulk bool) (*database, error) {
	session := map[string]any{}
	if bulk {
		session["synchronous_commit"] = "off"
	}
	w, wc := d.pool(pgWait, session)
	r, rc := d.pool(pgWait, map[string]any{
		"default_transaction_read_only": "on",
		"statement_timeout":             pgWait.Milliseconds(),
	})
	db := &database{name: d.String(), write: w, read: r, pg: []*pgConnector{wc, rc}}
	if err := w.PingContext(ctx); err != nil {
		return nil, errors.Join(d.explain(err), db.close())
	}
	return db, nil
}

// migratePostgres works on a pool of its own, as a migration may take its time.
func migratePostgres(ctx context.Context, d pgDSN, part string, files fs.FS, log *slog.Logger) error {
	w, c := d.pool(0, nil)
	db := &database{name: d.String(), write: w, read: w, pg: []*pgConnector{c}}
	defer w.Close()
	return migratePart(ctx, db, part, files, log)
}

// explain adds what to do to an error of the first connection.
func (d pgDSN) explain(err error) error {
	hint := "is the server running, and does the config name its host, port, user and database?"
	if d.tls != nil && isTLS(err) {
		hint = "give the server's CA with sslrootcert=FILE, or switch TLS off with sslmode=disable"
	}
	return &Error{Code: Unavailable, Msg: "connect to " + d.String(), Err: fmt.Errorf("%w; %s", err, hint)}
}
