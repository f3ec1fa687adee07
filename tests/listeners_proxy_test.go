package tests

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/binary"
	"encoding/pem"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/takhost/takhost/core/admin"
	"github.com/takhost/takhost/core/config"
	"github.com/takhost/takhost/tests/takclient"
	"github.com/takhost/takhost/tests/taktest"
)

// proxyTo passes connections on to addr, with a header of the PROXY protocol in
// front that says they come from client. It ends with the test.
func proxyTo(t *testing.T, addr string, header []byte) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	takclient.Must(t, err)
	var all sync.WaitGroup
	var mu sync.Mutex
	var open []net.Conn
	keep := func(c net.Conn) {
		mu.Lock()
		defer mu.Unlock()
		open = append(open, c)
	}
	all.Go(func() {
		for {
			in, err := ln.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", addr)
			if err != nil {
				in.Close()
				continue
			}
			keep(in)
			keep(out)
			_, _ = out.Write(header) // an error shows when nothing comes
			for _, way := range [][2]net.Conn{{in, out}, {out, in}} {
				all.Go(func() {
					_, _ = io.Copy(way[1], way[0])
					way[1].Close()
				})
			}
		}
	})
	t.Cleanup(func() {
		ln.Close()
		mu.Lock()
		for _, c := range open {
			c.Close()
		}
		mu.Unlock()
		all.Wait()
	})
	return ln.Addr().String()
}

const proxied = "203.0.113.77"

// proxyHeaders are version 1 and 2 of the protocol, as HAProxy writes them.
func proxyHeaders() map[string][]byte {
	v2 := []byte("\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c")
	v2 = append(v2, net.ParseIP(proxied).To4()...)
	v2 = append(v2, 127, 0, 0, 1)
	v2 = binary.BigEndian.AppendUint16(v2, 4711)
	v2 = binary.BigEndian.AppendUint16(v2, 8089)
	return map[string][]byte{"v1": fmt.Appendf(nil, "PROXY TCP4 %s 127.0.0.1 4711 8089\r\n", proxied), "v2": v2}
}

// Behind a proxy that says by the PROXY protocol who its clients are, they are
// known by their own addresses; without its header nobody comes in, and from
// others than the proxy neither.
func TestPROXYProtocol(t *testing.T) {
	behind := taktest.WithConfig(func(c *config.Config) { c.Proxy.Protocol = []string{"tcp", "tls", "https", "web"} })
	srv := wholeServer(t, taktest.WithConfig(trustLoopback), behind)
	addRole(t, srv.Admin, "ann", "user", goodPassword)
	dev := issue(t, srv.Admin, "ann", false)
	for version, header := range proxyHeaders() {
		t.Run(version, func(t *testing.T) {
			c := onlineAt(t, proxyTo(t, srv.Addr("tls"), header), dev, takclient.WithUID("UID-"+version))
			takclient.Must(t, c.SA(1, 2))
			c.Sync(t)
			if got := srv.ClientOf(t, "UID-"+version); got.Addr != proxied+":4711" || got.User != "ann" {
				t.Errorf("the client is %s at %s, want ann at %s:4711", got.User, got.Addr, proxied)
			}
			web := askTo(t, srv.Admin, "web", proxyTo(t, srv.Addr("web"), header))
			web.json("POST", "/api/v1/login", admin.Credentials{User: "ann", Password: "wrong"}).is(401)
			srv.Logged(t, "login failed", "user=ann", "addr="+proxied)
			askTo(t, srv.Admin, "https", proxyTo(t, srv.Addr("https"), header)).certificate(dev.Cert).get("/Marti/api/version").is(200)
		})
	}
	for name, header := range map[string][]byte{"no header": nil, "half a header": []byte("PROXY TCP4 1.2.3.4\r\n"), "nonsense": []byte("PROXY TCP4 a b c d\r\n")} {
		t.Run(name, func(t *testing.T) {
			for _, listener := range []string{"tls", "https"} {
				conn, err := tls.Dial("tcp", proxyTo(t, srv.Addr(listener), header), &tls.Config{RootCAs: dev.Roots, Certificates: []tls.Certificate{dev.Cert}, ServerName: "127.0.0.1"})
				if err == nil {
					conn.Close()
					t.Errorf("listen.%s lets it in", listener)
				}
			}
			srv.Logged(t, "connection refused", "listener=tls")
			srv.Logged(t, "connection without a PROXY protocol header refused", "listener=https")
		})
	}

	// Nobody is a trusted proxy here: a header is a lie.
	alone := wholeServer(t)
	addUser(t, alone.Admin, "ann")
	dev = issue(t, alone.Admin, "ann", false)
	if _, err := tls.Dial("tcp", proxyTo(t, alone.Addr("tls"), proxyHeaders()["v1"]), &tls.Config{RootCAs: dev.Roots, Certificates: []tls.Certificate{dev.Cert}, ServerName: "127.0.0.1"}); err == nil {
		t.Error("a server without proxies takes the header of the PROXY protocol")
	}
}

const certificateHeader = "X-Client-Cert"

