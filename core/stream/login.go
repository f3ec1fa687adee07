package stream

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"os"
	"time"
)

// How many passwords are checked at once, and how many clients may wait for
// their turn. Whoever checks them has limits of its own; these keep a crowd from
// holding a goroutine's large stack each for long.
const (
	loginsAtOnce  = 32
	loginsWaiting = 1000
)

// longestAuth is what an <auth> message may have, its prolog included
// (spec/tak-streaming.md 8).
const longestAuth = 1024

var (
	errNoAuth     = errors.New("its first message is no <auth>, which this listener asks for")
	errAuthLong   = fmt.Errorf("its <auth> message is longer than %d bytes", longestAuth)
	errAuthForm   = errors.New("its <auth> message is not well-formed")
	errAuthValues = errors.New("its <auth> message must hold one <cot> with username and password")
	errCrowd      = errors.New("too many clients log in at once")
)

// auth is what a client says of itself in an <auth> message.
type auth struct{ user, password, uid, callsign string }

// parseAuth reads the message at the begin of data and says how many bytes it
// has; 0 asks for more. No error tells anything of the content: a part of the
// password may be in it.
func parseAuth(data []byte) (a auth, n int, err error) {
	at, ok := authStart(data)
	if !ok {
		return a, 0, errNoAuth
	}
	n = authEnd(data[at:], longestAuth-at)
	switch {
	case n < 0 && len(data) >= longestAuth:
		return a, 0, errAuthLong
	case n < 0:
		return a, 0, errAuthForm
	case n == 0:
		return a, 0, nil
	}
	n += at
	// The end tag counts in any case, but not for a reader of XML.
	text := append(bytes.Clone(data[:n-len(authClose)]), authClose...)
	var m struct {
		XMLName xml.Name `xml:"auth"`
		COT     []struct {
			User     string `xml:"username,attr"`
			Password string `xml:"password,attr"`
			UID      string `xml:"uid,attr"`
			Callsign string `xml:"callsign,attr"`
		} `xml:"cot"`
	}
	if err := xml.Unmarshal(bytes.TrimPrefix(text, byteOrderMark), &m); err != nil {
		return a, 0, errAuthForm
	}
	if len(m.COT) != 1 || m.COT[0].User == "" || m.COT[0].Password == "" {
		return a, 0, errAuthValues
	}
	c := m.COT[0]
	return auth{c.User, c.Password, c.UID, c.Callsign}, n, nil
}

var (
	authOpen      = []byte("<auth")
	authClose     = []byte("</auth>")
	byteOrderMark = []byte("\xef\xbb\xbf")
)

// authStart gives the offset of the <auth> element, or where it will be once
// more has come, behind the prolog that may be before it. ok is false when
// something else comes first.
func authStart(data []byte) (at int, ok bool) {
	if len(data) < len(byteOrderMark) && bytes.HasPrefix(byteOrderMark, data) {
		return 0, true
	}
	rest := trimSpace(bytes.TrimPrefix(data, byteOrderMark))
	if bytes.HasPrefix(rest, piOpen) {
		i := bytes.Index(rest, piClose)
		if i < 0 {
			return len(data), true
		}
		rest = trimSpace(rest[i+len(piClose):])
	}
	begun := len(rest) <= len(authOpen) && bytes.HasPrefix(authOpen, rest) || len(rest) == 1 && rest[0] == '<'
	return len(data) - len(rest), begun || isAuthOpen(rest)
}

func trimSpace(b []byte) []byte { return bytes.TrimLeft(b, " \t\r\n") }

// isAuthOpen says whether b begins with the start tag of an <auth>.
func isAuthOpen(b []byte) bool {
	return len(b) > len(authOpen) && bytes.HasPrefix(b, authOpen) && (isSpace(b[len(authOpen)]) || b[len(authOpen)] == '>')
}

// authEnd gives the offset behind the end tag, in any case, of the <auth> that b
// begins with: 0 when it is still to come, -1 when there is none among the
// first most bytes or before another one begins.
func authEnd(b []byte, most int) int {
	for i := 1; i+len(authClose) <= min(len(b), most); i++ {
		if b[i] != '<' {
			continue
		}
		if bytes.EqualFold(b[i:i+len(authClose)], authClose) {
			return i + len(authClose)
		}
		if bytes.HasPrefix(b[i:], authOpen) {
			return -1
		}
	}
	if len(b) >= most {
		return -1
	}
	return 0
}

// readLogin reads the <auth> message that must come first, and keeps what came
// behind it. Nothing is sent (spec/tak-streaming.md 8). limit is what ctx was
// given.
func (s *Server) readLogin(ctx context.Context, c *conn, p *Peer, limit time.Duration) error {
	by, _ := ctx.Deadline()
	if err := c.sock.SetReadDeadline(by); err != nil {
		return fmt.Errorf("wait for <auth>: %w", err)
	}
	var data []byte
	for {
		var part [4 << 10]byte
		n, err := c.sock.read(func() []byte { return part[:] }, func() {})
		data = append(data, part[:n]...)
		if err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				err = fmt.Errorf("not done within limits.handshake (%v)", limit)
			}
			return fmt.Errorf("wait for <auth>: %w", err)
		}
		a, n, err := parseAuth(data)
		if err != nil {
			return err
		}
		if n > 0 {
			p.User, p.Password, p.UID, p.Callsign = a.user, a.password, a.uid, a.callsign
			c.in.first = bytes.Clone(data[n:])
			c.inBytes.Add(uint64(n))
			s.met.inBytes.Add(uint64(n))
			return c.sock.SetReadDeadline(time.Time{})
		}
	}
}

// join gives the connection its place in the router. Those with a password wait
// until few others have theirs checked.
func (s *Server) join(c *conn, p Peer) (err error) {
	if p.Password != "" {
		if err := s.awaitTurn(); err != nil {
			return err
		}
		defer func() { <-s.logins }()
	}
	c.session, err = s.opt.Join(c, p)
	return err
}

// awaitTurn waits until there is room for another login.
func (s *Server) awaitTurn() error {
	select {
	case s.logins <- struct{}{}:
		return nil
	default:
	}
	defer s.waiting.Add(-1)
	if s.waiting.Add(1) > loginsWaiting {
		return errCrowd
	}
	t := time.NewTimer(s.limits.Load().Handshake)
	defer t.Stop()
	select {
	case s.logins <- struct{}{}:
		return nil
	case <-t.C:
		return errCrowd
	case <-s.closed:
		return errStops
	}
}
