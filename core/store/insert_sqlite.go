package store

import (
	"context"
	"database/sql/driver"
	"errors"
	"strings"

	"github.com/uptrace/bun"

	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/cot"
)

// eventColumns are the columns of events in the order in which both inserters
// write them.
const eventColumns = `id, recv, origin, hops, conn, "user", client, "groups", type, how, uid, time, start, stale, lat, lon, hae, ce, le, callsign, team, role, xml, via`

const numColumns = 24

// sqliteInserter runs one prepared statement per row, straight on the driver:
// database/sql would copy and check the 24 arguments of each row anew, which
// costs a tenth of the whole. Statements of many rows were no faster.
type sqliteInserter struct {
	stmt driver.Stmt
	args []driver.NamedValue
}

var _ inserter = (*sqliteInserter)(nil)

func newSQLiteInserter(ctx context.Context, c bun.Conn) (*sqliteInserter, error) {
	in := &sqliteInserter{args: make([]driver.NamedValue, numColumns)}
	for i := range in.args {
		in.args[i].Ordinal = i + 1
	}
	err := c.Raw(func(dc any) error {
		p, ok := dc.(driver.ConnPrepareContext)
		if !ok {
			return errors.New("sqlite driver cannot prepare statements")
		}
		var err error
		in.stmt, err = p.PrepareContext(ctx, "INSERT INTO events ("+eventColumns+") VALUES (?"+strings.Repeat(", ?", numColumns-1)+")")
		return err
	})
	if err != nil {
		return nil, err
	}
	return in, nil
}

func (in *sqliteInserter) insert(ctx context.Context, c bun.Conn, evs []*hostapi.Event) error {
	return c.Raw(func(any) error {
		exec, ok := in.stmt.(driver.StmtExecContext)
		if !ok {
			return errors.New("sqlite driver cannot run statements")
		}
		for _, e := range evs {
			in.bind(e)
			if _, err := exec.ExecContext(ctx, in.args); err != nil {
				return err
			}
		}
		return nil
	})
}

func (in *sqliteInserter) bind(e *hostapi.Event) {
	var lat, lon any // null in an event without a point
	if e.Flags.Has(cot.HasPoint) {
		lat, lon = finite(e.Lat), finite(e.Lon)
	}
	for i, v := range [numColumns]any{
		int64(e.ID), e.Recv, int64(e.Origin), int64(e.Hops), int64(e.Conn), e.User, e.Client, int64(e.Groups),
		e.Type, e.How, e.UID, e.Time, e.Start, e.Stale, lat, lon, finite(e.Hae), finite(e.CE), finite(e.LE),
		e.Callsign, e.Team, e.Role, e.XML, e.Via,
	} {
		in.args[i].Value = v
	}
}

func (in *sqliteInserter) close(c bun.Conn) error {
	clear(in.args)
	return c.Raw(func(any) error { return in.stmt.Close() })
}

// finite gives v, or 0 for what is no number: SQLite would take it for null,
// JSON cannot carry it. The xml keeps what the sender wrote.
func finite(v float64) float64 {
	if v-v != 0 {
		return 0
	}
	return v
}
