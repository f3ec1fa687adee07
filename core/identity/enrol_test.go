package identity

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/takhost/takhost/core/store"
)

// phone enrols as ATAK does: tls/config without its uid, then signClient, then
// the profile.
type phone struct {
	b    *bed
	ca   *authority
	uid  string
	life time.Duration
}

// login tells what EnrolLogin leads to: user, grant or error.
func (p *phone) login(user, code, uid string) string {
	_, g, err := p.b.EnrolLogin(p.b.t.Context(), user, code, uid, home)
	switch {
	case errors.Is(err, ErrSpent):
		return "spent"
	case errors.Is(err, ErrEnded):
		return "ended"
	case err != nil:
		return outcome(err)
	case g.Renewal:
		return "renewal for " + g.User
	}
	return "for " + g.User
}

// sign gets a certificate, and tells for whom or why not.
func (p *phone) sign(user, code string) (string, error) {
	_, g, err := p.b.EnrolLogin(p.b.t.Context(), user, code, p.uid, home)
	if err != nil {
		return "", err
	}
	cert := p.ca.issue(p.b.t, g.User, p.b.clock.now(), p.life, true)
	return g.User, p.b.Enrol(p.b.t.Context(), g, NewCertificate(cert, KindEnrolled, g.User, p.uid))
}

func newPhone(b *bed, ca *authority, uid string) *phone {
	return &phone{b: b, ca: ca, uid: uid, life: year}
}

func (b *bed) enrolment(spec EnrolmentSpec) (Enrolment, string) {
	b.t.Helper()
	if spec.Expires.IsZero() {
		spec.Expires = start.Add(24 * time.Hour)
	}
	e, code, err := b.NewEnrolment(b.t.Context(), admin, spec)
	must(b.t, err)
	return e, code
}

func TestEnrolByPassword(t *testing.T) {
	b := newBed(t)
	b.addUser("Anna")
	p := newPhone(b, newAuthority(t), "PHONE")
	caller, g, err := b.EnrolLogin(t.Context(), "anna", password, "PHONE", home)
	must(t, err)
	if caller.User != "Anna" || caller.Client != "PHONE" || g.User != "Anna" || g.Login != "anna" || g.Enrolment != "" {
		t.Errorf("got %+v, %+v", caller, g)
	}
	if user, err := p.sign("anna", password); user != "Anna" || err != nil {
		t.Errorf("got %s, %v", user, err)
	}
	if got := p.login("anna", "wrong", ""); got != "wrong" {
		t.Errorf("wrong password: got %s", got)
	}
	must(t, b.RemoveUser(t.Context(), admin, "anna"))
	wantCode(t, "grant of somebody removed", b.SpendEnrolment(t.Context(), g, "PHONE", "77"), store.NotFound)
}

