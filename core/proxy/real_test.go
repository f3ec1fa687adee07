package proxy

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// The samples of deploy/proxy, with the real proxies in front of listeners that
// say whom they see.
const (
	serverName = "tak.example.org"
	// Clients come from another address than the proxy, so that the two differ.
	clientIP = "127.0.0.2"
)

// site is what stands behind a proxy and the certificates of all.
type site struct {
	dir    string
	ca     *x509.CertPool
	client tls.Certificate // of user ann
	ports  map[string]int  // of the listeners, and those that the proxy shall have
}

func newSite(t *testing.T) *site {
	t.Helper()
	s := &site{dir: t.TempDir(), ca: x509.NewCertPool(), ports: map[string]int{}}
	ca, caKey := s.issue(t, "ca", nil, nil)
	s.issue(t, "server", ca, caKey)
	s.issue(t, "ann", ca, caKey)
	s.ca.AddCert(ca)
	var err error
	if s.client, err = tls.LoadX509KeyPair(s.file("ann.pem"), s.file("ann.key")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"8089", "8443", "8446"} {
		s.ports[name] = freePort(t)
	}
	return s
}

func (s *site) file(name string) string { return filepath.Join(s.dir, name) }

// issue writes name.pem and name.key; without a parent it is the authority.
func (s *site) issue(t *testing.T, name string, parent *x509.Certificate, by *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{serverName}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		KeyUsage: x509.KeyUsageDigitalSignature,
	}
	if parent == nil {
		tmpl.IsCA, tmpl.BasicConstraintsValid, tmpl.KeyUsage, tmpl.ExtKeyUsage, tmpl.DNSNames = true, true, x509.KeyUsageCertSign, nil, nil
		parent, by = tmpl, key
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, parent, &key.PublicKey, by)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{name + ".pem": {Type: "CERTIFICATE", Bytes: der}, name + ".key": {Type: "PRIVATE KEY", Bytes: pkcs8}} {
		if err := os.WriteFile(s.file(file), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}

// tls is that of takhost's listeners.
func (s *site) tls(t *testing.T, auth tls.ClientAuthType) *tls.Config {
	t.Helper()
	cert, err := tls.LoadX509KeyPair(s.file("server.pem"), s.file("server.key"))
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{cert}, ClientCAs: s.ca, ClientAuth: auth, NextProtos: []string{"http/1.1"}}
}

// serveHTTP is a listener that says whom it sees; returns its port.
func (s *site) serveHTTP(t *testing.T, name string) int {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	tr := trust(t, "127.0.0.1")
	srv := &http.Server{
		TLSConfig: s.tls(t, tls.VerifyClientCertIfGiven), ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo),
		Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			cert, err := ClientCertificate(r, tr, "X-Client-Cert")
			user := "nobody"
			if cert != nil {
				user = cert.Subject.CommonName
			}
			addr, scheme, host := ClientOf(r, tr)
			said := fmt.Sprintf("%s: %s from %s at %s://%s%s, error %v", name, user, addr, scheme, host, r.URL.EscapedPath(), err)
			if r.Header.Get("Upgrade") == "" {
				_, _ = io.WriteString(w, said)
				return
			}
			c, err := websocket.Accept(w, r, nil)
			if err != nil {
				t.Errorf("websocket: %v", err)
				return
			}
			_ = c.Write(r.Context(), websocket.MessageText, []byte(said)) // the other side checks
			_ = c.Close(websocket.StatusNormalClosure, "")
		}),
	}
	var done sync.WaitGroup
	done.Go(func() { _ = srv.ServeTLS(ln, "", "") })
	t.Cleanup(func() { _ = srv.Close(); done.Wait() })
	return ln.Addr().(*net.TCPAddr).Port
}

// serveCoT is a listener with PROXY protocol and TLS that asks for a certificate.
func (s *site) serveCoT(t *testing.T) int {
	t.Helper()
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln := Listener(inner, trust(t, "127.0.0.1"), 10*time.Second, func(_ net.Addr, err error) { t.Errorf("refused: %v", err) })
	conf := s.tls(t, tls.RequireAndVerifyClientCert)
	var done sync.WaitGroup
	done.Go(func() {
		for {
			nc, err := ln.Accept()
			if err != nil {
				return
			}
			done.Go(func() {
				defer nc.Close()
				c := tls.Server(nc.(*Conn).NetConn(), conf)
				if err := c.Handshake(); err != nil {
					t.Errorf("handshake: %v", err)
					return
				}
				_, _ = fmt.Fprintf(c, "%s from %s\n", c.ConnectionState().PeerCertificates[0].Subject.CommonName, nc.RemoteAddr())
			})
		}
	})
	t.Cleanup(func() { _ = ln.Close(); done.Wait() })
	return inner.Addr().(*net.TCPAddr).Port
}

