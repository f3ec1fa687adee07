package store

import (
	"context"
	"crypto/tls"
	"database/sql/driver"
	"errors"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/driver/pgdriver"
)

// database is one database as two pools: one that writes and one that reads.
type database struct {
	name   string // for messages; holds no password
	sqlite bool
	path   string // of the SQLite file
	write  *bun.DB
	read   *bun.DB
	pg     []*pgConnector // behind the pools; nil with SQLite
}

func (d *database) close() error {
	return errors.Join(d.read.Close(), d.write.Close())
}

// abort cuts the connections, so that whoever waits for an answer gets an
// error. SQLite has nobody to wait for longer than its busy timeout.
func (d *database) abort() {
	for _, c := range d.pg {
		c.abort()
	}
}

// staleTries is how often a statement is tried when connections of the pool
// turn out to be dead: the idle ones it may hold, and a fresh one.
const staleTries = pgMaxIdle + 1

// with runs fn on one connection of pool, again if the connection was dead,
// and ends it early when ctx does. fn must be such that a second run does no
// harm.
func (d *database) with(ctx context.Context, pool *bun.DB, fn func(bun.Conn) error) error {
	var err error
	for range staleTries {
		err = d.once(ctx, pool, fn)
		if err == nil || ctx.Err() != nil || !isGone(err) {
			break
		}
	}
	if err != nil && ctx.Err() != nil {
		return ctx.Err()
	}
	return translate(err)
}

func (d *database) once(ctx context.Context, pool *bun.DB, fn func(bun.Conn) error) error {
	conn, err := pool.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	if d.sqlite { // its driver watches the context itself
		return fn(conn)
	}
	// pgdriver knows only deadlines: a cancelled context cuts the connection.
	var cut func() error
	err = conn.Raw(func(c any) error {
		sock := c.(*pgdriver.Conn).Conn()
		if t, ok := sock.(*tls.Conn); ok {
			sock = t.NetConn() // closing at the TLS layer would wait for the peer
		}
		cut = sock.Close
		return nil
	})
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = cut() })
	err = fn(conn)
	if !stop() {
		discard(conn)
	}
	return err
}

// discard closes the connection instead of giving it back to its pool.
func discard(conn bun.Conn) {
	_ = conn.Raw(func(any) error { return driver.ErrBadConn })
	_ = conn.Close()
}
