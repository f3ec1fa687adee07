package pki

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// tool is another program in a folder of its own.
type tool struct {
	t    *testing.T
	name string
	dir  string
}

func newTool(t *testing.T, name, install string) tool {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		t.Skipf("left out: certificates as %s sees them (%s installs it)", name, install)
	}
	return tool{t, name, t.TempDir()}
}

func openssl(t *testing.T) tool { return newTool(t, "openssl", "apt-get install openssl") }

// in is the same for a case of the test.
func (o tool) in(t *testing.T) tool { return tool{t, o.name, o.dir} }

// try runs it and gives what it says.
func (o tool) try(args ...string) (string, error) {
	cmd := exec.CommandContext(o.t.Context(), o.name, args...)
	cmd.Dir = o.dir
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (o tool) run(args ...string) string {
	o.t.Helper()
	out, err := o.try(args...)
	if err != nil {
		o.t.Fatalf("%s %s: %v\n%s", o.name, strings.Join(args, " "), err, out)
	}
	return out
}

func (o tool) file(name string) []byte {
	o.t.Helper()
	b, err := os.ReadFile(filepath.Join(o.dir, name))
	if err != nil {
		o.t.Fatal(err)
	}
	return b
}

func (o tool) put(name string, data []byte) {
	o.t.Helper()
	put(o.t, o.dir, map[string][]byte{name: data})
}

// The way of a client that makes its own key, from request to connection.
func TestOpenSSLEnrols(t *testing.T) {
	o := openssl(t)
	p := open(t, Options{Names: func() []string { return []string{"tak.example.org"} }, test: testOptions{newKey: quickKey}})
	for _, tt := range []struct {
		name string
		key  []string
		sign string
		want string
	}{
		{"RSA", []string{"genrsa", "-out", "a.key", "2048"}, "-sha256", ""},
		{"RSA and SHA-1, as ATAK", []string{"genrsa", "-out", "a.key", "2048"}, "-sha1", ""},
		{"P-256", []string{"ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", "a.key"}, "-sha256", ""},
		{"P-384", []string{"ecparam", "-name", "secp384r1", "-genkey", "-noout", "-out", "a.key"}, "-sha384", ""},
		{"MD5", []string{"genrsa", "-out", "a.key", "2048"}, "-md5", "its signature is not good"},
		{"RSA 1024", []string{"genrsa", "-out", "a.key", "1024"}, "-sha256", "an RSA key of 1024 bits"},
		{"secp256k1", []string{"ecparam", "-name", "secp256k1", "-genkey", "-noout", "-out", "a.key"}, "-sha256", "certificate request"},
		{"Ed25519", []string{"genpkey", "-algorithm", "ed25519", "-out", "a.key"}, "", "RSA and EC are taken"},
		{"X448", []string{"genpkey", "-algorithm", "x448", "-out", "a.key"}, "", "none"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := o.in(t)
			o.run(tt.key...)
			args := []string{"req", "-new", "-key", "a.key", "-subj", "/O=TAK/OU=TAK/CN=alpha", "-out", "a.csr"}
			if tt.sign != "" {
				args = append(args, tt.sign)
			}
			if out, err := o.try(args...); err != nil {
				if tt.want != "none" {
					t.Fatalf("%v: %s", err, out)
				}
				return // a key that signs nothing
			}
			csr, err := p.ParseCSR(o.file("a.csr"))
			wantError(t, err, tt.want)
			if err != nil {
				return
			}
			if err := p.CheckCSR(csr, "Alpha"); err != nil {
				t.Fatal(err)
			}
			cert, err := p.Sign(csr.PublicKey, Leaf{CommonName: "alpha", Channels: true})
			if err != nil {
				t.Fatal(err)
			}
			o.put("a.pem", encodeCerts(cert))
			o.put("ca.pem", encodeCerts(p.CA()))
			o.run("verify", "-x509_strict", "-purpose", "sslclient", "-CAfile", "ca.pem", "a.pem")
			text := o.run("x509", "-in", "a.pem", "-noout", "-text")
			for _, want := range []string{"TLS Web Client Authentication, challengePassword", "CA:FALSE", "Authority Key Identifier"} {
				if !strings.Contains(text, want) {
					t.Errorf("no %q in\n%s", want, text)
				}
			}
			for _, version := range []string{"-tls1_2", "-tls1_3"} {
				said, err := o.connect(p.TLS(TLSOptions{Client: Required}), version, "-cert", "a.pem", "-key", "a.key",
					"-CAfile", "ca.pem", "-verify_return_error", "-verify_hostname", "tak.example.org")
				if err != nil || !strings.Contains(said, "hello") || !strings.Contains(said, "Verify return code: 0 (ok)") {
					t.Errorf("%s: the server says %v, the client\n%s", version, err, said)
				}
			}
		})
	}
}

