package identity

import (
	"slices"
	"testing"
	"time"
)

// What goes on by a token or a session has to end with it: whoever listens is
// told.
func TestEndedLoginsAreTold(t *testing.T) {
	b := newBed(t)
	b.addUser("anna")
	end := start.Add(time.Hour)
	tok, _, err := b.NewToken(t.Context(), admin, TokenSpec{User: "anna", Name: "feed"})
	must(t, err)
	_, _, err = b.NewToken(t.Context(), admin, TokenSpec{User: "anna", Name: "short", Expires: &end})
	must(t, err)
	caller, err := b.CallerOf("anna")
	must(t, err)
	_, secret, err := b.NewSession(t.Context(), caller, home)
	must(t, err)
	b.told.take()
	told := func(what string) {
		t.Helper()
		for _, c := range b.told.take() {
			if slices.Contains(c.Logins, "anna") {
				return
			}
		}
		t.Errorf("nobody was told of %s", what)
	}
	must(t, b.RemoveToken(t.Context(), admin, tok.ID))
	told("a token that was removed")
	must(t, b.EndSession(t.Context(), secret))
	told("a session that was ended")
	b.clock.add(time.Hour + time.Second)
	must(t, b.Sweep(t.Context()))
	told("a token that expired")
}

// A code that was used up must not be kept alive by using it over and over.
func TestBoundCodeEnds(t *testing.T) {
	b := newBed(t)
	b.addUser("anna")
	_, code, err := b.NewEnrolment(t.Context(), admin, EnrolmentSpec{User: "anna", Expires: start.Add(time.Hour)})
	must(t, err)
	again := func() error {
		_, g, err := b.EnrolLogin(t.Context(), "anna", code, "U-1", home)
		if err != nil {
			return err
		}
		return b.SpendEnrolment(t.Context(), g, "U-1", "")
	}
	must(t, again())
	b.clock.add(10 * time.Minute)
	must(t, again())
	b.clock.add(10 * time.Minute)
	if err := again(); err == nil {
		t.Error("20 minutes after its use the code is good still")
	}
}

// A name that somebody wrote into a certificate is no reason to let him run the
// server: only a certificate that was recorded here has these roles.
func TestForeignCertificatesRuleNothing(t *testing.T) {
	b, ca := newBed(t), newAuthority(t)
	for _, role := range []string{RoleAdmin, RoleOperator, RoleReadonly} {
		_, err := b.AddUser(t.Context(), admin, NewUser{User: User{Name: role + "-1", Roles: []string{role}}})
		must(t, err)
	}
	for user, want := range map[string]string{"admin-1": RoleUser, "operator-1": RoleUser, "readonly-1": RoleReadonly} {
		c, err := b.ByCertificate(ca.issue(t, user, start, year, false))
		must(t, err)
		if !slices.Equal(c.Roles, []string{want}) {
			t.Errorf("%s comes in with %q, want %q", user, c.Roles, want)
		}
	}
}

// Names that look alike because a letter has several forms are one.
func TestNamesInOtherForms(t *testing.T) {
	b := newBed(t)
	b.addUser("anna")
	for _, name := range []string{"\uff41\uff4e\uff4e\uff41", "ANN\uff21", "\U0001d41anna"} {
		if _, err := b.AddUser(t.Context(), admin, NewUser{User: User{Name: name}}); err == nil {
			t.Errorf("%q is a user beside anna", name)
		}
	}
}