func TestOneTimeCode(t *testing.T) {
	b, ca := newBed(t), newAuthority(t)
	b.addUser("Anna", func(u *NewUser) { u.PasswordHash = "" })
	b.addUser("bert", func(u *NewUser) { u.PasswordHash = "" })
	made, code := b.enrolment(EnrolmentSpec{User: "anna", Note: "new phone"})
	want := Enrolment{ID: made.ID, User: "Anna", Uses: 1, Expires: start.Add(24 * time.Hour), Created: start, By: "root", Note: "new phone"}
	if diff := cmp.Diff(want, made); diff != "" {
		t.Errorf("NewEnrolment (-want +got):\n%s", diff)
	}
	p, other := newPhone(b, ca, "PHONE"), newPhone(b, ca, "OTHER")
	typed := strings.ToLower(strings.ReplaceAll(strings.NewReplacer("0", "o", "1", "l").Replace(code), "-", " "))
	steps := []struct {
		name string
		do   func() string
		want string
	}{
		{"another user", func() string { return p.login("bert", code, "") }, "wrong"},
		{"another code", func() string { return p.login("anna", "0000-0000-0000-0000", "") }, "wrong"},
		{"config", func() string { return p.login("ANNA", typed, "") }, "for Anna"},
		{"config again", func() string { return p.login("anna", code, "") }, "for Anna"},
		{"another before", func() string { return other.login("anna", code, "OTHER") }, "for Anna"},
		{"sign", func() string { user, err := p.sign("anna", code); return fmt.Sprint(user, err) }, "Anna<nil>"},
		{"profile", func() string { return p.login("anna", code, "PHONE") }, "for Anna"},
		{"profile without uid", func() string { return p.login("anna", code, "") }, "for Anna"},
		{"another after", func() string { return other.login("anna", code, "OTHER") }, "spent"},
		{"sign again, as the answer was lost", func() string { user, err := p.sign("anna", code); return fmt.Sprint(user, err) }, "Anna<nil>"},
		{"later", func() string { b.clock.add(boundFor); return p.login("anna", code, "PHONE") }, "spent"},
		{"later without uid", func() string { return p.login("anna", code, "") }, "spent"},
		{"a day before the time of renewal", func() string { b.clock.add(year - 31*24*time.Hour); return p.login("anna", code, "PHONE") }, "spent"},
		{"time of renewal", func() string { b.clock.add(24 * time.Hour); return p.login("anna", code, "PHONE") }, "renewal for Anna"},
		{"time of renewal without uid", func() string { return p.login("anna", code, "") }, "renewal for Anna"},
		{"another in time of renewal", func() string { return other.login("anna", code, "OTHER") }, "spent"},
		{"sign in time of renewal", func() string { user, err := p.sign("anna", code); return fmt.Sprint(user, err) }, "Anna<nil>"},
		{"profile after renewal", func() string { return p.login("anna", code, "PHONE") }, "for Anna"},
		{"later again", func() string { b.clock.add(24 * time.Hour); return p.login("anna", code, "PHONE") }, "spent"},
		{"after its end", func() string { b.clock.add(year); return p.login("anna", code, "PHONE") }, "spent"},
	}
	for _, tt := range steps {
		if got := tt.do(); got != tt.want {
			t.Fatalf("%s: got %s, want %s", tt.name, got, tt.want)
		}
		must(t, b.Sweep(t.Context()))
		b.open() // nothing of it is in memory alone
	}
	if n := len(b.Enrolments()); n != 0 {
		t.Errorf("got %d enrolments, want none: this one is of no use to anybody", n)
	}
	for k, body := range b.store.snapshot() {
		if strings.Contains(string(body), code) || strings.Contains(string(body), strings.ReplaceAll(code, "-", "")) {
			t.Errorf("record %v has the code", k)
		}
	}
}

func TestCodesThatAreOver(t *testing.T) {
	b, ca := newBed(t), newAuthority(t)
	b.addUser("anna")
	p := newPhone(b, ca, "PHONE")
	_, code := b.enrolment(EnrolmentSpec{User: "anna"})
	_, disabled := b.enrolment(EnrolmentSpec{User: "anna"})
	_, _, err := b.EnrolLogin(t.Context(), "anna", code, "", home)
	must(t, err)
	_, g, err := b.EnrolLogin(t.Context(), "anna", code, "PHONE", home)
	must(t, err)
	b.clock.add(24 * time.Hour)
	if got := p.login("anna", code, "PHONE"); got != "ended" {
		t.Errorf("after its end: got %s", got)
	}
	err = b.SpendEnrolment(t.Context(), g, "PHONE", "77")
	if !errors.Is(err, ErrEnded) || store.CodeOf(err) != store.Conflict {
		t.Errorf("spend after its end: got %v", err)
	}
	b.clock.add(-24 * time.Hour)
	must(t, second(b.SetUser(t.Context(), admin, "anna", func(u *User) error { u.Disabled = true; return nil })))
	if got := p.login("anna", disabled, "PHONE"); got != "ended" {
		t.Errorf("disabled: got %s", got)
	}
	must(t, b.RemoveUser(t.Context(), admin, "anna"))
	if got := p.login("anna", disabled, "PHONE"); got != "wrong" {
		t.Errorf("removed: got %s", got)
	}
}

// A code whose certificate was revoked does not bring another one.
func TestRevokedDeviceDoesNotRenew(t *testing.T) {
	b, ca := newBed(t), newAuthority(t)
	b.addUser("anna", func(u *NewUser) { u.PasswordHash = "" })
	p := newPhone(b, ca, "PHONE")
	p.life = 4 * time.Hour // renewed in its last half
	_, code := b.enrolment(EnrolmentSpec{User: "anna"})
	must(t, second(p.sign("anna", code)))
	b.clock.add(119 * time.Minute)
	if got := p.login("anna", code, "PHONE"); got != "spent" {
		t.Errorf("in the first half: got %s", got)
	}
	b.clock.add(time.Minute)
	if got := p.login("anna", code, "PHONE"); got != "renewal for anna" {
		t.Errorf("in the second half: got %s", got)
	}
	must(t, b.RevokeCertificate(t.Context(), admin, b.Certificates(CertificateFilter{})[0].Serial, "lost"))
	if got := p.login("anna", code, "PHONE"); got != "spent" {
		t.Errorf("revoked: got %s", got)
	}
}

