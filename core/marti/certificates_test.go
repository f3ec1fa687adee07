package marti_test

import (
	"archive/zip"
	"bytes"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/takhost/takhost/core/identity"
	"github.com/takhost/takhost/core/marti"
)

// zipEntries gives the names in a zip.
func zipEntries(t *testing.T, a *answer) (names []string) {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(a.body), int64(len(a.body)))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range z.File {
		names = append(names, f.Name)
	}
	return names
}

func TestCertificates(t *testing.T) {
	b := newBed(t)
	b.user("alice", "user")
	b.user("boss", "admin")
	boss, _ := b.with("boss", "ANDROID-Z", true)
	alice, first := b.with("alice", "ANDROID-1", true)
	_, second := b.with("alice", "ANDROID-1", true)
	_, third := b.with("alice", "ANDROID-2", true)

	const base = "/Marti/api/certadmin/cert"
	list := func(path string) []marti.Certificate {
		t.Helper()
		return decode[[]marti.Certificate](boss.get(base+path), "TakCert")
	}
	hashes := func(path string) (out []string) {
		for _, c := range list(path) {
			out = append(out, c.Hash)
		}
		slices.Sort(out)
		return out
	}
	want := func(what string, got []string, certs ...*x509.Certificate) {
		t.Helper()
		var hashes []string
		for _, c := range certs {
			hashes = append(hashes, identity.Fingerprint(c))
		}
		slices.Sort(hashes)
		if !slices.Equal(got, hashes) {
			t.Errorf("%s: got %v, want %v", what, got, hashes)
		}
	}
	want("of alice", hashes("?username=alice"), first, second, third)
	want("replaced", hashes("/replaced"), first)
	want("expired", hashes("/expired"))
	want("revoked", hashes("/revoked"))
	if n := len(list("")); n != 4 {
		t.Errorf("got %d certificates, want 4", n)
	}
	alice.get(base).refused(403, "admin")

	hash := identity.Fingerprint(second)
	got := decode[marti.Certificate](boss.get(base+"/"+hash), "TakCert")
	if got.UserDN != "alice" || got.ClientUID != "ANDROID-1" || got.SerialNumber != second.SerialNumber.Text(16) || got.RevocationDate != "" ||
		got.ID <= 0 || got.ID >= 1<<53 || got.Token != "" || got.SubjectDN == "" || got.ExpirationDate <= got.EffectiveDate {
		t.Errorf("got %+v", got)
	}
	block, _ := pem.Decode([]byte(got.Certificate))
	if block == nil || !bytes.Equal(block.Bytes, second.Raw) {
		t.Error("certificate is not the PEM of it")
	}
	boss.get(base + "/" + strings.ToLower(strings.ReplaceAll(hash, ":", ""))).json()
	// node-tak knows by 500, and by nothing else, that there is none.
	boss.get(base+"/00:11").refused(500, "no certificate")
	boss.get(base+"/"+hash+"/download").is(200, "application/x-pem-file").text(got.Certificate)
	ids := fmt.Sprintf("%d,%d", got.ID, decode[marti.Certificate](boss.get(base+"/"+identity.Fingerprint(third)), "TakCert").ID)
	if names := zipEntries(t, boss.get(base+"/download/"+ids).is(200, "application/zip")); !slices.Equal(names, []string{"0_alice_ClientCert.pem", "1_alice_ClientCert.pem"}) {
		t.Errorf("got the files %v", names)
	}

	t.Run("revoke", func(t *testing.T) {
		boss.do(http.MethodDelete, base+"/revoke/"+ids+",7", "").refused(404, "7")
		boss.do(http.MethodDelete, base+"/revoke/x", "").refused(400, "ids")
		want("revoked", hashes("/revoked"))
		if got := decode[marti.Certificate](boss.do(http.MethodDelete, base+"/"+hash, ""), "TakCert"); got.RevocationDate == "" {
			t.Errorf("got %+v, want it revoked", got)
		}
		want("revoked", hashes("/revoked"), second)
		if got := decode[[]marti.Certificate](boss.do(http.MethodDelete, base+"/revoke/"+ids, ""), "TakCert"); len(got) != 2 || got[1].RevocationDate == "" {
			t.Errorf("got %+v, want both revoked", got)
		}
		want("revoked", hashes("/revoked"), second, third)
		alice.do(http.MethodDelete, base+"/"+hash, "").refused(403, "admin")
		boss.do(http.MethodDelete, base+"/00", "").refused(500, "no certificate")
	})
}
