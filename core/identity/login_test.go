package identity

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/takhost/takhost/hostapi/wire"
)

const (
	home = "192.0.2.1"
	away = "198.51.100.7"
)

// outcome names what a login led to.
func outcome(err error) string {
	var many *TooMany
	switch {
	case err == nil:
		return "ok"
	case errors.Is(err, ErrBadCredentials):
		return "wrong"
	case errors.As(err, &many) && many.Busy:
		return "busy"
	case errors.As(err, &many):
		return "wait " + many.Wait.String()
	}
	return err.Error()
}

func (b *bed) login(user, password, addr string) string {
	b.t.Helper()
	_, err := b.Login(b.t.Context(), user, password, addr)
	return outcome(err)
}

func TestLogin(t *testing.T) {
	b := newBed(t)
	b.addGroups("Blue")
	b.addUser("Anna", withGroups("Blue"), withRoles("operator"), func(u *NewUser) { u.FullName = "Anna Berg" })
	b.addUser("off", func(u *NewUser) { u.Disabled = true })
	b.addUser("card", func(u *NewUser) { u.PasswordHash = "" })
	end := start
	b.addUser("over", func(u *NewUser) { u.Expires = &end })
	set := b.state.Load().user("anna").in
	got, err := b.Login(t.Context(), "aNNA", password, home)
	must(t, err)
	want := &wire.Caller{User: "Anna", Name: "Anna Berg", Roles: []string{"operator"}, InSet: int32(set), OutSet: int32(set)}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("caller (-want +got):\n%s", diff)
	}
	for _, tt := range []struct{ name, user, password string }{
		{"wrong", "Anna", "correct horsE"}, {"none", "Anna", ""}, {"unknown", "mallory", password}, {"disabled", "off", password},
		{"without a password", "card", ""}, {"over", "over", password}, {"well known", "admin", "password"},
		{"endless", "Anna", strings.Repeat("x", 1<<20)}, {"not text", "\xff\x00", "\xff"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := b.login(tt.user, tt.password, home); got != "wrong" {
				t.Errorf("got %s, want wrong", got)
			}
		})
	}
	for _, secret := range []string{password, "correct horsE"} {
		if n := b.log.count(secret); n != 0 {
			t.Errorf("the log has %q %d times", secret, n)
		}
	}
	if b.log.count("mallory") != 0 {
		t.Error("the log has a name of nobody")
	}
}

// A hash of other parameters is made anew at the first login.
func TestRehash(t *testing.T) {
	b := newBed(t)
	b.addUser("anna")
	for range 2 {
		if got := b.login("anna", password, home); got != "ok" {
			t.Fatalf("got %s, want ok", got)
		}
		if hash := b.state.Load().user("anna").hash; !strings.HasPrefix(hash, fmt.Sprintf("$argon2id$v=19$m=%d,t=2,p=1$", argonMemory)) {
			t.Errorf("got hash %s", hash)
		}
		b.open()
	}
	must(t, b.SetPassword(t.Context(), admin, "anna", "another one"))
	if got := b.login("anna", password, home) + ", " + b.login("anna", "another one", home); got != "wrong, ok" {
		t.Errorf("after a new password: got %s", got)
	}
}