// connect lets s_client connect, and gives the server's error and what the
// client says.
func (o tool) connect(server *tls.Config, args ...string) (said string, serverErr error) {
	o.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		o.t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() {
		nc, err := l.Accept()
		if err != nil {
			done <- err
			return
		}
		defer nc.Close()
		_ = nc.SetDeadline(time.Now().Add(20 * time.Second))
		tc := tls.Server(nc, server)
		if err = tc.Handshake(); err == nil {
			_, _ = io.WriteString(tc, "hello\n")
			_ = tc.CloseWrite()
			_, _ = io.Copy(io.Discard, tc)
		} else {
			_, _ = io.Copy(io.Discard, nc) // a reset would outrun the alert
		}
		done <- err
	}()
	said, _ = o.try(append([]string{"s_client", "-ign_eof", "-connect", l.Addr().String()}, args...)...)
	_ = l.Close()
	return said, <-done
}

func TestOpenSSLIsRefused(t *testing.T) {
	o := openssl(t)
	c := newClock()
	p := open(t, Options{Now: c.Now})
	alpha, revoked := client(t, p, "alpha"), client(t, p, "revoked")
	if err := p.Revoke(t.Context(), []Revoked{{Serial: revoked.Cert.SerialNumber}}); err != nil {
		t.Fatal(err)
	}
	expired, err := p.Issue(t.Context(), Leaf{CommonName: "expired", Life: day})
	if err != nil {
		t.Fatal(err)
	}
	c.pass(2 * day)
	o.run("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=alpha",
		"-keyout", "foreign.key", "-out", "foreign.pem", "-days", "3650", "-set_serial", "1")
	for name, pair := range map[string]*Pair{"alpha": alpha, "revoked": revoked, "expired": expired} {
		cert, key := pair.PEM()
		o.put(name+".pem", cert)
		o.put(name+".key", key)
	}
	server := p.TLS(TLSOptions{Client: Required})
	for _, tt := range []struct {
		name string
		want Reason
	}{{"alpha", ""}, {"revoked", ReasonRevoked}, {"expired", ReasonExpired}, {"foreign", ReasonForeign}, {"", ReasonNone}} {
		for _, version := range []string{"-tls1_2", "-tls1_3"} {
			t.Run(tt.name+version, func(t *testing.T) {
				o := o.in(t)
				args := []string{version}
				if tt.name != "" {
					args = append(args, "-cert", tt.name+".pem", "-key", tt.name+".key")
				}
				said, err := o.connect(server, args...)
				if got := reasonOf(err); got != tt.want || (err != nil) != (tt.want != "") {
					t.Errorf("got error %v, want reason %q", err, tt.want)
				}
				if alert := strings.Contains(said, "alert bad certificate"); alert != (tt.want != "") {
					t.Errorf("an alert came: %v; the client says\n%s", alert, said)
				}
			})
		}
	}
}

