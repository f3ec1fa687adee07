package admin_test

import (
	"archive/zip"
	"bytes"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/takhost/takhost/core/admin"
	"github.com/takhost/takhost/core/identity"
	"github.com/takhost/takhost/core/onboard"
)

func TestEnrolments(t *testing.T) {
	b := newBed(t)
	boss, op, ann := b.admin(), b.user("op", "operator"), b.user("ann")
	b.user("eve", "user", "operator")
	b.user("ron", "readonly")

	var made admin.NewEnrolment
	op.do("POST", "enrolments", obj{"user": "ANN", "expires": "12h", "note": "phone"}).is(201).into(&made)
	if left := time.Until(made.Expires); made.User != "ann" || made.Uses != 1 || made.By != "op" || made.State != "open" || left < 11*time.Hour || left > 12*time.Hour {
		t.Errorf("got %+v", made.Enrolment)
	}
	same(t, admin.Ways{
		Host: "tak.example.org", Login: "ann", Secret: made.Secret,
		Link: "tak://com.atakmap.app/enroll?host=tak.example.org&username=ann&token=" + url.QueryEscape(made.Secret),
		URL:  "https://tak.example.org:8446/enrol/" + made.Secret, ITAK: "Base,tak.example.org,8089,SSL",
	}, made.Ways)

	_, grant, err := b.ids.EnrolLogin(t.Context(), "ann", made.Secret, "UID-1", "192.0.2.1")
	b.must(err)
	b.must(b.ids.SpendEnrolment(t.Context(), grant, "UID-1", ""))
	list := op.get("enrolments").is(200)
	if strings.Contains(string(list.body), made.Secret) {
		t.Error("the secret is told again")
	}
	var page admin.EnrolmentPage
	list.into(&page)
	if e := page.Enrolments[0]; len(page.Enrolments) != 1 || e.State != "spent" || len(e.Used) != 1 || e.Used[0].Device != "UID-1" {
		t.Errorf("got %+v", page)
	}

	for _, name := range []string{"boss", "op", "eve", "ron"} {
		op.do("POST", "enrolments", obj{"user": name}).refused(403, "only role is user")
		boss.do("POST", "enrolments", obj{"user": name}).is(201)
	}
	event := obj{"event": obj{"prefix": "rescue"}, "uses": 3}
	op.do("POST", "enrolments", event).refused(403, "administrators")
	boss.do("POST", "enrolments", event).is(201).into(&made)
	if made.Event == nil || made.Login != "rescue" || made.Uses != 3 {
		t.Errorf("got %+v", made)
	}
	boss.do("POST", "enrolments", obj{"event": obj{"prefix": "x", "roles": []string{"admin"}}}).refused(400, "")
	boss.do("POST", "enrolments", obj{"user": "ann", "event": obj{"prefix": "x"}}).refused(400, "either a user or an event")
	boss.do("POST", "enrolments", obj{}).refused(400, "either a user or an event")
	boss.do("POST", "enrolments", obj{"user": "nobody"}).refused(404, "nobody")
	boss.do("POST", "enrolments", obj{"user": "ann", "expires": "never"}).refused(400, "is no time")
	boss.do("POST", "enrolments", obj{"user": "ann", "expires": "-1h"}).refused(400, "not ahead")
	boss.do("POST", "enrolments", obj{"user": "ann", "host": "a b"}).refused(400, "neither a name")

	op.do("DELETE", "enrolments/"+made.ID, nil).refused(403, "administrators")
	op.do("DELETE", "enrolments/none", nil).refused(404, "none")
	boss.do("DELETE", "enrolments/"+made.ID, nil).is(204)
	boss.do("DELETE", "enrolments/"+made.ID, nil).refused(404, made.ID)
	op.do("DELETE", "enrolments/"+page.Enrolments[0].ID, nil).is(204)
	for _, e := range read[admin.EnrolmentPage](op, "enrolments").Enrolments {
		op.do("DELETE", "enrolments/"+e.ID, nil).refused(403, "only role is user")
	}
	ann.get("enrolments").refused(403, "")

	same(t, b.public(), read[admin.Public](op, "public"))
	b.unreachable()
	boss.do("POST", "enrolments", obj{"user": "ann"}).refused(503, "192.0.2.7")
	boss.do("POST", "enrolments", obj{"user": "ann", "host": "192.0.2.7"}).is(201).into(&made)
	if made.Host != "192.0.2.7" || made.ITAK != "192.0.2.7,192.0.2.7,8089,SSL" {
		t.Errorf("got %+v", made.Ways)
	}
	b.mu.Lock()
	delete(b.ports, "web")
	b.mu.Unlock()
	boss.do("POST", "enrolments", obj{"user": "ann", "host": "192.0.2.7"}).refused(503, "listen.web")
}

