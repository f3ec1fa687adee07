package admin_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/takhost/takhost/core/admin"
)

func TestImport(t *testing.T) {
	b := newBed(t)
	boss := b.admin()
	for _, g := range []string{"Blue", "Red"} {
		boss.do("POST", "groups", obj{"name": g}).is(201)
	}
	for _, c := range []struct {
		name, file string
		want       []string // name, full name, roles and groups
		refused    string   // words of the problem
	}{
		{"without a header", "ann,Ann Example,,Blue,user\nben\n", []string{"ann|Ann Example|user|Blue io", "ben||user|"}, ""},
		{"with a header in another order", "Groups,Name\nBlue:in|Red:out,ann\n", []string{"ann||user|Blue i.Red o"}, ""},
		{"BOM, CRLF, quotes, empty lines", "\ufeffname,full_name\r\n\r\nann,\"Example, \"\"Ann\"\"\"\r\n\r\n", []string{`ann|Example, "Ann"|user|`}, ""},
		{"a spreadsheet's semicolons", "Name;Full Name;Groups;Roles\nann;Ann, E.;Blue|Red;readonly\n", []string{"ann|Ann, E.|readonly|Blue io.Red io"}, ""},
		{"several roles", "ann,,,,admin|operator\n", []string{"ann||admin+operator|"}, ""},
		{"an unknown column", "name,phone\nann,1\n", nil, `a column "phone"`},
		{"a column twice", "name,Name\nann,1\n", nil, "twice"},
		{"a field too many", "name\nann,\"b\"\n", nil, "line 2, ann: it has 2 fields"},
		{"a name twice", "ann\nben\nANN\n", nil, "line 3, ANN: line 1 has the same name"},
		{"there already", "boss\n", nil, "there is a user boss already"},
		{"no name", "name,full_name\n,Ann\n", nil, "it has no name"},
		{"a group that is none", "ann,,,Green\n", nil, "Green"},
		{"a group twice", "ann,,,Blue|Blue:in\n", nil, "twice"},
		{"a role that is none", "ann,,,,king\n", nil, "king"},
		{"a bad name", "a;b,,,,\n\"a,b\"\n", nil, "must not be in a name"},
		{"a short password", "ann,,x\n", nil, "password"},
		{"nothing", "", nil, ""},
		{"a header alone", "name,roles\n", nil, "no lines"},
		{"no UTF-8", "J\xfcrgen\n", nil, "UTF-8"},
		{"an open quote", "\"ann\nben\n", nil, "body: line"},
		{"too many lines", strings.Repeat("x\n", 10_001), nil, "more than 10000 lines"},
		{"too many passwords", manyPasswords(), nil, "501 passwords"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Cleanup(func() {
				for _, u := range b.ids.Users() {
					if u.Name != "boss" {
						b.must(b.ids.RemoveUser(context.Background(), root, u.Name))
					}
				}
			})
			dry := boss.do("POST", "users/import?dry_run=true", c.file, "Content-Type", "text/csv")
			if n := len(b.ids.Users()); n != 1 {
				t.Fatalf("a dry run made %d users", n-1)
			}
			got := boss.do("POST", "users/import", c.file, "Content-Type", "text/csv")
			if c.want == nil {
				got.refused(400, c.refused)
				if n := len(b.ids.Users()); n != 1 {
					t.Errorf("there are %d users of a refused file", n-1)
				}
				if dry.status == 200 && !strings.Contains(string(dry.body), `"imported":0`) {
					t.Errorf("the dry run says %s", dry.body)
				}
				return
			}
			var told admin.Import
			dry.is(200).into(&told)
			if !told.DryRun || told.Imported != len(c.want) || told.Failed != 0 || told.Lines[0].Ways != nil {
				t.Errorf("the dry run says %+v", told)
			}
			got.is(200).into(&told)
			if told.DryRun || told.Imported != len(c.want) || len(told.Lines) != len(c.want) {
				t.Errorf("got %+v", told)
			}
			for i, l := range told.Lines {
				same(t, c.want[i], b.describe(l.Name))
				if l.Ways == nil || l.Ways.Login != l.Name || l.Ways.Host != "tak.example.org" {
					t.Errorf("no code for %s: %+v", l.Name, l.Ways)
				}
			}
		})
	}
}

func manyPasswords() string {
	var b strings.Builder
	for i := range 501 {
		fmt.Fprintf(&b, "u%d,,a long password,,\n", i)
	}
	return b.String()
}

// describe gives what a file says of a user.
func (b *bed) describe(name string) string {
	b.t.Helper()
	u, ok := b.ids.User(name)
	if !ok {
		b.t.Fatalf("there is no %s", name)
	}
	var groups []string
	for _, m := range u.Groups {
		d := ""
		if m.In {
			d += "i"
		}
		if m.Out {
			d += "o"
		}
		groups = append(groups, m.Group+" "+d)
	}
	return u.Name + "|" + u.FullName + "|" + strings.Join(u.Roles, "+") + "|" + strings.Join(groups, ".")
}

// TestImportPasswords shows who gets a code, and that it lets him enrol.
func TestImportPasswords(t *testing.T) {
	b := newBed(t)
	boss := b.admin()
	const file = "ann,,correct horse battery\nben\n"
	var got admin.Import
	boss.do("POST", "users/import?expires=2h", file, "Content-Type", "text/csv").is(200).into(&got)
	if got.Lines[0].Ways != nil || got.Lines[1].Ways == nil {
		t.Fatalf("got %+v", got)
	}
	if _, err := b.ids.Login(t.Context(), "ann", "correct horse battery", "192.0.2.1"); err != nil {
		t.Errorf("login: %v", err)
	}
	c, _, err := b.ids.EnrolLogin(t.Context(), "ben", got.Lines[1].Ways.Secret, "UID-1", "192.0.2.1")
	if err != nil || c.User != "ben" {
		t.Errorf("enrolment: %+v, %v", c, err)
	}
	boss.do("POST", "users/import?codes=false", "cay\n", "Content-Type", "text/csv").is(200).into(&got)
	if len(b.ids.Enrolments()) != 1 || got.Lines[0].Ways != nil {
		t.Error("a code was made that nobody wants")
	}
	boss.do("POST", "users/import?expires=yesterday", "dan\n", "Content-Type", "text/csv").refused(400, "is no time")

	b.unreachable()
	boss.do("POST", "users/import", "dan\n", "Content-Type", "text/csv").refused(503, "192.0.2.7")
	if _, there := b.ids.User("dan"); there {
		t.Error("dan was made although his code could not be")
	}
	boss.do("POST", "users/import?host=192.0.2.7", "dan\n", "Content-Type", "text/csv").is(200).into(&got)
	if got.Lines[0].Ways.Host != "192.0.2.7" || !strings.Contains(got.Lines[0].Ways.URL, "https://192.0.2.7:8446/") {
		t.Errorf("got %+v", got.Lines[0].Ways)
	}
	for _, secret := range []string{"correct horse battery", got.Lines[0].Ways.Secret} {
		if strings.Contains(b.log.String(), secret) {
			t.Error("a secret is in the log")
		}
	}
}