// The session of s_client lies in a file, so it comes back after the revocation.
func TestOpenSSLResumption(t *testing.T) {
	for _, version := range []string{"-tls1_2", "-tls1_3"} {
		t.Run(version, func(t *testing.T) {
			o := openssl(t)
			p := open(t, Options{})
			alpha := client(t, p, "alpha")
			cert, key := alpha.PEM()
			o.put("a.pem", cert)
			o.put("a.key", key)
			server := p.TLS(TLSOptions{Client: Required})
			connect := func(args ...string) (string, error) {
				return o.connect(server, append(args, version, "-cert", "a.pem", "-key", "a.key")...)
			}
			if said, err := connect("-sess_out", "session"); err != nil || !strings.Contains(said, "hello") {
				t.Fatalf("first: %v\n%s", err, said)
			}
			if said, err := connect("-sess_in", "session"); err != nil || !strings.Contains(said, "Reused, ") {
				t.Fatalf("again: %v\n%s", err, said)
			}
			if err := p.Revoke(t.Context(), []Revoked{{Serial: alpha.Cert.SerialNumber}}); err != nil {
				t.Fatal(err)
			}
			if said, err := connect("-sess_in", "session"); reasonOf(err) != ReasonRevoked {
				t.Errorf("revoked: got error %v\n%s", err, said)
			}
		})
	}
}