func TestSheet(t *testing.T) {
	b := newBed(t)
	boss, op := b.admin(), b.user("op", "operator")
	b.user("ann")
	b.user("ben")
	got := op.do("POST", "sheet", obj{"users": []string{"ann", "BEN"}, "entries": []obj{{"user": "cay", "secret": "known-before"}}}).is(200)
	if got.header.Get("Content-Type") != "text/html; charset=utf-8" || !strings.Contains(got.header.Get("Content-Security-Policy"), "default-src 'none'") {
		t.Errorf("got %v", got.header)
	}
	for _, words := range []string{"ann", "ben", "cay", "known-before", "tak.example.org", "data:image/png"} {
		if !strings.Contains(string(got.body), words) {
			t.Errorf("the sheet has no %s", words)
		}
	}
	if n := len(b.ids.Enrolments()); n != 2 {
		t.Errorf("%d codes were made", n)
	}
	op.do("POST", "sheet", obj{"users": []string{"ann", "boss"}}).refused(403, "only role is user")
	op.do("POST", "sheet", obj{"users": []string{"ann", "Ann"}}).refused(400, "twice")
	boss.do("POST", "sheet", obj{"users": []string{"nobody"}}).refused(404, "nobody")
	boss.do("POST", "sheet", obj{}).refused(400, "1 to 1000")
	if n := len(b.ids.Enrolments()); n != 2 {
		t.Errorf("a refused sheet made %d codes", n-2)
	}
	b.unreachable()
	boss.do("POST", "sheet", obj{"users": []string{"ann"}}).refused(503, "192.0.2.7")
}

func TestPackages(t *testing.T) {
	b := newBed(t)
	boss, op, ann := b.admin(), b.user("op", "operator"), b.user("ann")

	got := op.do("POST", "connection-packages", obj{"user": "ann", "for": "atak"}).is(200)
	if got.header.Get("Content-Type") != "application/zip" || !strings.HasPrefix(got.header.Get("Content-Disposition"), `attachment; filename="`) {
		t.Errorf("got %v", got.header)
	}
	if names := entries(t, got.body); len(names) != 3 || len(b.ids.Certificates(identity.CertificateFilter{})) != 0 {
		t.Errorf("a package to enrol has %q", names)
	}
	got = op.do("POST", "connection-packages", obj{"user": "ann", "for": "itak", "certificate": true, "host": "192.0.2.7"}).is(200)
	if names := strings.Join(entries(t, got.body), " "); strings.Contains(names, "/") || strings.Count(names, ".p12") != 2 {
		t.Errorf("a package for iTAK has %q", names)
	}
	list := read[admin.CertificatePage](ann, "certificates").Certificates
	if len(list) != 1 || list[0].User != "ann" || list[0].Kind != "package" || !list[0].Channels || list[0].State != "active" {
		t.Errorf("certificates: %+v", list)
	}

	op.do("POST", "connection-packages", obj{"user": "boss", "for": "atak"}).refused(403, "only role is user")
	op.do("POST", "connection-packages", obj{"user": "ann", "for": "itak"}).refused(400, "iTAK")
	op.do("POST", "connection-packages", obj{"user": "ann", "for": "palm"}).refused(400, "")
	op.do("POST", "connection-packages", obj{"user": "ann", "for": "atak", "password": "a\nb"}).refused(400, "control character")
	boss.do("POST", "connection-packages", obj{"user": "nobody", "for": "atak"}).refused(404, "nobody")
	b.unreachable()
	op.do("POST", "connection-packages", obj{"user": "ann", "for": "atak", "certificate": true}).refused(503, "192.0.2.7")
	if n := len(b.ids.Certificates(identity.CertificateFilter{})); n != 1 {
		t.Errorf("a refused package made a certificate: there are %d", n)
	}
}

