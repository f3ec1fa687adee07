package onboard

import (
	"archive/zip"
	"bytes"
	"crypto/x509"
	"encoding/xml"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	pkcs12 "software.sslmate.com/src/go-pkcs12"
)

var reach = Reach{Name: "Mountain rescue", Host: "tak.example.org", Stream: 8089, API: 8443, Enrol: 8446}

func TestPackage(t *testing.T) {
	ca, next := newAuthority(t, "CA"), newAuthority(t, "next CA")
	trust, client := ca.trust(t, next), ca.client(t, "ann", x509.ExtKeyUsageClientAuth)
	connection := map[string]string{
		"count": "java.lang.Integer 1", "description0": "java.lang.String Mountain rescue", "enabled0": "java.lang.Boolean true",
		"connectString0": "java.lang.String tak.example.org:8089:ssl",
	}
	indexed := with(connection, map[string]string{
		"caLocation0": "java.lang.String cert/truststore-tak.example.org.p12", "caPassword0": "java.lang.String atakatak",
	})
	enrol := with(indexed, map[string]string{
		"useAuth0": "java.lang.Boolean true", "enrollForCertificateWithTrust0": "java.lang.Boolean true", "cacheCreds0": "java.lang.String Cache credentials",
	})
	own := with(indexed, map[string]string{
		"certificateLocation0": "java.lang.String cert/ann-tak.example.org.p12", "clientPassword0": "java.lang.String atakatak",
		"useAuth0": "java.lang.Boolean false", "enrollForCertificateWithTrust0": "java.lang.Boolean false",
	})
	app := map[string]string{"displayServerConnectionWidget": "java.lang.Boolean true"}
	appOwn := with(app, map[string]string{
		"caLocation": "java.lang.String cert/truststore-tak.example.org.p12", "caPassword": "java.lang.String atakatak",
		"certificateLocation": "java.lang.String cert/ann-tak.example.org.p12", "clientPassword": "java.lang.String atakatak",
	})
	moved := reach
	moved.Stream, moved.API, moved.Enrol = 9089, 9443, 9446
	const server, user = "truststore-tak.example.org.p12", "ann-tak.example.org.p12"
	tests := []struct {
		name  string
		spec  Spec
		file  string
		files []string
		prefs map[string]map[string]string
	}{
		{
			"ATAK enrols",
			Spec{For: ATAK, Reach: reach},
			"tak.example.org-atak.zip",
			[]string{"MANIFEST/manifest.xml", "certs/config.pref", "certs/" + server},
			prefsOf(enrol, app),
		},
		{
			"ATAK with a certificate",
			Spec{For: ATAK, Reach: reach, Client: client, User: "ann"},
			"ann-tak.example.org-atak.zip",
			[]string{"MANIFEST/manifest.xml", "certs/config.pref", "certs/" + server, "certs/" + user},
			prefsOf(own, app),
		},
		{
			"WinTAK enrols",
			Spec{For: WinTAK, Reach: reach},
			"tak.example.org-wintak.zip",
			[]string{"MANIFEST/manifest.xml", "certs/config.pref", "certs/" + server},
			prefsOf(enrol, app),
		},
		{
			"WinTAK with a certificate",
			Spec{For: WinTAK, Reach: reach, Client: client, User: "ann"},
			"ann-tak.example.org-wintak.zip",
			[]string{"MANIFEST/manifest.xml", "certs/config.pref", "certs/" + server, "certs/" + user},
			prefsOf(own, appOwn),
		},
		{
			"iTAK with a certificate",
			Spec{For: ITAK, Reach: reach, Client: client, User: "ann"},
			"ann-tak.example.org-itak.zip",
			[]string{"manifest.xml", "config.pref", server, user},
			prefsOf(connection, appOwn),
		},
		{
			"other ports, a callsign",
			Spec{For: ATAK, Reach: moved, User: "ann", Callsign: `A "1" <&>`, Team: "Dark Blue", Role: "Medic"},
			"ann-tak.example.org-atak.zip",
			[]string{"MANIFEST/manifest.xml", "certs/config.pref", "certs/" + server},
			prefsOf(with(enrol, map[string]string{"connectString0": "java.lang.String tak.example.org:9089:ssl"}), with(app, map[string]string{
				"apiSecureServerPort": "java.lang.String 9443", "apiCertEnrollmentPort": "java.lang.String 9446",
				"locationCallsign": `java.lang.String A "1" <&>`, "locationTeam": "java.lang.String Dark Blue", "atakRoleType": "java.lang.String Medic",
			})),
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.spec.Trust, tt.spec.Password = trust, password
			name, data, err := Package(tt.spec)
			if err != nil {
				t.Fatal(err)
			}
			if name != tt.file {
				t.Errorf("got file name %q, want %q", name, tt.file)
			}
			names, files := unpack(t, data)
			if diff := cmp.Diff(tt.files, names); diff != "" {
				t.Errorf("files (-want +got):\n%s", diff)
			}
			m := readManifest(t, files[tt.files[0]])
			if diff := cmp.Diff(tt.files[1:], m.entries); diff != "" {
				t.Errorf("manifest's entries (-want +got):\n%s", diff)
			}
			if m.version != "2" || m.params["onReceiveDelete"] != "true" || m.params["onReceiveImport"] != "true" || !strings.HasPrefix(m.params["name"], "Mountain rescue") {
				t.Errorf("got manifest of version %q with %v", m.version, m.params)
			}
			if _, err := uuid.Parse(m.params["uid"]); err != nil {
				t.Errorf("uid: %v", err)
			}
			if diff := cmp.Diff(tt.prefs, readPrefs(t, files[tt.files[1]])); diff != "" {
				t.Errorf("preferences (-want +got):\n%s", diff)
			}
			certs, err := pkcs12.DecodeTrustStore(files[tt.files[2]], password)
			if err != nil || len(certs) != 2 || !certs[0].Equal(ca.cert) || !certs[1].Equal(next.cert) {
				t.Errorf("trust store: got %d certificates, %v, want both authorities and no key", len(certs), err)
			}
			if _, _, _, err := pkcs12.DecodeChain(files[tt.files[2]], password); err == nil {
				t.Error("trust store: holds a key")
			}
			if tt.spec.Client != nil {
				if !bytes.Equal(files[tt.files[3]], client) {
					t.Error("client's key store is not the one given")
				}
			}
			if _, again, err := Package(tt.spec); err != nil || !bytes.Equal(again, data) {
				t.Errorf("the same again: other bytes, %v", err)
			}
		})
	}
}

