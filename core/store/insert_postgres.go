package store

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"math"

	"github.com/uptrace/bun"
	"github.com/uptrace/bun/driver/pgdriver"

	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/cot"
)

// pgInserter writes a batch with one COPY in PostgreSQL's binary format: fields
// go with their length, so nothing has to be escaped or printed.
type pgInserter struct {
	buf []byte
}

var _ inserter = (*pgInserter)(nil)

// copyHeader: signature, no flags, no extension.
const copyHeader = "PGCOPY\n\xff\r\n\x00" + "\x00\x00\x00\x00" + "\x00\x00\x00\x00"

func (in *pgInserter) insert(ctx context.Context, c bun.Conn, evs []*hostapi.Event) error {
	b := append(in.buf[:0], copyHeader...)
	for _, e := range evs {
		b = appendTuple(b, e)
	}
	b = append(b, 0xff, 0xff) // no more tuples
	if cap(b) <= 16<<20 {
		in.buf = b
	}
	_, err := pgdriver.CopyFrom(ctx, c, bytes.NewReader(b), "COPY events ("+eventColumns+") FROM STDIN (FORMAT binary)")
	var pe pgdriver.Error
	if err != nil && !errors.As(err, &pe) {
		discard(c) // the protocol is broken off in the middle
	}
	return err
}

func (in *pgInserter) close(bun.Conn) error { return nil }

func appendTuple(b []byte, e *hostapi.Event) []byte {
	b = append(b, 0, numColumns)
	b = appendInt8(b, int64(e.ID))
	b = appendInt8(b, e.Recv)
	b = appendInt2(b, int16(e.Origin))
	b = appendInt2(b, int16(e.Hops))
	b = appendInt8(b, int64(e.Conn))
	b = appendText(b, e.User)
	b = appendText(b, e.Client)
	b = binary.BigEndian.AppendUint32(append(b, 0, 0, 0, 4), uint32(e.Groups))
	b = appendText(b, e.Type)
	b = appendText(b, e.How)
	b = appendText(b, e.UID)
	b = appendInt8(b, e.Time)
	b = appendInt8(b, e.Start)
	b = appendInt8(b, e.Stale)
	if e.Flags.Has(cot.HasPoint) {
		b = appendFloat(b, e.Lat)
		b = appendFloat(b, e.Lon)
	} else {
		b = append(b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff) // two nulls
	}
	b = appendFloat(b, e.Hae)
	b = appendFloat(b, e.CE)
	b = appendFloat(b, e.LE)
	b = appendText(b, e.Callsign)
	b = appendText(b, e.Team)
	b = appendText(b, e.Role)
	b = appendText(b, e.XML)
	return appendText(b, e.Via)
}

func appendInt2(b []byte, v int16) []byte {
	return binary.BigEndian.AppendUint16(append(b, 0, 0, 0, 2), uint16(v))
}

func appendInt8(b []byte, v int64) []byte {
	return binary.BigEndian.AppendUint64(append(b, 0, 0, 0, 8), uint64(v))
}

func appendFloat(b []byte, v float64) []byte {
	return binary.BigEndian.AppendUint64(append(b, 0, 0, 0, 8), math.Float64bits(finite(v)))
}

func appendText(b []byte, s string) []byte {
	return append(binary.BigEndian.AppendUint32(b, uint32(len(s))), s...)
}
