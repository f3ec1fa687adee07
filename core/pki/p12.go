package pki

import (
	"crypto/x509"
	"fmt"
	"strconv"

	"software.sslmate.com/src/go-pkcs12"
)

// PEM gives the certificate, alone, and its key (PKCS#8), of a pair that Issue
// made.
func (pair *Pair) PEM() (cert, key []byte) { return encodeCerts(pair.Cert), pair.keyPEM }

// PKCS12 gives certificate, key and chain. ATAK refuses a SHA-256 MAC, and older
// Android PBES2, so the old form (3DES, SHA-1) is what phones get; modern is for
// everything else (spec/client-quirks.md). The old form hides nothing from
// somebody who has time.
func (pair *Pair) PKCS12(password string, modern bool) ([]byte, error) {
	enc := pkcs12.LegacyDES
	if modern {
		enc = pkcs12.Modern2023
	}
	b, err := enc.Encode(pair.Key, pair.Cert, pair.Chain, password)
	if err != nil {
		return nil, fmt.Errorf("write PKCS#12: %w", err)
	}
	return b, nil
}

// TrustStore is a PKCS#12 file of Chain, without any key, as phones import it.
func (p *PKI) TrustStore(password string) ([]byte, error) {
	return trustStore(authorityEntries(p.Chain()), password)
}

// SignedStore is the answer to signClient: certificates alone, the client's
// under the name signedCert, then Chain as ca0, ca1 and so on. ATAK looks the
// first up by its name and takes all others for authorities; Java and Android
// list what is marked as trusted and named (spec/tak-marti.md 5.3).
func (p *PKI) SignedStore(cert *x509.Certificate, password string) ([]byte, error) {
	entries := []pkcs12.TrustStoreEntry{{Cert: cert, FriendlyName: "signedCert"}}
	return trustStore(append(entries, authorityEntries(p.Chain())...), password)
}

func authorityEntries(certs []*x509.Certificate) (entries []pkcs12.TrustStoreEntry) {
	for i, c := range certs {
		entries = append(entries, pkcs12.TrustStoreEntry{Cert: c, FriendlyName: "ca" + strconv.Itoa(i)})
	}
	return entries
}

func trustStore(entries []pkcs12.TrustStoreEntry, password string) ([]byte, error) {
	b, err := pkcs12.LegacyDES.EncodeTrustStoreEntries(entries, password)
	if err != nil {
		return nil, fmt.Errorf("write PKCS#12: %w", err)
	}
	return b, nil
}
