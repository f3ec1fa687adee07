package tests

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"html"
	"net"
	"path"
	"regexp"
	"strings"
	"testing"

	"software.sslmate.com/src/go-pkcs12"

	"github.com/takhost/takhost/core/admin"
	"github.com/takhost/takhost/tests/takclient"
	"github.com/takhost/takhost/tests/taktest"
)

// newcomers bring devices to a fresh server by what the README says, and nothing
// else: they know what commands and pages have told them.
type newcomers struct {
	srv *taktest.Child
	web string // address of listen.web, whatever name it goes by
}

// takhost runs a command on the server's machine.
func (n *newcomers) takhost(t *testing.T, stdin string, args ...string) string {
	t.Helper()
	out := taktest.CommandWith(t, stdin, append(args, "--data", n.srv.Data)...)
	if out.Code != 0 {
		t.Fatalf("takhost %s: exit code %d, %s", strings.Join(args, " "), out.Code, out.Err)
	}
	return out.Out
}

// invite is takhost enrol NAME --new.
func (n *newcomers) invite(t *testing.T, name string) (e admin.NewEnrolment) {
	t.Helper()
	takclient.Must(t, json.Unmarshal([]byte(n.takhost(t, "", "enrol", name, "--new", "--json")), &e))
	return e
}

// browser opens pages on a phone that does not know the server's certificate: its
// user goes on all the same. Names are found at the server.
func (n *newcomers) browser(t *testing.T, base string) *asker {
	host, _, _ := strings.Cut(strings.TrimPrefix(base, "https://"), "/")
	_, port, err := net.SplitHostPort(host)
	takclient.Must(t, err)
	if _, own, _ := net.SplitHostPort(n.web); own != port {
		t.Fatalf("the link leads to port %s, and listen.web is at %s", port, n.web)
	}
	return &asker{t: t, base: "https://" + n.web, conf: &tls.Config{InsecureSkipVerify: true}}
}

var (
	codeElement = regexp.MustCompile(`<dt>(User name|Password)</dt><dd><code>([^<]*)</code>`)
	linkTo      = regexp.MustCompile(`href="([^"]+)"`)
)

// page is what somebody sees who scans the code.
func (n *newcomers) page(t *testing.T, link string) (user, password string, links []string) {
	t.Helper()
	body := n.browser(t, link).get("/" + strings.SplitN(strings.TrimPrefix(link, "https://"), "/", 2)[1]).is(200).body
	for _, m := range codeElement.FindAllStringSubmatch(body, -1) {
		if m[1] == "Password" {
			password = html.UnescapeString(m[2])
		} else {
			user = html.UnescapeString(m[2])
		}
	}
	for _, m := range linkTo.FindAllStringSubmatch(body, -1) {
		links = append(links, html.UnescapeString(m[1]))
	}
	return user, password, links
}

func linkWith(t *testing.T, links []string, text string) string {
	t.Helper()
	for _, l := range links {
		if strings.Contains(l, text) {
			return l
		}
	}
	t.Fatalf("the page has no link with %s: %q", text, links)
	return ""
}

// preferences are what a client reads in a package.
func preferences(t *testing.T, files map[string][]byte) map[string]string {
	t.Helper()
	found := map[string]string{}
	for name, b := range files {
		if path.Ext(name) != ".pref" {
			continue
		}
		var doc struct {
			Groups []struct {
				Entries []struct {
					Key   string `xml:"key,attr"`
					Value string `xml:",chardata"`
				} `xml:"entry"`
			} `xml:"preference"`
		}
		takclient.Must(t, xml.Unmarshal(b, &doc))
		for _, g := range doc.Groups {
			for _, e := range g.Entries {
				found[e.Key] = e.Value
			}
		}
	}
	if len(found) == 0 {
		t.Fatal("the package has no preferences")
	}
	return found
}

// file gives the file of a package that a preference names.
func fileOf(t *testing.T, files map[string][]byte, location string) []byte {
	t.Helper()
	for name, b := range files {
		if path.Base(name) == path.Base(location) {
			return b
		}
	}
	t.Fatalf("the package has no %q", location)
	return nil
}

// trustOf reads the trust store that a package brings.
func trustOf(t *testing.T, store []byte, password string) *x509.CertPool {
	t.Helper()
	certs, err := pkcs12.DecodeTrustStore(store, password)
	takclient.Must(t, err)
	pool := x509.NewCertPool()
	for _, c := range certs {
		pool.AddCert(c)
	}
	return pool
}

