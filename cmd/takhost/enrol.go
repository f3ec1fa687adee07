package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	rest "github.com/takhost/takhost/core/admin"
	"github.com/takhost/takhost/core/onboard"
)

const enrolmentsPath = "/api/v1/enrolments"

type enrolCmd struct {
	New    enrolNewCmd    `cmd:"" default:"withargs" help:"Make a code by which a phone joins (the command when none is named: takhost enrol ann). takhost enrol new --help has its flags."`
	List   enrolListCmd   `cmd:"" help:"List the codes, without their secrets."`
	Remove enrolRemoveCmd `cmd:"" help:"Take a code back. Devices that used it stay, but cannot renew by it."`
}

type enrolNewCmd struct {
	sourceFlags
	User     string   `arg:"" optional:"" help:"Whose phone is to join."`
	New      bool     `help:"Add the user first, without a password."`
	FullName string   `help:"Name for people, with --new."`
	Event    string   `placeholder:"PREFIX" help:"Instead of a user: a code for many, of whom each becomes a user called PREFIX with a number behind it."`
	Uses     int      `default:"1" help:"How many devices may use the code."`
	Expires  string   `default:"24h" placeholder:"WHEN" help:"Until when a device may use it first: 24h, 7d, 2027-01-31 or RFC 3339."`
	Group    []string `placeholder:"NAME[:in|out]" help:"Groups of the users that --event or --new makes. May be given several times."`
	Role     string   `placeholder:"ROLE" help:"Role of the users that --event (user or readonly) or --new makes."`
	Until    string   `placeholder:"WHEN" help:"When the accounts that --event makes end."`
	Host     string   `placeholder:"NAME" help:"Name or address of this server for the links, in the place of the first of public."`
	Note     string   `help:"What the code is for, as takhost enrol list shows it."`
	PNG      string   `name:"png" placeholder:"FILE" help:"Write the QR code as a picture too."`
	Force    bool     `help:"Write the picture over a file that is there."`
	NoQR     bool     `name:"no-qr" help:"Show no QR code here."`
	JSON     bool     `help:"Write JSON."`
}

// pngSize is the side of the picture in pixels: sharp on paper at a hand's
// width.
const pngSize = 800

// Run makes a code and shows all forms of it.
func (c *enrolNewCmd) Run(ctx context.Context, std streams) error {
	in, err := c.input(time.Now())
	if err != nil {
		return err
	}
	picture := outFile{c.PNG, &c.Force}
	if c.PNG != "" {
		if err := picture.free(); err != nil {
			return err
		}
	}
	a, err := c.admin()
	if err != nil {
		return err
	}
	groups, err := a.memberships(ctx, c.Group)
	if err != nil {
		return err
	}
	if in.Event != nil {
		in.Event.Groups = groups
	}
	if c.New {
		if err := c.add(ctx, a, groups); err != nil {
			return err
		}
	}
	var e rest.NewEnrolment
	if err := a.ask(ctx, http.MethodPost, enrolmentsPath, in, &e); err != nil {
		if !c.New && c.User != "" && isStatus(err, http.StatusNotFound) {
			return fmt.Errorf("%w: add --new to add the user too", err)
		}
		if !c.New {
			return err
		}
		// Whoever mends what was wrong gives the same command again.
		if e := a.do(ctx, http.MethodDelete, under(usersPath, c.User), nil, nil, nil); e != nil {
			return fmt.Errorf("%s was added, but has no code: %w", c.User, errors.Join(err, e))
		}
		return err
	}
	if c.PNG != "" {
		png, err := onboard.QRPNG(e.URL, pngSize)
		if err != nil {
			return err
		}
		if err := picture.write(std, png); err != nil {
			return err
		}
	}
	if c.JSON {
		return writeJSON(std, &e)
	}
	return c.show(std, &e)
}

