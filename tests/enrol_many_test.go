package tests

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/takhost/takhost/core/admin"
	"github.com/takhost/takhost/tests/takclient"
	"github.com/takhost/takhost/tests/taktest"
)

// A thousand people come by a file, each with a code on a sheet to print; a few of
// them are let in by what is on their card.
func TestThousandUsersByCSV(t *testing.T) {
	srv := taktest.Run(t, append(taktest.Listening("tls", "https", "web"), append([]string{"--set", "public=" + publicName}, withoutPlugins...)...)...)
	addGroups(t, srv.Admin, "Red", "Blue")
	const people = 1000
	var csv strings.Builder
	csv.WriteString("name,full_name,groups,roles\n")
	for i := range people {
		fmt.Fprintf(&csv, "helper-%04d,\"Helper, %d\",%s,%s\n", i, i, []string{"Red", "Blue|Red:out", ""}[i%3], []string{"user", "", "readonly"}[i%3])
	}
	dir := t.TempDir()
	file, sheet := filepath.Join(dir, "people.csv"), filepath.Join(dir, "sheet.html")
	takclient.Must(t, os.WriteFile(file, []byte(csv.String()), 0o600))

	// One bad line, and nobody is taken.
	bad := filepath.Join(dir, "bad.csv")
	takclient.Must(t, os.WriteFile(bad, []byte(csv.String()+"a,b=c,,\n<script>,,,\n"), 0o600))
	out := taktest.Command(t, "user", "import", bad, "--data", srv.Data)
	if out.Code == 0 || !strings.Contains(out.Err, "line 1003") {
		t.Errorf("a file with a bad line: got exit code %d, %s", out.Code, out.Err)
	}
	out = taktest.Command(t, "user", "import", file, "--data", srv.Data, "--dry-run")
	if out.Code != 0 {
		t.Fatalf("dry run: %s", out.Err)
	}
	var page admin.UserPage
	srv.Must(t, "GET", "/api/v1/users?limit=1", nil).Decode(t, &page)
	if len(page.Users) != 0 {
		t.Fatalf("after a dry run and a refusal there is %s", page.Users[0].Name)
	}

	out = taktest.Command(t, "user", "import", file, "--data", srv.Data, "--sheet", sheet, "--json")
	if out.Code != 0 {
		t.Fatalf("import: %s", out.Err)
	}
	var done admin.Import
	if err := json.Unmarshal([]byte(out.Out), &done); err != nil {
		t.Fatalf("import --json: %v in %s", err, out.Out)
	}
	if done.Imported != people || done.Failed != 0 || len(done.Lines) != people {
		t.Fatalf("import: got %d imported, %d failed of %d lines", done.Imported, done.Failed, len(done.Lines))
	}
	html, err := os.ReadFile(sheet)
	takclient.Must(t, err)
	if info, err := os.Stat(sheet); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the sheet has all secrets; its mode is %v, %v", info.Mode(), err)
	}
	if n := strings.Count(string(html), "data:image/png"); n < people {
		t.Errorf("the sheet has %d QR codes, want %d", n, people)
	}
	secrets := map[string]bool{}
	for _, l := range done.Lines {
		switch {
		case l.Ways == nil:
			t.Fatalf("%s has no code", l.Name)
		case secrets[l.Ways.Secret]:
			t.Fatalf("two people have the code %s", l.Ways.Secret)
		case !strings.Contains(string(html), l.Name):
			t.Errorf("the sheet has no card for %s", l.Name)
		}
		secrets[l.Ways.Secret] = true
	}
	for _, i := range []int{0, 1, 500, 999} {
		ways := done.Lines[i].Ways
		e := takclient.Enrolment{Web: "https://" + srv.Addr(t, "web"), Roots: rootsOf(t, srv.Admin), User: ways.Login, Secret: ways.Secret, UID: fmt.Sprint("ANDROID-", i)}
		dev, err := e.ATAK(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		onlineAt(t, srv.Addr(t, "tls"), dev, takclient.WithUID(dev.UID)).Sync(t)
	}
	if n := srv.Status(t).Connections; n != 4 {
		t.Errorf("the server holds %d connections, want 4", n)
	}
}

