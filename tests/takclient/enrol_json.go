package takclient

import (
	"bytes"
	"context"
	"crypto"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
)

// ITAK enrols by the JSON form, with Accept as iPhones send it. Its request is
// base64 without the lines of PEM.
func (e Enrolment) ITAK(ctx context.Context) (*Enrolled, error) {
	return e.byJSON(ctx, func(der []byte) []byte { return []byte(base64.StdEncoding.EncodeToString(der)) },
		map[string]string{"Accept": "application/json", "Content-Type": "text/plain"})
}

// NodeTAK enrols as node-tak and CloudTAK do (spec/client-quirks.md): by
// password it logs in for an access token first and takes it apart in a way of
// its own; then the request goes out in PEM without a content type.
func (e Enrolment) NodeTAK(ctx context.Context) (*Enrolled, error) {
	resp, body, err := e.do(ctx, step{
		method: "POST", path: "/oauth/token",
		query: url.Values{"grant_type": {"password"}, "username": {e.User}, "password": {e.Secret}},
	}, 200)
	if err != nil {
		return nil, err
	}
	if got := resp.Header.Get("Content-Type"); got != "application/json" {
		return nil, fmt.Errorf("oauth/token: content type %q, want the very application/json", got)
	}
	var login struct {
		Token string `json:"access_token"`
	}
	if err := json.Unmarshal(body, &login); err != nil {
		return nil, fmt.Errorf("oauth/token: %w", err)
	}
	if err := readToken(login.Token); err != nil {
		return nil, fmt.Errorf("oauth/token: %w", err)
	}
	return e.byJSON(ctx, func(der []byte) []byte { return pemOf("CERTIFICATE REQUEST", der) }, nil)
}

// readToken decodes header and payload of a JWT as one run of base64.
func readToken(token string) error {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return errors.New("the token is no JWT")
	}
	run := strings.TrimRight(strings.NewReplacer("-", "+", "_", "/").Replace(parts[0]+parts[1]), "=")
	text, err := base64.RawStdEncoding.DecodeString(run)
	if err != nil {
		return fmt.Errorf("header and payload in one: %w", err)
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	var header, payload map[string]any
	if err := dec.Decode(&header); err != nil {
		return fmt.Errorf("header of the token: %w", err)
	}
	if err := dec.Decode(&payload); err != nil {
		return fmt.Errorf("payload of the token: %w", err)
	}
	if _, ok := payload["exp"].(float64); !ok {
		return fmt.Errorf("payload of the token: it has no exp: %v", payload)
	}
	return nil
}

func (e *Enrolment) byJSON(ctx context.Context, encode func([]byte) []byte, header map[string]string) (*Enrolled, error) {
	_, body, err := e.do(ctx, step{method: "GET", path: "/Marti/api/tls/config", basic: true}, 200)
	if err != nil {
		return nil, err
	}
	entries, err := literalEntries(body)
	if err != nil {
		return nil, fmt.Errorf("tls/config: %w", err)
	}
	der, key, err := e.request(entries)
	if err != nil {
		return nil, err
	}
	resp, body, err := e.do(ctx, step{
		method: "POST", path: "/Marti/api/tls/signClient/v2", query: url.Values{"clientUid": {e.UID}, "version": {"3"}},
		header: header, body: encode(der), basic: true,
	}, 200)
	if err != nil {
		return nil, err
	}
	if got := resp.Header.Get("Content-Type"); got != "application/json" {
		return nil, fmt.Errorf("signClient/v2: content type %q, want the very application/json", got)
	}
	return e.fromJSON(body, key)
}

// literalEntries reads the configuration as node-tak does: by the literal name
// ns2:certificateConfig, and with a list of entries, which one alone is not.
func literalEntries(body []byte) (entries []nameEntry, err error) {
	dec := xml.NewDecoder(bytes.NewReader(body))
	root := false
	for {
		tok, err := dec.RawToken()
		if errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, err
		}
		start, ok := tok.(xml.StartElement)
		switch {
		case !ok:
		case start.Name.Space == "ns2" && start.Name.Local == "certificateConfig":
			root = true
		case root && start.Name.Space == "" && start.Name.Local == "nameEntry":
			var n nameEntry
			for _, a := range start.Attr {
				switch a.Name.Local {
				case "name":
					n.Name = a.Value
				case "value":
					n.Value = a.Value
				}
			}
			entries = append(entries, n)
		}
	}
	if len(entries) < 2 {
		return nil, fmt.Errorf("no ns2:certificateConfig with at least two nameEntry: %s", body)
	}
	return entries, nil
}

// fromJSON reads signedCert, around which clients put the lines of PEM, and ca0,
// ca1 and so on.
func (e *Enrolment) fromJSON(body []byte, key crypto.Signer) (*Enrolled, error) {
	var answer map[string]string
	if err := json.Unmarshal(body, &answer); err != nil {
		return nil, fmt.Errorf("signClient/v2: %w", err)
	}
	cert, err := fromLines(answer["signedCert"])
	if err != nil {
		return nil, fmt.Errorf("signClient/v2: signedCert: %w", err)
	}
	var cas []*x509.Certificate
	for i := 0; ; i++ {
		name := fmt.Sprint("ca", i)
		text, ok := answer[name]
		if !ok {
			break
		}
		ca, err := fromLines(text)
		if err != nil {
			return nil, fmt.Errorf("signClient/v2: %s: %w", name, err)
		}
		cas = append(cas, ca)
	}
	return e.enrolled(cert, key, cas)
}

func fromLines(text string) (*x509.Certificate, error) {
	block, _ := pem.Decode([]byte("-----BEGIN CERTIFICATE-----\n" + text + "\n-----END CERTIFICATE-----\n"))
	if block == nil {
		return nil, fmt.Errorf("no base64 of a certificate: %s", clip(text, 100))
	}
	return x509.ParseCertificate(block.Bytes)
}
