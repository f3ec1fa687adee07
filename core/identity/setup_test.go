package identity

import (
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/takhost/takhost/core/store"
)

func TestSetup(t *testing.T) {
	b := newBed(t)
	b.addUser("anna")
	b.addUser("card", withRoles("admin"), func(u *NewUser) { u.PasswordHash = "" })
	b.addUser("off", withRoles("admin"), func(u *NewUser) { u.Disabled = true })
	if !b.NeedsSetup() {
		t.Fatal("needs no setup although no administrator can log in")
	}
	former, err := b.SetupSecret()
	must(t, err)
	secret, err := b.SetupSecret()
	must(t, err)
	setup := func(secret, name, password string) error {
		return second(b.Setup(t.Context(), secret, name, password, home))
	}
	for _, s := range []string{"", "x", former, secret + "x"} {
		if err := setup(s, "root", password); !errors.Is(err, ErrBadCredentials) {
			t.Errorf("secret %q: got %v", s, err)
		}
	}
	wantCode(t, "name", setup(secret, "a/b", password), store.Invalid)
	wantCode(t, "password", setup(secret, "root", "password"), store.Invalid)
	wantCode(t, "a user", setup(secret, "anna", password), store.Conflict)
	var won, late atomic.Int64
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			switch err := setup(secret, "Root", password); {
			case err == nil:
				won.Add(1)
			case errors.Is(err, ErrBadCredentials):
				late.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if won.Load() != 1 || late.Load() != 3 {
		t.Errorf("the secret worked %d times, want once", won.Load())
	}
	u, _ := b.User("root")
	if u.Name != "Root" || u.Roles[0] != RoleAdmin || b.NeedsSetup() || b.login("root", password, away) != "ok" {
		t.Errorf("got %+v, needs setup %v", u, b.NeedsSetup())
	}
	_, err = b.SetupSecret()
	wantCode(t, "SetupSecret", err, store.Conflict)
	for k, body := range b.store.snapshot() {
		if strings.Contains(string(body), secret) {
			t.Errorf("record %v has the secret", k)
		}
	}
}

// An administrator that comes from elsewhere makes the secret void.
func TestSetupThatIsNotNeededAnyMore(t *testing.T) {
	b := newBed(t)
	secret, err := b.SetupSecret()
	must(t, err)
	b.addUser("root", withRoles("admin"))
	wantCode(t, "Setup", second(b.Setup(t.Context(), secret, "eve", password, home)), store.Conflict)
}

func TestSetupIsNotGuessed(t *testing.T) {
	b := newBed(t, func(o *Options) { o.Attempts = 1 })
	secret, err := b.SetupSecret()
	must(t, err)
	for i := range addrTimes {
		must(t, wantBad(second(b.Setup(t.Context(), strings.Repeat("x", i+1), "root", password, home))))
	}
	if err := second(b.Setup(t.Context(), secret, "root", password, home)); outcome(err) != "wait 1m0s" {
		t.Errorf("after many guesses: got %v", err)
	}
	must(t, second(b.Setup(t.Context(), secret, "root", password, away)))
}

func wantBad(err error) error {
	if errors.Is(err, ErrBadCredentials) {
		return nil
	}
	return errors.Join(errors.New("want ErrBadCredentials"), err)
}

func TestResetAdmin(t *testing.T) {
	b := newBed(t)
	if name, secret, err := b.ResetAdmin(t.Context(), admin); name != "" || secret == "" || err != nil {
		t.Errorf("without administrator: got %q, %v", name, err)
	}
	b.addUser("root", withRoles("admin"))
	b.clock.add(time.Second)
	b.addUser("boss", withRoles("admin"))
	must(t, second(b.SetUser(t.Context(), admin, "root", func(u *User) error { u.Disabled = true; return nil })))
	caller, err := b.CallerOf("boss")
	must(t, err)
	must(t, second3(b.NewSession(t.Context(), caller, home)))
	name, secret, err := b.ResetAdmin(t.Context(), admin)
	if name != "root" || err != nil {
		t.Fatalf("got %q, %v, want root", name, err)
	}
	wantCode(t, "another name", second(b.Setup(t.Context(), secret, "boss", password, home)), store.Invalid)
	u, err := b.Setup(t.Context(), secret, "ROOT", "another one", home)
	if err != nil || u.Disabled || b.login("root", "another one", home) != "ok" {
		t.Errorf("got %+v, %v", u, err)
	}
	if err := second(b.Setup(t.Context(), secret, "root", password, home)); !errors.Is(err, ErrBadCredentials) {
		t.Errorf("once more: got %v", err)
	}
	_, secret, err = b.ResetAdmin(t.Context(), admin)
	must(t, err)
	b.clock.add(resetFor)
	if err := second(b.Setup(t.Context(), secret, "root", password, home)); !errors.Is(err, ErrBadCredentials) {
		t.Errorf("after an hour: got %v", err)
	}
	if len(b.Sessions("boss")) != 1 {
		t.Error("the other administrator lost his session")
	}
}

func TestAuditIsPruned(t *testing.T) {
	b := newBed(t, func(o *Options) { o.Keep = 24 * time.Hour })
	b.Record(t.Context(), admin, "plugin.enable", "chat", "by hand", true)
	b.clock.add(25 * time.Hour)
	b.Record(t.Context(), admin, "plugin.disable", "chat", "", false)
	must(t, b.Sweep(t.Context()))
	if got := b.store.actions(); len(got) != 1 || got[0] != "plugin.disable chat" {
		t.Errorf("got %v", got)
	}
}
