package marti

import (
	"bytes"
	"cmp"
	"crypto/x509"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/takhost/takhost/core/identity"
	"github.com/takhost/takhost/core/pki"
	"github.com/takhost/takhost/core/web"
	"github.com/takhost/takhost/openapi"
)

const (
	tagEnrol = "enrolment"

	// storePassword is that of the answer of signClient, which ATAK knows (5).
	storePassword = "atakatak"

	maxRequest = 64 << 10 // bytes of a certificate request
)

type signInput struct {
	ClientUID string `query:"clientUid" doc:"UID of the device"`
	Version   string `query:"version" doc:"Of the client; if it is there, the certificate is good for choosing channels"`
}

type keyStoreInput struct {
	CN        string `query:"cn" doc:"Name of the user; if it is there, it has to be the caller's"`
	ClientUID string `query:"clientUid" doc:"UID of the device"`
	Password  string `query:"password" doc:"Of the key store; atakatak if it is not there"`
}

// enrolling marks the operations that take an enrolment token in place of a
// password. Who may only read needs a certificate too.
func enrolling(o huma.Operation) huma.Operation {
	return openapi.Reads(openapi.Enrol(openapi.Anyone(o)))
}

func (a *api) enrolOperations() {
	add(a, op{
		method: http.MethodGet, path: "/Marti/api/tls/config", id: "tls-config", tag: tagEnrol, on: onEnrol,
		summary: "What a certificate request has to name", doc: "Beside the user as CN.",
		answers: okAs("text/xml", "The names"), access: enrolling,
	}, certificateConfig)

	request := &huma.RequestBody{
		Description: "The certificate request (PKCS#10): PEM, its base64 alone, or DER, whatever the content type", Required: true,
		Content: map[string]*huma.MediaType{"text/plain": {Schema: &huma.Schema{Type: "string"}}},
	}
	failures := func(answers map[string]*huma.Response) map[string]*huma.Response {
		answers = with(answers, "400", "The request is not what it should be; nothing was spent")
		return with(answers, "503", "It is not configured where phones reach this server; nothing was spent")
	}
	add(a, op{
		method: http.MethodPost, path: "/Marti/api/tls/signClient", id: "sign-client", tag: tagEnrol, on: onEnrol,
		summary: "Get a certificate", doc: "A one-time token is spent by this, and stays good some minutes for the profile.",
		answers: failures(okAs(p12Type, "A PKCS#12 store with the password atakatak and certificates alone: signedCert, ca0, ca1 and so on")),
		body:    request, access: enrolling,
	}, func(c *call, in *signInput) (*reply, error) {
		return c.sign(in.ClientUID, in.Version != "", storeOf)
	})
	answers := ok[map[string]string](a, "The certificates as base64 in lines, without BEGIN and END: signedCert, ca0, ca1 and so on; as XML if only that is accepted")
	answers["200"].Content[xmlType] = &huma.MediaType{Schema: &huma.Schema{Type: "string"}}
	add(a, op{
		method: http.MethodPost, path: "/Marti/api/tls/signClient/v2", id: "sign-client-v2", tag: tagEnrol, on: onEnrol,
		summary: "Get a certificate, as JSON or XML", doc: "A one-time token is spent by this, and stays good some minutes for the profile.",
		answers: failures(answers), body: request, access: enrolling,
	}, func(c *call, in *signInput) (*reply, error) {
		form, err := c.accepted()
		if err != nil {
			return nil, err
		}
		return c.sign(in.ClientUID, in.Version != "", form)
	})
	add(a, op{
		method: http.MethodGet, path: "/Marti/api/tls/makeClientKeyStore", id: "make-key-store", tag: tagEnrol, on: onEnrol,
		summary: "Get a key and its certificate", doc: "For clients that cannot make a key. A one-time token is spent by this.",
		answers: failures(okAs(p12Type, "A PKCS#12 store with the key, its certificate and the authority's")), access: enrolling,
	}, makeKeyStore)
}

