package web

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"errors"
	"io"
	"math/big"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/takhost/takhost/core/identity"
	"github.com/takhost/takhost/core/plugin"
	"github.com/takhost/takhost/core/proxy"
	"github.com/takhost/takhost/hostapi/wire"
	"github.com/takhost/takhost/openapi"
)

// fakeLogins know everybody who is called NAME-ROLE: as a token, as the name on a
// certificate, and as a user whose password is secret and whose enrolment code is
// code.
type fakeLogins struct{}

var _ Logins = fakeLogins{}

func (fakeLogins) named(text string) (*wire.Caller, error) {
	name, role, ok := strings.Cut(text, "-")
	switch {
	case text == "broken":
		return nil, errors.New("secret: the database is away")
	case text == "locked":
		return nil, &identity.TooMany{Wait: 90 * time.Second}
	case !ok:
		return nil, identity.ErrBadCredentials
	}
	return &wire.Caller{User: name, Roles: []string{role}, InSet: 3, OutSet: 3}, nil
}

func (f fakeLogins) Login(_ context.Context, user, password, _ string) (*wire.Caller, error) {
	if password != "secret" {
		return nil, identity.ErrBadCredentials
	}
	return f.named(user)
}

func (f fakeLogins) EnrolLogin(_ context.Context, user, secret, client, _ string) (*wire.Caller, *identity.Grant, error) {
	switch {
	case secret == "spent":
		return nil, nil, identity.ErrSpent
	case secret != "code":
		return nil, nil, identity.ErrBadCredentials
	}
	c, err := f.named(user)
	if c != nil {
		c.Client = client
	}
	return c, &identity.Grant{}, err
}

func (f fakeLogins) ByToken(_ context.Context, secret, _ string) (*wire.Caller, error) {
	return f.named(secret)
}

func (f fakeLogins) ByCertificate(c *x509.Certificate) (*wire.Caller, error) {
	if c.Subject.CommonName == "gone" {
		return nil, &identity.Refusal{Reason: identity.ReasonDisabled, User: "gone", Serial: "1f"}
	}
	return f.named(c.Subject.CommonName)
}

// everybody is one for all, as in core/identity.
var everybody = &wire.Caller{Roles: []string{identity.RoleAnonymous}, InSet: 1, OutSet: 1}

func (fakeLogins) Anonymous() *wire.Caller { return everybody }

// testCA makes certificates.
type testCA struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newTestCA(t testing.TB) *testCA {
	t.Helper()
	ca := &testCA{}
	ca.cert, ca.key = ca.make(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: "test CA"}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	})
	return ca
}

func (ca *testCA) make(t testing.TB, c *x509.Certificate) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c.SerialNumber, c.NotBefore, c.NotAfter = big.NewInt(time.Now().UnixNano()), time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	parent, signer := ca.cert, ca.key
	if parent == nil {
		parent, signer = c, key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	made, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return made, key
}

