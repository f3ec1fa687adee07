package pki

import (
	"encoding/base64"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestOpenSSLReadsPKCS12(t *testing.T) {
	o := openssl(t)
	p := open(t, Options{Names: func() []string { return []string{"tak.example.org"} }})
	pair := client(t, p, "alpha")
	const password = "atakatak"
	write := func(name string, b []byte, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		o.put(name, b)
	}
	b, err := pair.PKCS12(password, false)
	write("legacy.p12", b, err)
	b, err = pair.PKCS12(password, true)
	write("modern.p12", b, err)
	b, err = p.TrustStore(password)
	write("trust.p12", b, err)
	b, err = p.SignedStore(pair.Cert, password)
	write("signed.p12", b, err)
	cert, key := base64.StdEncoding.EncodeToString(pair.Cert.Raw), keyPEM(t, pair.Key)
	ca := base64.StdEncoding.EncodeToString(p.CA().Raw)

	type found struct{ Certs, Keys int }
	for _, tt := range []struct {
		file string
		want found
		hold []string // certificates, and names of bags
		mac  string
	}{
		{"legacy.p12", found{2, 1}, []string{cert, ca}, "MAC: sha1, Iteration 1"},
		{"modern.p12", found{2, 1}, []string{cert, ca}, "MAC: sha256"},
		{"trust.p12", found{1, 0}, []string{ca, "friendlyName: ca0"}, "MAC: sha1"},
		{"signed.p12", found{2, 0}, []string{cert, ca, "friendlyName: signedCert", "friendlyName: ca0"}, "MAC: sha1"},
	} {
		for _, legacy := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s legacy=%v", tt.file, legacy), func(t *testing.T) {
				o := o.in(t)
				args := []string{"pkcs12", "-in", tt.file, "-passin", "pass:" + password, "-nodes", "-info"}
				if legacy {
					args = append(args, "-legacy")
				}
				out := o.run(args...)
				got := found{strings.Count(out, "BEGIN CERTIFICATE"), strings.Count(out, "BEGIN PRIVATE KEY")}
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Errorf("(-want +got):\n%s\n%s", diff, out)
				}
				flat := strings.ReplaceAll(out, "\n", "")
				for _, want := range append(tt.hold, tt.mac) {
					if !strings.Contains(flat, want) {
						t.Errorf("no %q in\n%s", want, out)
					}
				}
				if tt.want.Keys == 1 && !strings.Contains(out, string(key)) {
					t.Errorf("another key came out:\n%s", out)
				}
			})
		}
	}
	if out, err := o.try("pkcs12", "-in", "legacy.p12", "-passin", "pass:wrong", "-nodes"); err == nil {
		t.Errorf("a wrong password opens the file:\n%s", out)
	}

	// What came out of the file connects.
	o.run("pkcs12", "-in", "legacy.p12", "-passin", "pass:"+password, "-nodes", "-out", "all.pem")
	o.run("pkcs12", "-in", "trust.p12", "-passin", "pass:"+password, "-nokeys", "-out", "trust.pem")
	if said, err := o.connect(p.TLS(TLSOptions{Client: Required}), "-cert", "all.pem", "-CAfile", "trust.pem", "-verify_return_error"); err != nil || !strings.Contains(said, "hello") {
		t.Errorf("got error %v\n%s", err, said)
	}
}

// Java and Android list entries that are named and marked as trusted.
func TestJavaReadsStores(t *testing.T) {
	o := newTool(t, "keytool", "apt-get install default-jre-headless")
	p := open(t, Options{})
	if err := p.Rollover(t.Context()); err != nil {
		t.Fatal(err)
	}
	pair := client(t, p, "alpha")
	for _, tt := range []struct {
		name string
		make func() ([]byte, error)
		want map[string]string // entry's name (which this Java lowers) to its kind
	}{
		{"answer of signClient", func() ([]byte, error) { return p.SignedStore(pair.Cert, "atakatak") },
			map[string]string{"signedcert": "trustedCertEntry", "ca0": "trustedCertEntry", "ca1": "trustedCertEntry"}},
		{"trust store", func() ([]byte, error) { return p.TrustStore("atakatak") },
			map[string]string{"ca0": "trustedCertEntry", "ca1": "trustedCertEntry"}},
		{"client", func() ([]byte, error) { return pair.PKCS12("atakatak", false) },
			map[string]string{"1": "PrivateKeyEntry"}},
		{"client, modern", func() ([]byte, error) { return pair.PKCS12("atakatak", true) },
			map[string]string{"1": "PrivateKeyEntry"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := o.in(t)
			b, err := tt.make()
			if err != nil {
				t.Fatal(err)
			}
			o.put("store.p12", b)
			out := o.run("-J-Duser.language=en", "-list", "-keystore", "store.p12", "-storetype", "PKCS12", "-storepass", "atakatak")
			got := map[string]string{}
			for line := range strings.Lines(out) {
				parts := strings.Split(strings.TrimSpace(line), ", ")
				for _, kind := range []string{"trustedCertEntry", "PrivateKeyEntry"} {
					if slices.Contains(parts, kind) || strings.HasSuffix(strings.TrimSpace(line), kind+",") {
						got[parts[0]] = kind
					}
				}
			}
			if !maps.Equal(got, tt.want) {
				t.Errorf("got entries %v, want %v, in\n%s", got, tt.want, out)
			}
		})
	}
}