// endsTLS is a proxy that ends TLS in front of a server's listener: it asks for a
// client's certificate, whosoever it is, and passes it on in a form.
func endsTLS(t *testing.T, srv *taktest.Server, listener string, form func(*x509.Certificate) string) *httptest.Server {
	t.Helper()
	to := askAt(t, srv, listener)
	target, err := url.Parse(to.base)
	takclient.Must(t, err)
	tr := &http.Transport{TLSClientConfig: to.conf}
	proxy := httptest.NewUnstartedServer(&httputil.ReverseProxy{
		Transport: tr,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.SetXForwarded()
			r.Out.Header.Del(certificateHeader)
			if certs := r.In.TLS.PeerCertificates; len(certs) > 0 {
				r.Out.Header.Set(certificateHeader, form(certs[0]))
			}
		},
	})
	proxy.TLS = &tls.Config{ClientAuth: tls.RequestClientCert}
	proxy.StartTLS()
	t.Cleanup(func() {
		proxy.Close()
		tr.CloseIdleConnections()
	})
	return proxy
}

var certificateForms = map[string]func(*x509.Certificate) string{
	"nginx": func(c *x509.Certificate) string {
		return url.PathEscape(string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})))
	},
	"Caddy":    func(c *x509.Certificate) string { return base64.StdEncoding.EncodeToString(c.Raw) },
	"RFC 9440": func(c *x509.Certificate) string { return ":" + base64.StdEncoding.EncodeToString(c.Raw) + ":" },
}

// A certificate that a trusted proxy forwards is as good as one of the handshake,
// and no better.
func TestForwardedCertificate(t *testing.T) {
	forwards := taktest.WithConfig(func(c *config.Config) { c.Proxy.Certificate, c.Login.Anonymous = certificateHeader, false })
	srv := wholeServer(t, taktest.WithConfig(trustLoopback), forwards)
	alone := wholeServer(t, forwards, taktest.WithConfig(func(c *config.Config) { c.Trusted = []string{"192.0.2.1"} })) // and nobody else
	addGroups(t, srv.Admin, "Blue")
	addUser(t, srv.Admin, "ann", memberOf("Blue")...)
	addUser(t, alone.Admin, "ann")
	dev, revoked := issue(t, srv.Admin, "ann", false), issue(t, srv.Admin, "ann", false)
	srv.Must(t, "POST", "/api/v1/certificates/"+serialOf(revoked)+"/revoke", admin.Revoke{})
	foreign := taktest.NewPKI(t).Client(t, "ann").Certificates[0]
	for name, form := range certificateForms {
		for _, listener := range []string{"https", "http"} {
			t.Run(name+" "+listener, func(t *testing.T) {
				proxy := endsTLS(t, srv, listener, form)
				pool := x509.NewCertPool()
				pool.AddCert(proxy.Certificate())
				at := &asker{t: t, base: proxy.URL, conf: &tls.Config{RootCAs: pool}}
				if body := at.certificate(dev.Cert).get("/Marti/api/groups/all").is(200).body; !strings.Contains(body, "Blue") {
					t.Errorf("the groups of ann: got %s", body)
				}
				at.get("/Marti/api/version").is(401)
				at.certificate(revoked.Cert).get("/Marti/api/version").is(403)
				at.certificate(foreign).get("/Marti/api/version").is(403)
			})
		}
	}
	srv.Logged(t, "request refused", "revoked")
	srv.Logged(t, "request refused", "foreign CA")

	// Whoever writes the header himself is nobody.
	forged := certificateForms["Caddy"](dev.Cert.Leaf)
	lie := func(r *http.Request) { r.Header.Set(certificateHeader, forged) }
	own := certificateForms["Caddy"](issue(t, alone.Admin, "ann", false).Cert.Leaf)
	for _, listener := range []string{"https", "http", "web"} {
		askAt(t, alone, listener).with(func(r *http.Request) { r.Header.Set(certificateHeader, own) }).get("/Marti/api/version").is(401)
	}
	// What clients send along a proxy takes away.
	proxy := endsTLS(t, srv, "https", certificateForms["nginx"])
	pool := x509.NewCertPool()
	pool.AddCert(proxy.Certificate())
	(&asker{t: t, base: proxy.URL, conf: &tls.Config{RootCAs: pool}}).with(lie).get("/Marti/api/version").is(401)
}

// What a trusted proxy says of its clients counts in links, log and audit; what
// others say does not.
func TestForwardedAddress(t *testing.T) {
	srv, alone := wholeServer(t, taktest.WithConfig(trustLoopback)), wholeServer(t)
	for _, s := range []*taktest.Server{srv, alone} {
		addRole(t, s.Admin, "ann", "user", goodPassword)
		askAt(t, s, "web").from(proxied).json("POST", "/api/v1/login", admin.Credentials{User: "ann", Password: "wrong"}).is(401)
	}
	srv.Logged(t, "login failed", "addr="+proxied)
	alone.Logged(t, "login failed", "addr=127.0.0.1")
	if e := audited(t, srv.Admin, "login.failed", "ann"); e.Addr != proxied {
		t.Errorf("audit: got %+v, want %s", e, proxied)
	}
}