// sample reads a file of deploy/proxy and puts this test's ports and files into
// it. What is replaced must be there.
func (s *site) sample(t *testing.T, name string, replace ...string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("../../deploy/proxy", name))
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	replace = append(replace, "/var/lib/takhost/pki", s.dir)
	for i := 0; i < len(replace); i += 2 {
		if !strings.Contains(text, replace[i]) {
			t.Fatalf("%s lacks %q", name, replace[i])
		}
		text = strings.ReplaceAll(text, replace[i], replace[i+1])
	}
	file := s.file(name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

func (s *site) port(name string) string { return strconv.Itoa(s.ports[name]) }

// run starts a proxy and waits until it listens.
func (s *site) run(t *testing.T, cmd *exec.Cmd, ready string) {
	t.Helper()
	var log strings.Builder
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() { defer close(ended); _ = cmd.Wait() }()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(os.Interrupt)
		<-ended
		if t.Failed() {
			t.Logf("the proxy:\n%s", log.String())
		}
	})
	for end := time.Now().Add(20 * time.Second); ; {
		c, err := net.Dial("tcp", "127.0.0.1:"+ready)
		if err == nil {
			_ = c.Close()
			return
		}
		select {
		case <-ended:
			t.Fatalf("the proxy ended:\n%s", log.String())
		case <-time.After(20 * time.Millisecond): // it tells nobody when it is ready
		}
		if time.Now().After(end) {
			t.Fatal("the proxy does not listen")
		}
	}
}

// http gives a client from another address, with a certificate or without.
func (s *site) http(t *testing.T, certs ...tls.Certificate) *http.Client {
	t.Helper()
	d := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(clientIP)}}
	tr := &http.Transport{
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			_, port, err := net.SplitHostPort(addr)
			if err != nil {
				return nil, err
			}
			return d.DialContext(ctx, network, "127.0.0.1:"+port)
		},
		TLSClientConfig: &tls.Config{RootCAs: s.ca, Certificates: certs},
	}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: 30 * time.Second}
}

// check asks through a proxy, in the way of clients and of liars.
func (s *site) check(t *testing.T) {
	t.Helper()
	forged := http.Header{
		"X-Forwarded-For": {"198.51.100.7"}, "X-Forwarded-Proto": {"http"}, "X-Forwarded-Host": {"evil.example"}, "X-Forwarded-Port": {"666"},
		"Forwarded": {"for=198.51.100.7;host=evil.example"}, "X-Client-Cert": {"MIIB"},
	}
	tests := []struct {
		name   string
		certs  []tls.Certificate
		port   string
		header http.Header
		want   string
	}{
		{"certificate", []tls.Certificate{s.client}, "8443", nil, "https: ann from " + clientIP},
		{"certificate, headers made up", []tls.Certificate{s.client}, "8443", forged, "https: ann from " + clientIP},
		{"no certificate", nil, "8443", nil, "https: nobody from " + clientIP},
		{"no certificate, one made up", nil, "8443", forged, "https: nobody from " + clientIP},
		{"web", nil, "8446", nil, "web: nobody from " + clientIP},
		{"web, headers made up", []tls.Certificate{s.client}, "8446", forged, "web: nobody from " + clientIP},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			base := "https://" + serverName + ":" + s.port(tt.port)
			// Clients percent-encode names of missions: it must come through as it is.
			const path = "/Marti/api/missions/a%20b%2Fc"
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+path, nil)
			if err != nil {
				t.Fatal(err)
			}
			for k, v := range tt.header {
				req.Header[k] = v
			}
			resp, err := s.http(t, tt.certs...).Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			b, err := io.ReadAll(resp.Body)
			if want := tt.want + " at " + base + path + ", error <nil>"; err != nil || string(b) != want {
				t.Errorf("got  %s, %v\nwant %s", b, err, want)
			}
		})
	}
	t.Run("websocket", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		base := "//" + serverName + ":" + s.port("8443") + "/takproto/1"
		c, _, err := websocket.Dial(ctx, "wss:"+base, &websocket.DialOptions{HTTPClient: &http.Client{Transport: s.http(t, s.client).Transport}})
		if err != nil {
			t.Fatal(err)
		}
		defer c.CloseNow()
		_, b, err := c.Read(ctx)
		if want := "https: ann from " + clientIP + " at https:" + base + ", error <nil>"; err != nil || string(b) != want {
			t.Errorf("got %s, %v, want %s", b, err, want)
		}
	})
}