func TestTwoPhonesWithOneCode(t *testing.T) {
	for range 10 {
		b, ca := newBed(t), newAuthority(t)
		b.addUser("anna")
		_, code := b.enrolment(EnrolmentSpec{User: "anna", Uses: 2})
		var phones []*phone
		var grants []*Grant
		for i := range 6 {
			p := newPhone(b, ca, fmt.Sprint("PHONE-", i))
			_, g, err := b.EnrolLogin(t.Context(), "anna", code, p.uid, home)
			must(t, err)
			phones, grants = append(phones, p), append(grants, g)
		}
		errs := make([]error, len(phones))
		var wg sync.WaitGroup
		for i := range phones {
			wg.Go(func() { errs[i] = b.SpendEnrolment(t.Context(), grants[i], phones[i].uid, fmt.Sprint(i+1)) })
		}
		wg.Wait()
		won := 0
		for _, err := range errs {
			switch {
			case err == nil:
				won++
			case !errors.Is(err, ErrSpent) || store.CodeOf(err) != store.Conflict:
				t.Errorf("got %v, want that it is spent", err)
			}
		}
		if e := b.Enrolments()[0]; won != 2 || len(e.Used) != 2 {
			t.Fatalf("%d phones won with a code for two; recorded: %+v", won, e.Used)
		}
	}
}

func TestEventCode(t *testing.T) {
	b, ca := newBed(t), newAuthority(t)
	b.addGroups("Blue")
	b.addUser("Flood-0002") // somebody has the name already
	until := start.Add(72 * time.Hour)
	made, code := b.enrolment(EnrolmentSpec{Uses: 3, Event: &EventCode{Prefix: "Flood", Groups: []Membership{{Group: "Blue", In: true, Out: true}}, Until: &until}})
	if diff := cmp.Diff(&EventCode{Prefix: "Flood", Groups: []Membership{{Group: "Blue", In: true, Out: true}}, Roles: []string{"user"}, Until: &until}, made.Event); diff != "" {
		t.Errorf("event (-want +got):\n%s", diff)
	}
	var phones []*phone
	for i := range 4 {
		phones = append(phones, newPhone(b, ca, fmt.Sprint("PHONE-", i)))
	}
	caller, g, err := b.EnrolLogin(t.Context(), "Flood", code, "", home)
	must(t, err)
	if caller.User != "" || caller.InSet != 0 || caller.OutSet != 0 || g.User != "" || g.Login != "Flood" {
		t.Errorf("before the first use: got %+v, %+v", caller, g)
	}
	wantCode(t, "spend without uid", b.SpendEnrolment(t.Context(), g, "PHONE-0", "77"), store.Invalid)
	// The names are promised in order; a device that asks twice has one.
	got := []string{phones[0].login("x", code, "PHONE-0"), phones[1].login("y", code, "PHONE-1"), phones[0].login("x", code, "PHONE-0")}
	if diff := cmp.Diff([]string{"for Flood-0001", "for Flood-0003", "for Flood-0001"}, got); diff != "" {
		t.Errorf("promised (-want +got):\n%s", diff)
	}
	if len(b.Users()) != 1 {
		t.Errorf("got %d users before the first use", len(b.Users()))
	}
	for i, want := range []string{"Flood-0001", "Flood-0003", "Flood-0004"} {
		user, err := phones[i].sign("Flood", code)
		if user != want || err != nil {
			t.Fatalf("phone %d: got %s, %v, want %s", i, user, err, want)
		}
		u, _ := b.User(user)
		want := User{Name: want, Roles: []string{"user"}, Groups: []Membership{{Group: "Blue", In: true, Out: true}}, Expires: &until, Created: start, Changed: start}
		if diff := cmp.Diff(want, u); diff != "" {
			t.Errorf("user (-want +got):\n%s", diff)
		}
	}
	if got := phones[3].login("x", code, "PHONE-3"); got != "spent" {
		t.Errorf("the fourth of three: got %s", got)
	}
	caller, g, err = b.EnrolLogin(t.Context(), "Flood", code, "PHONE-1", home)
	must(t, err)
	if caller.User != "Flood-0003" || g.User != "Flood-0003" {
		t.Errorf("profile: got %+v, %+v", caller, g)
	}
	b.open()
	if used := b.Enrolments()[0].Used; len(used) != 3 || used[1].User != "Flood-0003" || used[1].ClientUID != "PHONE-1" {
		t.Errorf("uses: got %+v", used)
	}
	// Numbers go on with the next code of the same prefix, also those of users who are gone.
	must(t, b.RemoveUser(t.Context(), admin, "Flood-0004"))
	_, next := b.enrolment(EnrolmentSpec{Uses: 3, Event: &EventCode{Prefix: "flood"}})
	if got := phones[3].login("x", next, "PHONE-3"); got != "for flood-0005" {
		t.Errorf("the next event: got %s", got)
	}
	b.clock.add(73 * time.Hour)
	if got := phones[0].login("x", code, "PHONE-0"); got != "spent" {
		t.Errorf("after the end of the event: got %s", got)
	}
}