// streamAt reads where a package has the client connect.
func streamAt(t *testing.T, prefs map[string]string) (name string) {
	t.Helper()
	parts := strings.Split(prefs["connectString0"], ":")
	if len(parts) != 3 || parts[2] != "ssl" || prefs["enabled0"] != "true" {
		t.Fatalf("the package connects to %q, enabled %q", prefs["connectString0"], prefs["enabled0"])
	}
	return parts[0] + ":" + parts[1]
}

// atak scans the code, imports the package, types what the page says, and enrols.
func (n *newcomers) atak(t *testing.T, name string) (*takclient.Enrolled, string) {
	t.Helper()
	user, password, links := n.page(t, n.invite(t, name).URL)
	files := unzip(t, []byte(n.browser(t, "https://"+n.web).get(linkWith(t, links, "atak.zip")).is(200).body))
	prefs := preferences(t, files)
	if prefs["enrollForCertificateWithTrust0"] != "true" || files["MANIFEST/manifest.xml"] == nil {
		t.Fatalf("ATAK would not enrol by this package: %v", prefs)
	}
	host, _, _ := strings.Cut(prefs["connectString0"], ":")
	e := takclient.Enrolment{
		Web: "https://" + net.JoinHostPort(host, prefs["apiCertEnrollmentPort"]), Addr: n.web, UID: "ANDROID-" + name,
		Roots: trustOf(t, fileOf(t, files, prefs["caLocation0"]), prefs["caPassword0"]), User: user, Secret: password,
	}
	dev, err := e.ATAK(t.Context())
	if err != nil {
		t.Fatalf("%s in ATAK: %v", name, err)
	}
	return dev, streamAt(t, prefs)
}

// itakPackage opens the package with a certificate, after a tap on its button.
func (n *newcomers) itakPackage(t *testing.T, name string) (*takclient.Enrolled, string) {
	t.Helper()
	_, _, links := n.page(t, n.invite(t, name).URL)
	b := n.browser(t, "https://"+n.web)
	at := linkWith(t, links, "itak.zip")
	if ask := b.get(at).is(200); !strings.Contains(ask.body, `<form class="card" method="post"`) {
		t.Fatalf("the page before the package: got %s", ask.body)
	}
	files := unzip(t, []byte(b.ask("POST", at, "", "").is(200).body))
	for file := range files {
		if path.Dir(file) != "." {
			t.Errorf("iTAK finds no %s: it wants all files flat", file)
		}
	}
	prefs := preferences(t, files)
	key, cert, _, err := pkcs12.DecodeChain(fileOf(t, files, prefs["certificateLocation"]), prefs["clientPassword"])
	takclient.Must(t, err)
	return &takclient.Enrolled{
		User: cert.Subject.CommonName, UID: "IPHONE-" + name, Roots: trustOf(t, fileOf(t, files, prefs["caLocation"]), prefs["caPassword"]),
		Cert: tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key, Leaf: cert},
	}, streamAt(t, prefs)
}

// itakText scans the other code, types name and code, and enrols by JSON. Its
// iPhone knows the authority of listen.web, which is a public one elsewhere.
func (n *newcomers) itakText(t *testing.T, name string, public *x509.CertPool) (*takclient.Enrolled, string) {
	t.Helper()
	invitation := n.invite(t, name)
	parts := strings.Split(invitation.ITAK, ",")
	if len(parts) != 4 || parts[3] != "SSL" {
		t.Fatalf("what iTAK scans is %q, want Name,host,port,SSL", invitation.ITAK)
	}
	_, port, err := net.SplitHostPort(n.web)
	takclient.Must(t, err)
	e := takclient.Enrolment{Web: "https://" + net.JoinHostPort(parts[1], port), Addr: n.web, Roots: public, User: invitation.Login, Secret: invitation.Secret, UID: "IPHONE-" + name}
	dev, err := e.ITAK(t.Context())
	if err != nil {
		t.Fatalf("%s in iTAK: %v", name, err)
	}
	return dev, net.JoinHostPort(parts[1], parts[2])
}

