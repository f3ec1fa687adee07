package identity

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/takhost/takhost/core/store"
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/wire"
)

// What secrets of ours begin with. They cannot be guessed, so wrong ones lock
// nobody out.
const (
	tokenPrefix   = "tak_"
	sessionPrefix = "tks_"
	jwtPrefix     = "eyJ"
)

const (
	minOwnToken  = 8   // characters
	maxOwnToken  = 256 // characters
	maxTokens    = 100 // of a user
	maxSecret    = 8 << 10
	anonymousSet = int32(hostapi.AnonSet)
)

// newSecret gives 256 random bits.
func newSecret(prefix string) (secret string, hash digest) {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails
	secret = prefix + base64.RawURLEncoding.EncodeToString(b[:])
	return secret, hashOf(secret)
}

func hashOf(secret string) digest { return sha256.Sum256([]byte(secret)) }

// newID gives an id that is no secret.
func newID() string {
	var b [8]byte
	_, _ = rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

func isOurs(secret string) bool {
	return strings.HasPrefix(secret, tokenPrefix) || strings.HasPrefix(secret, sessionPrefix) || strings.HasPrefix(secret, jwtPrefix)
}

// ByToken lets somebody in by an API token, the secret of a session, or an
// access token. The error is ErrBadCredentials, a *TooMany, or a failure.
func (s *Service) ByToken(ctx context.Context, secret, addr string) (*wire.Caller, error) {
	if secret == "" || len(secret) > maxSecret {
		return nil, ErrBadCredentials
	}
	strong := isOurs(secret)
	if !strong {
		if err := s.guard.token(addr); err != nil {
			s.metrics.token(err)
			return nil, err
		}
	}
	now := s.opt.Now()
	st := s.state.Load()
	var user string
	hash := hashOf(secret)
	switch h := st.secrets.get(hash); {
	case h.token != nil && !isWellKnown(secret) && (h.token.Expires == nil || now.Before(*h.token.Expires)):
		h.token.used.Store(now.UnixMicro())
		user = h.token.User
	case h.session != nil && now.Before(h.session.Expires):
		h.session.used.Store(now.UnixMicro())
		user = h.session.User
	case strings.HasPrefix(secret, jwtPrefix):
		in, err := s.byJWT(ctx, st, secret)
		if err != nil {
			s.metrics.token(err)
			return nil, err
		}
		in.used.Store(now.UnixMicro())
		user = in.User
	}
	if user != "" {
		if a := st.user(user); a != nil && a.usable(now) {
			return a.caller(), nil
		}
	}
	if !strong {
		s.tokenFailed(ctx, hash, addr)
	}
	s.metrics.token(ErrBadCredentials)
	return nil, ErrBadCredentials
}

func (s *Service) tokenFailed(ctx context.Context, hash digest, addr string) {
	v := s.guard.tokenFailed(addr, hash)
	var rows []store.AuditEntry
	row := func(action, detail string) {
		rows = append(rows, store.AuditEntry{At: s.now(), Addr: addr, Via: "token", Action: action, Detail: detail})
	}
	if v.list {
		s.opt.Log.Warn("wrong token", "addr", addr)
		row("login.failed", "wrong token")
	}
	if v.addrLocked > 0 {
		s.metrics.lockouts.Inc()
		s.opt.Log.Warn("logins from an address locked out after failures", "addr", addr, "failures", v.addrFails, "for", v.addrLocked)
		row("login.locked", fmt.Sprintf("%d failures, the address is locked out for %v", v.addrFails, v.addrLocked))
	}
	s.addAudit(ctx, rows)
}

// Tokens gives the API tokens of a user, or of all when user is empty, by user
// and name.
func (s *Service) Tokens(user string) []Token {
	st := s.state.Load()
	key := fold(user)
	all := []Token{}
	for _, t := range st.tokens.m {
		if user == "" || fold(t.User) == key {
			all = append(all, t.show())
		}
	}
	slices.SortFunc(all, func(a, b Token) int {
		return cmp.Or(cmp.Compare(fold(a.User), fold(b.User)), cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID))
	})
	return all
}

func (t *token) show() Token {
	c := t.Token
	c.Used, c.Expires = usedAt(t.used.Load()), copyTime(c.Expires)
	return c
}

// NewToken makes an API token. Its secret is given here and never again.
func (s *Service) NewToken(ctx context.Context, by Actor, spec TokenSpec) (Token, string, error) {
	if err := checkText("name of the token", spec.Name); err != nil {
		return Token{}, "", err
	}
	secret, hash := newSecret(tokenPrefix)
	if spec.Secret != "" {
		if err := checkOwnToken(spec.Secret); err != nil {
			return Token{}, "", err
		}
		secret, hash = spec.Secret, hashOf(spec.Secret)
	}
	var made Token
	err := s.change(ctx, by, func(d *draft) error {
		a := d.user(spec.User)
		if a == nil {
			return notFound("user %s: there is no such user", spec.User)
		}
		if spec.Expires != nil && !d.now.Before(*spec.Expires) {
			return invalid("token: its end %s is over", spec.Expires.UTC().Format(time.RFC3339))
		}
		if d.secrets.get(hash) != (holder{}) {
			return conflict("token: this value is in use; choose another")
		}
		n := 0
		for _, t := range d.tokens.m {
			if t.User == a.Name {
				n++
			}
		}
		if n >= maxTokens {
			return fail(store.Limit, "user %s: has %d tokens; remove some first", a.Name, n)
		}
		t := &token{Token: Token{ID: newID(), User: a.Name, Name: spec.Name, Weak: spec.Secret != "", Created: d.now, Expires: copyTime(spec.Expires)}, hash: hash}
		t.used, t.kept = newUsed(0)
		d.tokens.set(t.ID, t)
		d.secrets.set(hash, holder{token: t})
		d.save(t.record())
		detail := t.ID
		if t.Name != "" {
			detail += " " + t.Name
		}
		if t.Weak {
			detail += ", value chosen"
		}
		d.note("token.add", a.Name, detail)
		made = t.show()
		return nil
	})
	if err != nil {
		return Token{}, "", err
	}
	return made, secret, nil
}

func checkOwnToken(secret string) error {
	switch {
	case len(secret) < minOwnToken || len(secret) > maxOwnToken:
		return invalid("token: a value of one's own has %d to %d characters", minOwnToken, maxOwnToken)
	case strings.ContainsFunc(secret, func(r rune) bool { return r <= ' ' || r > '~' }):
		return invalid("token: a value of one's own is of printable ASCII without spaces")
	case isWellKnown(secret):
		return invalid("token: everybody knows this value; choose another")
	case isOurs(secret):
		return invalid("token: a value of one's own does not begin with %s, %s or %s", tokenPrefix, sessionPrefix, jwtPrefix)
	}
	return nil
}

// RemoveToken removes an API token.
func (s *Service) RemoveToken(ctx context.Context, by Actor, id string) error {
	return s.change(ctx, by, func(d *draft) error {
		t := d.tokens.get(id)
		if t == nil {
			return notFound("token %s: there is no such token", id)
		}
		d.dropToken(t)
		d.note("token.remove", t.User, t.ID+" "+t.Name)
		return nil
	})
}

func (d *draft) dropToken(t *token) {
	d.ended(t.User)
	d.tokens.del(t.ID)
	d.secrets.del(t.hash)
	d.drop(kindToken, t.ID)
}
