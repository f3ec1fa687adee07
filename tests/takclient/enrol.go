package takclient

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
)

// Enrolment is a device that is about to get its certificate. The methods do it
// in the manner of a client each: ATAK, ITAK and NodeTAK. They are written after
// the clients and not after the server, and as picky as those.
type Enrolment struct {
	Web          string         // base URL of listen.web
	Addr         string         // where the host of Web is; empty: as DNS says
	Roots        *x509.CertPool // what the device trusts for it
	User, Secret string         // a password or an enrolment code
	UID          string
	Key          crypto.Signer // nil: one that all devices of the process have
}

// Enrolled is what a device has then.
type Enrolled struct {
	User    string // CN of the certificate
	UID     string
	Cert    tls.Certificate
	Roots   *x509.CertPool // what came with the certificate to trust
	Profile []byte         // the package that ATAK fetches; nil when there is none
}

// TLS is what the device connects with.
func (e *Enrolled) TLS() *tls.Config {
	return &tls.Config{RootCAs: e.Roots, Certificates: []tls.Certificate{e.Cert}, MinVersion: tls.VersionTLS12}
}

// Refused is an answer to a step of an enrolment that ends it.
type Refused struct {
	Step   string
	Status int
	Body   string
}

func (r *Refused) Error() string {
	return fmt.Sprintf("%s: got %d %s", r.Step, r.Status, clip(r.Body, 300))
}

// deviceKey is an RSA key as clients make them. To make one takes long with the
// race detector, and nothing here is about keys.
var deviceKey = sync.OnceValues(func() (crypto.Signer, error) { return rsa.GenerateKey(rand.Reader, 2048) })

func (e *Enrolment) key() (crypto.Signer, error) {
	if e.Key != nil {
		return e.Key, nil
	}
	return deviceKey()
}

// nameEntry is an entry of /Marti/api/tls/config.
type nameEntry struct {
	Name  string `xml:"name,attr"`
	Value string `xml:"value,attr"`
}

var nameTypes = map[string]asn1.ObjectIdentifier{"O": {2, 5, 4, 10}, "OU": {2, 5, 4, 11}, "C": {2, 5, 4, 6}, "ST": {2, 5, 4, 8}, "L": {2, 5, 4, 7}}

// request makes the certificate request: all entries of the configuration, each
// a part of its own, and the login name (spec/tak-marti.md 5.2).
func (e *Enrolment) request(entries []nameEntry) (der []byte, key crypto.Signer, err error) {
	if key, err = e.key(); err != nil {
		return nil, nil, err
	}
	names := pkix.RDNSequence{{{Type: asn1.ObjectIdentifier{2, 5, 4, 3}, Value: e.User}}}
	for _, n := range entries {
		oid, known := nameTypes[n.Name]
		if !known {
			return nil, nil, fmt.Errorf("tls/config: name entry %q", n.Name)
		}
		names = append(names, pkix.RelativeDistinguishedNameSET{{Type: oid, Value: n.Value}})
	}
	subject, err := asn1.Marshal(names)
	if err != nil {
		return nil, nil, err
	}
	der, err = x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{RawSubject: subject}, key)
	return der, key, err
}

// enrolled puts together what came.
func (e *Enrolment) enrolled(cert *x509.Certificate, key crypto.Signer, cas []*x509.Certificate) (*Enrolled, error) {
	public, ok := cert.PublicKey.(interface{ Equal(crypto.PublicKey) bool })
	if !ok || !public.Equal(key.Public()) {
		return nil, errors.New("the certificate is not for the key of the request")
	}
	if len(cas) == 0 {
		return nil, errors.New("no authority came with the certificate")
	}
	if err := cert.CheckSignatureFrom(cas[0]); err != nil {
		return nil, fmt.Errorf("ca0 is not the issuer: %w", err)
	}
	out := &Enrolled{
		User: cert.Subject.CommonName, UID: e.UID, Roots: x509.NewCertPool(),
		Cert: tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key, Leaf: cert},
	}
	for _, ca := range cas {
		out.Roots.AddCert(ca)
	}
	return out, nil
}

// step is one request of an enrolment.
type step struct {
	method, path string
	query        url.Values
	header       map[string]string
	body         []byte
	basic        bool
}

// do sends it over a connection of its own, as phones do. Statuses that are not
// among want are a *Refused.
func (e *Enrolment) do(ctx context.Context, s step, want ...int) (*http.Response, []byte, error) {
	u := strings.TrimSuffix(e.Web, "/") + s.path
	if len(s.query) > 0 {
		u += "?" + s.query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, s.method, u, bytes.NewReader(s.body))
	if err != nil {
		return nil, nil, err
	}
	if s.basic {
		req.SetBasicAuth(e.User, e.Secret)
	}
	for name, value := range s.header {
		req.Header.Set(name, value)
	}
	tr := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: e.Roots, MinVersion: tls.VersionTLS12}, DisableKeepAlives: true}
	if e.Addr != "" {
		tr.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, network, e.Addr)
		}
	}
	client := &http.Client{Transport: tr}
	resp, err := client.Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, nil, fmt.Errorf("%s %s: %w", s.method, s.path, err)
	}
	for _, status := range want {
		if resp.StatusCode == status {
			return resp, body, nil
		}
	}
	return nil, nil, &Refused{s.method + " " + s.path, resp.StatusCode, string(body)}
}

func pemOf(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}
