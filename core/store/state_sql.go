package store

import (
	"context"
	"database/sql"
	"strconv"
	"strings"

	"github.com/uptrace/bun"
)

const (
	// PostgreSQL is asked about up to pgRows rows, or pgBytes of them, at once.
	pgRows  = 500
	pgBytes = 1 << 20
)

// rowStatement is a statement that is run for many rows. SQLite has it prepared
// and runs it for one after the other, which costs it some 5 µs each.
// PostgreSQL, where each question costs a journey, gets many rows in one text:
// head, the row again and again, tail.
type rowStatement struct {
	one             string
	head, row, tail string
}

// insertRows makes the statement that inserts rows of so many columns, or
// replaces those of the same key.
func insertRows(table, columns, key, update string) rowStatement {
	n := strings.Count(columns, ",")
	s := rowStatement{head: "INSERT INTO " + table + " (" + columns + ") VALUES ", row: "(?" + strings.Repeat(", ?", n) + ")"}
	if key != "" {
		var set []string
		for _, c := range strings.Split(update, ", ") {
			set = append(set, c+" = excluded."+c)
		}
		s.tail = " ON CONFLICT (" + key + ") DO UPDATE SET " + strings.Join(set, ", ")
	}
	s.one = s.head + s.row + s.tail
	return s
}

// onRows makes a statement on the rows with given keys: verb is DELETE or SELECT
// with its columns.
func onRows(verb, table string, key ...string) rowStatement {
	from := verb + " FROM " + table + " WHERE "
	return rowStatement{
		one:  from + strings.Join(key, " = ? AND ") + " = ?",
		head: from + "(" + strings.Join(key, ", ") + ") IN (",
		row:  "(?" + strings.Repeat(", ?", len(key)-1) + ")",
		tail: ")",
	}
}

// text is the statement for n rows.
func (s *rowStatement) text(n int) string {
	var b strings.Builder
	b.Grow(len(s.head) + n*(len(s.row)+8) + len(s.tail))
	b.WriteString(s.head)
	arg := 0
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		arg = numbered(&b, s.row, arg)
	}
	numbered(&b, s.tail, arg)
	return b.String()
}

// numbered writes text with PostgreSQL's names of arguments in place of ?.
func numbered(b *strings.Builder, text string, arg int) int {
	for {
		before, after, more := strings.Cut(text, "?")
		b.WriteString(before)
		if !more {
			return arg
		}
		arg++
		b.WriteByte('$')
		b.WriteString(strconv.Itoa(arg))
		text = after
	}
}

// dialect gives text, written with ?, in the words of the database.
func (d *database) dialect(text string) string {
	if d.sqlite {
		return text
	}
	var b strings.Builder
	numbered(&b, text, 0)
	return b.String()
}

// rowArgs appends the arguments of row i to to.
type rowArgs func(i int, to []any) []any

// chunks calls fn with the text and the arguments for some of the n rows until
// all are done.
func (s *rowStatement) chunks(n int, args rowArgs, fn func(text string, args []any) error) error {
	var to []any
	for i := 0; i < n; {
		to = to[:0]
		rows, bytes := 0, 0
		for ; i < n && rows < pgRows && bytes < pgBytes; i, rows = i+1, rows+1 {
			before := len(to)
			to = args(i, to)
			for _, v := range to[before:] {
				switch v := v.(type) {
				case []byte:
					bytes += len(v)
				case string:
					bytes += len(v)
				}
			}
		}
		if err := fn(s.text(rows), to); err != nil {
			return err
		}
	}
	return nil
}

// sqlConn is what a transaction and a connection have in common.
type sqlConn interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

// each calls scan for all rows.
func each(rows *sql.Rows, err error, scan func(*sql.Rows) error) error {
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return err
		}
	}
	return rows.Err()
}

// reader gives the statement for SQLite's pool that reads, which prepares it once
// on each connection.
func (p *Plugins) reader(s *rowStatement) (*sql.Stmt, error) {
	p.mu.Lock()
	st := p.readers[s]
	p.mu.Unlock()
	if st != nil {
		return st, nil
	}
	st, err := p.db.read.DB.PrepareContext(context.Background(), s.one)
	if err != nil {
		return nil, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if other := p.readers[s]; other != nil {
		return other, st.Close()
	}
	p.readers[s] = st
	return st, nil
}

// find reads the rows that s selects for n keys, outside of any transaction. As
// a broken connection is tried again, scan may see a row twice.
func (p *Plugins) find(ctx context.Context, s *rowStatement, n int, args rowArgs, scan func(*sql.Rows) error) error {
	if n == 0 {
		return nil
	}
	if !p.db.sqlite {
		return p.db.with(ctx, p.db.read, func(c bun.Conn) error {
			return s.chunks(n, args, func(text string, to []any) error {
				rows, err := c.Conn.QueryContext(ctx, text, to...)
				return each(rows, err, scan)
			})
		})
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	st, err := p.reader(s)
	if err != nil {
		return translate(err)
	}
	var to []any
	for i := range n {
		to = args(i, to[:0])
		// No key takes long; for a context that can end, the driver starts a goroutine.
		rows, err := st.QueryContext(context.Background(), to...)
		if err := each(rows, err, scan); err != nil {
			return translate(err)
		}
	}
	return nil
}

// list reads all rows of a text written with ?. When a broken connection is tried
// again, begin is called again.
func (p *Plugins) list(ctx context.Context, begin func(), text string, args []any, scan func(*sql.Rows) error) error {
	return p.db.with(ctx, p.db.read, func(c bun.Conn) error {
		begin()
		rows, err := c.Conn.QueryContext(ctx, p.db.dialect(text), args...)
		return each(rows, err, scan)
	})
}
