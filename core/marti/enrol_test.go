package marti_test

import (
	"bytes"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"encoding/xml"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"software.sslmate.com/src/go-pkcs12"

	"github.com/takhost/takhost/core/identity"
	"github.com/takhost/takhost/core/onboard"
	"github.com/takhost/takhost/core/store"
)

// request makes a certificate request as ATAK does, with its key.
func (b *bed) request(cn string) (body string, key any) {
	b.t.Helper()
	k := newKey(b.t)
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{
		Subject: pkix.Name{Organization: []string{"TAK"}, OrganizationalUnit: []string{"Ops & Co"}, CommonName: cn},
	}, k)
	b.must(err)
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})), k
}

// code makes an enrolment code for a user.
func (b *bed) code(spec identity.EnrolmentSpec) string {
	b.t.Helper()
	if spec.Expires.IsZero() {
		spec.Expires = time.Now().Add(time.Hour)
	}
	_, secret, err := b.ids.NewEnrolment(b.t.Context(), admin, spec)
	b.must(err)
	return secret
}

// certificates lists those on record of a user.
func (b *bed) certificates(user string) []identity.Certificate {
	return b.ids.Certificates(identity.CertificateFilter{User: user})
}

const (
	signV1 = "/Marti/api/tls/signClient?clientUid=ANDROID-1&version=4.6.0.5"
	signV2 = "/Marti/api/tls/signClient/v2?clientUid=ANDROID-1&version=3"
)

func TestCertificateConfig(t *testing.T) {
	b := newBed(t)
	b.user("alice", "user")
	d := b.at("web").basic("alice", b.code(identity.EnrolmentSpec{User: "alice"}))
	a := d.get("/Marti/api/tls/config").is(200, "text/xml")
	a.text(`<?xml version="1.0" encoding="UTF-8" standalone="yes"?>` +
		`<ns2:certificateConfig xmlns="http://bbn.com/marti/xml/config" xmlns:ns2="com.bbn.marti.config"><nameEntries>` +
		`<nameEntry name="O" value="TAK"/><nameEntry name="OU" value="Ops &amp; Co"/></nameEntries></ns2:certificateConfig>`)
	// As ATAK reads it, with namespaces.
	var config struct {
		XMLName xml.Name `xml:"com.bbn.marti.config certificateConfig"`
		Entries []struct {
			Name  string `xml:"name,attr"`
			Value string `xml:"value,attr"`
		} `xml:"http://bbn.com/marti/xml/config nameEntries>nameEntry"`
	}
	if err := xml.Unmarshal(a.body, &config); err != nil || len(config.Entries) < 2 || config.Entries[1].Value != "Ops & Co" {
		t.Errorf("got %+v, %v", config, err)
	}
	refused := b.at("web").basic("alice", "wrong").get("/Marti/api/tls/config")
	refused.refused(401, "")
	if got := refused.header.Get("WWW-Authenticate"); !strings.HasPrefix(got, `Basic realm="TAK Server"`) {
		t.Errorf("got the challenge %q, want Basic", got)
	}
	b.at("web").get("/Marti/api/tls/config").refused(401, "")
	b.at("https").basic("alice", "x").get("/Marti/api/tls/config").is(404, "application/json")
}

// The way of ATAK: a PKCS#12 of certificates alone. Their aliases are tested in
// package pki.
func TestSignClient(t *testing.T) {
	b := newBed(t)
	b.user("alice", "readonly") // who may only read needs a certificate too
	d := b.at("web").basic("Alice", b.code(identity.EnrolmentSpec{User: "alice"}))
	csr, key := b.request("alice")
	a := d.do(http.MethodPost, signV1, csr, "Content-Type", "text/plain").is(200, "application/x-pkcs12")
	certs, err := pkcs12.DecodeTrustStore(a.body, "atakatak")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, c := range certs {
		names = append(names, c.Subject.CommonName)
	}
	if len(certs) != 2 || !slices.Contains(names, "alice") || !slices.Contains(names, b.ca.CA().Subject.CommonName) {
		t.Fatalf("got the certificates %v, want that of alice and the authority's", names)
	}
	if _, _, _, err := pkcs12.DecodeChain(a.body, "atakatak"); err == nil {
		t.Error("there is a key in the store")
	}
	cert := certs[slices.Index(names, "alice")]
	if !hasChannels(cert) {
		t.Error("asked for with version, the certificate has no key usage for channels")
	}
	list := b.certificates("alice")
	if len(list) != 1 || list[0].Serial != cert.SerialNumber.Text(16) || list[0].ClientUID != "ANDROID-1" || !list[0].Channels || list[0].Kind != identity.KindEnrolled {
		t.Fatalf("got the record %+v", list)
	}
	if !strings.Contains(b.logged(), "device enrolled") {
		t.Error("nothing in the log")
	}
	// It opens the doors.
	phone := b.at("https", tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key})
	phone.get("/Marti/api/version").is(200, textPlain)

	b.user("bob", "user")
	plain, _ := b.request("bob")
	certs, err = pkcs12.DecodeTrustStore(b.at("web").basic("bob", b.code(identity.EnrolmentSpec{User: "bob"})).
		do(http.MethodPost, "/Marti/api/tls/signClient?clientUid=U", plain).is(200, "application/x-pkcs12").body, "atakatak")
	if err != nil || slices.ContainsFunc(certs, hasChannels) {
		t.Errorf("asked for without version: got %v, %v, want no key usage for channels", certs, err)
	}
}