// client makes the certificate of a client.
func (ca *testCA) client(t testing.TB, name string) *tls.Certificate {
	t.Helper()
	c, key := ca.make(t, &x509.Certificate{Subject: pkix.Name{CommonName: name}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	return &tls.Certificate{Certificate: [][]byte{c.Raw}, PrivateKey: key, Leaf: c}
}

func (ca *testCA) pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(ca.cert)
	return p
}

// server gives the configuration of a listener that takes certificates of clients
// and does without.
func (ca *testCA) server(t testing.TB) *tls.Config {
	t.Helper()
	c, key := ca.make(t, &x509.Certificate{Subject: pkix.Name{CommonName: "server"}, DNSNames: []string{"tak.example"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}})
	return &tls.Config{
		Certificates: []tls.Certificate{{Certificate: [][]byte{c.Raw}, PrivateKey: key}},
		ClientCAs:    ca.pool(), ClientAuth: tls.VerifyClientCertIfGiven,
	}
}

// estate is a bed with all listeners.
type estate struct {
	*bed
	ca *testCA
}

func newEstate(t testing.TB, opt Options) *estate {
	t.Helper()
	if opt.Logins == nil {
		opt.Logins = fakeLogins{}
	}
	opt.Marti = append(opt.Marti, testMarti)
	e := &estate{newBed(t, opt), newTestCA(t)}
	e.plugins.http = func(_ context.Context, _, route string, r *wire.HTTPRequest) (*plugin.Answer, error) {
		return textAnswer(0, "text/plain", route+" for "+who(r.Caller)), nil
	}
	e.core.status = func() (Status, error) { return Status{Version: "v9"}, nil }
	for _, name := range []string{httpListener, httpsListener, webListener} {
		var l ListenOptions
		if name != httpListener {
			l.TLS = e.ca.server(t)
		}
		if _, err := e.Listen(t.Context(), name, "127.0.0.1:0", l); err != nil {
			t.Fatal(err)
		}
	}
	return e
}

func who(c *wire.Caller) string {
	return strings.Join([]string{c.User, strings.Join(c.Roles, "+"), c.Listener}, "/")
}

// testMarti registers operations as core/marti would.
func testMarti(api huma.API) {
	tell := func(ctx context.Context, _ *struct{}) (*struct{ Body map[string]string }, error) {
		c := CallerOf(ctx)
		out := map[string]string{"who": who(c), "base": c.BaseURL, "addr": AddrOf(ctx), "client": c.Client}
		if GrantOf(ctx) != nil {
			out["grant"] = "yes"
		}
		return &struct{ Body map[string]string }{out}, nil
	}
	register := func(method, path string, marks ...func(huma.Operation) huma.Operation) {
		op := openapi.Refuse(huma.Operation{Method: method, Path: path, OperationID: method + path, Summary: "test"}, "marti")
		for _, m := range marks {
			op = m(op)
		}
		huma.Register(api, op, tell)
	}
	forAdmin := func(op huma.Operation) huma.Operation { return openapi.ForRoles(op, AdminRole) }
	onWeb := func(op huma.Operation) huma.Operation { return openapi.On(op, webListener) }
	register("GET", "/Marti/who", openapi.Anyone)
	register("PUT", "/Marti/who", openapi.Anyone)
	register("PUT", "/Marti/channels", openapi.Anyone, openapi.Reads)
	register("GET", "/Marti/admin", forAdmin)
	register("GET", "/Marti/basic", openapi.Basic)
	register("POST", "/Marti/enrol", openapi.Enrol, onWeb)
	register("POST", "/oauth/token", openapi.Open)
}

// query is one request to one listener.
type query struct {
	method, path string
	cert         *tls.Certificate
	headers      []string // in pairs
	body         string
}

func (e *estate) ask(t testing.TB, listener string, a query) (*http.Response, string) {
	t.Helper()
	scheme := "http"
	conf := &tls.Config{RootCAs: e.ca.pool(), ServerName: "tak.example"}
	if listener == httpsListener || listener == webListener {
		scheme = "https"
	}
	if a.cert != nil {
		conf.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return a.cert, nil }
	}
	if a.method == "" {
		a.method = "GET"
	}
	req, err := http.NewRequest(a.method, scheme+"://"+e.Addr(listener).String()+a.path, strings.NewReader(a.body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(a.headers); i += 2 {
		if a.headers[i] == "Host" {
			req.Host = a.headers[i+1]
			continue
		}
		req.Header.Add(a.headers[i], a.headers[i+1])
	}
	transport := &http.Transport{TLSClientConfig: conf, DisableKeepAlives: true}
	resp, err := (&http.Client{Transport: transport, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}).Do(req)
	if err != nil {
		t.Fatalf("%s %s: %v", a.method, a.path, err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(text)
}

func bearer(token string) []string { return []string{"Authorization", "Bearer " + token} }

func password(user, secret string) []string {
	return []string{"Authorization", "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+secret))}
}

func cookie(token string, more ...string) []string {
	return append([]string{"Cookie", "other=1; access_token=" + token}, more...)
}

// TestCredentials has what each listener takes, and what it does not.
func TestCredentials(t *testing.T) {
	const http_, https, web, rest = httpListener, httpsListener, webListener, restListener
	e := newEstate(t, Options{})
	eve, bob, gone, nobody := e.ca.client(t, "eve-user"), e.ca.client(t, "bob-admin"), e.ca.client(t, "gone"), e.ca.client(t, "nobody")
	for _, c := range []struct {
		name, on string
		ask      query
		status   int
		want     string
	}{
		{"anonymous", http_, query{path: "/Marti/who"}, 200, `"who":"/anonymous/http"`},
		{"anonymous may write", http_, query{path: "/Marti/who", method: "PUT"}, 200, "/anonymous/http"},
		{"anonymous is no administrator", http_, query{path: "/Marti/admin"}, 403, `"status":"FORBIDDEN"`},
		{"a token makes no difference there", http_, query{path: "/Marti/admin", headers: bearer("bob-admin")}, 403, "FORBIDDEN"},
		{"nor a password", http_, query{path: "/Marti/basic", headers: password("bob-admin", "secret")}, 200, "/anonymous/http"},
		{"nor a wrong token", http_, query{path: "/Marti/who", headers: bearer("wrong")}, 200, "/anonymous/http"},
		{"plugin's route for all", http_, query{path: "/Marti/fences/x", method: "PUT", body: "<a/>"}, 404, "there is no"}, // not on http

		{"https without anything", https, query{path: "/Marti/who"}, 401, `"status":"UNAUTHORIZED"`},
		{"https with a certificate", https, query{path: "/Marti/who", cert: eve}, 200, "eve/user/https"},
		{"https with a certificate and the token of a mission", https, query{path: "/Marti/who", cert: eve, headers: bearer("mission")}, 200, "eve/user/https"},
		{"https with a certificate that is too weak", https, query{path: "/Marti/admin", cert: eve}, 403, "role admin"},
		{"https with an administrator's", https, query{path: "/Marti/admin", cert: bob}, 200, "bob/admin/https"},
		{"https with a disabled user's", https, query{path: "/Marti/who", cert: gone}, 403, "does not let you in: disabled"},
		{"https with nobody's", https, query{path: "/Marti/who", cert: nobody}, 401, "UNAUTHORIZED"},
		{"https with a token", https, query{path: "/Marti/who", headers: bearer("eve-user")}, 200, "eve/user/https"},
		{"https with a wrong token", https, query{path: "/Marti/who", headers: bearer("x")}, 401, "UNAUTHORIZED"},
		{"https with a cookie", https, query{path: "/Marti/who", headers: cookie("eve-user")}, 200, "eve/user/https"},
		{"https with a password where it is taken", https, query{path: "/Marti/basic", headers: password("eve-user", "secret")}, 200, "eve/user/https"},
		{"https with a password elsewhere", https, query{path: "/Marti/who", headers: password("eve-user", "secret")}, 401, "UNAUTHORIZED"},
		{"https has no REST", https, query{path: "/api/v1/status", cert: bob}, 404, ""},
		{"https has nothing of web alone", https, query{path: "/Marti/enrol", method: "POST", cert: bob}, 404, "NOT_FOUND"},

		{"web without anything", web, query{path: "/Marti/who"}, 401, "UNAUTHORIZED"},
		{"web with a certificate", web, query{path: "/Marti/who", cert: bob}, 401, "UNAUTHORIZED"},
		{"web with a token", web, query{path: "/Marti/who", headers: bearer("eve-user")}, 200, "eve/user/web"},
		{"web with a token for REST", web, query{path: "/api/v1/status", headers: bearer("bob-admin")}, 200, `"version":"v9"`},
		{"web with a weaker one", web, query{path: "/api/v1/status", headers: bearer("eve-user")}, 403, "role admin"},
		{"web with the token of the file", web, query{path: "/api/v1/status", headers: bearer(testToken + "x")}, 403, "role admin"}, // it has dashes, so it is a user here
		{"web with a cookie", web, query{path: "/api/v1/status", headers: cookie("bob-admin")}, 200, "v9"},
		{"web with a wrong cookie", web, query{path: "/api/v1/status", headers: cookie("x")}, 401, "the cookie of a login"},
		{"web with a password", web, query{path: "/Marti/basic", headers: password("eve-user", "secret")}, 200, "eve/user/web"},
		{"web with a wrong password", web, query{path: "/Marti/basic", headers: password("eve-user", "x")}, 401, "a name with a password, or"},
		{"web with a password that is not taken, and a cookie", web, query{path: "/Marti/who", headers: append(password("a-b", "x"), cookie("eve-user")...)}, 200, "eve/user/web"},
		{"enrolment", web, query{path: "/Marti/enrol?clientUID=U-1", method: "POST", headers: password("eve-user", "code")}, 200, `"client":"U-1"`},
		{"enrolment grants", web, query{path: "/Marti/enrol", method: "POST", headers: password("eve-user", "code")}, 200, `"grant":"yes"`},
		{"spent enrolment", web, query{path: "/Marti/enrol", method: "POST", headers: password("eve-user", "spent")}, 401, "has been used up"},
		{"enrolment by token has no grant", web, query{path: "/Marti/enrol", method: "POST", headers: bearer("eve-user")}, 200, `"who":"eve/user/web"}`},
		{"a code is no password", web, query{path: "/Marti/basic", headers: password("eve-user", "code")}, 401, ""},
		{"open to all", web, query{path: "/oauth/token", method: "POST"}, 200, `"who":"//web"`},
		{"open to all, with a wrong password", web, query{path: "/oauth/token", method: "POST", headers: password("eve-user", "x")}, 200, `"who":"//web"`},
		{"locked out", web, query{path: "/Marti/who", headers: bearer("locked")}, 429, "try again in 1m30s"},
		{"the database is away", web, query{path: "/Marti/who", headers: bearer("broken")}, 500, "its log says why"},
		{"plugin on web", web, query{path: "/api/v1/fences/x", headers: bearer("eve-user")}, 200, "fence for eve/user/web"},

		{"rest without anything", rest, query{path: "/api/v1/status"}, 401, "Authorization: Bearer TOKEN"},
		{"rest with the token of the file", rest, query{path: "/api/v1/status", headers: bearer(testToken)}, 200, "v9"},
		{"rest with a user's token", rest, query{path: "/api/v1/fences/x", headers: bearer("eve-user")}, 200, "fence for eve/user/rest"},
		{"rest with a weaker one", rest, query{path: "/api/v1/status", headers: bearer("eve-user")}, 403, "role admin"},
		{"rest with a cookie", rest, query{path: "/api/v1/status", headers: cookie("bob-admin")}, 401, ""},
		{"rest with a password", rest, query{path: "/api/v1/status", headers: password("bob-admin", "secret")}, 401, ""},
		{"rest has no Marti", rest, query{path: "/Marti/who", headers: bearer(testToken)}, 404, "NOT_FOUND"},

		{"reader reads", web, query{path: "/api/v1/fences/x", headers: bearer("rea-readonly")}, 200, "rea/readonly/web"},
		{"reader asks for the head", web, query{path: "/Marti/who", method: "HEAD", headers: bearer("rea-readonly")}, 200, ""},
		{"reader writes", web, query{path: "/Marti/who", method: "PUT", headers: bearer("rea-readonly")}, 403, "can only read"},
		{"reader writes to a plugin", rest, query{path: "/api/v1/fences", method: "POST", headers: append(bearer("rea-readonly"), "Content-Type", "application/json"), body: `{"name":"a"}`}, 403, "can only read"},
		{"reader gets what writes", rest, query{path: "/api/v1/fences/x/count", headers: bearer("rea-readonly")}, 403, "can only read"},
		{"reader has what counts as reading", web, query{path: "/Marti/channels", method: "PUT", headers: bearer("rea-readonly")}, 200, "rea/readonly"},
	} {
		t.Run(c.name, func(t *testing.T) {
			resp, body := e.ask(t, c.on, c.ask)
			if resp.StatusCode != c.status || !strings.Contains(body, c.want) || strings.Contains(body, "secret") {
				t.Errorf("got %s %s, want %d %s", resp.Status, body, c.status, c.want)
			}
			says := resp.Header.Values("WWW-Authenticate")
			if (resp.StatusCode == 401) != slices.ContainsFunc(says, func(h string) bool { return strings.HasPrefix(h, "Bearer realm=") }) {
				t.Errorf("got WWW-Authenticate %q", says)
			}
			basic := resp.StatusCode == 401 && (strings.HasPrefix(c.ask.path, "/Marti/basic") || strings.HasPrefix(c.ask.path, "/Marti/enrol"))
			if basic != slices.ContainsFunc(says, func(h string) bool { return strings.HasPrefix(h, `Basic realm="TAK Server"`) }) {
				t.Errorf("got WWW-Authenticate %q", says)
			}
			if (resp.StatusCode == 429) != (resp.Header.Get("Retry-After") == "90") {
				t.Errorf("got Retry-After %q", resp.Header.Get("Retry-After"))
			}
			if ct := resp.Header.Get("Content-Type"); strings.HasPrefix(c.ask.path, "/Marti/") && !strings.HasPrefix(c.ask.path, "/Marti/fences") && ct != "application/json" {
				t.Errorf("got the content type %q", ct)
			}
		})
	}
	if everybody.Listener != "" || everybody.BaseURL != "" {
		t.Error("the caller of all was changed")
	}
	if log := e.log.String(); strings.Contains(log, "Bearer") || strings.Contains(log, "access_token") {
		t.Errorf("credentials are in the log:\n%s", log)
	}
}

// TestNoAnonymous shows listen.http for operators who want to know their callers.
func TestNoAnonymous(t *testing.T) {
	e := newEstate(t, Options{Anonymous: func() bool { return false }})
	for _, c := range []struct {
		name   string
		ask    query
		status int
		want   string
	}{
		{"nothing", query{path: "/Marti/who"}, 401, "UNAUTHORIZED"},
		{"token", query{path: "/Marti/who", headers: bearer("eve-user")}, 200, "eve/user/http"},
		{"wrong token", query{path: "/Marti/who", headers: bearer("x")}, 401, ""},
		{"password", query{path: "/Marti/basic", headers: password("eve-user", "secret")}, 200, "eve/user/http"},
		{"token of an administrator", query{path: "/Marti/admin", headers: bearer("bob-admin")}, 200, "bob/admin/http"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if resp, body := e.ask(t, httpListener, c.ask); resp.StatusCode != c.status || !strings.Contains(body, c.want) {
				t.Errorf("got %s %s, want %d %s", resp.Status, body, c.status, c.want)
			}
		})
	}
}

// TestOrigins shows what the page of somebody else cannot do with what a browser
// sends by itself.
func TestOrigins(t *testing.T) {
	e := newEstate(t, Options{PublicURL: func(listener string) string {
		if listener == webListener {
			return "https://tak.example:8446/"
		}
		return ""
	}})
	eve := e.ca.client(t, "eve-user")
	own := func(listener string) string {
		if listener == httpListener {
			return "http://" + e.Addr(listener).String()
		}
		return "https://" + e.Addr(listener).String()
	}
	const evil = "https://evil.example"
	put := func(cert *tls.Certificate, headers ...string) query {
		return query{method: "PUT", path: "/Marti/who", cert: cert, headers: headers}
	}
	if _, body := e.ask(t, webListener, query{path: "/Marti/who", headers: bearer("eve-user")}); !strings.Contains(body, `"base":"https://tak.example:8446"`) {
		t.Errorf("the public URL is not the caller's: %s", body)
	}
	for _, c := range []struct {
		name, on string
		ask      query
		status   int
	}{
		{"cookie, own origin", webListener, put(nil, cookie("eve-user", "Origin", own(webListener))...), 200},
		{"cookie, public origin", webListener, put(nil, cookie("eve-user", "Origin", "https://tak.example:8446")...), 200},
		{"cookie, own by fetch metadata", webListener, put(nil, cookie("eve-user", "Sec-Fetch-Site", "same-origin", "Origin", evil)...), 200},
		{"cookie, other origin", webListener, put(nil, cookie("eve-user", "Origin", evil)...), 403},
		{"cookie, other scheme", webListener, put(nil, cookie("eve-user", "Origin", "http://tak.example:8446")...), 403},
		{"cookie, other port", webListener, put(nil, cookie("eve-user", "Origin", "https://tak.example:8447")...), 403},
		{"cookie, from nowhere", webListener, put(nil, cookie("eve-user", "Origin", "null")...), 403},
		{"cookie, subdomain", webListener, put(nil, cookie("eve-user", "Sec-Fetch-Site", "same-site", "Origin", own(webListener))...), 403},
		{"cookie without an origin", webListener, put(nil, cookie("eve-user")...), 403},
		{"cookie, reading from elsewhere", webListener, query{path: "/Marti/who", headers: cookie("eve-user", "Origin", evil)}, 200},
		{"cookie, a get that writes", webListener, query{path: "/api/v1/fences/x/count", headers: cookie("eve-user")}, 403},
		{"token, other origin", webListener, put(nil, append(bearer("eve-user"), "Origin", evil)...), 200},
		{"remembered password, other origin", webListener, query{method: "POST", path: "/Marti/enrol", headers: append(password("eve-user", "code"), "Origin", evil)}, 403},
		{"certificate of a program", httpsListener, put(eve), 200},
		{"certificate, own origin", httpsListener, put(eve, "Origin", own(httpsListener)), 200},
		{"certificate, other origin", httpsListener, put(eve, "Origin", evil), 403},
		{"anonymous program", httpListener, put(nil), 200},
		{"anonymous, other origin", httpListener, put(nil, "Origin", evil), 403},
		{"anonymous, reading from elsewhere", httpListener, query{path: "/Marti/who", headers: []string{"Origin", evil}}, 200},
		{"login of a program", webListener, query{method: "POST", path: "/oauth/token"}, 200},
		{"login of a program with an old cookie", webListener, query{method: "POST", path: "/oauth/token", headers: cookie("eve-user")}, 200},
		{"login from another page", webListener, query{method: "POST", path: "/oauth/token", headers: []string{"Origin", evil}}, 403},
	} {
		t.Run(c.name, func(t *testing.T) {
			if resp, body := e.ask(t, c.on, c.ask); resp.StatusCode != c.status {
				t.Errorf("got %s %s, want %d", resp.Status, body, c.status)
			}
		})
	}
}

// TestForwarded shows what a proxy in front of the server is believed, and others
// are not.
func TestForwarded(t *testing.T) {
	trusted, err := proxy.ParseTrusted([]string{"127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	opt := Options{
		ForwardedCertificate: "X-Client-Cert",
		VerifyForwarded: func(c *x509.Certificate) error {
			if c.Subject.CommonName == "revoked-user" {
				return errors.New("certificate 77 is revoked")
			}
			return nil
		},
		Anonymous: func() bool { return false },
	}
	stranger := newEstate(t, opt)
	opt.Trusted = trusted
	behind := newEstate(t, opt)
	header := func(name string) string {
		return base64.StdEncoding.EncodeToString(behind.ca.client(t, name).Certificate[0])
	}
	from := []string{"X-Forwarded-For", "203.0.113.9", "X-Forwarded-Proto", "https", "X-Forwarded-Host", "tak.example"}
	for _, c := range []struct {
		name    string
		e       *estate
		on      string
		headers []string
		status  int
		want    string
	}{
		{"certificate by a proxy", behind, httpListener, append([]string{"X-Client-Cert", header("eve-user")}, from...), 200, `"who":"eve/user/http"`},
		{"address by a proxy", behind, httpListener, append(bearer("eve-user"), from...), 200, `"addr":"203.0.113.9"`},
		{"base by a proxy", behind, httpListener, append(bearer("eve-user"), from...), 200, `"base":"https://tak.example"`},
		{"revoked", behind, httpsListener, []string{"X-Client-Cert", header("revoked-user")}, 403, "does not let you in"},
		{"nonsense", behind, httpsListener, []string{"X-Client-Cert", "nonsense"}, 403, "does not let you in"},
		{"no certificate on web", behind, webListener, []string{"X-Client-Cert", header("eve-user")}, 401, ""},
		{"certificate by a stranger", stranger, httpListener, []string{"X-Client-Cert", header("eve-user")}, 401, ""},
		{"address by a stranger", stranger, httpsListener, append(bearer("eve-user"), from...), 200, `"addr":"127.0.0.1"`},
		{"base by a stranger", stranger, httpsListener, append(bearer("eve-user"), from...), 200, `"base":"https://127.0.0.1:`},
	} {
		t.Run(c.name, func(t *testing.T) {
			if resp, body := c.e.ask(t, c.on, query{path: "/Marti/who", headers: c.headers}); resp.StatusCode != c.status || !strings.Contains(body, c.want) {
				t.Errorf("got %s %s, want %d %s", resp.Status, body, c.status, c.want)
			}
		})
	}
	behind.log.await(t, "certificate 77 is revoked")
}
