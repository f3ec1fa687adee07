package identity

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/takhost/takhost/core/store"
	"github.com/takhost/takhost/hostapi"
)

func TestUsers(t *testing.T) {
	b := newBed(t)
	b.addGroups("Blue", "Red")
	ends := start.Add(time.Hour)
	got := b.addUser("Anna", withRoles("user", "operator", "user"), func(u *NewUser) {
		u.FullName, u.UID, u.Team, u.Device, u.Package, u.Expires = "Anna Berg", "u-1", "Cyan", "mobile", "a.zip", &ends
		u.Groups = []Membership{{Group: "red", Out: true}, {Group: "BLUE", In: true}, {Group: "Blue", Out: true}}
	})
	want := User{
		Name: "Anna", FullName: "Anna Berg", Roles: []string{"operator", "user"},
		Groups: []Membership{{Group: "Blue", In: true, Out: true}, {Group: "Red", Out: true}}, Expires: &ends,
		UID: "u-1", Team: "Cyan", Device: "mobile", Package: "a.zip", HasPassword: true, Created: start, Changed: start,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("AddUser (-want +got):\n%s", diff)
	}
	b.addUser("bert", func(u *NewUser) { u.PasswordHash = "" })
	if diff := cmp.Diff([]Change{{Groups: true}, {Groups: true}, {Users: []string{"Anna"}}, {Users: []string{"bert"}}}, b.told.take()); diff != "" {
		t.Errorf("changes told (-want +got):\n%s", diff)
	}
	b.clock.add(time.Minute)
	got, err := b.SetUser(t.Context(), admin, "ANNA", func(u *User) error {
		u.Roles, u.Groups, u.Expires, u.FullName = nil, nil, nil, ""
		u.HasPassword, u.Created = false, time.Time{} // mean nothing
		return nil
	})
	must(t, err)
	want = User{Name: "Anna", Roles: []string{"user"}, UID: "u-1", Team: "Cyan", Device: "mobile", Package: "a.zip",
		HasPassword: true, Created: start, Changed: start.Add(time.Minute)}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("SetUser (-want +got):\n%s", diff)
	}
	if _, err := b.SetUser(t.Context(), admin, "anna", func(*User) error { return nil }); err != nil {
		t.Errorf("SetUser that changes nothing: %v", err)
	}
	b.open() // all is stored
	users := b.Users()
	if len(users) != 2 || users[1].Name != "bert" || users[1].HasPassword {
		t.Fatalf("users after another start: got %+v", users)
	}
	if diff := cmp.Diff(want, users[0]); diff != "" {
		t.Errorf("Anna after another start (-want +got):\n%s", diff)
	}
	must(t, b.RemoveUser(t.Context(), admin, "anna"))
	if _, ok := b.User("Anna"); ok {
		t.Error("Anna is still there")
	}
	wantActions := []string{
		"group.add Blue", "group.add Red",
		`user.add Anna: roles operator, user; groups Blue, Red (out); full name "Anna Berg"; ends 2026-03-04T13:30:00Z; uid "u-1"; team "Cyan"; device "mobile"; package "a.zip"`,
		"user.add bert",
		`user.set Anna: roles user; groups none; full name ""; does not end`,
		"user.remove Anna: certificates revoked: 0",
	}
	if diff := cmp.Diff(wantActions, b.store.actions()); diff != "" {
		t.Errorf("audit (-want +got):\n%s", diff)
	}
}

