package identity

import (
	"errors"
	"fmt"
	"time"

	"github.com/takhost/takhost/core/store"
)

// ErrBadCredentials says that a name, password, token or code is wrong, and
// nothing about which of them.
var ErrBadCredentials = errors.New("wrong user name, password or token")

// These say more, to somebody who had the right code. ErrBadCredentials is in
// their chain.
var (
	ErrSpent = fmt.Errorf("%w: the enrolment code has been used up", ErrBadCredentials)
	ErrEnded = fmt.Errorf("%w: the enrolment code is no longer good", ErrBadCredentials)
)

// TooMany says that somebody has to wait before the next try.
type TooMany struct {
	Wait time.Duration // at least this long
	Busy bool          // the server is at its limit; nobody was locked out
}

func (e *TooMany) Error() string {
	wait := max(e.Wait.Round(time.Second), time.Second)
	if e.Busy {
		return fmt.Sprintf("too many logins at once: try again in %v", wait)
	}
	return fmt.Sprintf("too many failed logins: try again in %v", wait)
}

// The reasons of a Refusal.
const (
	ReasonExpired  = "expired"  // the certificate, or the account
	ReasonRevoked  = "revoked"  // the certificate
	ReasonUnknown  = "unknown"  // nobody has that name
	ReasonDisabled = "disabled" // the user
	ReasonRemoved  = "removed"  // the user
)

// Refusal says why a certificate does not let its holder in. Its text goes to
// the log.
type Refusal struct {
	Reason  string
	User    string // as the certificate or its record has it
	Serial  string // hex
	Subject string // of the certificate
	Detail  string
}

func (e *Refusal) Error() string {
	text := fmt.Sprintf("certificate %s of %q refused: %s", e.Serial, e.User, e.Reason)
	if e.Detail != "" {
		text += ": " + e.Detail
	}
	return text
}

// HandshakeReason lets packages that do not know this one log the reason.
func (e *Refusal) HandshakeReason() string { return e.Reason }

func fail(code store.Code, format string, args ...any) error {
	return &store.Error{Code: code, Msg: fmt.Sprintf(format, args...)}
}

func invalid(format string, args ...any) error  { return fail(store.Invalid, format, args...) }
func conflict(format string, args ...any) error { return fail(store.Conflict, format, args...) }
func notFound(format string, args ...any) error { return fail(store.NotFound, format, args...) }