func TestWrongPasswords(t *testing.T) {
	b := newBed(t)
	b.addUser("anna")
	b.store.actions()
	var got []string
	for range 20 {
		got = append(got, b.login("anna", "wrong", home))
	}
	want := strings.Split(strings.Repeat("wrong,", 5)+strings.Repeat("wait 1m0s,", 15), ",")[:20]
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("20 wrong passwords (-want +got):\n%s", diff)
	}
	if got := b.login("anna", password, home); got != "wait 1m0s" {
		t.Errorf("right password at the same address: got %s, want a wait", got)
	}
	if got := b.login("anna", password, away); got != "ok" {
		t.Errorf("right password at another address: got %s, want ok", got)
	}
	if b.log.count("logins locked out after failures") != 1 || b.log.count("login failed") != 1 {
		t.Errorf("got log\n%s", b.log)
	}
	must(t, b.Sweep(t.Context()))
	must(t, b.Sweep(t.Context()))
	wantActions := []string{
		"login.failed anna: wrong name or password",
		"login.locked anna: 5 failures, the user is locked out at this address for 1m0s",
		"login.failed anna: 0 more failures, 16 tries while locked out",
	}
	if diff := cmp.Diff(wantActions, b.store.actions()); diff != "" {
		t.Errorf("audit (-want +got):\n%s", diff)
	}
	// Each further failure locks out for twice as long, up to an hour.
	for i, wait := range []time.Duration{2, 4, 8, 16, 32, 60, 60} {
		b.clock.add(time.Hour)
		if i == 0 {
			b.clock.add(-58 * time.Minute)
		}
		if got := b.login("anna", "wrong", home) + ", " + b.login("anna", "wrong", home); got != "wrong, wait "+(wait*time.Minute).String() {
			t.Errorf("lock-out %d: got %s, want %v minutes", i+2, got, int(wait))
		}
	}
	// A success begins anew, and so does an hour without a failure.
	b.clock.add(time.Hour)
	if got := b.login("anna", password, home); got != "ok" {
		t.Errorf("right password after the wait: got %s, want ok", got)
	}
	for range 4 {
		b.login("anna", "wrong", home)
	}
	b.clock.add(forget + time.Second)
	if got := b.login("anna", "wrong", home) + ", " + b.login("anna", "wrong", home); got != "wrong, wrong" {
		t.Errorf("after an hour: got %s", got)
	}
}

func TestNamesAreNotGuessed(t *testing.T) {
	b := newBed(t, func(o *Options) { o.Attempts = 2 })
	var got []string
	for range 4 {
		got = append(got, b.login("eve", "wrong", home))
	}
	if diff := cmp.Diff([]string{"wrong", "wrong", "wait 1m0s", "wait 1m0s"}, got); diff != "" {
		t.Errorf("nobody's logins (-want +got):\n%s", diff)
	}
}

func TestManyNamesFromOneAddress(t *testing.T) {
	b := newBed(t, func(o *Options) { o.Attempts = 1 })
	b.addUser("anna")
	var got []string
	for i := range 12 {
		got = append(got, b.login(fmt.Sprint("user", i), "wrong", fmt.Sprintf("2001:db8:1:2::%d", i)))
	}
	if diff := cmp.Diff(strings.Split(strings.Repeat("wrong,", 10)+"wait 1m0s,wait 1m0s", ","), got); diff != "" {
		t.Errorf("logins of one network (-want +got):\n%s", diff)
	}
	if got := b.login("anna", password, "[2001:db8:1:2::77]:5000") + ", " + b.login("anna", password, "2001:db8:1:3::1"); got != "wait 1m0s, ok" {
		t.Errorf("the same network and the next: got %s", got)
	}
	if b.log.count("logins from an address locked out") != 1 {
		t.Errorf("got log\n%s", b.log)
	}
}

// Failures at many addresses slow a user down there, but not where he is known.
func TestManyAddressesForOneName(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, func(o *Options) { o.Attempts, o.Now = 1, time.Now })
		b.addUser("anna", func(u *NewUser) { u.PasswordHash = makeHash(password) })
		if got := b.login("anna", password, home); got != "ok" {
			t.Fatalf("got %s", got)
		}
		try := func(password, addr string) (string, time.Duration) {
			began := time.Now()
			got := b.login("anna", password, addr)
			return got, time.Since(began)
		}
		for i := range userTimes {
			if got, took := try("wrong", fmt.Sprint("203.0.113.", i)); got != "wrong" || took != 0 {
				t.Fatalf("failure %d: got %s after %v", i, got, took)
			}
		}
		if got, took := try("wrong", "203.0.113.100"); got != "wrong" || took != time.Second {
			t.Errorf("one more: got %s after %v", got, took)
		}
		if got, took := try(password, away); got != "ok" || took <= time.Second || took > maxSlow {
			t.Errorf("right password at a new address: got %s after %v", got, took)
		}
		if got, took := try(password, home); got != "ok" || took != 0 {
			t.Errorf("right password at a known address: got %s after %v", got, took)
		}
		// Few wait at once, the others are told to come again.
		var busy atomic.Int64
		var wg sync.WaitGroup
		for i := range maxSlowed + 3 {
			wg.Go(func() {
				if b.login("anna", "wrong", fmt.Sprint("203.0.113.", 200+i)) == "busy" {
					busy.Add(1)
				}
			})
		}
		wg.Wait()
		if busy.Load() != 3 {
			t.Errorf("got %d that were told to come again, want 3", busy.Load())
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		if _, err := b.Login(ctx, "anna", password, "203.0.113.222"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a login that is given up: got %v", err)
		}
		if n := b.log.count("are slowed"); n != 1 {
			t.Errorf("slowing was logged %d times, want once", n)
		}
	})
}

