package tests

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/takhost/takhost/core/admin"
	"github.com/takhost/takhost/tests/takclient"
	"github.com/takhost/takhost/tests/taktest"
)

func needOpenSSL(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("openssl"); err != nil {
		t.Skip("left out: openssl as a client (it needs openssl)")
	}
}

// openSSL runs it to its end, with that input.
func openSSL(t *testing.T, in string, args ...string) (out string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 3*takclient.DefaultWait)
	defer cancel()
	cmd := exec.CommandContext(ctx, "openssl", args...)
	cmd.Stdin = strings.NewReader(in)
	var both bytes.Buffer
	cmd.Stdout, cmd.Stderr = &both, &both
	err = cmd.Run()
	if ctx.Err() != nil {
		t.Fatalf("openssl %s does not end: %s", args[0], both.String())
	}
	return both.String(), err
}

func mustOpenSSL(t *testing.T, in string, args ...string) string {
	t.Helper()
	out, err := openSSL(t, in, args...)
	if err != nil {
		t.Fatalf("openssl %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// writeFile writes a file that goes with the test.
func writeFile(t *testing.T, name string, b []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	takclient.Must(t, os.WriteFile(path, b, 0o600))
	return path
}

// writePair writes certificate and key of a device as PEM.
func writePair(t *testing.T, dev *takclient.Enrolled) (cert, key string) {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(dev.Cert.PrivateKey)
	takclient.Must(t, err)
	return writeFile(t, "cert.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: dev.Cert.Certificate[0]})),
		writeFile(t, "key.pem", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
}

// curl posts a file as a foreign client, by HTTPS, and gives the body.
func curl(t *testing.T, args ...string) []byte {
	t.Helper()
	if _, err := exec.LookPath("curl"); err != nil {
		t.Skip("left out: curl as a client (it needs curl)")
	}
	cmd := exec.Command("curl", append([]string{"--silent", "--show-error", "--fail-with-body", "--max-time", "30"}, args...)...)
	var out, errors bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errors
	if err := cmd.Run(); err != nil {
		t.Fatalf("curl: %v\n%s%s", err, errors.String(), out.String())
	}
	return out.Bytes()
}

// foreign is a device that has nothing of ours: its key and request are made by
// openssl, it enrols by curl and connects by openssl.
type foreign struct {
	srv           *taktest.Server
	ca, cert, key string // files
	user, uid     string
	secret        string
}

func newForeign(t *testing.T, srv *taktest.Server, user string) *foreign {
	t.Helper()
	addUser(t, srv.Admin, user)
	f := &foreign{srv: srv, user: user, uid: "OPENSSL-" + user, secret: code(t, srv.Admin, user).Secret}
	f.ca = writeFile(t, "ca.pem", srv.Must(t, "GET", "/api/v1/ca", nil).Body)
	f.key = filepath.Join(t.TempDir(), "key.pem")
	return f
}

// request makes key and request with all that tls/config asks for.
func (f *foreign) request(t *testing.T) (file string) {
	t.Helper()
	conf := string(curl(t, "--cacert", f.ca, "--user", f.user+":"+f.secret, "https://"+f.srv.Addr("web")+"/Marti/api/tls/config"))
	subject := ""
	for _, name := range []string{"O", "OU"} {
		_, rest, ok := strings.Cut(conf, `name="`+name+`" value="`)
		value, _, closed := strings.Cut(rest, `"`)
		if !ok || !closed {
			t.Fatalf("tls/config has no %s: %s", name, conf)
		}
		subject += "/" + name + "=" + value
	}
	file = filepath.Join(t.TempDir(), "request.pem")
	mustOpenSSL(t, "", "req", "-new", "-newkey", "rsa:2048", "-nodes", "-keyout", f.key, "-subj", subject+"/CN="+f.user, "-out", file)
	return file
}

func (f *foreign) sign(t *testing.T, path string, more ...string) []byte {
	t.Helper()
	return curl(t, append([]string{
		"--cacert", f.ca, "--user", f.user + ":" + f.secret, "--data-binary", "@" + f.request(t), "--header", "Content-Type: text/plain",
		"https://" + f.srv.Addr("web") + path + "?clientUid=" + f.uid + "&version=4.6.0.5",
	}, more...)...)
}

// talk connects by mutual TLS, sends a position, and wants that it reaches others
// and theirs reaches it.
func (f *foreign) talk(t *testing.T, version string) {
	t.Helper()
	watcher := f.srv.Client(t, takclient.WithCallsign("WATCHER"))
	takclient.Must(t, watcher.SA(3, 4))
	sa := takclient.Event{UID: f.uid, Type: "a-f-G-U-C", How: "m-g", Lat: 1, Lon: 2,
		Detail: `<contact endpoint="*:-1:stcp" callsign="` + f.user + `"/>`}.XML()
	ctx, cancel := context.WithTimeout(t.Context(), 3*takclient.DefaultWait)
	defer cancel()
	cmd := exec.CommandContext(ctx, "openssl", "s_client", "-connect", f.srv.Addr("tls"), version, "-CAfile", f.ca,
		"-verify_return_error", "-verify_ip", "127.0.0.1", "-cert", f.cert, "-key", f.key, "-quiet")
	in, err := cmd.StdinPipe()
	takclient.Must(t, err)
	out := &seen{}
	cmd.Stdout, cmd.Stderr = out, out
	takclient.Must(t, cmd.Start())
	defer func() {
		in.Close()
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	_, err = in.Write([]byte(sa))
	takclient.Must(t, err)
	watcher.ExpectUID(t, f.uid)
	eventually(t, "openssl gets the other's position", func() bool { return strings.Contains(out.String(), watcher.UID()) })
	if c := f.srv.ClientOf(t, f.uid); c.User != f.user || c.Listener != "tls" {
		t.Errorf("list of clients: got user %q at listen.%s, want %q at listen.tls", c.User, c.Listener, f.user)
	}
}

func TestOpenSSLEnrolsByKeyStore(t *testing.T) {
	needOpenSSL(t)
	srv := wholeServer(t)
	f := newForeign(t, srv, "openssl-p12")
	store := writeFile(t, "signed.p12", f.sign(t, "/Marti/api/tls/signClient"))
	// OpenSSL 3 has what phones need in its module for old forms.
	list := mustOpenSSL(t, "", "pkcs12", "-in", store, "-passin", "pass:atakatak", "-nokeys", "-info", "-legacy")
	for _, want := range []string{"friendlyName: signedCert", "friendlyName: ca0", "subject=", "MAC: sha1", "2.16.840.1.113894.746875.1.1"} {
		if !strings.Contains(list, want) {
			t.Errorf("the key store has no %q: %s", want, list)
		}
	}
	if strings.Contains(list, "PRIVATE KEY") {
		t.Error("the key store has a key")
	}
	_, own, _ := strings.Cut(list, "friendlyName: signedCert")
	begin, end := strings.Index(own, "-----BEGIN"), strings.Index(own, "-----END CERTIFICATE-----")
	if begin < 0 || end < 0 {
		t.Fatalf("no certificate behind signedCert: %s", own)
	}
	f.cert = writeFile(t, "cert.pem", []byte(own[begin:end]+"-----END CERTIFICATE-----\n"))
	mustOpenSSL(t, "", "verify", "-CAfile", f.ca, "-purpose", "sslclient", f.cert)
	text := mustOpenSSL(t, "", "x509", "-in", f.cert, "-noout", "-text")
	// challengePassword is openssl's name for the usage that lets a device choose
	// channels, 1.2.840.113549.1.9.7.
	for _, want := range []string{"CN = " + f.user, "O = TAK", "TLS Web Client Authentication", "challengePassword", "Authority Key Identifier"} {
		if !strings.Contains(text, want) {
			t.Errorf("the certificate has no %q: %s", want, text)
		}
	}
	f.talk(t, "-tls1_3")
	f.talk(t, "-tls1_2")
	f.revokedForOpenSSL(t)
}

// revokedForOpenSSL has openssl itself find the certificate on the list.
func (f *foreign) revokedForOpenSSL(t *testing.T) {
	t.Helper()
	serial := strings.TrimSpace(strings.TrimPrefix(mustOpenSSL(t, "", "x509", "-in", f.cert, "-noout", "-serial"), "serial="))
	f.srv.Must(t, "POST", "/api/v1/certificates/"+strings.ToLower(serial)+"/revoke", admin.Revoke{Reason: "lost"})
	crl := writeFile(t, "crl.pem", f.srv.Must(t, "GET", "/api/v1/crl", nil).Body)
	out, err := openSSL(t, "", "verify", "-CAfile", f.ca, "-CRLfile", crl, "-crl_check", f.cert)
	if err == nil || !strings.Contains(out, "certificate revoked") {
		t.Errorf("openssl verify with the list: got %v %s, want that it is revoked", err, out)
	}
}

func TestOpenSSLEnrolsByJSON(t *testing.T) {
	needOpenSSL(t)
	srv := wholeServer(t)
	f := newForeign(t, srv, "openssl-json")
	var answer map[string]string
	if body := f.sign(t, "/Marti/api/tls/signClient/v2"); json.Unmarshal(body, &answer) != nil {
		t.Fatalf("signClient/v2: got %s", body)
	}
	lines := func(name string) []byte {
		return []byte("-----BEGIN CERTIFICATE-----\n" + answer[name] + "\n-----END CERTIFICATE-----\n")
	}
	f.cert, f.ca = writeFile(t, "cert.pem", lines("signedCert")), writeFile(t, "ca0.pem", lines("ca0"))
	mustOpenSSL(t, "", "verify", "-CAfile", f.ca, f.cert)
	f.talk(t, "-tls1_3")
}

// A package with a certificate is one that openssl opens, and connects with.
func TestOpenSSLReadsPackages(t *testing.T) {
	needOpenSSL(t)
	srv := wholeServer(t)
	addUser(t, srv.Admin, "packed")
	for _, client := range []string{"atak", "wintak", "itak"} {
		t.Run(client, func(t *testing.T) {
			files := unzip(t, srv.Must(t, "POST", "/api/v1/connection-packages", admin.PackageInput{User: "packed", For: client, Certificate: true}).Body)
			var p12, trust string
			for name, b := range files {
				switch base := filepath.Base(name); {
				case strings.HasPrefix(base, "truststore-"):
					trust = writeFile(t, base, b)
				case strings.HasSuffix(base, ".p12"):
					p12 = writeFile(t, base, b)
				}
			}
			f := &foreign{srv: srv, user: "packed", uid: "OPENSSL-" + client}
			store := func(file string, args ...string) string {
				return mustOpenSSL(t, "", append([]string{"pkcs12", "-in", file, "-passin", "pass:atakatak", "-legacy", "-nodes"}, args...)...)
			}
			f.ca = writeFile(t, "ca.pem", []byte(store(trust, "-nokeys")))
			if all := store(trust); strings.Contains(all, "PRIVATE KEY") {
				t.Error("the trust store has a key")
			}
			f.cert, f.key = writeFile(t, "cert.pem", []byte(store(p12, "-clcerts", "-nokeys"))), writeFile(t, "key.pem", []byte(store(p12, "-nocerts")))
			f.talk(t, "-tls1_3")
			for name := range files {
				if base := filepath.Base(name); strings.Contains(base, "server") || strings.HasSuffix(base, ".key") {
					t.Errorf("the package has %s", name)
				}
			}
		})
	}
}
