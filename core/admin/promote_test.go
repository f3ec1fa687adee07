package admin_test

import (
	"strings"
	"testing"

	"github.com/takhost/takhost/core/admin"
	"github.com/takhost/takhost/core/identity"
	"github.com/takhost/takhost/core/pki"
)

// An operator may make codes and packages for plain users. What he made must
// not make him an administrator once such a user becomes one.
func TestPromotionVoidsWhatOperatorsMade(t *testing.T) {
	b := newBed(t)
	boss, op := b.admin(), b.user("op", "operator")
	b.user("ann")

	var byOp, byBoss, spent admin.NewEnrolment
	op.do("POST", "enrolments", obj{"user": "ann", "uses": 2}).is(201).into(&byOp)
	op.do("POST", "enrolments", obj{"user": "ann"}).is(201).into(&spent)
	boss.do("POST", "enrolments", obj{"user": "ann"}).is(201).into(&byBoss)
	op.do("POST", "connection-packages", obj{"user": "ann", "for": "atak", "certificate": true}).is(200)
	boss.do("POST", "connection-packages", obj{"user": "ann", "for": "atak", "certificate": true}).is(200)
	enrol := func(code admin.NewEnrolment, uid string) {
		_, grant, err := b.ids.EnrolLogin(t.Context(), "ann", code.Secret, uid, "192.0.2.1")
		b.must(err)
		pair, err := b.ca.Issue(t.Context(), pki.Leaf{CommonName: "ann"})
		b.must(err)
		b.must(b.ids.Enrol(t.Context(), grant, identity.NewCertificate(pair.Cert, identity.KindEnrolled, "ann", uid)))
	}
	enrol(spent, "UID-op")
	enrol(byBoss, "UID-boss")
	pair, err := b.ca.Issue(t.Context(), pki.Leaf{CommonName: "ann"})
	b.must(err)
	b.must(b.ids.AddCertificate(t.Context(), identity.Actor{User: "ann", Via: "web"}, identity.NewCertificate(pair.Cert, identity.KindEnrolled, "ann", "UID-password")))

	// Other changes, and roles that give no more, leave everything.
	boss.do("PATCH", "users/ann", obj{"full_name": "Ann", "roles": []string{"readonly"}}).is(200)
	if n := len(b.ids.Certificates(identity.CertificateFilter{User: "ann", State: identity.StateActive})); n != 5 {
		t.Fatalf("%d certificates are active before, want 5", n)
	}

	boss.do("PATCH", "users/ann", obj{"roles": []string{"admin"}}).is(200)
	if _, _, err := b.ids.EnrolLogin(t.Context(), "ann", byOp.Secret, "UID-evil", "192.0.2.1"); err == nil {
		t.Error("the operator's code lets a device in as administrator")
	}
	for _, e := range b.ids.Enrolments() {
		if e.By != "boss" {
			t.Errorf("the code of %s is still there", e.By)
		}
	}
	var left []string
	for _, c := range b.ids.Certificates(identity.CertificateFilter{User: "ann", State: identity.StateActive}) {
		left = append(left, c.Kind+" "+strings.SplitN(c.ClientUID, "-", 3)[0]+" "+c.ClientUID[strings.LastIndex(c.ClientUID, "-")+1:])
	}
	if len(left) != 3 {
		t.Errorf("active certificates are %q; want the package and the device of the administrator, and the one got by password", left)
	}
	for _, c := range b.ids.Certificates(identity.CertificateFilter{User: "ann", State: identity.StateRevoked}) {
		if c.RevokedBy != "boss" || !strings.Contains(c.Reason, "more rights") {
			t.Errorf("revoked by %q: %q", c.RevokedBy, c.Reason)
		}
	}
}
