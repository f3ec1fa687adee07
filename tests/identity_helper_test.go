package tests

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/takhost/takhost/core/admin"
	"github.com/takhost/takhost/tests/takclient"
	"github.com/takhost/takhost/tests/taktest"
)

// publicName is where clients reach the servers of these tests, as it stands in
// certificates and links; they are dialled on loopback, which certificates name
// too.
const publicName = "tak.example.org"

// wholeServer has all listeners open, and the plugins of opts or none. Nothing
// that its clients do is a fault of the server, so its log has no errors.
func wholeServer(t *testing.T, opts ...taktest.Option) *taktest.Server {
	t.Helper()
	srv := taktest.Start(t, append([]taktest.Option{
		taktest.WithListeners("tls", "http", "https", "web"), taktest.WithPublic(publicName),
	}, opts...)...)
	t.Cleanup(func() {
		for _, line := range srv.Lines() {
			if strings.Contains(line, "level=ERROR") {
				t.Errorf("the server logs an error: %s", line)
			}
		}
	})
	return srv
}

// rootsOf gives what clients of a server trust.
func rootsOf(t *testing.T, a *taktest.Admin) *x509.CertPool {
	t.Helper()
	pool := x509.NewCertPool()
	if answer := a.Must(t, "GET", "/api/v1/ca", nil); !pool.AppendCertsFromPEM(answer.Body) {
		t.Fatalf("the authority is no PEM: %s", answer.Body)
	}
	return pool
}

// asker asks one listener as one caller.
type asker struct {
	t    *testing.T
	base string // URL without a path
	conf *tls.Config
	show func(*http.Request) // puts credentials on; nil: none
}

// askAt asks a server's listener without credentials.
func askAt(t *testing.T, srv *taktest.Server, listener string) *asker {
	t.Helper()
	addr := srv.Addr(listener)
	if addr == "" {
		t.Fatalf("listen.%s is not open", listener)
	}
	return askTo(t, srv.Admin, listener, addr)
}

// askTo is askAt for a server of whatever kind.
func askTo(t *testing.T, a *taktest.Admin, listener, addr string) *asker {
	t.Helper()
	if listener == "http" || listener == "rest" {
		return &asker{t: t, base: "http://" + addr}
	}
	return &asker{t: t, base: "https://" + addr, conf: &tls.Config{RootCAs: rootsOf(t, a)}}
}

// in is the same in a subtest.
func (a *asker) in(t *testing.T) *asker { c := *a; c.t = t; return &c }

// token is the same with a token.
func (a *asker) token(secret string) *asker {
	return a.with(func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+secret) })
}

// basic is the same with a name and a password.
func (a *asker) basic(user, password string) *asker {
	return a.with(func(r *http.Request) { r.SetBasicAuth(user, password) })
}

// cookie is the same with the cookie of a login, as a page of the server sends it.
func (a *asker) cookie(secret string) *asker {
	return a.with(func(r *http.Request) {
		r.AddCookie(&http.Cookie{Name: "access_token", Value: secret})
		r.Header.Set("Origin", a.base)
	})
}

// certificate is the same with a certificate.
func (a *asker) certificate(cert tls.Certificate) *asker {
	c := *a
	c.conf = a.conf.Clone()
	c.conf.Certificates = []tls.Certificate{cert}
	return &c
}

func (a *asker) with(show func(*http.Request)) *asker { c := *a; c.show = show; return &c }

