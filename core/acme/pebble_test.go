package acme

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/miekg/dns"
)

// pebble is Let's Encrypt's small ACME server for tests.
type pebble struct {
	directory string
	root      string         // PEM file of the authority behind its own certificate
	issuers   *x509.CertPool // the authority of what it issues
}

// findPebble looks where make tools puts it, and in the path.
func findPebble(t *testing.T) string {
	t.Helper()
	here, err := filepath.Abs("../../.tools/bin/pebble")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{here, "pebble"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Skip("left out: certificates by ACME (make tools installs pebble)")
	return ""
}

// startPebble runs one that reaches all names at this machine, for http-01 and
// tls-alpn-01 at these ports.
func startPebble(t *testing.T, httpPort, tlsPort int) *pebble {
	t.Helper()
	bin, dir := findPebble(t), t.TempDir()
	p := &pebble{root: filepath.Join(dir, "root.pem")}
	writeServerCertificate(t, dir)
	api, management := freePort(t), freePort(t)
	conf, err := json.Marshal(map[string]any{"pebble": map[string]any{
		"listenAddress": "127.0.0.1:" + strconv.Itoa(api), "managementListenAddress": "127.0.0.1:" + strconv.Itoa(management),
		"certificate": filepath.Join(dir, "cert.pem"), "privateKey": filepath.Join(dir, "key.pem"),
		"httpPort": httpPort, "tlsPort": tlsPort, "ocspResponderURL": "", "externalAccountBindingRequired": false,
	}})
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "pebble.json")
	if err := os.WriteFile(file, conf, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(bin, "-config", file, "-dnsserver", startDNS(t))
	cmd.Env = append(os.Environ(), "PEBBLE_VA_NOSLEEP=1", "PEBBLE_WFE_NONCEREJECT=0")
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("pebble:\n%s", log.String())
		}
	})
	p.directory = "https://127.0.0.1:" + strconv.Itoa(api) + "/dir"
	p.issuers = p.fetchRoot(t, "https://127.0.0.1:"+strconv.Itoa(management)+"/roots/0")
	return p
}

// fetchRoot waits until pebble answers, and gets the authority that it has made.
func (p *pebble) fetchRoot(t *testing.T, url string) *x509.CertPool {
	t.Helper()
	roots, err := readRoots(p.root)
	if err != nil {
		t.Fatal(err)
	}
	tr := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}
	defer tr.CloseIdleConnections()
	client := &http.Client{Transport: tr}
	for end := time.Now().Add(30 * time.Second); ; {
		resp, err := client.Get(url)
		if err == nil {
			b, err := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			pool := x509.NewCertPool()
			if err != nil || !pool.AppendCertsFromPEM(b) {
				t.Fatalf("pebble's root: %v, %s", err, b)
			}
			return pool
		}
		if time.Now().After(end) {
			t.Fatalf("pebble does not answer: %v", err)
		}
		time.Sleep(20 * time.Millisecond) // it tells nobody when it is ready
	}
}

// startDNS answers that every name is at this machine. Pebble asks by TCP.
func startDNS(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &dns.Server{Listener: ln, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, r *dns.Msg) {
		m := new(dns.Msg).SetReply(r)
		for _, q := range r.Question {
			if q.Qtype == dns.TypeA {
				m.Answer = append(m.Answer, &dns.A{Hdr: dns.RR_Header{Name: q.Name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 1}, A: net.IPv4(127, 0, 0, 1)})
			}
		}
		_ = w.WriteMsg(m) // else the asker asks again
	})}
	var done sync.WaitGroup
	ready := make(chan struct{})
	srv.NotifyStartedFunc = func() { close(ready) }
	done.Go(func() { _ = srv.ActivateAndServe() })
	<-ready
	t.Cleanup(func() {
		if err := srv.Shutdown(); err != nil {
			t.Error(err)
		}
		done.Wait()
	})
	return ln.Addr().String()
}

func writeServerCertificate(t *testing.T, dir string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "pebble"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{
		"root.pem": {Type: "CERTIFICATE", Bytes: der}, "cert.pem": {Type: "CERTIFICATE", Bytes: der}, "key.pem": {Type: "PRIVATE KEY", Bytes: pkcs8},
	} {
		if err := os.WriteFile(filepath.Join(dir, name), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
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

// handshake asks a manager for a certificate as a browser does.
func handshake(m *Manager, name string) (*x509.Certificate, error) {
	cert, err := m.GetCertificate(&tls.ClientHelloInfo{ServerName: name, SupportedProtos: []string{"h2", "http/1.1"}})
	if err != nil {
		return nil, err
	}
	if cert.Leaf == nil {
		return nil, fmt.Errorf("certificate without its leaf")
	}
	return cert.Leaf, nil
}