// certificateConfig answers with the literal prefix ns2, which node-tak looks
// for, and at least two entries, of which it makes a list (5.1).
func certificateConfig(c *call, _ *none) (*reply, error) {
	if err := c.reachable(); err != nil {
		return nil, err
	}
	var b bytes.Buffer
	b.WriteString(`<?xml version="1.0" encoding="UTF-8" standalone="yes"?>` +
		`<ns2:certificateConfig xmlns="http://bbn.com/marti/xml/config" xmlns:ns2="com.bbn.marti.config"><nameEntries>`)
	for _, e := range c.PKI.NameEntries() {
		b.WriteString(`<nameEntry name="` + escaped(e.Name) + `" value="` + escaped(e.Value) + `"/>`)
	}
	b.WriteString(`</nameEntries></ns2:certificateConfig>`)
	return &reply{contentType: "text/xml", body: b.Bytes()}, nil
}

func escaped(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a Builder does not fail
	return b.String()
}

// reachable refuses to enrol a phone that would not find the server again. One
// that asked for it by a name or address has found it, and one on this machine
// does.
func (c *call) reachable() error {
	host := (&url.URL{Host: c.r.Host}).Hostname()
	asked := host != "" && host != "localhost" && !isLoopback(host)
	if _, err := c.Core.Reach(); err != nil && !asked && !isLoopback(web.AddrOf(c)) {
		c.Log.Warn("enrolment refused", slog.String("addr", web.AddrOf(c)), slog.Any("err", err))
		return fmt.Errorf("enrolment: %w", err)
	}
	return nil
}

func isLoopback(addr string) bool {
	ip, err := netip.ParseAddr(addr)
	return err == nil && ip.Unmap().IsLoopback()
}

// answerForm makes the answer with a signed certificate.
type answerForm func(p *pki.PKI, cert *x509.Certificate) (*reply, error)

// sign answers a certificate request. Nothing is spent and nothing kept before
// the whole answer is there; then the token is spent and the certificate noted
// in one step, and only after that it goes out.
func (c *call) sign(clientUID string, channels bool, form answerForm) (*reply, error) {
	if err := c.reachable(); err != nil {
		return nil, err
	}
	body, err := c.read(maxRequest)
	if err != nil {
		return nil, err
	}
	csr, err := c.PKI.ParseCSR(body)
	if err != nil {
		return nil, invalidf("CSR validation failed: %s", err)
	}
	login, user := c.enrolled()
	if user == "" {
		return nil, invalidf("Invalid Request: clientUid is needed")
	}
	if err := c.PKI.CheckCSR(csr, login); err != nil {
		return nil, invalidf("CSR validation failed: %s", err)
	}
	if err := c.mayGetOne(user, cmp.Or(clientUID, c.caller.Client)); err != nil {
		return nil, err
	}
	cert, err := c.PKI.Sign(csr.PublicKey, pki.Leaf{CommonName: user, Channels: channels})
	if err != nil {
		return nil, fmt.Errorf("sign certificate: %w", err)
	}
	rep, err := form(c.PKI, cert)
	if err != nil {
		return nil, err
	}
	return rep, c.note(cert, user, clientUID, channels)
}

// enrolled gives the name that the caller logged in by, which requests have as
// their CN, and that of the user whom the certificate is for: with an event code
// they differ.
func (c *call) enrolled() (login, user string) {
	if g := web.GrantOf(c); g != nil {
		login, user = g.Login, g.User
		if user == "" {
			user = c.caller.User
		}
		return login, user
	}
	return c.caller.User, c.caller.User
}

// note spends the token and notes the certificate.
func (c *call) note(cert *x509.Certificate, user, clientUID string, channels bool) error {
	clientUID = cmp.Or(clientUID, c.caller.Client)
	record := identity.NewCertificate(cert, identity.KindEnrolled, user, clientUID)
	record.Channels = channels
	var err error
	if g := web.GrantOf(c); g != nil {
		err = c.Identity.Enrol(c, g, record)
	} else {
		err = c.Identity.AddCertificate(c, c.actor(), record)
	}
	if err != nil {
		return err
	}
	c.Log.Info("device enrolled", slog.String("user", user), slog.String("uid", clientUID), slog.String("addr", web.AddrOf(c)),
		slog.String("serial", record.Serial), slog.Time("ends", cert.NotAfter))
	return nil
}