// send sends a request over a connection of its own. It may be called from any
// goroutine; an error is one of the connection.
func (a *asker) send(method, path, contentType, body string) (*reply, error) {
	ctx, cancel := context.WithTimeout(context.Background(), takclient.DefaultWait)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, a.base+path, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	if body != "" && contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	if a.show != nil {
		a.show(req)
	}
	client := http.Client{
		Transport:     &http.Transport{TLSClientConfig: a.conf, DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	return &reply{t: a.t, what: method + " " + path, status: resp.StatusCode, header: resp.Header, body: string(b)}, nil
}

func (a *asker) ask(method, path, contentType, body string) *reply {
	a.t.Helper()
	r, err := a.send(method, path, contentType, body)
	if err != nil {
		a.t.Fatalf("%s %s: %v", method, path, err)
	}
	return r
}

func (a *asker) get(path string) *reply {
	a.t.Helper()
	return a.ask("GET", path, "", "")
}

// json asks with a body of JSON.
func (a *asker) json(method, path string, body any) *reply {
	a.t.Helper()
	b, err := json.Marshal(body)
	if err != nil {
		a.t.Fatal(err)
	}
	return a.ask(method, path, "application/json", string(b))
}

// memberOf gives memberships both ways.
func memberOf(groups ...string) (list []admin.Membership) {
	for _, g := range groups {
		list = append(list, admin.Membership{Group: g})
	}
	return list
}

// addGroups adds routing groups.
func addGroups(t *testing.T, a *taktest.Admin, names ...string) {
	t.Helper()
	for _, name := range names {
		a.Must(t, "POST", "/api/v1/groups", admin.GroupInput{Name: name})
	}
}

// addUser adds a user with the role user.
func addUser(t *testing.T, a *taktest.Admin, name string, groups ...admin.Membership) {
	t.Helper()
	a.Must(t, "POST", "/api/v1/users", admin.UserInput{Name: name, Groups: groups})
}

// addRole adds a user with that role and a password.
func addRole(t *testing.T, a *taktest.Admin, name, role, password string) {
	t.Helper()
	a.Must(t, "POST", "/api/v1/users", admin.UserInput{Name: name, Roles: []string{role}, Password: password})
}

// setGroups puts a user into these groups and no others.
func setGroups(t *testing.T, a *taktest.Admin, name string, groups ...admin.Membership) {
	t.Helper()
	if groups == nil {
		groups = []admin.Membership{}
	}
	a.Must(t, "PATCH", "/api/v1/users/"+url.PathEscape(name), admin.UserChange{Groups: &groups})
}

// newToken gives an API token of a user.
func newToken(t *testing.T, a *taktest.Admin, user string) string {
	t.Helper()
	var token admin.NewToken
	a.Must(t, "POST", "/api/v1/tokens", admin.TokenInput{User: user}).Decode(t, &token)
	return token.Secret
}

// code makes an enrolment code for one device of a user.
func code(t *testing.T, a *taktest.Admin, user string) admin.NewEnrolment {
	t.Helper()
	var e admin.NewEnrolment
	a.Must(t, "POST", "/api/v1/enrolments", admin.EnrolmentInput{User: user}).Decode(t, &e)
	return e
}

// enrolment is that of a device at a server.
func enrolment(t *testing.T, srv *taktest.Server, user, secret, uid string) takclient.Enrolment {
	t.Helper()
	return takclient.Enrolment{Web: "https://" + srv.Addr("web"), Roots: rootsOf(t, srv.Admin), User: user, Secret: secret, UID: uid}
}

// enrol gives a device of a user, by a code and in ATAK's manner.
func enrol(t *testing.T, srv *taktest.Server, user, uid string) *takclient.Enrolled {
	t.Helper()
	return enrolTo(t, srv.Admin, srv.Addr("web"), user, uid)
}

// enrolTo is enrol at a server of whatever kind, whose listen.web is at addr.
func enrolTo(t *testing.T, a *taktest.Admin, addr, user, uid string) *takclient.Enrolled {
	t.Helper()
	e := takclient.Enrolment{Web: "https://" + addr, Roots: rootsOf(t, a), User: user, Secret: code(t, a, user).Secret, UID: uid}
	dev, err := e.ATAK(t.Context())
	if err != nil {
		t.Fatalf("enrol %s: %v", user, err)
	}
	return dev
}

// serialOf is how records have the number of a certificate.
func serialOf(dev *takclient.Enrolled) string { return dev.Cert.Leaf.SerialNumber.Text(16) }

// issue gives a certificate of a user without enrolment, as feeds get it, for a
// key that is made quickly. channels says whether it may choose channels.
func issue(t *testing.T, a *taktest.Admin, user string, channels bool) *takclient.Enrolled {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	csr, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{Subject: pkix.Name{CommonName: user}}, key)
	if err != nil {
		t.Fatal(err)
	}
	var got admin.NewCertificate
	a.Must(t, "POST", "/api/v1/certificates", admin.CertificateInput{
		User: user, Channels: channels, CSR: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: csr})),
	}).Decode(t, &got)
	block, _ := pem.Decode([]byte(got.PEM))
	if block == nil {
		t.Fatalf("the certificate is no PEM: %s", got.PEM)
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return &takclient.Enrolled{
		User: user, UID: got.Device, Roots: rootsOf(t, a),
		Cert: tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key, Leaf: cert},
	}
}