// TestKeptPackages keeps a package as FreeTAKServer's API does.
func TestKeptPackages(t *testing.T) {
	b := newBed(t)
	boss, op, ann, ben := b.admin(), b.user("op", "operator"), b.user("ann"), b.user("ben")
	name, err := b.packages.Keep(t.Context(), root, "ann", "wintak")
	b.must(err)
	_, err = b.ids.SetUser(t.Context(), root, "ann", func(u *identity.User) error {
		u.Package = name
		return nil
	})
	b.must(err)
	same(t, admin.PackagePage{Packages: []admin.KeptPackage{{Name: name, User: "ann"}}}, read[admin.PackagePage](op, "connection-packages"))
	for _, c := range []*caller{boss, op, ann} {
		if got := c.get("connection-packages/" + name).is(200); len(entries(t, got.body)) < 3 {
			t.Errorf("got %d bytes", len(got.body))
		}
	}
	ben.get("connection-packages/"+name).refused(404, name)
	_, err = b.ids.SetUser(t.Context(), root, "ann", func(u *identity.User) error {
		u.Roles = []string{"admin"}
		return nil
	})
	b.must(err)
	op.get("connection-packages/"+name).refused(404, name)
	for _, bad := range []string{"..%2fpki%2fca.key", ".zip", "a%5cb.zip", "none.zip"} {
		boss.get("connection-packages/"+bad).refused(404, "")
	}
	boss.do("DELETE", "users/ann", nil).is(204)
	if _, err := b.packages.Read(name); err == nil {
		t.Error("the package stays when its user is gone")
	}
	b.must(b.packages.Remove(name)) // gone already
}

// TestPackageFiles shows that nobody else can read what is kept.
func TestPackageFiles(t *testing.T) {
	b := newBed(t)
	b.user("a b")
	dir := t.TempDir() + "/packages"
	p, err := admin.OpenPackages(admin.PackageOptions{Dir: dir, Identity: b.ids, PKI: b.ca, Password: "atakatak", Reach: func() (onboard.Reach, error) { return b.reach() }})
	b.must(err)
	defer p.Close()
	name, err := p.Keep(t.Context(), root, "a b", "mobile")
	b.must(err)
	if !strings.HasPrefix(name, "a_b") || !strings.HasSuffix(name, ".zip") {
		t.Errorf("name %q", name)
	}
	files, err := os.ReadDir(dir)
	b.must(err)
	if len(files) != 1 || files[0].Name() != name {
		t.Errorf("in the folder: %v", files)
	}
	for path, want := range map[string]os.FileMode{dir: 0o700, dir + "/" + name: 0o600} {
		info, err := os.Stat(path)
		b.must(err)
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%s: mode %v, want %v", path, got, want)
		}
	}
	b.must(os.WriteFile(dir+"/.new-left", []byte("x"), 0o600))
	again, err := admin.OpenPackages(admin.PackageOptions{Dir: dir})
	b.must(err)
	defer again.Close()
	if files, err := os.ReadDir(dir); err != nil || len(files) != 1 {
		t.Errorf("in the folder after a crash: %v, %v", files, err)
	}
	if _, err := p.Keep(t.Context(), root, "nobody", "mobile"); err == nil {
		t.Error("a package for nobody")
	}
}

// entries lists a package.
func entries(t *testing.T, b []byte) (names []string) {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range z.File {
		names = append(names, f.Name)
	}
	return names
}
