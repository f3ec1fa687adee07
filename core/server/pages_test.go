package server

import (
	"archive/zip"
	"bytes"
	"errors"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/takhost/takhost/core/identity"
	"github.com/takhost/takhost/core/onboard"
)

func TestSetupPage(t *testing.T) {
	srv := startServer(t, "web")
	b := browse(t, srv)
	if home := b.get("/", 200); !strings.Contains(home, "setup.link") {
		t.Error("the first page does not say that nobody administers the server")
	}
	file := filepath.Join(srv.cfg.Data, SetupFile)
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm()&0o077 != 0 {
		t.Errorf("the link's file: %v, %v", info.Mode(), err)
	}
	link, err := url.Parse(strings.TrimSpace(string(text)))
	if err != nil || link.Hostname() != "tak.example.org" || !strings.HasPrefix(link.Path, setupPath) {
		t.Fatalf("the link is %q, %v", text, err)
	}
	b.get(setupPath+"tkx_guess", http.StatusGone)
	if page := b.get(link.Path, 200); !strings.Contains(page, "<form") {
		t.Error("the page has no form")
	}
	form := url.Values{"name": {"ann"}, "password": {"correct horse"}, "again": {"correct house"}}
	if page := b.post(link.Path, form, http.StatusUnprocessableEntity); !strings.Contains(page, "not the same") {
		t.Error("two passwords were taken for one")
	}
	form.Set("again", "short")
	form.Set("password", "short")
	b.post(link.Path, form, http.StatusUnprocessableEntity)
	form.Set("password", "correct horse")
	form.Set("again", "correct horse")
	if page := b.post(link.Path, form, 200); !strings.Contains(page, "ann looks after this server now") {
		t.Errorf("got %.600s", page)
	}
	if u, ok := srv.identity.User("ann"); !ok || !slices.Contains(u.Roles, identity.RoleAdmin) {
		t.Errorf("got %+v", u)
	}
	b.get(link.Path, http.StatusGone)
	b.post(link.Path, form, http.StatusGone)
	if _, err := os.Stat(file); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the file is still there: %v", err)
	}
	if home := b.get("/", 200); strings.Contains(home, "setup.link") {
		t.Error("the first page offers what is done")
	}

	// The way back in.
	reset, err := srv.resetAdmin(t.Context(), identity.Actor{Via: "admin"})
	if err != nil || reset.Name != "ann" {
		t.Fatalf("got %+v, %v", reset, err)
	}
	link, err = url.Parse(reset.Link)
	if err != nil {
		t.Fatal(err)
	}
	if page := b.get(link.Path, 200); !strings.Contains(page, "A new password for ann") {
		t.Error("the page does not say whose password it sets")
	}
	form = url.Values{"name": {"mallory"}, "password": {"battery staple"}, "again": {"battery staple"}}
	b.post(link.Path, form, 200)
	if _, err := srv.identity.Login(t.Context(), "ann", "battery staple", "192.0.2.1"); err != nil {
		t.Error(err)
	}
}

// names gives the files in a package.
func names(t *testing.T, pkg string) (list []string) {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader([]byte(pkg)), int64(len(pkg)))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range z.File {
		list = append(list, f.Name)
	}
	return list
}

func TestEnrolPage(t *testing.T) {
	srv := startServer(t, "tls", "https", "web")
	b := browse(t, srv)
	ids, by := srv.identity, identity.Actor{Via: "test"}
	if _, err := ids.AddUser(t.Context(), by, identity.NewUser{User: identity.User{Name: "ann"}}); err != nil {
		t.Fatal(err)
	}
	_, code, err := ids.NewEnrolment(t.Context(), by, identity.EnrolmentSpec{User: "ann", Expires: time.Now().Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	at := onboard.LandingPath + code
	page := b.get(at, 200)
	for _, want := range []string{"tak.example.org", code, at + "/atak.zip", at + "/wintak.zip", at + "/itak.zip"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	b.get(onboard.LandingPath+"0000-0000-0000-0000", http.StatusNotFound)
	b.get(at+"/other.zip", http.StatusNotFound)
	for _, client := range []string{"atak", "wintak"} {
		list := names(t, b.get(at+"/"+client+".zip", 200))
		if !slices.ContainsFunc(list, func(n string) bool { return strings.Contains(n, "truststore") }) {
			t.Errorf("%s: the package has %v", client, list)
		}
	}
	// A look at the link uses nothing up.
	if page := b.get(at+"/itak.zip", 200); !strings.Contains(page, "<form") {
		t.Errorf("got %.400s", page)
	}
	b.get(at, 200)
	if list := names(t, b.post(at+"/itak.zip", nil, 200)); !slices.ContainsFunc(list, func(n string) bool { return strings.HasPrefix(n, "ann-") }) {
		t.Errorf("the package has %v", list)
	}
	certs := ids.Certificates(identity.CertificateFilter{User: "ann"})
	if len(certs) != 1 || certs[0].Kind != identity.KindPackage || !certs[0].Channels {
		t.Errorf("recorded: %+v", certs)
	}
	b.get(at, http.StatusGone)
	b.get(at+"/atak.zip", http.StatusGone)
}

// An event code makes a user for each iTAK package.
func TestEventPackages(t *testing.T) {
	srv := startServer(t, "tls", "web")
	b := browse(t, srv)
	_, code, err := srv.identity.NewEnrolment(t.Context(), identity.Actor{Via: "test"},
		identity.EnrolmentSpec{Event: &identity.EventCode{Prefix: "Lake"}, Uses: 2, Expires: time.Now().Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	at := onboard.LandingPath + code
	names(t, b.get(at+"/atak.zip", 200))
	names(t, b.post(at+"/itak.zip", nil, 200))
	names(t, b.post(at+"/itak.zip", nil, 200))
	b.post(at+"/itak.zip", nil, http.StatusGone)
	for _, name := range []string{"Lake-0001", "Lake-0002"} {
		if _, ok := srv.identity.User(name); !ok {
			t.Errorf("there is no user %s", name)
		}
	}
}
