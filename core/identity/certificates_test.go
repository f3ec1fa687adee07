package identity

import (
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/takhost/takhost/core/store"
	"github.com/takhost/takhost/hostapi/wire"
)

const year = 365 * 24 * time.Hour

// certificate tells whom it lets in, or why not.
func (b *bed) certificate(cert *x509.Certificate) string {
	c, err := b.ByCertificate(cert)
	var r *Refusal
	switch {
	case err == nil:
		return c.User
	case errors.As(err, &r):
		return r.Reason
	}
	return err.Error()
}

func TestCertificates(t *testing.T) {
	b, ca := newBed(t), newAuthority(t)
	b.addUser("Anna")
	cert := ca.issue(t, "anna", start.Add(-48*time.Hour), year, true)
	must(t, b.AddCertificate(t.Context(), admin, NewCertificate(cert, KindPackage, "anna", "PHONE")))
	want := Certificate{
		Serial: "a001", Fingerprint: Fingerprint(cert), User: "Anna", ClientUID: "PHONE", Subject: "CN=anna", Issuer: "CN=Test CA",
		NotBefore: cert.NotBefore, NotAfter: cert.NotAfter, Issued: start, Kind: KindPackage, Channels: true,
	}
	for range 2 {
		got, ok := b.Certificate("00:A0:01")
		if !ok || !strings.HasPrefix(got.PEM, "-----BEGIN CERTIFICATE-----\n") {
			t.Errorf("got %v and %q", ok, got.PEM)
		}
		got.PEM = ""
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("Certificate (-want +got):\n%s", diff)
		}
		caller, err := b.ByCertificate(cert)
		must(t, err)
		if diff := cmp.Diff(&wire.Caller{User: "Anna", Name: "Anna", Roles: []string{"user"}, InSet: 1, OutSet: 1, Client: "PHONE", CertificateSerial: "a001"}, caller); diff != "" {
			t.Errorf("caller (-want +got):\n%s", diff)
		}
		b.open()
	}
	if got := NewCertificate(cert, KindPackage, "anna", "").ClientUID + NewCertificate(cert, KindEnrolled, "anna", "").ClientUID; got != "certificate-a001" {
		t.Errorf("devices that are not known: got %q", got)
	}
	if got := Fingerprint(cert); len(got) != 95 || got != strings.ToUpper(got) || got[2] != ':' {
		t.Errorf("got fingerprint %s", got)
	}
	must(t, b.SetChannels(t.Context(), admin, "anna", "PHONE", []string{"__ANON__"}))
	if c, err := b.ByCertificate(cert); err != nil || c.InSet != 0 || c.OutSet != 0 {
		t.Errorf("without channels: got %+v, %v", c, err)
	}
	b.told.take()
	must(t, b.RevokeCertificate(t.Context(), admin, "A001", "lost"))
	must(t, b.RevokeCertificate(t.Context(), admin, "A001", "again"))
	if diff := cmp.Diff([]Change{{Certificates: []string{"a001"}}}, b.told.take()); diff != "" {
		t.Errorf("changes told (-want +got):\n%s", diff)
	}
	b.open()
	got, _ := b.Certificate("a001")
	if got.State(start) != StateRevoked || got.Reason != "lost" || got.RevokedBy != "root" || !got.Revoked.Equal(start) {
		t.Errorf("got %+v", got)
	}
	if diff := cmp.Diff([]RevokedEntry{{Serial: big.NewInt(0xA001), At: start}}, b.Revoked(), cmp.Comparer(func(a, b *big.Int) bool { return a.Cmp(b) == 0 })); diff != "" {
		t.Errorf("Revoked (-want +got):\n%s", diff)
	}
	_, err := b.ByCertificate(cert)
	if want := `certificate a001 of "Anna" refused: revoked: lost`; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	// It stays on the list until it would have ended, and in the records for a while.
	b.clock.add(year)
	if len(b.Revoked()) != 0 {
		t.Errorf("after its end: got %v", b.Revoked())
	}
	must(t, b.Sweep(t.Context()))
	if _, ok := b.Certificate("a001"); !ok {
		t.Error("its record went at once")
	}
	b.clock.add(expiredFor)
	must(t, b.Sweep(t.Context()))
	if _, ok := b.Certificate("a001"); ok {
		t.Error("its record is still there")
	}
}