// nodeTAK logs in with a password that an administrator has set.
func (n *newcomers) nodeTAK(t *testing.T, name string, public *x509.CertPool) (*takclient.Enrolled, string) {
	t.Helper()
	n.takhost(t, goodPassword+"\n", "user", "add", name, "--password-stdin")
	e := takclient.Enrolment{Web: "https://" + n.web, Roots: public, User: name, Secret: goodPassword, UID: "CloudTAK-" + name}
	dev, err := e.NodeTAK(t.Context())
	if err != nil {
		t.Fatalf("%s in node-TAK: %v", name, err)
	}
	return dev, ""
}

// From a fresh server to ten devices on the map, by the words of the README: four
// in the manner of ATAK, three in that of iTAK, three in that of node-TAK. All see
// each other.
func TestTenDevicesFromAFreshServer(t *testing.T) {
	needBuiltIn(t)
	srv := taktest.RunOnly(t, "--set", "public="+publicName, "--set", "listen.tcp=", "--set", "listen.tls=127.0.0.1:0",
		"--set", "listen.http=", "--set", "listen.https=127.0.0.1:0", "--set", "listen.web=127.0.0.1:0", "--set", "listen.rest=127.0.0.1:0")
	n := &newcomers{srv: srv, web: srv.Addr(t, "web")}
	public := rootsOf(t, srv.Admin)
	type arrival struct {
		dev    *takclient.Enrolled
		stream string
		client *takclient.Client
	}
	var all []*arrival
	come := func(dev *takclient.Enrolled, stream string) { all = append(all, &arrival{dev: dev, stream: stream}) }

	come(n.atak(t, "anna"))
	if all[0].dev.Profile != nil {
		t.Error("there is no profile, and ATAK got one")
	}
	srv.Must(t, "POST", "/api/v1/profiles", admin.NewProfile{Name: "maps", ProfileInput: admin.ProfileInput{Kind: "enrollment"}})
	srv.Must(t, "PUT", "/api/v1/profiles/maps/files/osm.xml", []byte("<customMapSource/>"))
	for _, name := range []string{"ben", "cleo", "dörte"} {
		come(n.atak(t, name))
	}
	if files := unzip(t, all[1].dev.Profile); files["MANIFEST/manifest.xml"] == nil || !strings.Contains(fmt.Sprint(files), fmt.Sprint([]byte("<customMapSource/>"))) {
		t.Errorf("the profile at enrolment: got %v", files)
	}
	come(n.itakPackage(t, "emil"))
	come(n.itakText(t, "fay", public))
	come(n.itakText(t, "gus o neil", public))
	for _, name := range []string{"hal", "ida", "jo"} {
		come(n.nodeTAK(t, name, public))
	}

	for i, a := range all {
		if want := publicName + ":"; a.stream != "" && !strings.HasPrefix(a.stream, want) {
			t.Errorf("%s connects to %s, want the public name", a.dev.User, a.stream)
		}
		conf := a.dev.TLS()
		conf.ServerName = publicName // what clients check that check it
		opts := []takclient.Option{takclient.WithUID(a.dev.UID), takclient.WithCallsign(strings.ToUpper(a.dev.User)), takclient.WithTLS(conf)}
		if i < 4 {
			opts = append(opts, takclient.WithProto(), takclient.WithProlog())
		}
		a.client = takclient.Dial(t, srv.Addr(t, "tls"), opts...)
		a.client.Sync(t) // node-TAK believes in a link at the first pong
		takclient.Must(t, a.client.SA(float64(i), 10))
	}
	for _, a := range all {
		for _, b := range all {
			if a != b {
				a.client.ExpectUID(t, b.dev.UID)
			}
		}
	}
	for _, a := range all {
		a.client.Sync(t)
		if got := a.client.CountUID(a.dev.UID); got != 0 {
			t.Errorf("%s got its own position %d times", a.dev.User, got)
		}
		https := askTo(t, srv.Admin, "https", srv.Addr(t, "https")).certificate(a.dev.Cert)
		for _, b := range all {
			if body := https.get("/Marti/api/clientEndPoints").is(200).body; !strings.Contains(body, b.dev.UID) {
				t.Errorf("clientEndPoints as %s has no %s: %s", a.dev.User, b.dev.UID, body)
			}
		}
	}
	shown := n.takhost(t, "", "status", "--clients")
	for _, a := range all {
		if !strings.Contains(shown, strings.ToUpper(a.dev.User)) {
			t.Errorf("status --clients has no %s:\n%s", a.dev.User, shown)
		}
	}
}
