package pki

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

// maxCSR is far above the request of an 8192-bit key.
const maxCSR = 64 << 10

// ParseCSR reads a PKCS#10 request as clients send it: PEM, the base64 of PEM
// without its lines, or DER. It checks that the sender has the key, and that the
// key is one we sign.
func (p *PKI) ParseCSR(body []byte) (*x509.CertificateRequest, error) {
	if len(body) > maxCSR {
		return nil, fmt.Errorf("certificate request of %d bytes: %d is the most", len(body), maxCSR)
	}
	der, err := csrBytes(body)
	if err != nil {
		return nil, err
	}
	csr, err := x509.ParseCertificateRequest(der)
	if err != nil {
		return nil, fmt.Errorf("certificate request: %w", err)
	}
	if csr.PublicKey == nil {
		return nil, errors.New("certificate request: a key of an unknown kind: RSA and EC are taken")
	}
	if err := checkKey(csr.PublicKey); err != nil {
		return nil, fmt.Errorf("certificate request: %w", err)
	}
	// SHA-1 has to be taken here: ATAK signs its requests with it
	// (ATAK-CIV, commoncommo cryptoutil). It proves only that the sender has the
	// key; our own signature is SHA-256. MD5 and older are refused by x509.
	if err := csr.CheckSignature(); err != nil {
		return nil, fmt.Errorf("certificate request: its signature is not good: %w", err)
	}
	return csr, nil
}

func csrBytes(body []byte) ([]byte, error) {
	const sequence = 0x30 // which base64 has as 'M', so a leading '0' is no base64 of it
	if len(body) > 0 && body[0] == sequence {
		return body, nil
	}
	if body = bytes.TrimSpace(body); len(body) == 0 {
		return nil, errors.New("no certificate request was sent")
	}
	// Not pem.Decode: some clients lose the line ends.
	if _, after, ok := bytes.Cut(body, []byte("-----BEGIN ")); ok {
		kind, after, ok := bytes.Cut(after, []byte("-----"))
		if !ok || string(kind) != "CERTIFICATE REQUEST" && string(kind) != "NEW CERTIFICATE REQUEST" {
			return nil, fmt.Errorf("a certificate request was expected, not %q", clip(string(kind)))
		}
		if body, _, ok = bytes.Cut(after, []byte("-----END ")); !ok {
			return nil, errors.New("the certificate request is cut off")
		}
	}
	text := strings.Map(func(r rune) rune {
		switch r {
		case ' ', '\t', '\r', '\n', '=':
			return -1
		}
		return r
	}, string(body))
	der, err := base64.RawStdEncoding.DecodeString(text)
	if err != nil {
		return nil, errors.New("the certificate request is neither PEM, base64 nor DER")
	}
	return der, nil
}

// CheckCSR checks the name in a request: the parts that NameEntries gives and a
// CN that is the user's, without regard to case and order, and nothing else
// (spec/tak-marti.md 5.2). The certificate does not take the name from there.
func (p *PKI) CheckCSR(csr *x509.CertificateRequest, user string) error {
	var rdns pkix.RDNSequence
	if rest, err := asn1.Unmarshal(csr.RawSubject, &rdns); err != nil || len(rest) > 0 {
		return errors.New("certificate request: its name cannot be read")
	}
	want := map[string]string{"2.5.4.3": user, "2.5.4.10": p.opt.Organization, "2.5.4.11": p.opt.Unit}
	mismatch := func() error {
		return fmt.Errorf("certificate request: its name is %q, it has to be CN=%s, O=%s, OU=%s",
			clean(rdns.String()), user, p.opt.Organization, p.opt.Unit)
	}
	n := 0
	for _, rdn := range rdns {
		for _, part := range rdn {
			n++
			value, ok := part.Value.(string)
			expected, known := want[part.Type.String()]
			if !ok || !known || !sameText(value, expected) {
				return mismatch()
			}
			delete(want, part.Type.String())
		}
	}
	if len(want) > 0 || n != 3 {
		return mismatch()
	}
	return nil
}

// sameText compares without regard to case. ATAK hands OpenSSL the UTF-8 of a
// name as Latin-1, so every byte of a letter beyond ASCII arrives as a letter of
// its own.
func sameText(got, want string) bool {
	if strings.EqualFold(got, want) {
		return true
	}
	var b []byte
	for _, r := range got {
		if r > 0xff {
			return false
		}
		b = append(b, byte(r))
	}
	return strings.EqualFold(string(b), want)
}