// Many guesses at once get no more than those one after the other.
func TestGuessesAtOnce(t *testing.T) {
	b := newBed(t)
	b.addUser("anna")
	var wrong, other atomic.Int64
	var wg sync.WaitGroup
	for range 40 {
		wg.Go(func() {
			if b.login("anna", "wrong", home) == "wrong" {
				wrong.Add(1)
			} else {
				other.Add(1)
			}
		})
	}
	wg.Wait()
	if wrong.Load() != 5 || other.Load() != 35 {
		t.Errorf("got %d tries, want 5", wrong.Load())
	}
}

func TestHashesAreBounded(t *testing.T) {
	b := newBed(t, func(o *Options) { o.Hashes = 1 })
	b.addUser("anna")
	b.hasher.slots <- struct{}{} // somebody hashes
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var busy, given atomic.Int64
	var wg sync.WaitGroup
	for i := range waitersPerHash + 8 {
		wg.Go(func() {
			_, err := b.Login(ctx, "anna", password, fmt.Sprint("203.0.113.", i))
			switch {
			case outcome(err) == "busy":
				if busy.Add(1) == 7 { // all others wait
					cancel()
				}
			case errors.Is(err, context.Canceled):
				given.Add(1)
			default:
				t.Errorf("got %v", err)
			}
		})
	}
	wg.Wait()
	if busy.Load() != 7 || given.Load() != waitersPerHash+1 {
		t.Errorf("got %d refused and %d that gave up, want 7 and %d", busy.Load(), given.Load(), waitersPerHash+1)
	}
	<-b.hasher.slots
	if got := b.login("anna", password, home); got != "ok" {
		t.Errorf("afterwards: got %s", got)
	}
}

func TestFloodDoesNotFillTheAudit(t *testing.T) {
	b := newBed(t, func(o *Options) { o.Attempts = 1000 })
	for i := range 5000 {
		try := &try{g: b.guard, user: fmt.Sprint("u", i), addr: addrKey(fmt.Sprint("10.0.", i/256, ".", i%256))}
		b.guard.mu.Lock()
		try.p = b.guard.pair(try.user, try.addr)
		b.guard.mu.Unlock()
		b.loginFailed(t.Context(), try.failed(""), "", try.addr)
	}
	must(t, b.Sweep(t.Context()))
	got := b.store.actions()
	if len(got) != listedBurst+listedOfSums+1 || got[len(got)-1] != "login.failed : 4800 more failures of others" {
		t.Errorf("got %d rows, the last %q", len(got), got[len(got)-1])
	}
}

func TestPasswordChangedMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t, func(o *Options) { o.Hashes = 1 })
		b.addUser("anna")
		b.hasher.slots <- struct{}{}
		got := make(chan string)
		go func() { got <- b.login("anna", password, home) }()
		synctest.Wait()
		must(t, b.change(t.Context(), admin, func(d *draft) error { return d.setPassword(d.user("anna"), dummyHash) }))
		<-b.hasher.slots
		if got := <-got; got != "wrong" {
			t.Errorf("got %s, want wrong", got)
		}
	})
}