// online connects a device to listen.tls, with its uid unless opts say more.
func online(t *testing.T, srv *taktest.Server, dev *takclient.Enrolled, opts ...takclient.Option) *takclient.Client {
	t.Helper()
	all := append([]takclient.Option{takclient.WithUID(dev.UID), takclient.WithCallsign(strings.ToUpper(dev.User))}, opts...)
	return onlineAt(t, srv.Addr("tls"), dev, all...)
}

// onlineAt is online at that address, with the uid of opts.
func onlineAt(t *testing.T, addr string, dev *takclient.Enrolled, opts ...takclient.Option) *takclient.Client {
	t.Helper()
	c := takclient.Dial(t, addr, append(opts, takclient.WithTLS(dev.TLS()))...)
	c.ExpectCounts(t, "the first event", func(n takclient.Counts) bool { return n.Events > 0 })
	return c
}

// audited waits for an entry of the audit of that action about that subject.
func audited(t *testing.T, a *taktest.Admin, action, subject string) admin.AuditEntry {
	t.Helper()
	var found admin.AuditEntry
	eventually(t, "the audit has "+action+" of "+subject, func() bool {
		var page admin.AuditPage
		a.Must(t, "GET", "/api/v1/audit?"+url.Values{"action": {action}, "subject": {subject}}.Encode(), nil).Decode(t, &page)
		if len(page.Entries) > 0 {
			found = page.Entries[0]
		}
		return len(page.Entries) > 0
	})
	return found
}

// dialTLSRaw connects without a handshake.
func dialTLSRaw(t *testing.T, addr string, conf *tls.Config) *tls.Conn {
	t.Helper()
	raw, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	conf = conf.Clone()
	conf.ServerName = "127.0.0.1"
	if len(conf.Certificates) > 0 {
		// Otherwise it would keep back what the server does not know.
		cert := conf.Certificates[0]
		conf.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &cert, nil }
	}
	return tls.Client(raw, conf)
}

// dialTLS connects with a handshake.
func dialTLS(t *testing.T, addr string, conf *tls.Config) *tls.Conn {
	t.Helper()
	conn := dialTLSRaw(t, addr, conf)
	if err := conn.Handshake(); err != nil {
		t.Fatal(err)
	}
	return conn
}

// seen is what a program has written so far.
type seen struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (s *seen) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.Write(b)
}

func (s *seen) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.String()
}

// unzip gives the files of a package.
func unzip(t *testing.T, b []byte) map[string][]byte {
	t.Helper()
	r, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatalf("the package is no zip: %v", err)
	}
	files := map[string][]byte{}
	for _, f := range r.File {
		in, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		if files[f.Name], err = io.ReadAll(in); err != nil {
			t.Fatal(err)
		}
		in.Close()
	}
	return files
}

// crossSite makes a request one that a browser sends for a page of somebody else.
func crossSite(r *http.Request) {
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	r.Header.Set("Origin", "https://evil.example")
}