func TestCertificatesOfWhom(t *testing.T) {
	b, ca := newBed(t), newAuthority(t)
	b.addUser("anna")
	b.addUser("bert", func(u *NewUser) { u.Disabled = true })
	end := start
	b.addUser("over", func(u *NewUser) { u.Expires = &end })
	b.addUser("gone")
	add := func(cert *x509.Certificate, kind, user string) *x509.Certificate {
		t.Helper()
		must(t, b.AddCertificate(t.Context(), admin, NewCertificate(cert, kind, user, "")))
		return cert
	}
	other := newAuthority(t)
	tests := []struct {
		name string
		cert *x509.Certificate
		want string
	}{
		{"by its record, not its CN", add(ca.issue(t, "bert", start, year, false), KindFeed, "anna"), "anna"},
		{"without record by its CN", ca.issue(t, "ANNA", start, year, false), "anna"},
		{"nobody's CN", ca.issue(t, "eve", start, year, false), ReasonUnknown},
		{"no CN", ca.issue(t, "", start, year, false), ReasonUnknown},
		{"expired", add(ca.issue(t, "anna", start.Add(-year), year, false), KindPackage, "anna"), ReasonExpired},
		{"expired, without record", ca.issue(t, "anna", start.Add(-year), year, false), ReasonExpired},
		{"disabled", add(ca.issue(t, "bert", start, year, false), KindPackage, "bert"), ReasonDisabled},
		{"account over", ca.issue(t, "over", start, year, false), ReasonExpired},
		{"the server's", add(ca.issue(t, "anna", start, year, false), KindServer, ""), ReasonUnknown},
		{"removed", add(ca.issue(t, "gone", start, year, false), KindPackage, "gone"), ReasonRemoved},
	}
	must(t, b.RemoveUser(t.Context(), admin, "gone"))
	for range 2 {
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				if got := b.certificate(tt.cert); got != tt.want {
					t.Errorf("got %s, want %s", got, tt.want)
				}
			})
		}
		b.open()
	}
	// Another of that name has nothing of the former's.
	b.addUser("gone")
	if got := b.certificate(tests[len(tests)-1].cert); got != ReasonRevoked {
		t.Errorf("certificate of a former user of the name: got %s", got)
	}
	// A serial number of another authority means nothing.
	mine := add(ca.issue(t, "anna", start, year, false), KindPackage, "anna")
	must(t, b.RevokeCertificate(t.Context(), admin, SerialText(mine.SerialNumber), ""))
	other.next = mine.SerialNumber.Int64() - 1
	if got := b.certificate(other.issue(t, "anna", start, year, false)) + ", " + b.certificate(mine); got != "anna, revoked" {
		t.Errorf("two authorities: got %s", got)
	}
}

func TestCertificatesThatAreRefused(t *testing.T) {
	b, ca := newBed(t), newAuthority(t)
	b.addUser("anna")
	good := NewCertificate(ca.issue(t, "anna", start, year, false), KindPackage, "anna", "")
	must(t, b.AddCertificate(t.Context(), admin, good))
	for _, tt := range []struct {
		name   string
		change func(*Certificate)
		code   store.Code
	}{
		{"again", func(*Certificate) {}, store.Conflict},
		{"another of the number", func(c *Certificate) { c.Fingerprint = strings.Repeat("00", 32) }, store.Conflict},
		{"no number", func(c *Certificate) { c.Serial = "" }, store.Invalid},
		{"number", func(c *Certificate) { c.Serial = "xyz" }, store.Invalid},
		{"long number", func(c *Certificate) { c.Serial = strings.Repeat("a", 65) }, store.Invalid},
		{"fingerprint", func(c *Certificate) { c.Serial, c.Fingerprint = "77", "AA:BB" }, store.Invalid},
		{"kind", func(c *Certificate) { c.Serial, c.Kind = "77", "gift" }, store.Invalid},
		{"user", func(c *Certificate) { c.Serial, c.Fingerprint, c.User = "77", strings.Repeat("00", 32), "eve" }, store.NotFound},
		{"device", func(c *Certificate) { c.Serial, c.ClientUID = "77", "a\x00" }, store.Invalid},
		{"ends first", func(c *Certificate) { c.Serial, c.NotAfter = "77", c.NotBefore }, store.Invalid},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := good
			tt.change(&c)
			wantCode(t, "AddCertificate", b.AddCertificate(t.Context(), admin, c), tt.code)
		})
	}
	wantCode(t, "revoke", b.RevokeCertificate(t.Context(), admin, "77", ""), store.NotFound)
	wantCode(t, "revoke", b.RevokeCertificate(t.Context(), admin, good.Serial, "\x00"), store.Invalid)
}