func TestPackageRefuses(t *testing.T) {
	ca := newAuthority(t, "CA")
	trust, client := ca.trust(t), ca.client(t, "ann", x509.ExtKeyUsageClientAuth)
	good := Spec{For: ATAK, Reach: reach, Trust: trust, Client: client, Password: password, User: "ann"}
	leaf, _ := ca.leaf(t, "server", x509.ExtKeyUsageServerAuth)
	noCA, err := pkcs12.LegacyDES.EncodeTrustStore([]*x509.Certificate{leaf}, password)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name   string
		change func(*Spec)
		want   string
	}{
		{"trust store with the server's key", func(s *Spec) { s.Trust = ca.client(t, "server", x509.ExtKeyUsageServerAuth) }, "does not hold certificates alone"},
		{"trust store with a user's key", func(s *Spec) { s.Trust = client }, "does not hold certificates alone"},
		{"trust store of a leaf", func(s *Spec) { s.Trust = noCA }, "is no authority"},
		{"no trust store", func(s *Spec) { s.Trust = nil }, "there is none"},
		{"trust store that is text", func(s *Spec) { s.Trust = []byte("-----BEGIN") }, "does not hold certificates alone"},
		{"other password", func(s *Spec) { s.Password = "other" }, "its password is another"},
		{"no password", func(s *Spec) { s.Password = "" }, "needs a password"},
		{"the server's own certificate", func(s *Spec) { s.Client = ca.client(t, "server", x509.ExtKeyUsageServerAuth) }, "is a server's"},
		{"certificate without a user", func(s *Spec) { s.User = "" }, "needs its user"},
		{"unknown client", func(s *Spec) { s.For = "xtak" }, `client "xtak"`},
		{"iTAK without a certificate", func(s *Spec) { s.For, s.Client = ITAK, nil }, "iTAK does not enrol"},
		{"enrolment closed", func(s *Spec) { s.Client, s.Reach.Enrol = nil, 0 }, "listener for enrolment is closed"},
		{"stream closed", func(s *Spec) { s.Reach.Stream = 0 }, "listener for clients by TLS is closed"},
		{"no host", func(s *Spec) { s.Reach.Host = "" }, "no public name"},
		{"IPv6", func(s *Spec) { s.Reach.Host = "2001:db8::1" }, "no IPv6"},
		{"host that is none", func(s *Spec) { s.Reach.Host = "tak.example.org:8089" }, "neither a name"},
		{"unspecified", func(s *Spec) { s.Reach.Host = "0.0.0.0" }, "no client can reach"},
		{"port", func(s *Spec) { s.Reach.API = 70000 }, "api port 70000"},
		{"control character", func(s *Spec) { s.Callsign = "A\x00B" }, "control character"},
		{"not UTF-8", func(s *Spec) { s.User = "\xff" }, "not UTF-8"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := good
			tt.change(&s)
			_, data, err := Package(s)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got error %v, want one with %q", err, tt.want)
			}
			if data != nil {
				t.Error("got a package beside the error")
			}
		})
	}
	t.Run("password in no error", func(t *testing.T) {
		s := good
		s.Password = "topsecret\x01"
		if _, _, err := Package(s); err == nil || strings.Contains(err.Error(), "topsecret") {
			t.Errorf("got error %v", err)
		}
	})
}