func hasChannels(c *x509.Certificate) bool {
	return slices.ContainsFunc(c.UnknownExtKeyUsage, func(oid asn1.ObjectIdentifier) bool { return oid.String() == "1.2.840.113549.1.9.7" })
}

// The way of node-tak, CloudTAK and newer ATAK.
func TestSignClientV2(t *testing.T) {
	b := newBed(t)
	b.user("alice", "user")
	secret := b.code(identity.EnrolmentSpec{User: "alice", Uses: 9})
	d := b.at("web").basic("alice", secret)
	for name, header := range map[string][]string{"no Accept": {"X-None", ""}, "any": {"Accept", "text/html, */*"}, "json": {"Accept", "application/json"}} {
		t.Run(name, func(t *testing.T) {
			csr, key := b.request("ALICE")
			a := d.do(http.MethodPost, signV2, csr, header...).json()
			var res map[string]string
			if err := json.Unmarshal(a.body, &res); err != nil {
				t.Fatal(err)
			}
			if len(res) != 2 || strings.Contains(res["signedCert"]+res["ca0"], "-----") {
				t.Fatalf("got %v, want signedCert and ca0 without BEGIN", res)
			}
			text := "-----BEGIN CERTIFICATE-----\n" + res["signedCert"]
			if !strings.HasSuffix(res["signedCert"], "\n") {
				text += "\n"
			}
			pair, err := tls.X509KeyPair([]byte(text+"-----END CERTIFICATE-----"), keyPEM(t, key))
			if err != nil {
				t.Fatal(err)
			}
			if cn := pair.Leaf.Subject.CommonName; cn != "alice" {
				t.Errorf("got the CN %q, want the name as stored", cn)
			}
			ca, err := base64.StdEncoding.DecodeString(strings.ReplaceAll(res["ca0"], "\n", ""))
			if err != nil || !bytes.Equal(ca, b.ca.CA().Raw) {
				t.Errorf("ca0 is not the issuer: %v", err)
			}
			b.at("https", pair).get("/Marti/api/version").is(200, textPlain)
		})
	}
	t.Run("xml", func(t *testing.T) {
		csr, _ := b.request("alice")
		a := d.do(http.MethodPost, signV2, csr, "Accept", "application/xml").is(200, "application/xml")
		var res struct {
			XMLName xml.Name `xml:"enrollment"`
			Cert    string   `xml:"signedCert"`
			CA      []string `xml:"ca"`
		}
		if err := xml.Unmarshal(a.body, &res); err != nil || res.Cert == "" || len(res.CA) != 1 {
			t.Errorf("got %.200q, %v", a.body, err)
		}
	})
	t.Run("nothing is spent by what fails", func(t *testing.T) {
		before := len(b.certificates("alice"))
		d := b.at("web").basic("alice", b.code(identity.EnrolmentSpec{User: "alice"}))
		csr, _ := b.request("alice")
		other, _ := b.request("mallory")
		const path = "/Marti/api/tls/signClient/v2?clientUid=ANDROID-2"
		d.do(http.MethodPost, path, csr, "Accept", "image/png").refused(400, "application/json")
		d.do(http.MethodPost, path, other).refused(400, "CN=alice")
		d.do(http.MethodPost, path, "").refused(400, "CSR")
		d.do(http.MethodPost, path, strings.Repeat("A", 100_000)).refused(413, "larger")
		d.do(http.MethodPost, "/Marti/api/tls/signClient/v2", csr).refused(400, "client uid")
		d.do(http.MethodPost, path, csr, "X-Forwarded-For", "192.0.2.1").json() // Reach is all right
		if got := len(b.certificates("alice")) - before; got != 1 {
			t.Errorf("got %d new certificates on record, want 1", got)
		}
	})
}