func TestOpenSSLChecksRevocation(t *testing.T) {
	o := openssl(t)
	p := open(t, Options{})
	good, bad, old := client(t, p, "good"), client(t, p, "bad"), client(t, p, "old")
	check := func(when string, want map[string]bool) {
		t.Helper()
		got := map[string]bool{}
		for name, pair := range map[string]*Pair{"good": good, "bad": bad, "old": old} {
			o.put(name+".pem", encodeCerts(pair.Cert))
			out, err := o.try("verify", "-crl_check", "-CAfile", "cas.pem", "-CRLfile", "crl.pem", name+".pem")
			got[name] = err == nil
			if err != nil && !strings.Contains(out, "certificate revoked") {
				t.Errorf("%s: %s: %s", when, name, out)
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: taken (-want +got):\n%s", when, diff)
		}
	}
	revoke := func(pairs ...*Pair) {
		t.Helper()
		var list []Revoked
		for _, pair := range pairs {
			list = append(list, Revoked{Serial: pair.Cert.SerialNumber, Issuer: pair.Cert.Issuer.String()})
		}
		if err := p.Revoke(t.Context(), list); err != nil {
			t.Fatal(err)
		}
		o.put("crl.pem", p.CRL())
		o.put("cas.pem", encodeCerts(p.Trusted()...))
	}
	revoke()
	check("none revoked", map[string]bool{"good": true, "bad": true, "old": true})
	revoke(bad)
	check("one revoked", map[string]bool{"good": true, "bad": false, "old": true})
	if err := p.Rollover(t.Context()); err != nil {
		t.Fatal(err)
	}
	good = client(t, p, "good")
	revoke(bad, old)
	check("in a rollover", map[string]bool{"good": true, "bad": false, "old": false})
	text := o.run("crl", "-in", "crl.pem", "-noout", "-text", "-CAfile", "cas.pem")
	for _, want := range []string{"verify OK", "X509v3 CRL Number", "Version 2"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

// FreeTAKServer's files, made the way it makes them: its authority with the
// revocation list behind (of version 1), and clients without any extension.
func TestOpenSSLAuthorityTakenOver(t *testing.T) {
	o := openssl(t)
	o.put("fts.cnf", []byte(`
[req]
distinguished_name = dn
[dn]
[v3]
basicConstraints = CA:TRUE
keyUsage = keyCertSign, cRLSign
subjectKeyIdentifier = none
authorityKeyIdentifier = none
[ca]
default_ca = fts
[fts]
database = index.txt
certificate = ca.pem
private_key = ca.key
default_md = sha256
default_crl_days = 100
`))
	subject := "/ST=Nova Scotia/C=CA/O=FreeTAKServer/OU=Core Dev/L=Halifax"
	o.run("genrsa", "-out", "ca.key", "2048")
	o.run("req", "-x509", "-config", "fts.cnf", "-extensions", "v3", "-new", "-key", "ca.key", "-sha256", "-days", "365",
		"-subj", "/CN=8712311"+subject, "-out", "ca.pem")
	issue := func(name string, serial int) *x509.Certificate {
		o.run("req", "-new", "-config", "fts.cnf", "-newkey", "rsa:2048", "-nodes", "-keyout", name+".key", "-subj", "/CN="+name+subject, "-out", name+".csr")
		o.run("x509", "-req", "-in", name+".csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-set_serial", fmt.Sprint(serial), "-days", "365", "-sha256", "-out", name+".pem")
		certs, err := parseCerts(o.file(name + ".pem"))
		if err != nil {
			t.Fatal(err)
		}
		return certs[0]
	}
	good, gone := issue("good1234", 77), issue("gone1234", 78)
	o.put("index.txt", []byte("R\t360101000000Z\t260101000000Z\t4E\tunknown\t/CN=gone1234\n"))
	o.run("ca", "-gencrl", "-config", "fts.cnf", "-out", "list.pem")
	if text := o.run("crl", "-in", "list.pem", "-noout", "-text"); !strings.Contains(text, "Version 1") || !strings.Contains(text, "4E") {
		t.Fatalf("the list is not what this test is about:\n%s", text)
	}
	if len(good.ExtKeyUsage) != 0 || good.Version > 3 {
		t.Fatalf("the client's certificate has extensions: %v", good.Extensions)
	}

	dir := t.TempDir()
	caPEM, caKey := slices.Concat(o.file("ca.pem"), o.file("list.pem")), o.file("ca.key")
	put(t, dir, map[string][]byte{"ca.pem": caPEM, "ca.key": caKey})
	p := open(t, Options{Dir: dir})
	if len(p.CA().SubjectKeyId) != 0 {
		t.Fatal("the authority has a key identifier")
	}
	wantError(t, p.VerifyClient(good), "")
	wantError(t, p.VerifyClient(gone), "revoked")
	if said, err := o.connect(p.TLS(TLSOptions{Client: Required}), "-cert", "good1234.pem", "-key", "good1234.key", "-CAfile", "ca.pem", "-verify_return_error"); err != nil {
		t.Errorf("a client of before: %v\n%s", err, said)
	}
	o.put("crl.pem", p.CRL())
	o.put("new.pem", encodeCerts(client(t, p, "new").Cert))
	o.run("verify", "-crl_check", "-CAfile", "ca.pem", "-CRLfile", "crl.pem", "good1234.pem", "new.pem")
	if out, err := o.try("verify", "-crl_check", "-CAfile", "ca.pem", "-CRLfile", "crl.pem", "gone1234.pem"); err == nil || !strings.Contains(out, "revoked") {
		t.Errorf("gone1234: got error %v\n%s", err, out)
	}

	// An encrypted key says what to do, and that does it.
	o.run("pkey", "-in", "ca.key", "-aes256", "-passout", "pass:x", "-out", "locked.key")
	put(t, dir, map[string][]byte{"ca.key": o.file("locked.key")})
	_, err := tryOpen(t, Options{Dir: dir})
	wantError(t, err, "openssl pkey -in FILE -out PLAIN.key")
	o.run("pkey", "-in", "locked.key", "-passin", "pass:x", "-out", "plain.key")
	put(t, dir, map[string][]byte{"ca.key": o.file("plain.key")})
	open(t, Options{Dir: dir})
	o.run("rsa", "-in", "ca.key", "-traditional", "-out", "pkcs1.key")
	put(t, dir, map[string][]byte{"ca.key": o.file("pkcs1.key")})
	open(t, Options{Dir: dir})
}
