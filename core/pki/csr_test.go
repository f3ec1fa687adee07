package pki

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"encoding/pem"
	"strings"
	"testing"
)

// request makes a request with a name in raw form.
func request(t testing.TB, key crypto.Signer, rdns pkix.RDNSequence) []byte {
	t.Helper()
	raw, err := asn1.Marshal(rdns)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{RawSubject: raw}, key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func part(oid string, value any) pkix.AttributeTypeAndValue {
	last := map[string]int{"CN": 3, "O": 10, "OU": 11, "C": 6}[oid]
	return pkix.AttributeTypeAndValue{Type: asn1.ObjectIdentifier{2, 5, 4, last}, Value: value}
}

func rdns(parts ...pkix.AttributeTypeAndValue) (seq pkix.RDNSequence) {
	for _, p := range parts {
		seq = append(seq, []pkix.AttributeTypeAndValue{p})
	}
	return seq
}

func TestParseCSR(t *testing.T) {
	p := open(t, Options{})
	der := request(t, mustKey(t), rdns(part("CN", "alpha")))
	armoured := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})
	bare := base64.StdEncoding.EncodeToString(der)
	curve := func(c elliptic.Curve) []byte {
		key, err := ecdsa.GenerateKey(c, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return request(t, key, rdns(part("CN", "alpha")))
	}
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	_, edwards, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	// DER may end in a byte that is a blank in text.
	ending := der
	for range 5000 {
		if b := ending[len(ending)-1]; b == '\n' || b == ' ' {
			break
		}
		ending = request(t, mustKey(t), rdns(part("CN", "alpha")))
	}
	forged := bytes.Clone(der)
	forged[len(forged)-1] ^= 1

	tests := []struct {
		name string
		body []byte
		want string // of the error
	}{
		{"PEM", armoured, ""},
		{"PEM with CRLF and space around", []byte("\r\n " + strings.ReplaceAll(string(armoured), "\n", "\r\n") + "\n"), ""},
		{"PEM without line ends", []byte(strings.ReplaceAll(string(armoured), "\n", "")), ""},
		{"old header", bytes.ReplaceAll(armoured, []byte("CERTIFICATE REQ"), []byte("NEW CERTIFICATE REQ")), ""},
		{"bare base64", []byte(bare), ""},
		{"base64 without padding", []byte(strings.TrimRight(bare, "=")), ""},
		{"base64 in lines", []byte(bare[:64] + "\n" + bare[64:] + "\n"), ""},
		{"DER", der, ""},
		{"DER that ends in a blank", ending, ""},
		{"P-384", curve(elliptic.P384()), ""},

		{"nothing", nil, "no certificate request was sent"},
		{"blanks", []byte(" \n"), "no certificate request was sent"},
		{"text", []byte("hello, world"), "neither PEM, base64 nor DER"},
		{"cut PEM", armoured[:100], "cut off"},
		{"cut DER", der[:100], "certificate request"},
		{"certificate", encodeCerts(p.CA()), `not "CERTIFICATE"`},
		{"base64 of something", []byte("aGVsbG8="), "certificate request"},
		{"too large", bytes.Repeat([]byte("A"), maxCSR+1), "is the most"},
		{"forged", forged, "its signature is not good"},
		{"P-224", curve(elliptic.P224()), "an EC key on P-224"},
		{"RSA 1024", request(t, small, rdns(part("CN", "alpha"))), "an RSA key of 1024 bits"},
		{"Ed25519", request(t, edwards, rdns(part("CN", "alpha"))), "RSA and EC are taken"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			csr, err := p.ParseCSR(tt.body)
			wantError(t, err, tt.want)
			if err == nil && csr.Subject.CommonName != "alpha" {
				t.Errorf("got a request of %q, want alpha", csr.Subject.CommonName)
			}
		})
	}
}

func TestCheckCSR(t *testing.T) {
	p := open(t, Options{Organization: "Rescue", Unit: "North"})
	key := mustKey(t)
	cn, o, ou := part("CN", "alpha"), part("O", "Rescue"), part("OU", "North")
	const mismatch = "it has to be CN="
	tests := []struct {
		name string
		user string
		rdns pkix.RDNSequence
		want string
	}{
		{"as announced", "alpha", rdns(o, ou, cn), ""},
		{"another order", "alpha", rdns(cn, ou, o), ""},
		{"another case", "ALPHA", rdns(part("O", "rescue"), part("OU", "NORTH"), cn), ""},
		{"in one set", "alpha", pkix.RDNSequence{{o, ou, cn}}, ""},
		{"letters beyond ASCII", "jürgen", rdns(o, ou, part("CN", "jürgen")), ""},
		{"their bytes as Latin-1, as by ATAK", "jürgen", rdns(o, ou, part("CN", "j\u00c3\u00bcrgen")), ""},

		{"another user", "bravo", rdns(o, ou, cn), mismatch + "bravo"},
		{"no CN", "alpha", rdns(o, ou), mismatch},
		{"no O", "alpha", rdns(ou, cn), mismatch},
		{"another O", "alpha", rdns(part("O", "TAK"), ou, cn), mismatch},
		{"two CN", "alpha", rdns(o, ou, cn, cn), mismatch},
		{"two CN, one of another", "alpha", rdns(o, ou, cn, part("CN", "root")), mismatch},
		{"more than announced", "alpha", rdns(o, ou, cn, part("C", "CA")), mismatch},
		{"nothing", "alpha", nil, mismatch},
		{"a number as CN", "7", rdns(o, ou, part("CN", 7)), mismatch},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			csr, err := p.ParseCSR(request(t, key, tt.rdns))
			if err != nil {
				t.Fatal(err)
			}
			wantError(t, p.CheckCSR(csr, tt.user), tt.want)
		})
	}
}

func FuzzParseCSR(f *testing.F) {
	p := open(f, Options{})
	der := request(f, mustKey(f), rdns(part("O", "TAK"), part("OU", "TAK"), part("CN", "alpha")))
	f.Add(der)
	f.Add([]byte(base64.StdEncoding.EncodeToString(der)))
	f.Add(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}))
	f.Fuzz(func(t *testing.T, body []byte) {
		csr, err := p.ParseCSR(body)
		if err != nil {
			return
		}
		_ = p.CheckCSR(csr, "alpha")
		if _, err := p.Sign(csr.PublicKey, Leaf{CommonName: "alpha"}); err != nil {
			t.Errorf("a request that was taken is not signed: %v", err)
		}
	})
}
