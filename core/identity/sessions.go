package identity

import (
	"cmp"
	"context"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/takhost/takhost/core/store"
	"github.com/takhost/takhost/hostapi/wire"
)

// maxSessions is how many a user has; a further one ends the oldest.
const maxSessions = 64

// NewSession makes a session for somebody who was let in. Its secret is given
// here and never again.
func (s *Service) NewSession(ctx context.Context, caller *wire.Caller, addr string) (Session, string, error) {
	secret, hash := newSecret(sessionPrefix)
	in, err := s.newSession(ctx, caller, addr, hash)
	if err != nil {
		return Session{}, "", fmt.Errorf("new session: %w", err)
	}
	return in.show(), secret, nil
}

func (s *Service) newSession(ctx context.Context, caller *wire.Caller, addr string, hash digest) (*session, error) {
	var made *session
	err := s.change(ctx, Actor{User: caller.User, Addr: addr, Via: viaLogin}, func(d *draft) error {
		a, err := d.known(caller.User, d.now)
		if err != nil {
			return err
		}
		var his []*session
		for _, in := range d.sessions.m {
			if in.User == a.Name {
				his = append(his, in)
			}
		}
		if len(his) >= maxSessions {
			d.dropSession(slices.MinFunc(his, func(x, y *session) int { return x.Created.Compare(y.Created) }))
		}
		made = &session{hash: hash, Session: Session{
			ID: newID(), User: a.Name, Addr: addr, Bearer: hash == digest{}, Created: d.now, Expires: d.now.Add(s.opt.Session),
		}}
		made.used, made.kept = newUsed(d.now.UnixMicro())
		d.sessions.set(made.ID, made)
		if hash != (digest{}) {
			d.secrets.set(hash, holder{session: made})
		}
		d.save(made.record())
		d.note("session.add", a.Name, made.ID)
		return nil
	})
	return made, err
}

func (in *session) show() Session {
	c := in.Session
	c.Used = usedAt(in.used.Load())
	return c
}

func (d *draft) dropSession(in *session) {
	d.ended(in.User)
	d.sessions.del(in.ID)
	if in.hash != (digest{}) {
		d.secrets.del(in.hash)
	}
	d.drop(kindSession, in.ID)
}

func (d *draft) endSessions(user string) {
	for _, in := range sortedValues(d.sessions.m) {
		if in.User == user {
			d.dropSession(in)
		}
	}
}

// Sessions gives those of a user, or all when user is empty, newest first.
func (s *Service) Sessions(user string) []Session {
	st := s.state.Load()
	key, now := fold(user), s.opt.Now()
	all := []Session{}
	for _, in := range st.sessions.m {
		if (user == "" || fold(in.User) == key) && now.Before(in.Expires) {
			all = append(all, in.show())
		}
	}
	slices.SortFunc(all, func(a, b Session) int { return cmp.Or(b.Created.Compare(a.Created), cmp.Compare(a.ID, b.ID)) })
	return all
}

// EndSession ends a session: by its secret, or an access token.
func (s *Service) EndSession(ctx context.Context, secret string) error {
	st := s.state.Load()
	in := st.secrets.get(hashOf(secret)).session
	if in == nil && strings.HasPrefix(secret, jwtPrefix) && len(secret) <= maxSecret {
		var err error
		if in, err = s.byJWT(ctx, st, secret); err != nil && !errors.Is(err, ErrBadCredentials) {
			return err
		}
	}
	if in == nil {
		return notFound("session: there is none with this secret")
	}
	return s.RemoveSession(ctx, Actor{User: in.User, Addr: in.Addr, Via: viaLogin}, in.ID)
}

// RemoveSession ends a session by its id.
func (s *Service) RemoveSession(ctx context.Context, by Actor, id string) error {
	return s.change(ctx, by, func(d *draft) error {
		in := d.sessions.get(id)
		if in == nil {
			return notFound("session %s: there is no such session", id)
		}
		d.dropSession(in)
		d.note("session.end", in.User, in.ID)
		return nil
	})
}

// audience is what access tokens are for.
const audience = "takhost"

// signingKey is asked for once.
type signingKey struct {
	mu  sync.Mutex
	key *rsa.PrivateKey
}

func (s *Service) signingKey(ctx context.Context) (*rsa.PrivateKey, error) {
	s.key.mu.Lock()
	defer s.key.mu.Unlock()
	if s.key.key != nil {
		return s.key.key, nil
	}
	if s.opt.Key == nil {
		return nil, fail(store.Unavailable, "access tokens: there is no key to sign them")
	}
	key, err := s.opt.Key(ctx)
	if err != nil {
		return nil, fmt.Errorf("key for access tokens: %w", err)
	}
	s.key.key = key
	return key, nil
}

// AccessToken makes a session whose secret is a JWT, as the clients of
// /oauth/token want it. Its header is as long as whole groups of base64 and its
// claims are flat, because node-tak decodes both as one run and splits at }
// (spec/tak-marti.md 11, spec/client-quirks.md).
func (s *Service) AccessToken(ctx context.Context, caller *wire.Caller, addr string) (token string, expires time.Time, err error) {
	key, err := s.signingKey(ctx)
	if err != nil {
		return "", time.Time{}, err
	}
	in, err := s.newSession(ctx, caller, addr, digest{})
	if err != nil {
		return "", time.Time{}, fmt.Errorf("new access token: %w", err)
	}
	token, err = jwt.NewWithClaims(jwt.SigningMethodRS256, jwt.MapClaims{
		"sub": in.User, "aud": audience, "jti": in.ID,
		"iat": in.Created.Unix(), "nbf": in.Created.Unix(), "exp": in.Expires.Unix(),
	}).SignedString(key)
	if err != nil {
		return "", time.Time{}, fmt.Errorf("sign access token: %w", err)
	}
	return token, in.Expires, nil
}

// byJWT finds the session of an access token. That is looked for before the
// signature is checked, which is slow, and which may need a key that was never
// made.
func (s *Service) byJWT(ctx context.Context, st *state, token string) (*session, error) {
	now := s.opt.Now()
	in := st.sessions.get(jtiOf(token))
	if in == nil || !in.Bearer || !now.Before(in.Expires) {
		return nil, ErrBadCredentials
	}
	key, err := s.signingKey(ctx)
	if err != nil {
		return nil, err
	}
	var claims jwt.RegisteredClaims
	_, err = jwt.ParseWithClaims(token, &claims, func(*jwt.Token) (any, error) { return &key.PublicKey, nil },
		jwt.WithValidMethods([]string{jwt.SigningMethodRS256.Alg()}), jwt.WithAudience(audience), jwt.WithSubject(in.User),
		jwt.WithExpirationRequired(), jwt.WithLeeway(time.Minute), jwt.WithTimeFunc(func() time.Time { return now }))
	if err != nil || claims.ID != in.ID {
		return nil, ErrBadCredentials
	}
	return in, nil
}

// jtiOf reads the id out of a token that nobody has checked.
func jtiOf(token string) string {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return ""
	}
	b, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return ""
	}
	var claims struct {
		ID string `json:"jti"`
	}
	if json.Unmarshal(b, &claims) != nil {
		return ""
	}
	return claims.ID
}