// storeOf is the answer of signClient.
func storeOf(p *pki.PKI, cert *x509.Certificate) (*reply, error) {
	b, err := p.SignedStore(cert, storePassword)
	if err != nil {
		return nil, fmt.Errorf("pack certificate: %w", err)
	}
	return &reply{contentType: p12Type, body: b}, nil
}

// accepted chooses the answer of signClient/v2 by the header Accept, before
// anything is spent.
func (c *call) accepted() (answerForm, error) {
	accept := strings.ToLower(strings.Join(c.r.Header.Values("Accept"), ","))
	switch {
	case strings.TrimSpace(accept) == "", strings.Contains(accept, "*/*"), strings.Contains(accept, jsonType):
		return jsonOf, nil
	case strings.Contains(accept, xmlType):
		return xmlOf, nil
	}
	return nil, invalidf("Invalid Request: the answer comes as application/json or application/xml")
}

func jsonOf(p *pki.PKI, cert *x509.Certificate) (*reply, error) {
	out := map[string]string{"signedCert": lines(cert)}
	for i, ca := range p.Chain() {
		out["ca"+strconv.Itoa(i)] = lines(ca)
	}
	return bare(out)
}

func xmlOf(p *pki.PKI, cert *x509.Certificate) (*reply, error) {
	var b strings.Builder
	b.WriteString(`<?xml version="1.0" encoding="UTF-8"?><enrollment><signedCert>` + lines(cert) + `</signedCert>`)
	for _, ca := range p.Chain() {
		b.WriteString(`<ca>` + lines(ca) + `</ca>`)
	}
	b.WriteString(`</enrollment>`)
	return xmlReply([]byte(b.String())), nil
}

// lines writes a certificate as in PEM, without BEGIN, END and the last line's
// end: node-tak puts its own around it.
func lines(cert *x509.Certificate) string {
	const width = 64
	text := base64.StdEncoding.EncodeToString(cert.Raw)
	var b strings.Builder
	for len(text) > width {
		b.WriteString(text[:width] + "\n")
		text = text[width:]
	}
	return b.String() + text
}

func makeKeyStore(c *call, in *keyStoreInput) (*reply, error) {
	if c.r.Method == http.MethodHead {
		return nil, faultf(http.StatusMethodNotAllowed, "this is for GET alone: it makes something")
	}
	if c.r.Header.Get("Authorization") == "" {
		// A link of somebody else's would do this with the cookie of a browser.
		return nil, forbiddenf("send the credentials in the header Authorization")
	}
	if site := c.r.Header.Get("Sec-Fetch-Site"); site == "cross-site" || site == "same-site" {
		// So would it with a password that the browser remembers.
		return nil, forbiddenf("a page of another origin may not ask for this")
	}
	if err := c.reachable(); err != nil {
		return nil, err
	}
	login, user := c.enrolled()
	if user == "" {
		return nil, invalidf("Invalid Request: clientUid is needed")
	}
	if in.CN != "" && !strings.EqualFold(in.CN, login) {
		return nil, forbiddenf("cn is %q and the caller %q", in.CN, login)
	}
	if in.Password == "" {
		in.Password = storePassword
	}
	if err := c.mayGetOne(user, cmp.Or(in.ClientUID, c.caller.Client)); err != nil {
		return nil, err
	}
	pair, err := c.PKI.Issue(c, pki.Leaf{CommonName: user, Channels: true})
	if err != nil {
		return nil, fmt.Errorf("issue certificate: %w", err)
	}
	b, err := pair.PKCS12(in.Password, false)
	if err != nil {
		return nil, fmt.Errorf("pack certificate: %w", err)
	}
	if err := c.note(pair.Cert, user, in.ClientUID, true); err != nil {
		return nil, err
	}
	return (&reply{contentType: p12Type, body: b}).set("Content-Disposition", `attachment; filename="clientKeyStore.p12"`), nil
}