// As many phones as an event has come at once.
func TestEventAtOnce(t *testing.T) {
	b, ca := newBed(t), newAuthority(t)
	const n = 30
	_, code := b.enrolment(EnrolmentSpec{Uses: n, Event: &EventCode{Prefix: "ev"}})
	users := make([]string, n)
	var mu sync.Mutex // of the authority
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			uid := fmt.Sprint("PHONE-", i)
			_, g, err := b.EnrolLogin(t.Context(), "ev", code, uid, home)
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			c := NewCertificate(ca.issue(t, g.User, start, year, true), KindEnrolled, g.User, uid)
			mu.Unlock()
			if err := b.Enrol(t.Context(), g, c); err != nil {
				t.Error(err)
			}
			users[i] = g.User
		})
	}
	wg.Wait()
	slices.Sort(users)
	if users = slices.Compact(users); len(users) != n || users[0] != "ev-0001" || users[n-1] != "ev-0030" {
		t.Errorf("got users %v", users)
	}
}

// Who has a code does not get all names of the world promised.
func TestReservationsAreBounded(t *testing.T) {
	b := newBed(t)
	_, code := b.enrolment(EnrolmentSpec{Uses: 1, Event: &EventCode{Prefix: "ev"}})
	p := newPhone(b, nil, "")
	for i := range 1 + maxReserved {
		if got := p.login("ev", code, fmt.Sprint("PHONE-", i)); !strings.HasPrefix(got, "for ev-") {
			t.Fatalf("phone %d: got %s", i, got)
		}
	}
	if got := p.login("ev", code, "ONE-MORE"); got != "busy" {
		t.Errorf("one more: got %s", got)
	}
	b.clock.add(boundFor + time.Second)
	must(t, b.Sweep(t.Context()))
	if got := p.login("ev", code, "ONE-MORE"); got != "for ev-0066" {
		t.Errorf("later: got %s", got)
	}
}

