package takclient

import (
	"context"
	"crypto"
	"crypto/x509"
	"encoding/xml"
	"errors"
	"fmt"
	"net/url"

	"software.sslmate.com/src/go-pkcs12"
)

// ATAK enrols as ATAK-CIV 4.6 does (spec/tak-marti.md 5): configuration, request
// in PEM as text/plain, a key store of certificates alone, and then the profile.
func (e Enrolment) ATAK(ctx context.Context) (*Enrolled, error) {
	_, body, err := e.do(ctx, step{method: "GET", path: "/Marti/api/tls/config", basic: true}, 200)
	if err != nil {
		return nil, err
	}
	var conf struct {
		XMLName xml.Name `xml:"com.bbn.marti.config certificateConfig"`
		Entries struct {
			List []nameEntry `xml:"http://bbn.com/marti/xml/config nameEntry"`
		} `xml:"http://bbn.com/marti/xml/config nameEntries"`
	}
	if err := xml.Unmarshal(body, &conf); err != nil {
		return nil, fmt.Errorf("tls/config: %w", err)
	}
	der, key, err := e.request(conf.Entries.List)
	if err != nil {
		return nil, err
	}
	_, body, err = e.do(ctx, step{
		method: "POST", path: "/Marti/api/tls/signClient", query: url.Values{"clientUid": {e.UID}, "version": {"4.6.0.5"}},
		header: map[string]string{"Content-Type": "text/plain"}, body: pemOf("CERTIFICATE REQUEST", der), basic: true,
	}, 200)
	if err != nil {
		return nil, err
	}
	certs, err := pkcs12.DecodeTrustStore(body, "atakatak")
	if err != nil {
		return nil, fmt.Errorf("signClient: %w", err)
	}
	out, err := e.fromStore(certs, key)
	if err != nil {
		return nil, fmt.Errorf("signClient: %w", err)
	}
	resp, body, err := e.do(ctx, step{method: "GET", path: "/Marti/api/tls/profile/enrollment", query: url.Values{"clientUid": {e.UID}}, basic: true}, 200, 204)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode == 200 {
		out.Profile = body
	}
	return out, nil
}

// fromStore finds the own certificate among those of the store; the others are
// authorities, the issuer first.
func (e *Enrolment) fromStore(certs []*x509.Certificate, key crypto.Signer) (*Enrolled, error) {
	var own *x509.Certificate
	var cas []*x509.Certificate
	for _, c := range certs {
		if k, ok := c.PublicKey.(interface{ Equal(crypto.PublicKey) bool }); ok && k.Equal(key.Public()) {
			own = c
			continue
		}
		cas = append(cas, c)
	}
	if own == nil {
		return nil, errors.New("the store has no certificate for the request")
	}
	return e.enrolled(own, key, cas)
}