func keyPEM(t *testing.T, key any) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

// A one-time code is spent by the first device, and stays good for that one a
// while: for the profile, and for an answer that was lost.
func TestOneTimeCode(t *testing.T) {
	b := newBed(t)
	b.user("alice", "user")
	d := b.at("web").basic("alice", b.code(identity.EnrolmentSpec{User: "alice"}))
	csr, _ := b.request("alice")
	d.do(http.MethodPost, signV2, csr).json()
	d.do(http.MethodPost, signV2, csr).json()
	d.get("/Marti/api/tls/profile/enrollment?clientUid=ANDROID-1").is(204, "").text("")
	d.do(http.MethodPost, "/Marti/api/tls/signClient/v2?clientUid=ANDROID-9", csr).refused(401, "used up")
	d.get("/Marti/api/tls/profile/enrollment?clientUid=ANDROID-9").refused(401, "used up")
	if list := b.certificates("alice"); len(list) != 2 || list[1].Replaced == nil && list[0].Replaced == nil {
		t.Errorf("got %+v, want two certificates of one device, one of them replaced", list)
	}
}

func TestTwoDevicesOneCode(t *testing.T) {
	b := newBed(t)
	b.user("alice", "user")
	d := b.at("web").basic("alice", b.code(identity.EnrolmentSpec{User: "alice"}))
	csr, _ := b.request("alice")
	statuses := make([]int, 8)
	var wg sync.WaitGroup
	for i := range statuses {
		wg.Go(func() {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, fmt.Sprintf("%s/Marti/api/tls/signClient/v2?clientUid=PHONE-%d", d.base, i), strings.NewReader(csr))
			if err != nil {
				t.Error(err)
				return
			}
			r.Header = d.header.Clone()
			resp, err := d.client.Do(r)
			if err != nil {
				t.Error(err)
				return
			}
			resp.Body.Close()
			statuses[i] = resp.StatusCode
		})
	}
	wg.Wait()
	won := 0
	for _, s := range statuses {
		switch s {
		case 200:
			won++
		case 401:
		default:
			t.Errorf("got the status %d", s)
		}
	}
	if list := b.certificates("alice"); won != 1 || len(list) != 1 {
		t.Errorf("%d of 8 devices won, with %d certificates on record, want 1 and 1", won, len(list))
	}
}

// A database that is away costs the phone a second try and nothing else.
func TestEnrolmentSurvivesFailures(t *testing.T) {
	b := newBed(t)
	b.user("alice", "user")
	d := b.at("web").basic("alice", b.code(identity.EnrolmentSpec{User: "alice"}))
	csr, _ := b.request("alice")
	b.failing.fails.Store(true)
	a := d.do(http.MethodPost, signV2, csr)
	a.refused(503, "away")
	if a.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	if list := b.certificates("alice"); len(list) != 0 {
		t.Errorf("got %d certificates on record after a failure", len(list))
	}
	b.failing.fails.Store(false)
	d.do(http.MethodPost, signV2, csr).json()
}

func TestEnrolmentNeedsAnAddress(t *testing.T) {
	b := newBed(t)
	b.user("alice", "user")
	b.core.reach = &store.Error{Code: store.Unavailable, Msg: "set public in the configuration"}
	d := b.at("web").basic("alice", b.code(identity.EnrolmentSpec{User: "alice"}))
	csr, _ := b.request("alice")
	for _, a := range []*answer{
		d.do(http.MethodGet, "/Marti/api/tls/config", "", "X-Forwarded-For", "192.0.2.1"),
		d.do(http.MethodPost, signV2, csr, "X-Forwarded-For", "192.0.2.1"),
		d.do(http.MethodGet, "/Marti/api/tls/makeClientKeyStore?clientUid=ANDROID-1", "", "X-Forwarded-For", "192.0.2.1"),
	} {
		a.refused(503, "set public")
	}
	d.do(http.MethodGet, "/Marti/api/tls/config", "", "X-Forwarded-For", "192.0.2.1", "Host", "tak.lan:8446").is(200, "text/xml") // it has found the server
	d.do(http.MethodPost, signV2, csr).json()                                                                                     // from this machine it is all right
}

