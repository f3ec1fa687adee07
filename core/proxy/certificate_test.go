package proxy

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"math/big"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

func newCertificate(t testing.TB) *x509.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(7), Subject: pkix.Name{CommonName: "ann"}, NotBefore: time.Now(), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func TestClientCertificate(t *testing.T) {
	cert := newCertificate(t)
	block := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw}))
	b64 := base64.StdEncoding.EncodeToString(cert.Raw)
	const theProxy, other = "192.0.2.1:4000", "203.0.113.5:5000"
	tests := []struct {
		name, remote string
		values       []string
		there        bool
		err          string
	}{
		{"nginx", theProxy, []string{strings.ReplaceAll(url.QueryEscape(block), "+", "%20")}, true, ""},
		{"AWS leaves base64 alone", theProxy, []string{strings.NewReplacer("\n", "%0A", " ", "%20").Replace(block)}, true, ""},
		{"folded lines", theProxy, []string{strings.ReplaceAll(block, "\n", "\t")}, true, ""},
		{"Caddy", theProxy, []string{b64}, true, ""},
		{"RFC 9440", theProxy, []string{":" + b64 + ":"}, true, ""},
		{"none", theProxy, nil, false, ""},
		{"empty", theProxy, []string{""}, false, ""},
		{"dash", theProxy, []string{"-"}, false, ""},
		{"Caddy, none", theProxy, []string{"{http.request.tls.client.certificate_der_base64}"}, false, ""},
		{"untrusted", other, []string{b64}, false, ""},
		{"untrusted with nonsense", other, []string{"%"}, false, ""},
		{"twice", theProxy, []string{b64, b64}, false, "came 2 times"},
		{"two blocks", theProxy, []string{url.PathEscape(block + block)}, false, "more than one PEM block"},
		{"a key", theProxy, []string{url.QueryEscape("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")}, false, "neither PEM nor base64"},
		{"no end", theProxy, []string{strings.ReplaceAll(block[:200], "\n", " ")}, false, "PEM without an end"},
		{"broken base64", theProxy, []string{"-----BEGIN CERTIFICATE-----!!-----END CERTIFICATE-----"}, false, "PEM that is broken"},
		{"broken escape", theProxy, []string{"%zz"}, false, "percent-encoding"},
		{"no certificate", theProxy, []string{"AAAA"}, false, "parse the certificate"},
		{"too long", theProxy, []string{strings.Repeat("A", 40000)}, false, "more than 32768 bytes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := &http.Request{RemoteAddr: tt.remote, Header: http.Header{}}
			for _, v := range tt.values {
				r.Header.Add("X-Client-Cert", v)
			}
			got, err := ClientCertificate(r, trust(t, "192.0.2.0/24"), "x-client-cert")
			switch {
			case tt.err != "":
				if err == nil || !strings.Contains(err.Error(), tt.err) || !strings.Contains(err.Error(), "x-client-cert") {
					t.Errorf("got error %v, want one with %q", err, tt.err)
				}
			case err != nil:
				t.Error(err)
			case tt.there && (got == nil || !got.Equal(cert)):
				t.Error("got another certificate, or none")
			case !tt.there && got != nil:
				t.Error("got a certificate")
			}
			if tt.remote == other && r.Header.Get("X-Client-Cert") != "" {
				t.Error("the header of an untrusted peer is still there")
			}
		})
	}
	if got, err := ClientCertificate(&http.Request{RemoteAddr: theProxy}, trust(t, "192.0.2.1"), ""); got != nil || err != nil {
		t.Errorf("without a header's name: got %v, %v", got, err)
	}
}

func FuzzClientCertificate(f *testing.F) {
	cert := newCertificate(f)
	block := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw}))
	b64 := base64.StdEncoding.EncodeToString(cert.Raw)
	for _, s := range []string{url.QueryEscape(block), block, b64, ":" + b64 + ":", "::", "%2", "-----BEGIN CERTIFICATE-----"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		c, err := parseCertificate(s)
		if err == nil && c == nil && strings.Trim(strings.TrimSpace(s), "-") != "" && !strings.Contains(s, "{") {
			t.Errorf("%q gives neither a certificate nor an error", s)
		}
	})
}