// input checks what the flags say as far as that needs no server.
func (c *enrolNewCmd) input(now time.Time) (*rest.EnrolmentInput, error) {
	in := &rest.EnrolmentInput{User: c.User, Uses: c.Uses, Host: c.Host, Note: c.Note}
	switch {
	case (c.User == "") == (c.Event == ""):
		return nil, usagef("say who is to join: takhost enrol USER, or takhost enrol --event PREFIX --uses 50")
	case c.Event != "" && (c.New || c.FullName != ""):
		return nil, usagef("--event makes users by itself: leave out --new and --full-name")
	case c.Event == "" && c.Until != "":
		return nil, usagef("--until is for --event; of one user: takhost user set %s --expires WHEN", quoted(c.User))
	case c.Event == "" && !c.New && (len(c.Group) > 0 || c.Role != "" || c.FullName != ""):
		return nil, usagef("--group, --role and --full-name are for users that --new or --event makes; of others: takhost user set %s", quoted(c.User))
	case c.Uses < 1:
		return nil, usagef("--uses: %d is less than 1", c.Uses)
	case c.PNG == stdout && c.JSON:
		return nil, usagef("--png - and --json both write to the standard output")
	}
	if c.Role != "" {
		if err := checkRoles([]string{c.Role}); err != nil {
			return nil, err
		}
	}
	at, err := ahead("expires", c.Expires, now)
	if err != nil {
		return nil, err
	}
	in.Expires = at.Format(time.RFC3339)
	if c.Event == "" {
		return in, nil
	}
	in.Event = &rest.EventCode{Prefix: c.Event}
	if c.Role != "" {
		in.Event.Roles = []string{c.Role}
	}
	if c.Until != "" {
		until, err := ahead("until", c.Until, now)
		if err != nil {
			return nil, err
		}
		in.Event.Until = &until
	}
	return in, nil
}

func (c *enrolNewCmd) add(ctx context.Context, a *admin, groups []rest.Membership) error {
	in := rest.UserInput{Name: c.User, FullName: c.FullName, Groups: groups}
	if c.Role != "" {
		in.Roles = []string{c.Role}
	}
	err := a.ask(ctx, http.MethodPost, usersPath, &in, nil)
	if isStatus(err, http.StatusConflict) {
		return fmt.Errorf("%w: leave out --new", err)
	}
	return err
}

// show tells people what to do. The QR code is shown also where the output is no
// terminal: over ssh and in containers it often ends on one all the same.
func (c *enrolNewCmd) show(std streams, e *rest.NewEnrolment) error {
	var f facts
	who := e.User
	if e.Event != nil {
		who = e.Event.Prefix + "-… (" + groupsText(e.Event.Groups) + ")"
	}
	f.line("for", fmt.Sprintf("%s, %s, until %s", who, number(e.Uses, "device"), local(&e.Expires)))
	if !c.NoQR {
		code, err := onboard.QRTerminal(e.URL)
		if err != nil {
			return err
		}
		f.out.WriteString("\n" + code + "\n")
		f.line("any phone", "scan this code with the camera, or open")
		f.line("", e.URL)
	} else {
		f.line("any phone", "open "+e.URL)
	}
	f.line("ATAK link", e.Link)
	f.line("iTAK", e.ITAK)
	f.linef("by hand", "server %s, user %s, password %s", e.Host, e.Login, e.Secret)
	if c.PNG != "" && c.PNG != stdout {
		f.line("picture", c.PNG)
	}
	return f.write(std)
}

type enrolListCmd struct {
	sourceFlags
	User string `placeholder:"NAME" help:"Only those of this user."`
	JSON bool   `help:"Write JSON."`
}

// Run lists.
func (c *enrolListCmd) Run(ctx context.Context, std streams) error {
	a, err := c.admin()
	if err != nil {
		return err
	}
	list, err := a.enrolments(ctx, url.Values{"user": {c.User}})
	if err != nil {
		return err
	}
	if c.JSON {
		return writeJSON(std, list)
	}
	t := newTable("ID", "FOR", "STATE", "USED", "UNTIL", "NOTE")
	t.whole = []string{"ID"}
	for i := range list {
		e := &list[i]
		who := e.User
		if e.Event != nil {
			who = e.Event.Prefix + "-…"
		}
		t.row(e.ID, who, e.State, usesOf(e), local(&e.Expires), e.Note)
	}
	return t.write(std, "there are no enrolment codes")
}

func (a *admin) enrolments(ctx context.Context, query url.Values) ([]rest.Enrolment, error) {
	return all(ctx, a, enrolmentsPath, query, func(p *rest.EnrolmentPage) ([]rest.Enrolment, string) { return p.Enrolments, p.Next })
}

func usesOf(e *rest.Enrolment) string { return fmt.Sprintf("%d of %d", len(e.Used), e.Uses) }

type enrolRemoveCmd struct {
	sourceFlags
	ID string `arg:"" help:"Id of the code, as takhost enrol list shows it."`
}

// Run takes back.
func (c *enrolRemoveCmd) Run(ctx context.Context, std streams) error {
	a, err := c.admin()
	if err != nil {
		return err
	}
	if strings.Count(c.ID, "-") == 3 {
		return usagef("that looks like the code itself: takhost enrol list shows its id")
	}
	if err := a.do(ctx, http.MethodDelete, under(enrolmentsPath, c.ID), nil, nil, nil); err != nil {
		return err
	}
	return said(std, "code %s: taken back", c.ID)
}
