package pki

import (
	"bytes"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"time"
)

// readList is a revocation list that was read.
type readList struct {
	issuer  []byte // DER of the name
	entries []Revoked
	number  *big.Int // nil in version 1
	next    time.Time
	check   func(*x509.Certificate) error // of the signature
}

func (l *readList) signedBy(authorities ...*authority) error {
	for _, a := range authorities {
		if bytes.Equal(l.issuer, a.cert.RawSubject) {
			return l.check(a.cert)
		}
	}
	return errors.New("a revocation list of an unknown authority")
}

func parseCRL(block *pem.Block) (*readList, error) {
	if block.Type != pemCRL {
		return nil, fmt.Errorf("a revocation list was expected, not %q", clip(block.Type))
	}
	list, err := x509.ParseRevocationList(block.Bytes)
	if err != nil {
		if v1, err := parseCRLv1(block.Bytes); err == nil {
			return v1, nil
		}
		return nil, err
	}
	l := &readList{issuer: list.RawIssuer, number: list.Number, next: list.NextUpdate, check: list.CheckSignatureFrom}
	for _, e := range list.RevokedCertificateEntries {
		l.entries = append(l.entries, Revoked{Serial: e.SerialNumber, At: e.RevocationTime, Issuer: list.Issuer.String()})
	}
	return l, nil
}

// parseCRLv1 reads the old form, which x509 does not know and FreeTAKServer's
// library and a bare "openssl ca -gencrl" write.
func parseCRLv1(der []byte) (*readList, error) {
	var list struct {
		TBS struct {
			Raw        asn1.RawContent
			Signature  pkix.AlgorithmIdentifier
			Issuer     asn1.RawValue
			ThisUpdate time.Time
			NextUpdate time.Time                 `asn1:"optional"`
			Revoked    []pkix.RevokedCertificate `asn1:"optional"`
		}
		Algorithm pkix.AlgorithmIdentifier
		Signature asn1.BitString
	}
	if rest, err := asn1.Unmarshal(der, &list); err != nil {
		return nil, err
	} else if len(rest) > 0 {
		return nil, errors.New("bytes after the revocation list")
	}
	var rdns pkix.RDNSequence
	if _, err := asn1.Unmarshal(list.TBS.Issuer.FullBytes, &rdns); err != nil {
		return nil, err
	}
	var issuer pkix.Name
	issuer.FillFromRDNSequence(&rdns)

	algorithm, ok := map[string]x509.SignatureAlgorithm{
		"1.2.840.113549.1.1.5":  x509.SHA1WithRSA, // which check refuses by its name
		"1.2.840.113549.1.1.11": x509.SHA256WithRSA,
		"1.2.840.113549.1.1.12": x509.SHA384WithRSA,
		"1.2.840.113549.1.1.13": x509.SHA512WithRSA,
		"1.2.840.10045.4.3.2":   x509.ECDSAWithSHA256,
		"1.2.840.10045.4.3.3":   x509.ECDSAWithSHA384,
		"1.2.840.10045.4.3.4":   x509.ECDSAWithSHA512,
	}[list.Algorithm.Algorithm.String()]
	if !ok {
		return nil, fmt.Errorf("signed by an unknown algorithm (%v)", list.Algorithm.Algorithm)
	}
	l := &readList{issuer: list.TBS.Issuer.FullBytes, next: list.TBS.NextUpdate}
	l.check = func(ca *x509.Certificate) error {
		return ca.CheckSignature(algorithm, list.TBS.Raw, list.Signature.RightAlign())
	}
	for _, e := range list.TBS.Revoked {
		l.entries = append(l.entries, Revoked{Serial: e.SerialNumber, At: e.RevocationTime, Issuer: issuer.String()})
	}
	return l, nil
}