func TestOneCertificateOfADevice(t *testing.T) {
	b, ca := newBed(t), newAuthority(t)
	b.addUser("anna")
	b.addUser("bert")
	var certs []*x509.Certificate
	add := func(user, device string) {
		t.Helper()
		cert := ca.issue(t, user, start, year, false)
		certs = append(certs, cert)
		must(t, b.AddCertificate(t.Context(), admin, NewCertificate(cert, KindEnrolled, user, device)))
	}
	states := func() string {
		var all []string
		for _, cert := range certs {
			c, _ := b.Certificate(SerialText(cert.SerialNumber))
			all = append(all, c.State(b.clock.now()))
		}
		return strings.Join(all, " ")
	}
	add("anna", "PHONE")
	add("anna", "TABLET")
	add("bert", "PHONE") // claims a device of anna's
	add("anna", "")      // two of no device
	add("anna", "")
	add("anna", "PHONE")
	want := "replaced active active active active active"
	if got := states(); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := b.certificate(certs[0]); got != "anna" {
		t.Errorf("a replaced one within its day: got %s", got)
	}
	b.clock.add(replacedFor)
	must(t, b.Sweep(t.Context()))
	if got := states(); got != want {
		t.Errorf("within its day: got %s, want %s", got, want)
	}
	b.told.take()
	b.clock.add(time.Second)
	must(t, b.Sweep(t.Context()))
	if got, want := states(), "revoked active active active active active"; got != want {
		t.Errorf("after its day: got %s, want %s", got, want)
	}
	if diff := cmp.Diff([]Change{{Certificates: []string{"a001"}}}, b.told.take()); diff != "" {
		t.Errorf("changes told (-want +got):\n%s", diff)
	}
	for _, tt := range []struct {
		filter CertificateFilter
		want   int
	}{
		{CertificateFilter{}, 6}, {CertificateFilter{User: "ANNA"}, 5}, {CertificateFilter{ClientUID: "PHONE"}, 3}, {CertificateFilter{State: StateRevoked}, 1},
		{CertificateFilter{Kind: KindFeed}, 0}, {CertificateFilter{User: "anna", ClientUID: "PHONE", State: StateActive, Kind: KindEnrolled}, 1},
	} {
		if got := len(b.Certificates(tt.filter)); got != tt.want {
			t.Errorf("Certificates(%+v): got %d, want %d", tt.filter, got, tt.want)
		}
	}
}

func TestIdentityForPlugins(t *testing.T) {
	b, ca := newBed(t), newAuthority(t)
	b.addGroups("Blue", "Amber")
	b.addUser("anna", withGroups("Blue", "Amber"), func(u *NewUser) { u.FullName = "Anna Berg" })
	cert := ca.issue(t, "anna", start, year, false)
	must(t, b.AddCertificate(t.Context(), admin, NewCertificate(cert, KindPackage, "anna", "")))
	in, out, err := b.SetsOf("anna", "", false)
	must(t, err)
	anna := wire.Identity{User: "anna", Name: "Anna Berg", Roles: []string{"user"}, InSet: int32(in), OutSet: int32(out)}
	withCert := anna
	withCert.Certificate = cert.Raw
	for _, tt := range []struct {
		name  string
		query wire.IdentityQuery
		want  wire.Identity
		code  store.Code
	}{
		{"user", wire.IdentityQuery{User: "Anna"}, anna, ""},
		{"set", wire.IdentityQuery{Set: int32(in)}, wire.Identity{Groups: []string{"Amber", "Blue"}}, ""},
		{"certificate", wire.IdentityQuery{CertificateSerial: "A001"}, withCert, ""},
		{"nobody", wire.IdentityQuery{User: "eve"}, wire.Identity{}, store.NotFound},
		{"no set", wire.IdentityQuery{Set: 99}, wire.Identity{}, store.NotFound},
		{"no certificate", wire.IdentityQuery{CertificateSerial: "b"}, wire.Identity{}, store.NotFound},
		{"nothing", wire.IdentityQuery{}, wire.Identity{}, store.Invalid},
		{"two", wire.IdentityQuery{User: "anna", Set: 1}, wire.Identity{}, store.Invalid},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := b.Identity(&tt.query)
			wantCode(t, "Identity", err, tt.code)
			if err != nil {
				return
			}
			if diff := cmp.Diff(&tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	must(t, b.RemoveUser(t.Context(), admin, "anna"))
	got, err := b.Identity(&wire.IdentityQuery{CertificateSerial: "a001"})
	if err != nil || !got.Revoked || got.User != "anna" || fmt.Sprint(got.Roles) != "[]" {
		t.Errorf("certificate of somebody removed: got %+v, %v", got, err)
	}
}
