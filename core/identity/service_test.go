package identity

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/takhost/takhost/core/store"
	"github.com/takhost/takhost/core/store/storetest"
)

func TestDamagedRecords(t *testing.T) {
	for _, tt := range []struct{ name, kind, id, body, want string }{
		{"user", kindUser, "anna", `[]`, "record user anna: "},
		{"user in no group", kindUser, "anna", `{"name":"anna","groups":[{"group":9}]}`, "user anna: there is no group 9"},
		{"group", kindGroup, "x", `{}`, "record group x: its id is not that of a group"},
		{"group of the name of another", kindGroup, "2", `{"name":"__anon__"}`, "have one name"},
		{"counter", kindCounter, "group", `"x"`, "record counter group: "},
		{"certificate", kindCertificate, "a1", `{"fingerprint":"AA"}`, `record certificate a1: hash "AA"`},
		{"token", kindToken, "1", `{"hash":"zz"}`, `record token 1: hash "zz"`},
		{"session", kindSession, "1", `{"hash":"zz"}`, `record session 1: hash "zz"`},
		{"enrolment", kindEnrolment, "1", `{"hash":""}`, "record enrolment 1: hash"},
		{"use", kindUse, "1/2", `{"enrolment":"1"}`, "there is no such enrolment"},
		{"channels", kindChannels, "anna/1", `{"user":"anna"}`, "there is no such user"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBed(t)
			b.store.records[recordKey{tt.kind, tt.id}] = []byte(tt.body)
			_, err := Open(t.Context(), b.opt)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
	b := newBed(t)
	b.store.records[recordKey{"profile", "x"}] = []byte(`[]`) // of somebody else
	b.open()
}

func TestOptions(t *testing.T) {
	b := newBed(t)
	for name, change := range map[string]func(*Options){
		"store": func(o *Options) { o.Store = nil }, "sets": func(o *Options) { o.Sets = nil },
		"hashes": func(o *Options) { o.Hashes = -1 }, "attempts": func(o *Options) { o.Attempts = -1 }, "keep": func(o *Options) { o.Keep = -1 },
	} {
		opt := b.opt
		change(&opt)
		if _, err := Open(t.Context(), opt); err == nil {
			t.Errorf("%s: got no error", name)
		}
	}
}

func TestMetrics(t *testing.T) {
	reg := prometheus.NewRegistry()
	b := newBed(t, func(o *Options) { o.Metrics = reg; o.Attempts = 1 })
	b.addUser("anna")
	b.login("anna", password, home)
	b.login("anna", "wrong", home)
	b.login("anna", "wrong", home)
	b.token("tak_x", home)
	b.certificate(newAuthority(t).issue(t, "eve", start, time.Hour, false))
	families, err := reg.Gather()
	must(t, err)
	got := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := strings.TrimPrefix(f.GetName(), "takhost_identity_")
			for _, l := range m.GetLabel() {
				name += " " + l.GetValue()
			}
			got[name] = m.GetCounter().GetValue() + m.GetGauge().GetValue()
		}
	}
	want := map[string]float64{
		"certificate_refusals_total unknown": 1, "certificates": 0, "lockouts_total": 1, "logins_total locked": 1, "logins_total ok": 1,
		"logins_total wrong": 1, "sessions": 0, "token_refusals_total wrong": 1, "users": 1,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("metrics (-want +got):\n%s", diff)
	}
	if _, err := Open(t.Context(), b.opt); err == nil {
		t.Error("metrics were registered twice")
	}
}

func TestTextsOfErrors(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want string
	}{
		{&TooMany{Wait: 90 * time.Second}, "too many failed logins: try again in 1m30s"},
		{&TooMany{Wait: time.Millisecond, Busy: true}, "too many logins at once: try again in 1s"},
		{&Refusal{Reason: ReasonDisabled, User: "anna", Serial: "a1"}, `certificate a1 of "anna" refused: disabled`},
		{ErrSpent, "wrong user name, password or token: the enrolment code has been used up"},
	} {
		if tt.err.Error() != tt.want {
			t.Errorf("got %q, want %q", tt.err, tt.want)
		}
	}
}

// What pages ask before they show a form.
func TestLookups(t *testing.T) {
	b := newBed(t)
	b.addUser("anna")
	made, code := b.enrolment(EnrolmentSpec{User: "anna"})
	got, err := b.EnrolmentBySecret(strings.ToLower(code))
	must(t, err)
	if diff := cmp.Diff(made, got); diff != "" {
		t.Errorf("EnrolmentBySecret (-want +got):\n%s", diff)
	}
	for _, s := range []string{"", "x", "0000-0000-0000-0000"} {
		_, err := b.EnrolmentBySecret(s)
		wantCode(t, "EnrolmentBySecret", err, store.NotFound)
	}
	b.clock.add(24 * time.Hour)
	if _, err := b.EnrolmentBySecret(code); !errors.Is(err, ErrEnded) {
		t.Errorf("after its end: got %v", err)
	}
	secret, err := b.SetupSecret()
	must(t, err)
	if name, ok := b.SetupFor(secret); name != "" || !ok {
		t.Errorf("SetupFor: got %q, %v", name, ok)
	}
	if _, ok := b.SetupFor("x"); ok {
		t.Error("SetupFor took a wrong secret")
	}
}

// The whole on a real database: what is done is there after another start, and
// in the audit.
func TestOnDatabase(t *testing.T) {
	storetest.Each(t, func(t *testing.T, dsn string) {
		opt := store.Options{DSN: dsn}
		if dsn == storetest.SQLite {
			opt.Dir = t.TempDir()
		}
		st, err := store.Open(t.Context(), opt)
		must(t, err)
		defer func() { must(t, st.Close(t.Context())) }()
		b := newBed(t, func(o *Options) { o.Store = st })
		again := func() { b.open(func(o *Options) { o.Store = st }) }
		b.addGroups("Blue")
		b.addUser("Жанна", withGroups("Blue"))
		must(t, b.SetChannels(t.Context(), admin, "жанна", "PHONE", []string{"Blue"}))
		p := newPhone(b, newAuthority(t), "PHONE")
		_, code := b.enrolment(EnrolmentSpec{Uses: 5, Event: &EventCode{Prefix: "ev"}})
		must(t, second(p.sign("ev", code)))
		caller, err := b.CallerOf("жанна")
		must(t, err)
		_, session, err := b.NewSession(t.Context(), caller, home)
		must(t, err)
		_, token, err := b.NewToken(t.Context(), admin, TokenSpec{User: "жанна", Secret: "a-value-of-ours"})
		must(t, err)
		b.login("жанна", "wrong", home)
		again()
		if got := b.token(session, home) + b.token(token, home) + p.login("ev", code, "PHONE"); got != "ЖаннаЖаннаfor ev-0001" {
			t.Errorf("after another start: got %s", got)
		}
		b.wantSets("Жанна", "PHONE", true, []string{}, []string{})
		must(t, b.RemoveUser(t.Context(), admin, "Жанна"))
		again()
		if len(b.Users()) != 1 || b.token(session, home)+b.token(token, home) != "wrongwrong" {
			t.Errorf("after a removal: got %+v", b.Users())
		}
		page, err := b.AuditLog(t.Context(), store.AuditQuery{Oldest: true})
		must(t, err)
		var got []string
		for _, e := range page.Entries {
			got = append(got, e.Action)
		}
		want := "group.add user.add enrolment.add user.add enrolment.use certificate.add session.add token.add login.failed user.remove login.failed"
		if diff := cmp.Diff(want, strings.Join(got, " ")); diff != "" {
			t.Errorf("audit (-want +got):\n%s", diff)
		}
	})
}