func TestEnrolmentsThatAreRefused(t *testing.T) {
	b, ca := newBed(t), newAuthority(t)
	b.addUser("anna")
	later := start.Add(time.Hour)
	event := func(e EventCode) EnrolmentSpec { return EnrolmentSpec{Event: &e, Expires: later} }
	for _, tt := range []struct {
		name string
		spec EnrolmentSpec
		code store.Code
	}{
		{"nobody", EnrolmentSpec{Expires: later}, store.Invalid},
		{"both", EnrolmentSpec{User: "anna", Event: &EventCode{Prefix: "x"}, Expires: later}, store.Invalid},
		{"unknown", EnrolmentSpec{User: "eve", Expires: later}, store.NotFound},
		{"over", EnrolmentSpec{User: "anna", Expires: start}, store.Invalid},
		{"without end", EnrolmentSpec{User: "anna"}, store.Invalid},
		{"uses", EnrolmentSpec{User: "anna", Expires: later, Uses: -1}, store.Invalid},
		{"many uses", EnrolmentSpec{User: "anna", Expires: later, Uses: maxUses + 1}, store.Invalid},
		{"note", EnrolmentSpec{User: "anna", Expires: later, Note: "\x00"}, store.Invalid},
		{"administrators", event(EventCode{Prefix: "x", Roles: []string{"admin"}}), store.Invalid},
		{"role", event(EventCode{Prefix: "x", Roles: []string{"x"}}), store.Invalid},
		{"prefix", event(EventCode{Prefix: "a/b"}), store.Invalid},
		{"long prefix", event(EventCode{Prefix: strings.Repeat("x", 60)}), store.Invalid},
		{"group", event(EventCode{Prefix: "x", Groups: []Membership{{Group: "x", In: true}}}), store.Invalid},
		{"until", event(EventCode{Prefix: "x", Until: &start}), store.Invalid},
	} {
		t.Run(tt.name, func(t *testing.T) {
			wantCode(t, "NewEnrolment", second3(b.NewEnrolment(t.Context(), admin, tt.spec)), tt.code)
		})
	}
	wantCode(t, "RemoveEnrolment", b.RemoveEnrolment(t.Context(), admin, "x"), store.NotFound)
	made, code := b.enrolment(EnrolmentSpec{User: "anna"})
	_, g, err := b.EnrolLogin(t.Context(), "anna", code, "PHONE", home)
	must(t, err)
	cert := ca.issue(t, "bert", start, year, true)
	wantCode(t, "certificate of another", b.Enrol(t.Context(), g, NewCertificate(cert, KindEnrolled, "bert", "PHONE")), store.Invalid)
	wantCode(t, "another uid", b.SpendEnrolment(t.Context(), g, "OTHER", "77"), store.Invalid)
	wantCode(t, "no uid", b.SpendEnrolment(t.Context(), g, "", "77"), store.Invalid)
	wantCode(t, "no grant", b.SpendEnrolment(t.Context(), nil, "PHONE", "77"), store.Invalid)
	if _, _, err := b.EnrolLogin(t.Context(), "anna", code, "a\nb", home); store.CodeOf(err) != store.Invalid {
		t.Errorf("login with a uid that is none: got %v", err)
	}
	// What cannot be recorded does not spend the code.
	bad := NewCertificate(ca.issue(t, "anna", start, year, true), KindEnrolled, "anna", "PHONE")
	bad.Fingerprint = "x"
	wantCode(t, "fingerprint", b.Enrol(t.Context(), g, bad), store.Invalid)
	if used := b.Enrolments()[0].Used; len(used) != 0 {
		t.Errorf("got uses %+v", used)
	}
	must(t, b.RemoveEnrolment(t.Context(), admin, made.ID))
	if err := b.SpendEnrolment(t.Context(), g, "PHONE", "77"); !errors.Is(err, ErrEnded) {
		t.Errorf("spend after its removal: got %v", err)
	}
}

func TestCodes(t *testing.T) {
	code, hash := newCode()
	if len(code) != 19 || strings.ContainsAny(code, "ILOU") || strings.Count(code, "-") != 3 {
		t.Errorf("got code %q", code)
	}
	for _, tt := range []struct {
		typed string
		ok    bool
	}{
		{code, true}, {strings.ToLower(code), true}, {" " + strings.ReplaceAll(code, "-", " - "), true}, {strings.ReplaceAll(code, "-", ""), true},
		{code[1:], false}, {code + "0", false}, {"", false}, {"correct horse battery", false}, {strings.Repeat("-", 1000), false}, {"ÄÄÄÄ-ÄÄÄÄ-ÄÄÄÄ-ÄÄÄÄ", false},
		{strings.Replace(code, code[:1], "U", 1), false},
	} {
		got, ok := codeHash(tt.typed)
		if ok != tt.ok || ok && got != hash {
			t.Errorf("codeHash(%q): got %v, want %v", tt.typed, ok, tt.ok)
		}
	}
	a, _ := codeHash("OIL0-0000-0000-0000")
	b, _ := codeHash("0110-0000-0000-0000")
	if a != b {
		t.Error("O, I and L do not stand for digits")
	}
}

func FuzzCode(f *testing.F) {
	f.Add("7KQM-2Z8D-XW4P-0HNC")
	f.Add("ıiſKſſ")
	f.Fuzz(func(t *testing.T, typed string) {
		h, ok := codeHash(typed)
		if again, ok2 := codeHash(strings.ToUpper(typed)); ok != ok2 && len(strings.ToUpper(typed)) == len(typed) || ok && again != h {
			t.Errorf("codeHash(%q) depends on case", typed)
		}
	})
}
