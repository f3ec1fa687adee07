package admin_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/takhost/takhost/core/admin"
	"github.com/takhost/takhost/core/identity"
)

// csr gives a request as any tool makes it.
func csr(t *testing.T) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: "root of all"}}, key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}))
}

func parse(t *testing.T, text string) *x509.Certificate {
	t.Helper()
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		t.Fatalf("no PEM: %q", text)
	}
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestCertificates(t *testing.T) {
	b := newBed(t)
	boss, op, ann, ben := b.admin(), b.user("op", "operator"), b.user("ann"), b.user("ben")

	var made admin.NewCertificate
	boss.do("POST", "certificates", obj{"user": "ANN", "csr": csr(t), "life": "90d", "channels": true}).is(201).into(&made)
	c := parse(t, made.PEM)
	if c.Subject.CommonName != "ann" || made.User != "ann" || made.Kind != "feed" || made.State != "active" || made.Key != "" || !made.Channels {
		t.Errorf("got %+v", made)
	}
	if left := time.Until(c.NotAfter); left < 89*24*time.Hour || left > 90*24*time.Hour {
		t.Errorf("life %v", left)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM([]byte(made.Chain))
	if _, err := c.Verify(x509.VerifyOptions{Roots: pool, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}); err != nil {
		t.Errorf("verify: %v", err)
	}
	if caller, err := b.ids.ByCertificate(c); err != nil || caller.User != "ann" {
		t.Errorf("it lets in %+v, %v", caller, err)
	}

	var with admin.NewCertificate
	boss.do("POST", "certificates", obj{"user": "ben"}).is(201).into(&with)
	block, _ := pem.Decode([]byte(with.Key))
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	b.must(err)
	if rk, ok := key.(*rsa.PrivateKey); !ok || !rk.PublicKey.Equal(parse(t, with.PEM).PublicKey) {
		t.Error("the key is another one's")
	}
	if strings.Contains(b.log.String(), "PRIVATE KEY") {
		t.Error("a key is in the log")
	}

	boss.do("POST", "certificates", obj{"user": "nobody"}).refused(404, "nobody")
	boss.do("POST", "certificates", obj{"user": "ann", "csr": "hello"}).refused(400, "csr: ")
	boss.do("POST", "certificates", obj{"user": "ann", "csr": csr(t), "life": "long"}).refused(400, "life")
	op.do("POST", "certificates", obj{"user": "ann"}).refused(403, "")

	count := func(c *caller, query string) int {
		return len(read[admin.CertificatePage](c, "certificates"+query).Certificates)
	}
	for _, c := range []struct {
		who   *caller
		query string
		want  int
	}{{boss, "", 2}, {op, "", 2}, {op, "?user=Ann", 1}, {op, "?state=revoked", 0}, {op, "?limit=1", 1}, {ann, "", 1}, {ann, "?user=ann", 1}} {
		if got := count(c.who, c.query); got != c.want {
			t.Errorf("%s: got %d, want %d", c.query, got, c.want)
		}
	}
	ann.get("certificates?user=ben").refused(403, "only their own")
	ben.get("certificates/"+made.Serial).refused(404, made.Serial)
	if got := read[admin.Certificate](ann, "certificates/"+made.Serial); got.PEM != made.PEM {
		t.Errorf("got %+v", got)
	}

	var revoked admin.Certificate
	boss.do("POST", "certificates/"+strings.ToUpper(made.Serial)+"/revoke", obj{"reason": "phone lost"}).is(200).into(&revoked)
	if revoked.State != "revoked" || revoked.Reason != "phone lost" || revoked.RevokedBy != "boss" || revoked.Revoked == nil {
		t.Errorf("got %+v", revoked)
	}
	if _, err := b.ids.ByCertificate(c); err == nil {
		t.Error("a revoked certificate lets in")
	}
	boss.do("POST", "certificates/ff/revoke", obj{}).refused(404, "ff")
	list := read[admin.RevocationPage](ann, "revocations").Revocations
	if len(list) != 1 || list[0].Serial != made.Serial {
		t.Errorf("got %+v", list)
	}
}

func TestAuthority(t *testing.T) {
	b := newBed(t)
	ann := b.user("ann")
	got := ann.get("ca").is(200)
	if c := parse(t, string(got.body)); !c.IsCA || !c.Equal(b.ca.CA()) || got.header.Get("Content-Type") != "application/x-pem-file" {
		t.Errorf("got %s", got.body)
	}
	block, _ := pem.Decode(ann.get("crl").is(200).body)
	if block == nil {
		t.Fatal("no PEM")
	}
	list, err := x509.ParseRevocationList(block.Bytes)
	b.must(err)
	b.must(list.CheckSignatureFrom(b.ca.CA()))
}

func TestRollover(t *testing.T) {
	ca, err := openPKI(filepath.Join(t.TempDir(), "pki"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(ca.Close)
	b := newBedWith(t, ca)
	boss := b.admin()
	first := identity.SerialText(ca.CA().SerialNumber)
	var list admin.AuthorityList
	boss.do("POST", "ca/rollover", nil).is(200).into(&list)
	if len(list.Authorities) != 2 || list.Authorities[0].Serial == first || !list.Authorities[0].Issues || list.Authorities[1].Serial != first || list.Authorities[1].Issues {
		t.Errorf("got %+v", list)
	}
	boss.do("POST", "ca/rollover", nil).refused(409, "")
	boss.do("POST", "ca/rollover/finish", nil).is(200).into(&list)
	if len(list.Authorities) != 1 || list.Authorities[0].Serial == first {
		t.Errorf("got %+v", list)
	}
	boss.do("POST", "ca/rollover/finish", nil).refused(409, "")
	var actions []string
	for _, e := range read[admin.AuditPage](boss, "audit?action=ca.*&order=asc").Entries {
		actions = append(actions, e.Action+map[bool]string{true: "", false: " failed"}[e.OK])
	}
	same(t, []string{"ca.rollover", "ca.rollover failed", "ca.rollover-finish", "ca.rollover-finish failed"}, actions)
}