func TestUsersThatAreRefused(t *testing.T) {
	b := newBed(t)
	b.addUser("Anna")
	tests := []struct {
		name string
		user NewUser
		code store.Code
		want string
	}{
		{"no name", NewUser{}, store.Invalid, "needs a name"},
		{"same name", NewUser{User: User{Name: "aNNA"}}, store.Conflict, "there is a user Anna already"},
		{"role", NewUser{User: User{Name: "x", Roles: []string{"king"}}}, store.Invalid, `role "king"`},
		{"anonymous", NewUser{User: User{Name: "x", Roles: []string{"anonymous"}}}, store.Invalid, `role "anonymous"`},
		{"readonly and more", NewUser{User: User{Name: "x", Roles: []string{"readonly", "user"}}}, store.Invalid, "no other role beside it"},
		{"group", NewUser{User: User{Name: "x", Groups: []Membership{{Group: "Blue", In: true}}}}, store.Invalid, "no such group"},
		{"direction", NewUser{User: User{Name: "x", Groups: []Membership{{Group: "__ANON__"}}}}, store.Invalid, "needs a direction"},
		{"full name", NewUser{User: User{Name: "x", FullName: "a\nb"}}, store.Invalid, "full name"},
		{"password", NewUser{User: User{Name: "x"}, Password: "admin"}, store.Invalid, "at least 8"},
		{"hash", NewUser{User: User{Name: "x"}, PasswordHash: "x"}, store.Invalid, "hash of the password"},
		{"both", NewUser{User: User{Name: "x"}, Password: password, PasswordHash: quickHash}, store.Invalid, "the hash of one"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := b.AddUser(t.Context(), admin, tt.user)
			wantCode(t, "AddUser", err, tt.code)
			if err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
	_, err := b.SetUser(t.Context(), admin, "anna", func(u *User) error { u.Name = "Eve"; return nil })
	wantCode(t, "another name", err, store.Invalid)
	_, err = b.SetUser(t.Context(), admin, "bert", func(*User) error { return nil })
	wantCode(t, "nobody", err, store.NotFound)
	own := errors.New("of the caller")
	if _, err := b.SetUser(t.Context(), admin, "anna", func(*User) error { return own }); !errors.Is(err, own) {
		t.Errorf("SetUser: got %v, want the caller's error", err)
	}
	wantCode(t, "RemoveUser", b.RemoveUser(t.Context(), admin, "bert"), store.NotFound)
	wantCode(t, "SetPassword", b.SetPassword(t.Context(), admin, "bert", password), store.NotFound)
	wantCode(t, "SetPassword", b.SetPassword(t.Context(), admin, "anna", "short"), store.Invalid)
}

func TestManyUsersAreAddedWholeOrNotAtAll(t *testing.T) {
	b := newBed(t)
	users := []NewUser{{User: User{Name: "a"}}, {User: User{Name: "b"}}, {User: User{Name: "A"}}, {User: User{Name: "?"}}}
	faults := b.CheckUsers(users)
	if faults[0] != nil || faults[1] != nil || store.CodeOf(faults[2]) != store.Conflict || store.CodeOf(faults[3]) != store.Invalid {
		t.Errorf("CheckUsers: got %v", faults)
	}
	_, err := b.AddUsers(t.Context(), admin, users)
	wantCode(t, "AddUsers", err, store.Conflict)
	if n := len(b.Users()); n != 0 {
		t.Fatalf("got %d users, want none", n)
	}
	got, err := b.AddUsers(t.Context(), admin, users[:2])
	if err != nil || len(got) != 2 || len(b.Users()) != 2 {
		t.Errorf("AddUsers: got %d users and %v", len(got), err)
	}
}

func TestLastAdministrator(t *testing.T) {
	changes := []struct {
		name   string
		change func(*User)
	}{
		{"disabled", func(u *User) { u.Disabled = true }},
		{"demoted", func(u *User) { u.Roles = []string{"operator"} }},
		{"given an end", func(u *User) { end := start.Add(time.Hour); u.Expires = &end }},
	}
	b := newBed(t)
	b.addUser("root", withRoles("admin"))
	b.addUser("card", withRoles("admin"), func(u *NewUser) { u.PasswordHash = "" }) // cannot log in by password
	b.addUser("off", withRoles("admin"), func(u *NewUser) { u.Disabled = true })
	set := func(change func(*User)) error {
		_, err := b.SetUser(t.Context(), admin, "root", func(u *User) error { change(u); return nil })
		return err
	}
	for _, tt := range changes {
		t.Run(tt.name, func(t *testing.T) { wantCode(t, "SetUser", set(tt.change), store.Conflict) })
	}
	wantCode(t, "RemoveUser", b.RemoveUser(t.Context(), admin, "root"), store.Conflict)
	wantCode(t, "SetPassword", b.SetPassword(t.Context(), admin, "root", ""), store.Conflict)
	if u, _ := b.User("root"); u.Disabled || u.Expires != nil || !u.HasPassword || u.Roles[0] != "admin" {
		t.Errorf("root was changed: %+v", u)
	}
	b.addUser("other", withRoles("admin"))
	must(t, set(changes[0].change))
	wantCode(t, "RemoveUser of the other", b.RemoveUser(t.Context(), admin, "other"), store.Conflict)
}

func TestDisabledUser(t *testing.T) {
	b := newBed(t)
	b.addUser("anna")
	caller, err := b.CallerOf("anna")
	must(t, err)
	_, session, err := b.NewSession(t.Context(), caller, "1.2.3.4")
	must(t, err)
	_, token, err := b.NewToken(t.Context(), admin, TokenSpec{User: "anna"})
	must(t, err)
	b.told.take()
	_, err = b.SetUser(t.Context(), admin, "anna", func(u *User) error { u.Disabled = true; return nil })
	must(t, err)
	if diff := cmp.Diff([]Change{{Users: []string{"anna"}, Removed: []string{"anna"}, Logins: []string{"anna"}}}, b.told.take()); diff != "" {
		t.Errorf("changes told (-want +got):\n%s", diff)
	}
	for what, secret := range map[string]string{"session": session, "token": token} {
		if _, err := b.ByToken(t.Context(), secret, "1.2.3.4"); !errors.Is(err, ErrBadCredentials) {
			t.Errorf("%s: got %v, want ErrBadCredentials", what, err)
		}
	}
	_, err = b.CallerOf("anna")
	wantCode(t, "CallerOf", err, store.Forbidden)
	_, _, err = b.SetsOf("anna", "", false)
	wantCode(t, "SetsOf", err, store.Forbidden)
	_, err = b.SetUser(t.Context(), admin, "anna", func(u *User) error { u.Disabled = false; return nil })
	must(t, err)
	if _, err := b.ByToken(t.Context(), session, "1.2.3.4"); !errors.Is(err, ErrBadCredentials) {
		t.Errorf("session of before: got %v, want ErrBadCredentials", err)
	}
	if _, err := b.ByToken(t.Context(), token, "1.2.3.4"); err != nil {
		t.Errorf("token of before: %v", err)
	}
}

func TestAccountsThatEnd(t *testing.T) {
	b := newBed(t)
	end := start.Add(10 * time.Minute)
	b.addUser("anna", func(u *NewUser) { u.Expires = &end })
	b.told.take()
	b.clock.add(9 * time.Minute)
	must(t, b.Sweep(t.Context()))
	if got := b.told.take(); len(got) != 0 {
		t.Errorf("before the end: told %+v", got)
	}
	b.clock.add(2 * time.Minute)
	must(t, b.Sweep(t.Context()))
	must(t, b.Sweep(t.Context()))
	if diff := cmp.Diff([]Change{{Users: []string{"anna"}, Removed: []string{"anna"}}}, b.told.take()); diff != "" {
		t.Errorf("changes told (-want +got):\n%s", diff)
	}
	_, err := b.CallerOf("anna")
	wantCode(t, "CallerOf", err, store.Forbidden)
}

func TestRemovedUserTakesAllAlong(t *testing.T) {
	b := newBed(t)
	b.addGroups("Blue")
	b.addUser("anna", withGroups("Blue"))
	b.addUser("bert", withGroups("Blue"))
	before := b.store.snapshot()
	ca := newAuthority(t)
	for _, name := range []string{"anna", "bert"} {
		must(t, b.SetChannels(t.Context(), admin, name, "PHONE-"+name, []string{"Blue"}))
		caller, err := b.CallerOf(name)
		must(t, err)
		_, _, err = b.NewSession(t.Context(), caller, "1.2.3.4")
		must(t, err)
		_, _, err = b.NewToken(t.Context(), admin, TokenSpec{User: name})
		must(t, err)
		_, _, err = b.NewEnrolment(t.Context(), admin, EnrolmentSpec{User: name, Expires: start.Add(time.Hour)})
		must(t, err)
		must(t, b.AddCertificate(t.Context(), admin, NewCertificate(ca.issue(t, name, start, time.Hour, false), KindPackage, name, "")))
	}
	b.told.take()
	must(t, b.RemoveUser(t.Context(), admin, "Anna"))
	if diff := cmp.Diff([]Change{{Users: []string{"anna"}, Certificates: []string{"a001"}, Removed: []string{"anna"}, Logins: []string{"anna"}}}, b.told.take()); diff != "" {
		t.Errorf("changes told (-want +got):\n%s", diff)
	}
	for range 2 {
		if len(b.Sessions("")) != 1 || len(b.Tokens("")) != 1 || len(b.Enrolments()) != 1 || len(b.Certificates(CertificateFilter{State: StateActive})) != 1 {
			t.Errorf("got sessions %v, tokens %v, enrolments %v, certificates %v", b.Sessions(""), b.Tokens(""), b.Enrolments(), b.Certificates(CertificateFilter{}))
		}
		b.open()
	}
	must(t, b.RemoveUser(t.Context(), admin, "bert"))
	left := b.store.snapshot()
	for k := range left {
		if _, ok := before[k]; !ok && k.kind != kindCertificate || k.kind == kindUser {
			t.Errorf("left behind: %v", k)
		}
	}
}

func TestCommitsThatFail(t *testing.T) {
	broken := errors.New("the disk is gone")
	b := newBed(t)
	b.addUser("anna")
	b.told.take()
	b.store.failing(broken, false)
	if _, err := b.AddGroup(t.Context(), admin, "Blue", ""); !errors.Is(err, broken) {
		t.Fatalf("AddGroup: got %v, want %v", err, broken)
	}
	if err := b.RemoveUser(t.Context(), admin, "anna"); !errors.Is(err, broken) {
		t.Fatalf("RemoveUser: got %v, want %v", err, broken)
	}
	if _, ok := b.User("anna"); !ok || len(b.Groups()) != 1 || len(b.told.take()) != 0 {
		t.Error("a change that failed has left something behind")
	}
	b.store.failing(nil, false)
	g, err := b.AddGroup(t.Context(), admin, "Blue", "")
	if err != nil || g.ID != 2 {
		t.Errorf("AddGroup: got %+v, %v", g, err)
	}
}

// Nobody knows whether a commit took place: the next change looks first.
func TestCommitsOfUnknownOutcome(t *testing.T) {
	for _, done := range []bool{false, true} {
		t.Run(fmt.Sprint("done ", done), func(t *testing.T) {
			b := newBed(t)
			b.addUser("anna")
			caller, err := b.CallerOf("anna")
			must(t, err)
			_, secret, err := b.NewSession(t.Context(), caller, "1.2.3.4")
			must(t, err)
			b.told.take()
			b.store.failing(errors.Join(store.ErrOutcome, errors.New("cut")), done)
			if err := b.RemoveUser(t.Context(), admin, "anna"); !errors.Is(err, store.ErrOutcome) {
				t.Fatalf("RemoveUser: got %v, want ErrOutcome", err)
			}
			if _, ok := b.User("anna"); !ok {
				t.Error("the user is gone although nobody knows")
			}
			b.store.failing(nil, false)
			must(t, b.Sweep(t.Context()))
			if _, ok := b.User("anna"); ok == done {
				t.Errorf("after the sweep: anna is there %v, want %v", ok, !done)
			}
			_, err = b.ByToken(t.Context(), secret, "1.2.3.4")
			if (err == nil) == done {
				t.Errorf("after the sweep: session: %v", err)
			}
			if diff := cmp.Diff([]Change{{Users: []string{"anna"}, Removed: []string{"anna"}, Logins: []string{"anna"}}}, b.told.take()); diff != "" {
				t.Errorf("changes told (-want +got):\n%s", diff)
			}
		})
	}
}

// While one change is told, others wait with theirs, and all see the order in
// which they took place.
func TestChangesAreToldInOrder(t *testing.T) {
	const writers, rounds = 4, 25
	var b *bed
	var order []int
	b = newBed(t, func(o *Options) {
		o.OnChange = func(Change) { order = append(order, len(b.Groups())) } // one at a time, when it is in force
	})
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range rounds {
				if _, err := b.AddGroup(t.Context(), admin, fmt.Sprintf("g%d-%d", w, i), ""); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if len(order) != writers*rounds {
		t.Fatalf("got %d changes, want %d", len(order), writers*rounds)
	}
	for i, n := range order {
		if n < i+2 {
			t.Fatalf("change %d was told when there were %d groups", i, n)
		}
	}
}

func TestGivingUpTheWait(t *testing.T) {
	b := newBed(t)
	b.writer <- struct{}{}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := b.AddGroup(ctx, admin, "Blue", "")
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want that of the context", err)
	}
	<-b.writer
}

func TestGroupNames(t *testing.T) {
	b := newBed(t)
	if diff := cmp.Diff([]Group{{ID: hostapi.AnonGroup, Name: "__ANON__", Created: start}}, b.Groups()); diff != "" {
		t.Errorf("groups of a new server (-want +got):\n%s", diff)
	}
}