// Fifty devices may use a code, and seventy try at once: exactly fifty get in,
// each as a user of its own.
func TestEventCodeLetsExactlyAsManyIn(t *testing.T) {
	srv := wholeServer(t)
	addGroups(t, srv.Admin, "Rescue")
	const uses, tries = 50, 70
	var e admin.NewEnrolment
	srv.Must(t, "POST", "/api/v1/enrolments", admin.EnrolmentInput{
		Event: &admin.EventCode{Prefix: "rescue", Groups: memberOf("Rescue")}, Uses: uses,
	}).Decode(t, &e)
	if e.Login != "rescue" {
		t.Errorf("what to type as name: got %q, want rescue", e.Login)
	}
	at := enrolment(t, srv, e.Login, e.Secret, "")
	var all sync.WaitGroup
	devices, faults := make([]*takclient.Enrolled, tries), make([]error, tries)
	begin := make(chan struct{})
	for i := range tries {
		all.Go(func() {
			mine := at
			mine.UID = fmt.Sprintf("ANDROID-%03d", i)
			<-begin
			if i%2 == 0 {
				devices[i], faults[i] = mine.ATAK(t.Context())
			} else {
				devices[i], faults[i] = mine.ITAK(t.Context())
			}
		})
	}
	close(begin)
	all.Wait()
	names := map[string]bool{}
	in := 0
	var one, another *takclient.Enrolled
	for i, dev := range devices {
		if dev == nil {
			if refused := (*takclient.Refused)(nil); !errors.As(faults[i], &refused) || refused.Status >= 500 {
				t.Errorf("device %d: %v, want a refusal", i, faults[i])
			}
			continue
		}
		in++
		if names[dev.User] || !strings.HasPrefix(dev.User, "rescue-") {
			t.Errorf("device %d is %q, want a user of its own", i, dev.User)
		}
		names[dev.User] = true
		one, another = dev, one
	}
	if in != uses {
		t.Fatalf("%d devices got in, want %d", in, uses)
	}
	var page admin.UserPage
	srv.Must(t, "GET", "/api/v1/users?limit=1000&group=Rescue", nil).Decode(t, &page)
	if len(page.Users) != uses {
		t.Errorf("the group has %d users, want %d", len(page.Users), uses)
	}
	var codes admin.EnrolmentPage
	srv.Must(t, "GET", "/api/v1/enrolments", nil).Decode(t, &codes)
	if len(codes.Enrolments) != 1 || codes.Enrolments[0].State != "spent" || len(codes.Enrolments[0].Used) != uses {
		t.Errorf("the code: got %+v, want it spent by %d", codes, uses)
	}
	// They see one another and nobody else does.
	a, b, outside := online(t, srv, one), online(t, srv, another), srv.Client(t)
	takclient.Must(t, a.SA(1, 2))
	b.ExpectUID(t, one.UID)
	a.Sync(t)
	outside.Sync(t)
	if n := outside.Count(takclient.UID(one.UID)); n != 0 {
		t.Errorf("somebody outside the group got the position %d times", n)
	}
	// One that has used it may fetch the answer again, if that was lost on the way.
	again := at
	again.UID = one.UID
	if dev, err := again.ATAK(t.Context()); err != nil || dev.User != one.User {
		t.Errorf("the same device once more: got %+v, %v", dev, err)
	}
}

// Of two phones with one code the first one wins, and the other's owner is told.
func TestOneCodeIsForOneDevice(t *testing.T) {
	srv := wholeServer(t)
	addUser(t, srv.Admin, "ann")
	e := code(t, srv.Admin, "ann")
	var all sync.WaitGroup
	faults := make([]error, 8)
	for i := range faults {
		at := enrolment(t, srv, "ann", e.Secret, fmt.Sprint("ANDROID-", i))
		all.Go(func() { _, faults[i] = at.ATAK(t.Context()) })
	}
	all.Wait()
	good := 0
	for _, err := range faults {
		if refused := (*takclient.Refused)(nil); err == nil {
			good++
		} else if !errors.As(err, &refused) || refused.Status != 401 && refused.Status != 409 {
			t.Errorf("got %v, want 401 or 409", err)
		}
	}
	if good != 1 {
		t.Errorf("%d devices got in by a code for one", good)
	}
	var page admin.CertificatePage
	srv.Must(t, "GET", "/api/v1/certificates?user=ann", nil).Decode(t, &page)
	if len(page.Certificates) != 1 {
		t.Errorf("%d certificates are recorded, want 1", len(page.Certificates))
	}
}
