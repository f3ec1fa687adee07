package pki

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
)

const (
	pemCert = "CERTIFICATE"
	pemCRL  = "X509 CRL"
	pemKey  = "PRIVATE KEY"
)

// parseCerts reads the certificates of a PEM file and leaves out other blocks,
// such as the revocation list that FreeTAKServer appends (spec/certs.md 5).
func parseCerts(b []byte) (certs []*x509.Certificate, err error) {
	for block, rest := pem.Decode(b); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != pemCert && block.Type != "X509 CERTIFICATE" {
			continue
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate %d: %w", len(certs)+1, err)
		}
		certs = append(certs, c)
	}
	if len(certs) == 0 {
		return nil, errors.New("holds no certificate in PEM form (-----BEGIN CERTIFICATE-----)")
	}
	return certs, nil
}

// parseKey reads an RSA or EC key in PEM form, PKCS#1, SEC 1 or PKCS#8.
func parseKey(b []byte) (crypto.Signer, error) {
	for block, rest := pem.Decode(b); block != nil; block, rest = pem.Decode(rest) {
		var key any
		var err error
		switch block.Type {
		case "ENCRYPTED PRIVATE KEY":
			return nil, errEncrypted
		case "RSA PRIVATE KEY", "EC PRIVATE KEY":
			if block.Headers["DEK-Info"] != "" {
				return nil, errEncrypted
			}
			if block.Type[0] == 'R' {
				key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
			} else {
				key, err = x509.ParseECPrivateKey(block.Bytes)
			}
		case pemKey:
			key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
		default:
			continue // EC PARAMETERS and the like
		}
		if err != nil {
			return nil, err
		}
		signer, ok := key.(crypto.Signer)
		if !ok {
			return nil, fmt.Errorf("holds a key of type %T: RSA or EC is needed", key)
		}
		return signer, checkKey(signer.Public())
	}
	return nil, errors.New("holds no private key in PEM form")
}

var errEncrypted = errors.New("is encrypted, and the server starts without asking for a passphrase: " +
	"decrypt it with openssl pkey -in FILE -out PLAIN.key and put that in its place")

// checkKey refuses what is weak or what TAK clients cannot use.
func checkKey(pub crypto.PublicKey) error {
	switch k := pub.(type) {
	case *rsa.PublicKey:
		if n := k.N.BitLen(); n < minBits || n > maxBits {
			return fmt.Errorf("an RSA key of %d bits: %d to %d are taken", n, minBits, maxBits)
		}
		return nil
	case *ecdsa.PublicKey:
		switch k.Curve {
		case elliptic.P256(), elliptic.P384(), elliptic.P521():
			return nil
		}
		return fmt.Errorf("an EC key on %s: P-256, P-384 and P-521 are taken", k.Params().Name)
	}
	return fmt.Errorf("a key of type %T: RSA and EC are taken", pub)
}

func encodeCerts(certs ...*x509.Certificate) []byte {
	var b bytes.Buffer
	for _, c := range certs {
		b.Write(pem.EncodeToMemory(&pem.Block{Type: pemCert, Bytes: c.Raw}))
	}
	return b.Bytes()
}

func encodeKey(key crypto.Signer) ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: pemKey, Bytes: der}), nil
}

// fits reports whether a key belongs to a certificate.
func fits(c *x509.Certificate, key crypto.Signer) bool {
	pub, ok := key.Public().(interface{ Equal(crypto.PublicKey) bool })
	return ok && pub.Equal(c.PublicKey)
}