func TestNginx(t *testing.T) {
	bin, err := exec.LookPath("nginx")
	if err != nil {
		bin = "/usr/sbin/nginx" // not in everybody's path
	}
	if _, err := os.Stat(bin); err != nil {
		t.Skip("left out: nginx in front (make tools installs nginx and its stream module)")
	}
	s := newSite(t)
	file := s.sample(t, "nginx.conf",
		"listen 8089", "listen 127.0.0.1:"+s.port("8089"), "listen 8443", "listen 127.0.0.1:"+s.port("8443"), "listen 8446", "listen 127.0.0.1:"+s.port("8446"),
		"127.0.0.1:18089;", "127.0.0.1:"+strconv.Itoa(s.serveCoT(t))+";", "127.0.0.1:18443;", "127.0.0.1:"+strconv.Itoa(s.serveHTTP(t, "https"))+";",
		"127.0.0.1:18446;", "127.0.0.1:"+strconv.Itoa(s.serveHTTP(t, "web"))+";",
		"/etc/letsencrypt/live/tak.example.org/fullchain.pem", s.file("server.pem"), "/etc/letsencrypt/live/tak.example.org/privkey.pem", s.file("server.key"),
	)
	global := "daemon off; pid " + s.file("nginx.pid") + ";"
	if os.Geteuid() == 0 {
		global += " user root;" // or it could not read this test's folder
	}
	s.run(t, exec.Command(bin, "-e", "stderr", "-c", file, "-g", global), s.port("8446"))
	s.check(t)
	t.Run("CoT", func(t *testing.T) {
		d := tls.Dialer{
			NetDialer: &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(clientIP)}},
			Config:    &tls.Config{RootCAs: s.ca, ServerName: serverName, Certificates: []tls.Certificate{s.client}},
		}
		c, err := d.DialContext(t.Context(), "tcp", "127.0.0.1:"+s.port("8089"))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		line, err := bufio.NewReader(c).ReadString('\n')
		if want := "ann from " + c.LocalAddr().String() + "\n"; err != nil || line != want {
			t.Errorf("got %q, %v, want %q", line, err, want)
		}
	})
}

func TestCaddy(t *testing.T) {
	bin, err := exec.LookPath("caddy")
	if err != nil {
		t.Skip("left out: Caddy in front (make tools installs caddy)")
	}
	s := newSite(t)
	cert := "\n\ttls " + s.file("server.pem") + " " + s.file("server.key")
	file := s.sample(t, "Caddyfile",
		"https://tak.example.org:8446 {", "https://tak.example.org:"+s.port("8446")+" {"+cert, "https://tak.example.org:8443", "https://tak.example.org:"+s.port("8443"),
		"https://127.0.0.1:18443", "https://127.0.0.1:"+strconv.Itoa(s.serveHTTP(t, "https")), "https://127.0.0.1:18446", "https://127.0.0.1:"+strconv.Itoa(s.serveHTTP(t, "web")),
		"(takhost) {", "{\n\tadmin off\n\tskip_install_trust\n\tauto_https disable_redirects\n\tdefault_bind 127.0.0.1\n}\n\n(takhost) {",
	)
	cmd := exec.Command(bin, "run", "--config", file, "--adapter", "caddyfile")
	cmd.Env = append(os.Environ(), "HOME="+s.dir, "XDG_DATA_HOME="+s.dir, "XDG_CONFIG_HOME="+s.dir)
	s.run(t, cmd, s.port("8446"))
	s.check(t)
}

func freePort(t *testing.T) int {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().(*net.TCPAddr).Port
}
