package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/driver/pgdriver"
)

// outcomeWait is how long the outcome of a commit is looked for when the
// database went away in the middle of it.
const outcomeWait = 10 * time.Second

// stateTx is a transaction that changes what belongs to plugins. Only one is
// open at a time: its first statement locks the row of commits, with SQLite the
// whole file is locked before, so what it reads holds until it ends.
type stateTx struct {
	p     *Plugins
	tx    *sql.Tx
	stmts map[*rowStatement]*sql.Stmt
	last  uint64   // the highest of the revisions it was given
	after []func() // called by change after the commit
}

// begin opens a transaction in which so many revisions may be given; the first
// is last-n+1. The caller holds p.writing.
func (p *Plugins) begin(n int) (*stateTx, error) {
	ctx := context.Background()
	if err := p.prepareWriters(); err != nil {
		return nil, err
	}
	sqlTx, err := p.db.write.DB.BeginTx(ctx, nil)
	if err != nil {
		return nil, err
	}
	t := &stateTx{p: p, tx: sqlTx, stmts: map[*rowStatement]*sql.Stmt{}}
	text := "UPDATE commits SET revision = revision + ? WHERE id = 1 RETURNING revision"
	args := []any{n}
	if !p.db.sqlite {
		text = "WITH r AS (" + text + `) INSERT INTO commit_marks (session, revision, seen) SELECT ?, r.revision, ? FROM r
			ON CONFLICT (session) DO UPDATE SET revision = excluded.revision, seen = excluded.seen RETURNING revision`
		args = append(args, p.session, p.now().UnixMicro())
	}
	if err := sqlTx.QueryRowContext(ctx, p.db.dialect(text), args...).Scan(&t.last); err != nil {
		t.rollback()
		return nil, err
	}
	return t, nil
}

func (t *stateTx) rollback() { _ = t.tx.Rollback() }

// commit ends the transaction. An error means that nothing was written, unless
// ErrOutcome is in its chain.
func (t *stateTx) commit() error {
	err := t.tx.Commit()
	if err == nil {
		return nil
	}
	if t.p.db.sqlite {
		// The connection may still be in the transaction.
		if conn, cerr := t.p.db.write.Conn(context.Background()); cerr == nil {
			discard(conn)
		}
		return err
	}
	var pe pgdriver.Error
	if errors.As(err, &pe) && !isGone(err) {
		return err // the server refused
	}
	return t.p.outcome(t.last, err)
}

// outcome finds out whether the commit that was given revision took place. The
// server's row is locked as long as PostgreSQL itself does not know.
func (p *Plugins) outcome(revision uint64, cause error) error {
	ctx, cancel := context.WithTimeout(context.Background(), outcomeWait)
	defer cancel()
	p.log.Warn("the database went away during a commit", "database", p.db.name, "error", cause)
	for {
		var got uint64
		err := p.db.with(ctx, p.db.write, func(c bun.Conn) error {
			return c.Conn.QueryRowContext(ctx, "SELECT revision FROM commit_marks WHERE session = $1 FOR UPDATE", p.session).Scan(&got)
		})
		switch {
		case err == nil && got == revision:
			return nil
		case err == nil:
			return cause
		}
		select {
		case <-p.abort:
		case <-ctx.Done():
		case <-time.After(retryFirst):
			continue
		}
		return &Error{Code: Unavailable, Err: errors.Join(ErrOutcome, cause)}
	}
}

// stmt gives the prepared statement. One that is used for the first time is
// prepared for this transaction alone, as the pool has no other connection, and
// for good before the next one begins.
func (t *stateTx) stmt(s *rowStatement) (st *sql.Stmt, err error) {
	if st := t.stmts[s]; st != nil {
		return st, nil
	}
	if ready, ok := t.p.writers[s]; ok && ready != nil {
		st = t.tx.StmtContext(context.Background(), ready)
	} else {
		t.p.writers[s] = nil
		st, err = t.tx.PrepareContext(context.Background(), s.one)
	}
	if err != nil {
		return nil, err
	}
	t.stmts[s] = st
	return st, nil
}

// prepareWriters prepares what transactions have used so far.
func (p *Plugins) prepareWriters() error {
	for s, ready := range p.writers {
		if ready == nil {
			st, err := p.db.write.DB.PrepareContext(context.Background(), s.one)
			if err != nil {
				return err
			}
			p.writers[s] = st
		}
	}
	return nil
}

// exec runs s for n rows.
func (t *stateTx) exec(s *rowStatement, n int, args rowArgs) error {
	if n == 0 {
		return nil
	}
	ctx := context.Background()
	if !t.p.db.sqlite {
		return s.chunks(n, args, func(text string, to []any) error {
			_, err := t.tx.ExecContext(ctx, text, to...)
			return err
		})
	}
	st, err := t.stmt(s)
	if err != nil {
		return err
	}
	var to []any
	for i := range n {
		to = args(i, to[:0])
		if _, err := st.ExecContext(ctx, to...); err != nil {
			return err
		}
	}
	return nil
}

// find reads the rows that s selects for n keys.
func (t *stateTx) find(s *rowStatement, n int, args rowArgs, scan func(*sql.Rows) error) error {
	if n == 0 {
		return nil
	}
	ctx := context.Background()
	if !t.p.db.sqlite {
		return s.chunks(n, args, func(text string, to []any) error {
			rows, err := t.tx.QueryContext(ctx, text, to...)
			return each(rows, err, scan)
		})
	}
	st, err := t.stmt(s)
	if err != nil {
		return err
	}
	var to []any
	for i := range n {
		to = args(i, to[:0])
		rows, err := st.QueryContext(ctx, to...)
		if err := each(rows, err, scan); err != nil {
			return err
		}
	}
	return nil
}

// run executes a text written with ?, and tells how many rows it changed.
func (t *stateTx) run(text string, args ...any) (int64, error) {
	r, err := t.tx.ExecContext(context.Background(), t.p.db.dialect(text), args...)
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

// change runs fn in a transaction of its own, again when it met a dead
// connection; fn gets one revision to give.
func (p *Plugins) change(ctx context.Context, what string, fn func(*stateTx) error) error {
	p.writing.Lock()
	defer p.writing.Unlock()
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	var err error
	for range staleTries {
		if err = p.changeOnce(fn); err == nil || errors.Is(err, ErrOutcome) || !isGone(err) {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("%s: %w", what, translate(err))
	}
	return nil
}

func (p *Plugins) changeOnce(fn func(*stateTx) error) error {
	t, err := p.begin(1)
	if err != nil {
		return err
	}
	if err := fn(t); err != nil {
		t.rollback()
		return err
	}
	if err := t.commit(); err != nil {
		return err
	}
	for _, fn := range t.after {
		fn()
	}
	return nil
}
