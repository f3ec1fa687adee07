package proxy

import (
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// mostCertificate bounds the text of a certificate in a header; those of this
// server have some 2 KiB.
const mostCertificate = 32 << 10

// ClientCertificate takes the client's certificate from the header of that name,
// which a trusted proxy that ends TLS sets. It is not verified: the caller must
// do that, as with one that came by TLS. nil without an error means that there
// is none.
//
// From a peer that is not trusted the header is removed from the request. A
// listener with PROXY protocol has the client as the peer, so the two do not go
// together.
//
// Forms: a PEM block, percent-encoded ($ssl_client_escaped_cert of nginx), or
// with its lines folded; base64 of DER (Caddy, Traefik); the same between colons
// (RFC 9440).
func ClientCertificate(r *http.Request, t *Trusted, header string) (*x509.Certificate, error) {
	if header == "" {
		return nil, nil
	}
	values := r.Header.Values(header)
	if peer, _, ok := peerOf(r); !ok || !t.Has(peer) {
		r.Header.Del(header)
		return nil, nil
	}
	switch {
	case len(values) == 0:
		return nil, nil
	case len(values) > 1:
		return nil, fmt.Errorf("header %s: came %d times, so the proxy lets through what its client sent", header, len(values))
	}
	cert, err := parseCertificate(strings.TrimSpace(values[0]))
	if err != nil {
		return nil, fmt.Errorf("header %s: %w", header, err)
	}
	return cert, nil
}

func parseCertificate(s string) (*x509.Certificate, error) {
	// What proxies write when there is none: Caddy its placeholder, as it is.
	if s == "" || s == "-" || s[0] == '{' && s[len(s)-1] == '}' {
		return nil, nil
	}
	if len(s) > mostCertificate {
		return nil, fmt.Errorf("more than %d bytes", mostCertificate)
	}
	der, err := decodeCertificate(s)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("parse the certificate: %w", err)
	}
	return cert, nil
}

const (
	pemBegin = "-----BEGIN CERTIFICATE-----"
	pemEnd   = "-----END CERTIFICATE-----"
)

func decodeCertificate(s string) ([]byte, error) {
	if n := len(s); n > 2 && s[0] == ':' && s[n-1] == ':' {
		return decodeBase64(s[1 : n-1])
	}
	if strings.Contains(s, "%") {
		// As a path: a plus sign is one, not a space.
		plain, err := url.PathUnescape(s)
		if err != nil {
			return nil, fmt.Errorf("percent-encoding: %w", err)
		}
		s = strings.TrimSpace(plain)
	}
	body, isPEM := strings.CutPrefix(s, pemBegin)
	if !isPEM {
		return decodeBase64(s)
	}
	body, rest, ok := strings.Cut(body, pemEnd)
	if !ok {
		return nil, errors.New("PEM without an end")
	}
	if strings.TrimSpace(rest) != "" {
		return nil, errors.New("more than one PEM block: only the client's own certificate belongs there")
	}
	// Made anew, as folded headers have spaces or tabs for the line ends.
	block, _ := pem.Decode([]byte(pemBegin + "\n" + strings.Join(strings.Fields(body), "\n") + "\n" + pemEnd + "\n"))
	if block == nil {
		return nil, errors.New("PEM that is broken")
	}
	return block.Bytes, nil
}

func decodeBase64(s string) ([]byte, error) {
	der, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		return nil, fmt.Errorf("neither PEM nor base64: %w", err)
	}
	return der, nil
}
