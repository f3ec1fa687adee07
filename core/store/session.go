package store

import (
	"context"
	"database/sql"
	"errors"

	"github.com/uptrace/bun"

	"github.com/takhost/takhost/hostapi"
)

// session is the writer's own connection to the archive.
type session struct {
	conn  bun.Conn
	begin string
	ins   inserter
	hours *sql.Stmt // putHoursSQL, with SQLite
}

// inserter is the quick way of a driver to insert many events.
type inserter interface {
	insert(ctx context.Context, c bun.Conn, evs []*hostapi.Event) error
	close(c bun.Conn) error
}

// errCommit marks an error after which nobody knows whether the transaction
// was committed.
var errCommit = errors.New("commit")

func (d *database) session(ctx context.Context) (*session, error) {
	conn, err := d.write.Conn(ctx)
	if err != nil {
		return nil, err
	}
	s := &session{conn: conn, begin: "BEGIN", ins: &pgInserter{}}
	if d.sqlite {
		s.begin = "BEGIN IMMEDIATE"
		if s.ins, err = newSQLiteInserter(ctx, conn); err == nil {
			s.hours, err = conn.Conn.PrepareContext(ctx, putHoursSQL)
		}
		if err != nil {
			discard(conn)
			return nil, err
		}
	}
	return s, nil
}

// close gives up the connection; the prepared statements go before it.
func (s *session) close() {
	err := s.ins.close(s.conn)
	if s.hours != nil {
		err = errors.Join(err, s.hours.Close())
	}
	if err != nil {
		discard(s.conn)
		return
	}
	_ = s.conn.Close()
}

// tx runs fn in a transaction. After an error that is not about a row the
// session should be closed, as the state of its connection is unknown.
func (s *session) tx(ctx context.Context, fn func(bun.Conn) error) error {
	if _, err := s.conn.ExecContext(ctx, s.begin); err != nil {
		return err
	}
	if err := fn(s.conn); err != nil {
		if _, rerr := s.conn.ExecContext(ctx, "ROLLBACK"); rerr != nil && faultOf(err) == faultRow {
			return rerr
		}
		return err
	}
	if _, err := s.conn.ExecContext(ctx, "COMMIT"); err != nil {
		return errors.Join(errCommit, err)
	}
	return nil
}