// An event code makes a user for each device, whatever name was typed.
func TestEventCode(t *testing.T) {
	b := newBed(t)
	b.group("Parade")
	b.profiles = profiles{{Name: "maps", Kind: onboard.OnEnrolment, Active: true, Groups: []string{"Parade"}, Files: []onboard.File{onboard.Made("a.pref", []byte("x"))}}}
	secret := b.code(identity.EnrolmentSpec{Event: &identity.EventCode{Prefix: "guest", Groups: []identity.Membership{{Group: "Parade", In: true, Out: true}}}, Uses: 2})
	d := b.at("web").basic("parade2026", secret)
	d.get("/Marti/api/tls/config").is(200, "text/xml")
	csr, key := b.request("parade2026")
	d.do(http.MethodPost, "/Marti/api/tls/signClient", csr).refused(400, "clientUid")
	d.get("/Marti/api/tls/makeClientKeyStore").refused(400, "clientUid")
	for i, uid := range []string{"P-1", "P-2"} {
		var res map[string]string
		a := d.do(http.MethodPost, "/Marti/api/tls/signClient/v2?version=3&clientUid="+uid, csr).json()
		b.must(json.Unmarshal(a.body, &res))
		pair, err := tls.X509KeyPair([]byte("-----BEGIN CERTIFICATE-----\n"+res["signedCert"]+"\n-----END CERTIFICATE-----"), keyPEM(t, key))
		b.must(err)
		if want := fmt.Sprintf("guest-%04d", i+1); pair.Leaf.Subject.CommonName != want {
			t.Errorf("got the user %q, want %q", pair.Leaf.Subject.CommonName, want)
		}
		var names []string
		for _, g := range decode[[]struct{ Name string }](b.at("https", pair).get("/Marti/api/groups/all"), groupType) {
			names = append(names, g.Name)
		}
		if diff := cmp.Diff([]string{"Parade"}, names); diff != "" {
			t.Errorf("groups (-want +got)\n%s", diff)
		}
		entries := zipEntries(t, d.get("/Marti/api/tls/profile/enrollment?clientUid="+uid).is(200, "application/zip"))
		if !slices.Contains(entries, "file0/a.pref") || !slices.Contains(entries, "file1/enable-channels.pref") {
			t.Errorf("got the profile %v, want the group's and the preferences for channels", entries)
		}
	}
	d.do(http.MethodPost, "/Marti/api/tls/signClient/v2?clientUid=P-3", csr).refused(401, "used up")
}

func TestEnrolByToken(t *testing.T) {
	b := newBed(t)
	b.user("alice", "user")
	csr, _ := b.request("alice")
	b.bearer("web", "alice").do(http.MethodPost, signV2, csr).json()
	if list := b.certificates("alice"); len(list) != 1 || list[0].ClientUID != "ANDROID-1" {
		t.Errorf("got %+v, want the certificate on record", list)
	}
}

func TestMakeClientKeyStore(t *testing.T) {
	b := newBed(t)
	b.user("alice", "user")
	d := b.at("web").basic("alice", b.code(identity.EnrolmentSpec{User: "alice"}))
	const path = "/Marti/api/tls/makeClientKeyStore?clientUid=U-1"
	d.get(path+"&cn=bob").refused(403, "bob")
	d.do(http.MethodHead, path, "").is(405, "application/json")
	for _, site := range []string{"cross-site", "same-site"} {
		// A browser that remembers the password sends it with the picture of another page.
		d.do(http.MethodGet, path, "", "Sec-Fetch-Site", site).refused(403, "another origin")
	}
	a := d.get(path+"&cn=Alice&password=geheim").is(200, "application/x-pkcs12")
	key, cert, chain, err := pkcs12.DecodeChain(a.body, "geheim")
	if err != nil || cert.Subject.CommonName != "alice" || len(chain) != 1 {
		t.Fatalf("got %v with %d of the chain, %v", cert, len(chain), err)
	}
	if list := b.certificates("alice"); len(list) != 1 || list[0].ClientUID != "U-1" || !list[0].Channels {
		t.Errorf("got %+v, want the certificate on record", list)
	}
	b.at("https", tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key}).get("/Marti/api/version").is(200, textPlain)

	// What a browser sends by itself does not do: it may be somebody else's link.
	caller, err := b.ids.CallerOf("alice")
	b.must(err)
	token, _, err := b.ids.AccessToken(t.Context(), caller, "127.0.0.1")
	b.must(err)
	b.at("web").do(http.MethodGet, path, "", "Cookie", "access_token="+token).refused(403, "Authorization")
}
