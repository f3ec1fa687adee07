package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/uptrace/bun/driver/pgdriver"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// Code says what kind of error a caller deals with.
type Code string

// The codes. Whoever answers over HTTP or gRPC translates them in one place.
const (
	NotFound    Code = "not_found"
	Conflict    Code = "conflict"
	Invalid     Code = "invalid"
	Forbidden   Code = "forbidden"
	Limit       Code = "limit"
	Unavailable Code = "unavailable"
)

// ErrOutcome marks an error after which it is not known whether something was
// written: the database went away during a commit and did not come back in time.
var ErrOutcome = errors.New("outcome unknown")

// Error is an error with a code.
type Error struct {
	Code Code
	Msg  string
	Err  error // the cause; may be nil
}

func (e *Error) Error() string {
	switch {
	case e.Err == nil:
		return e.Msg
	case e.Msg == "":
		return e.Err.Error()
	}
	return e.Msg + ": " + e.Err.Error()
}

func (e *Error) Unwrap() error { return e.Err }

// CodeOf gives the code of the outermost Error in err's chain, or "" when err
// is nil or carries none.
func CodeOf(err error) Code {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return ""
}

func invalidf(format string, args ...any) error {
	return &Error{Code: Invalid, Msg: fmt.Sprintf(format, args...)}
}

// fault is what the archive's writer makes of an error.
type fault uint8

const (
	faultNone fault = iota
	faultRow        // this row will never be taken: its data or its key
	faultFull       // the disk is full, or the database has reached its limit
	faultAway       // anything else: the database may take it later
)

// faultOf sorts the errors of both drivers. SQLite reports ENOSPC as
// SQLITE_FULL; PostgreSQL's classes are those of its appendix A.
func faultOf(err error) fault {
	if err == nil {
		return faultNone
	}
	var se *sqlite.Error
	if errors.As(err, &se) {
		switch se.Code() & 0xff {
		case sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH, sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_RANGE:
			return faultRow
		case sqlite3.SQLITE_FULL:
			return faultFull
		}
		return faultAway
	}
	var pe pgdriver.Error
	if errors.As(err, &pe) {
		switch state := pe.Field('C'); {
		case state == "53100":
			return faultFull
		case len(state) == 5 && (state[:2] == "22" || state[:2] == "23" || state[:2] == "54"):
			return faultRow // data exception, integrity violation, limit exceeded
		}
	}
	return faultAway
}

// isGone says whether err means that the connection, not the statement, failed,
// and that another connection may do better: a server that does not answer in
// time is not asked again.
func isGone(err error) bool {
	var pe pgdriver.Error
	if errors.As(err, &pe) {
		switch state := pe.Field('C'); {
		case len(state) != 5:
			return false
		case state[:2] == "08", state[:3] == "57P": // connection exception, shutdown or start of the server
			return true
		}
		return false
	}
	var ne net.Error
	return errors.Is(err, driver.ErrBadConn) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, net.ErrClosed) || errors.As(err, &ne) && !ne.Timeout()
}

// translate gives a database error its code. Errors that have one, and those
// of a context that ended, stay as they are.
func translate(err error) error {
	switch {
	case err == nil, CodeOf(err) != "", errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return err
	case errors.Is(err, sql.ErrNoRows):
		return &Error{Code: NotFound, Err: err}
	}
	switch faultOf(err) {
	case faultRow:
		if isUnique(err) {
			return &Error{Code: Conflict, Err: err}
		}
		return &Error{Code: Invalid, Err: err}
	default:
		return &Error{Code: Unavailable, Err: err}
	}
}

func isUnique(err error) bool {
	var se *sqlite.Error
	if errors.As(err, &se) {
		return se.Code() == sqlite3.SQLITE_CONSTRAINT_UNIQUE || se.Code() == sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY ||
			se.Code() == sqlite3.SQLITE_CONSTRAINT_ROWID
	}
	var pe pgdriver.Error
	return errors.As(err, &pe) && pe.Field('C') == "23505"
}
