package tests

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/miekg/dns"

	"github.com/takhost/takhost/core/config"
	"github.com/takhost/takhost/tests/takclient"
	"github.com/takhost/takhost/tests/taktest"
)

// shownBy says whether listen.web shows a certificate that roots are good for.
func shownBy(addr, name string, roots *x509.CertPool) error {
	conn, err := tls.Dial("tcp", addr, &tls.Config{RootCAs: roots, ServerName: name})
	if err == nil {
		conn.Close()
	}
	return err
}

// The operator replaces the certificate of listen.web while the server runs: the
// next browser sees the new one, whoever is there stays, and files that are no
// good change nothing.
func TestWebCertificateIsReplaced(t *testing.T) {
	first, second := taktest.NewPKI(t), taktest.NewPKI(t)
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "web.pem"), filepath.Join(dir, "web.key")
	put := func(from, to string) {
		t.Helper()
		b, err := os.ReadFile(from)
		takclient.Must(t, err)
		takclient.Must(t, os.WriteFile(to+".new", b, 0o600))
		takclient.Must(t, os.Rename(to+".new", to))
	}
	put(first.Files.Cert, cert)
	put(first.Files.Key, key)
	srv := taktest.Start(t, taktest.WithListeners("tls", "https", "web"), taktest.WithPublic(publicName), taktest.WithConfig(func(c *config.Config) {
		c.Web.Certificate, c.Web.Cert, c.Web.Key = config.WebFiles, cert, key
	}))
	roots := map[*taktest.PKI]*x509.CertPool{first: first.Client(t, "").RootCAs, second: second.Client(t, "").RootCAs}
	addUser(t, srv.Admin, "ann")
	web := askAt(t, srv, "web").token(newToken(t, srv.Admin, "ann"))
	web.conf = &tls.Config{RootCAs: roots[first], ServerName: "localhost"}
	watch := holdSSE(t, web, "/api/v1/live")
	// The others have the server's own.
	for _, listener := range []string{"tls", "https"} {
		if err := shownBy(srv.Addr(listener), "127.0.0.1", roots[first]); err == nil {
			t.Errorf("listen.%s shows the certificate of listen.web", listener)
		}
	}

	takclient.Must(t, os.WriteFile(cert, []byte("not yet written"), 0o600))
	eventually(t, "the bad file is seen", func() bool {
		if err := shownBy(srv.Addr("web"), "localhost", roots[first]); err != nil {
			t.Fatalf("while the file is bad: %v", err)
		}
		return srv.CountLogged("level=ERROR", "the new certificate of listen.web cannot be used") > 0
	})
	put(second.Files.Key, key)
	put(second.Files.Cert, cert)
	eventually(t, "the new certificate is shown", func() bool { return shownBy(srv.Addr("web"), "localhost", roots[second]) == nil })
	srv.Logged(t, "the certificate of listen.web was read again")
	select {
	case <-watch.ended:
		t.Error("who was connected was cut")
	default:
	}
}

// A certificate for listen.web comes from an ACME authority, by a challenge on
// that very listener, and is there again after a restart without another order.
func TestWebCertificateByACME(t *testing.T) {
	pebble := findPebble(t)
	const name = "tak.acme.test"
	webAddr := freeAddr(t)
	_, port, err := net.SplitHostPort(webAddr)
	takclient.Must(t, err)
	directory, root, issuers := startPebble(t, pebble, port)
	srv := taktest.Run(t, append([]string{
		"--set", "public=" + name, "--set", "listen.web=" + webAddr,
		"--set", "web.certificate=acme", "--set", "web.acme_directory=" + directory, "--set", "web.acme_ca=" + root,
	}, withoutPlugins...)...)
	shown := func() bool { return shownBy(webAddr, name, issuers) == nil }
	limit := time.NewTimer(30 * time.Second)
	defer limit.Stop()
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for !shown() {
		select {
		case <-again.C:
		case <-limit.C:
			t.Fatalf("no certificate of the ACME authority: %v", shownBy(webAddr, name, issuers))
		}
	}
	orders := srv.CountLogged("certificate of the ACME authority is in use")
	srv.Interrupt(t)
	srv.Restart(t)
	if !shown() {
		t.Errorf("after a restart: %v", shownBy(webAddr, name, issuers))
	}
	if n := srv.CountLogged("certificate of the ACME authority is in use"); n != orders+1 {
		t.Errorf("the certificate was taken into use %d times after %d, want once more", n, orders)
	}
}

func findPebble(t *testing.T) string {
	t.Helper()
	here, err := filepath.Abs("../.tools/bin/pebble")
	takclient.Must(t, err)
	for _, name := range []string{here, "pebble"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Skip("left out: certificates by ACME (make tools installs pebble)")
	return ""
}

// startPebble runs Let's Encrypt's small server for tests, which finds all names
// on this machine and challenges at that port.
func startPebble(t *testing.T, bin, tlsPort string) (directory, rootFile string, issuers *x509.CertPool) {
	t.Helper()
	own := taktest.NewPKI(t)
	api, management := freeAddr(t), freeAddr(t)
	conf, err := json.Marshal(map[string]any{"pebble": map[string]any{
		"listenAddress": api, "managementListenAddress": management, "certificate": own.Files.Cert, "privateKey": own.Files.Key,
		"httpPort": 1, "tlsPort": json.Number(tlsPort), "ocspResponderURL": "", "externalAccountBindingRequired": false,
	}})
	takclient.Must(t, err)
	cmd := exec.Command(bin, "-config", writeFile(t, "pebble.json", conf), "-dnsserver", everyNameHere(t))
	cmd.Env = append(os.Environ(), "PEBBLE_VA_NOSLEEP=1", "PEBBLE_WFE_NONCEREJECT=0")
	var log bytes.Buffer
	cmd.Stdout, cmd.Stderr = &log, &log
	takclient.Must(t, cmd.Start())
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("pebble:\n%s", log.String())
		}
	})
	tr := &http.Transport{TLSClientConfig: own.Client(t, ""), DisableKeepAlives: true}
	issuers = x509.NewCertPool()
	eventually(t, "pebble answers", func() bool {
		resp, err := (&http.Client{Transport: tr}).Get(fmt.Sprintf("https://%s/roots/0", management))
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		return err == nil && issuers.AppendCertsFromPEM(b)
	})
	return "https://" + api + "/dir", own.Files.ClientCA, issuers
}

// everyNameHere is a DNS server by TCP that finds all names on loopback.
func everyNameHere(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	takclient.Must(t, err)
	ready, done := make(chan struct{}), make(chan struct{})
	srv := &dns.Server{Listener: ln, NotifyStartedFunc: func() { close(ready) }, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, r *dns.Msg) {
		m := new(dns.Msg).SetReply(r)
		for _, q := range r.Question {
			if q.Qtype == dns.TypeA {
				m.Answer = append(m.Answer, &dns.A{Hdr: dns.RR_Header{Name: q.Name, Rrtype: dns.TypeA, Class: dns.ClassINET, Ttl: 1}, A: net.IPv4(127, 0, 0, 1)})
			}
		}
		_ = w.WriteMsg(m) // else the asker asks again
	})}
	go func() {
		defer close(done)
		_ = srv.ActivateAndServe()
	}()
	<-ready
	t.Cleanup(func() {
		takclient.Must(t, srv.Shutdown())
		<-done
	})
	return ln.Addr().String()
}
