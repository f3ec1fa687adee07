package identity

import (
	"context"
	"crypto/subtle"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/takhost/takhost/core/store"
)

const (
	setupPrefix = "tkx_"
	viaSetup    = "setup"

	// resetFor is how long the secret of a reset is good; that of a server
	// without administrator is good as long as the server runs.
	resetFor = time.Hour
)

// setup is the secret that makes an administrator, once.
type setup struct {
	mu    sync.Mutex
	hash  digest // zero: there is none
	until time.Time
	name  string // of the administrator that is reset; empty: of whoever sets up
}

// NeedsSetup tells that nobody can administer the server by password.
func (s *Service) NeedsSetup() bool {
	return (&draft{state: s.state.Load(), now: s.opt.Now()}).needsSetup()
}

func (d *draft) needsSetup() bool {
	for _, a := range d.users.m {
		if a.is(RoleAdmin) && a.hash != "" && a.usable(d.now) {
			return false
		}
	}
	return true
}

// SetupSecret makes the secret by which Setup makes the first administrator; one
// that was made before is void. The server asks for it at each start at which
// NeedsSetup is true.
func (s *Service) SetupSecret() (string, error) {
	if !s.NeedsSetup() {
		return "", conflict("set-up: there is an administrator; reset him if nobody can log in")
	}
	return s.setup.make("", time.Time{}), nil
}

func (u *setup) make(name string, until time.Time) string {
	secret, hash := newSecret(setupPrefix)
	u.mu.Lock()
	defer u.mu.Unlock()
	u.hash, u.until, u.name = hash, until, name
	return secret
}

// ResetAdmin makes a secret by which Setup gives an administrator a new password
// and lets him in again, if he was disabled. He is the one who was added first;
// without any, the name is empty, and Setup makes one. The secret is good for an
// hour.
func (s *Service) ResetAdmin(ctx context.Context, by Actor) (name, secret string, err error) {
	err = s.change(ctx, by, func(d *draft) error {
		var admins []*account
		for _, a := range sortedValues(d.users.m) {
			if a.is(RoleAdmin) {
				admins = append(admins, a)
			}
		}
		if len(admins) > 0 {
			name = slices.MinFunc(admins, func(x, y *account) int { return x.Created.Compare(y.Created) }).Name
		}
		d.note("admin.reset", name, "a set-up secret was made")
		return nil
	})
	if err != nil {
		return "", "", fmt.Errorf("reset administrator: %w", err)
	}
	return name, s.setup.make(name, s.opt.Now().Add(resetFor)), nil
}

// Setup makes an administrator of that name and password, or sets the password
// of the one who is reset. The secret works once; a wrong one is
// ErrBadCredentials, or a *TooMany.
func (s *Service) Setup(ctx context.Context, secret, name, password, addr string) (User, error) {
	if err := s.guard.token(addr); err != nil {
		return User{}, err
	}
	hash := hashOf(secret)
	if !s.setup.is(hash, s.opt.Now()) {
		s.tokenFailed(ctx, hash, addr)
		return User{}, ErrBadCredentials
	}
	// Only who has the secret makes the server hash.
	if err := checkName("user", name); err != nil {
		return User{}, err
	}
	if err := checkPassword(name, password); err != nil {
		return User{}, err
	}
	hashed, err := s.hasher.hash(ctx, password)
	if err != nil {
		return User{}, fmt.Errorf("set up: %w", err)
	}
	var made User
	err = s.change(ctx, Actor{User: name, Addr: addr, Via: viaSetup}, func(d *draft) (err error) {
		// Under the writer lock: of two at once one finds it spent.
		if !s.setup.is(hash, s.opt.Now()) {
			return ErrBadCredentials
		}
		resets, isReset := s.setup.resets()
		if !isReset && !d.needsSetup() {
			return conflict("set up: there is an administrator already")
		}
		d.after = append(d.after, s.setup.spend)
		made, err = d.setUp(resets, name, hashed)
		return err
	})
	if err != nil {
		return User{}, err
	}
	return made, nil
}

func (d *draft) setUp(resets, name, hash string) (User, error) {
	was := d.user(name)
	switch {
	case resets != "" && fold(resets) != fold(name):
		return User{}, invalid("set up: this secret is for the administrator %s", resets)
	case was == nil:
		u := NewUser{User: User{Name: name, Roles: []string{RoleAdmin}}}
		a, err := d.addUser(&u, hash)
		if err != nil {
			return User{}, err
		}
		return d.show(a), nil
	case !was.is(RoleAdmin):
		return User{}, fail(store.Conflict, "set up: %s is a user and no administrator; take another name", was.Name)
	}
	if err := d.setPassword(was, hash); err != nil {
		return User{}, err
	}
	a := d.user(name).clone()
	a.Disabled, a.Expires = false, nil
	d.putAccount(a)
	d.note("user.set", a.Name, "may log in as administrator")
	return d.show(a), nil
}

// resets gives the name of the administrator who is reset, if one is.
func (u *setup) resets() (name string, is bool) {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.name, !u.until.IsZero()
}

func (u *setup) spend() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.hash = digest{}
}

// is tells whether that is the secret's hash.
func (u *setup) is(hash digest, now time.Time) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.hash != digest{} && subtle.ConstantTimeCompare(u.hash[:], hash[:]) == 1 && (u.until.IsZero() || now.Before(u.until))
}