func with(a, b map[string]string) map[string]string {
	out := map[string]string{}
	for _, m := range []map[string]string{a, b} {
		for k, v := range m {
			out[k] = v
		}
	}
	return out
}

func prefsOf(streams, app map[string]string) map[string]map[string]string {
	return map[string]map[string]string{"cot_streams": streams, "com.atakmap.app_preferences": app}
}

func unpack(t *testing.T, data []byte) (names []string, files map[string][]byte) {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	files = map[string][]byte{}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		names, files[f.Name] = append(names, f.Name), b
	}
	return names, files
}

type readBack struct {
	version string
	params  map[string]string
	entries []string
}

func readManifest(t *testing.T, data []byte) readBack {
	t.Helper()
	var x struct {
		XMLName xml.Name `xml:"MissionPackageManifest"`
		Version string   `xml:"version,attr"`
		Params  []struct {
			Name  string `xml:"name,attr"`
			Value string `xml:"value,attr"`
		} `xml:"Configuration>Parameter"`
		Contents []struct {
			Ignore string `xml:"ignore,attr"`
			Entry  string `xml:"zipEntry,attr"`
		} `xml:"Contents>Content"`
	}
	if err := xml.Unmarshal(data, &x); err != nil {
		t.Fatalf("manifest: %v\n%s", err, data)
	}
	m := readBack{version: x.Version, params: map[string]string{}}
	for _, p := range x.Params {
		m.params[p.Name] = p.Value
	}
	for _, c := range x.Contents {
		if c.Ignore != "false" {
			t.Errorf("entry %s: ignore is %q", c.Entry, c.Ignore)
		}
		m.entries = append(m.entries, c.Entry)
	}
	return m
}

// readPrefs gives the entries by group and key, each with the name of its class.
func readPrefs(t *testing.T, data []byte) map[string]map[string]string {
	t.Helper()
	var x struct {
		XMLName xml.Name `xml:"preferences"`
		Groups  []struct {
			Version string `xml:"version,attr"`
			Name    string `xml:"name,attr"`
			Entries []struct {
				Key      string   `xml:"key,attr"`
				Class    string   `xml:"class,attr"`
				Value    string   `xml:",chardata"`
				Elements []string `xml:"element"`
			} `xml:"entry"`
		} `xml:"preference"`
	}
	if err := xml.Unmarshal(data, &x); err != nil {
		t.Fatalf("preferences: %v\n%s", err, data)
	}
	out := map[string]map[string]string{}
	for _, g := range x.Groups {
		if g.Version != "1" {
			t.Errorf("group %s: version %q", g.Name, g.Version)
		}
		out[g.Name] = map[string]string{}
		for _, e := range g.Entries {
			out[g.Name][e.Key] = strings.TrimPrefix(e.Class, "class ") + " " + e.Value + strings.Join(e.Elements, "|")
		}
	}
	return out
}
