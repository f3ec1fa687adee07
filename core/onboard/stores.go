package onboard

import (
	"crypto/x509"
	"errors"
	"fmt"
	"slices"

	pkcs12 "software.sslmate.com/src/go-pkcs12"
)

// checkTrust opens the trust store of a package and refuses one with a key or
// with anything but authorities in it: FreeTAKServer once shipped the server's
// own key that way.
func checkTrust(p12 []byte, password string) error {
	if len(p12) == 0 {
		return errors.New("trust store: there is none")
	}
	certs, err := pkcs12.DecodeTrustStore(p12, password)
	if err != nil {
		return fmt.Errorf("trust store: does not hold certificates alone, or its password is another: %w", err)
	}
	if len(certs) == 0 {
		return errors.New("trust store: no certificate in it")
	}
	for _, c := range certs {
		if !c.IsCA {
			return fmt.Errorf("trust store: %s is no authority", c.Subject)
		}
	}
	return nil
}

// checkClient opens the key store of a package and refuses what is not a
// client's.
func checkClient(p12 []byte, password string) error {
	_, cert, _, err := pkcs12.DecodeChain(p12, password)
	if err != nil {
		return fmt.Errorf("client certificate: %w", err)
	}
	if cert.IsCA {
		return fmt.Errorf("client certificate: %s is an authority", cert.Subject)
	}
	if slices.Contains(cert.ExtKeyUsage, x509.ExtKeyUsageServerAuth) && !slices.Contains(cert.ExtKeyUsage, x509.ExtKeyUsageClientAuth) {
		return fmt.Errorf("client certificate: %s is a server's", cert.Subject)
	}
	return nil
}
