package admin

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/takhost/takhost/core/identity"
	"github.com/takhost/takhost/core/onboard"
	"github.com/takhost/takhost/core/web"
	"github.com/takhost/takhost/openapi"
)

const (
	maxImport = 4 << 20

	// A password takes the server a fifth of a second, on purpose.
	maxPasswords = 500

	// importWait is for the hashes of so many passwords, on a slow machine.
	importWait = 10 * time.Minute
)

// Import tells what became of a file of users.
type Import struct {
	DryRun   bool         `json:"dry_run"`
	Imported int          `json:"imported" doc:"Users that were added; of a dry run, that would be"`
	Failed   int          `json:"failed" doc:"Lines that cannot be taken. If there is one, none of the others is taken either"`
	Lines    []ImportLine `json:"lines" nullable:"false"`
}

// ImportLine tells what became of one line.
type ImportLine struct {
	Line  int    `json:"line" doc:"Of the file, the first being 1"`
	Name  string `json:"name"`
	Error string `json:"error,omitempty" doc:"Why it cannot be taken, or why it has no enrolment code"`
	Ways  *Ways  `json:"enrolment,omitempty" doc:"The enrolment code of somebody without a password, this once"`
}

// LongBody lets a request and its answer take their time. It is exported for
// huma.
type LongBody struct{}

// Resolve implements huma.Resolver.
func (*LongBody) Resolve(ctx huma.Context) []error {
	_, w := web.Unwrap(ctx)
	// Where it is not possible the usual time holds.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(importWait))
	return nil
}

type importInput struct {
	LongBody
	DryRun  bool   `query:"dry_run" doc:"Only tell what would happen"`
	Codes   bool   `query:"codes" default:"true" doc:"Make an enrolment code for everybody without a password"`
	Expires string `query:"expires" maxLength:"64" doc:"Of the codes: RFC 3339, or how long from now, such as 7d, which is usual"`
	Host    string `query:"host" maxLength:"253" doc:"Name or address for the links in the place of the first of public"`
	RawBody []byte `contentType:"text/csv"`
}

func (r registrar) importUsers() {
	op := admins(r.op("POST", "/users/import", "user-import", "users", "Add many users",
		"CSV in UTF-8 with the columns name, full_name, password, groups and roles; the first line may name them, in any order, and all but name may be missing. "+
			"Several groups or roles are separated by | or ;, and Blue:in or Blue:out is one direction of a group. "+
			"Either all lines are taken or none; a dry run tells beforehand. Whoever has no password gets an enrolment code, which is shown this once; "+
			"the operation sheet prints them.", clash, away, http.StatusRequestEntityTooLarge))
	op.MaxBodyBytes = maxImport
	huma.Register(r.api, op, func(ctx context.Context, in *importInput) (*Answer[Import], error) {
		return answer(r.imported(ctx, in))
	})
}

func (r registrar) imported(ctx context.Context, in *importInput) (out Import, err error) {
	lines, err := readCSV(in.RawBody)
	if err != nil {
		return out, err
	}
	expires, err := until(in.Expires, sheetLife, r.d.now())
	if err != nil {
		return out, err
	}
	codes := in.Codes && slices.ContainsFunc(lines, func(l csvLine) bool { return l.password == "" })
	var reach onboard.Reach
	if codes {
		if reach, err = r.reachToEnrol(in.Host); err != nil {
			return out, err
		}
	}
	if err := r.check(lines); err != nil {
		return out, err
	}
	out = Import{DryRun: in.DryRun, Lines: make([]ImportLine, len(lines))}
	var faults []string
	people := make([]identity.NewUser, len(lines))
	for i, l := range lines {
		out.Lines[i] = ImportLine{Line: l.line, Name: l.user.Name}
		people[i] = identity.NewUser{User: l.user, Password: l.password}
		if l.err != nil {
			out.Lines[i].Error = l.err.Error()
			faults = append(faults, fmt.Sprintf("line %d, %s: %s", l.line, clip(l.user.Name), l.err))
		}
	}
	out.Failed = len(faults)
	switch {
	case in.DryRun:
		if out.Failed == 0 {
			out.Imported = len(lines)
		}
		return out, nil
	case len(faults) > 0:
		p := openapi.NewProblem(bad, fmt.Sprintf("%d of %d lines cannot be taken, so none was; the first: %s", len(faults), len(lines), faults[0]))
		p.Errors = faults
		return out, p
	}
	users, err := r.d.Identity.AddUsers(ctx, actor(ctx), people)
	if err != nil {
		return out, err
	}
	out.Imported = len(users)
	if codes {
		r.codes(ctx, out.Lines, people, expires, reach)
	}
	return out, nil
}

// check finds what is wrong with single lines as far as that shows without
// adding them.
func (r registrar) check(lines []csvLine) error {
	var people []identity.NewUser
	var good []*csvLine
	passwords := 0
	for i := range lines {
		l := &lines[i]
		if l.password != "" {
			passwords++
		}
		if l.err == nil {
			good, people = append(good, l), append(people, identity.NewUser{User: l.user, Password: l.password})
		}
	}
	for i, err := range r.d.Identity.CheckUsers(people) {
		good[i].err = err
	}
	if passwords > maxPasswords {
		return invalidf("body: it has %d passwords; at most %d are taken at once, as each takes the server a while. Others can do without: they get enrolment codes", passwords, maxPasswords)
	}
	return nil
}

// codes makes an enrolment code for everybody without a password. The users are
// there by now, so a failure here is told line by line.
func (r registrar) codes(ctx context.Context, lines []ImportLine, people []identity.NewUser, expires time.Time, reach onboard.Reach) {
	for i := range lines {
		if people[i].Password != "" {
			continue
		}
		name := people[i].Name
		_, secret, err := r.d.Identity.NewEnrolment(ctx, actor(ctx), identity.EnrolmentSpec{User: name, Uses: 1, Expires: expires, Note: "import"})
		if err != nil {
			lines[i].Error = "added, but without an enrolment code: " + err.Error()
			continue
		}
		ways := waysOf(reach, name, secret)
		lines[i].Ways = &ways
	}
}
