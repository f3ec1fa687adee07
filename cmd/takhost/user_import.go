package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	rest "github.com/takhost/takhost/core/admin"
	"github.com/takhost/takhost/core/onboard"
)

const sheetPath = "/api/v1/sheet"

type userImportCmd struct {
	sourceFlags
	File    string `arg:"" help:"CSV in UTF-8 with the columns name, full_name, password, groups, roles; - is the standard input."`
	DryRun  bool   `help:"Only tell what would happen."`
	Sheet   string `placeholder:"FILE" help:"Write a page to print, with a card and an enrolment code for everybody without a password."`
	NoCodes bool   `help:"Make no enrolment codes."`
	Expires string `default:"7d" placeholder:"WHEN" help:"Until when the codes are good: 7d, 2027-01-31 or RFC 3339."`
	Host    string `placeholder:"NAME" help:"Name or address of this server for the codes, in the place of the first of public."`
	Force   bool   `help:"Write the sheet over a file that is there."`
	JSON    bool   `help:"Write JSON."`
}

// Run imports.
func (c *userImportCmd) Run(ctx context.Context, std streams) error {
	if c.Sheet != "" && (c.NoCodes || c.DryRun) {
		return usagef("--sheet is for the codes that --no-codes and --dry-run do not make")
	}
	expires, err := ahead("expires", c.Expires, time.Now())
	if err != nil {
		return err
	}
	file, err := c.read(std)
	if err != nil {
		return err
	}
	a, err := c.admin()
	if err != nil {
		return err
	}
	query := url.Values{"dry_run": {"true"}, "codes": {strconv.FormatBool(!c.NoCodes)}, "expires": {expires.Format(time.RFC3339)}}
	if c.Host != "" {
		query.Set("host", c.Host)
	}
	// What is wrong with the file or the sheet shows before the first is added.
	got, err := a.importUsers(ctx, query, file)
	if err != nil {
		return err
	}
	if c.DryRun || got.Failed > 0 {
		return c.tellTrial(std, got)
	}
	if c.Sheet != "" {
		if err := (outFile{c.Sheet, &c.Force}).free(); err != nil {
			return err
		}
	}
	query.Del("dry_run")
	if got, err = a.importUsers(ctx, query, file); err != nil {
		return err
	}
	return errors.Join(c.tell(std, got), c.writeSheet(ctx, std, a, got))
}

func (c *userImportCmd) read(std streams) ([]byte, error) {
	if c.File == "-" {
		return io.ReadAll(std.in)
	}
	return os.ReadFile(c.File)
}

func (a *admin) importUsers(ctx context.Context, query url.Values, file []byte) (got rest.Import, err error) {
	body, err := a.sendAs(ctx, http.MethodPost, usersPath+"/import", query, "text/csv", bytes.NewReader(file))
	if err != nil {
		return got, err
	}
	defer body.Close()
	return got, decode(body, &got)
}

// tellTrial tells what would happen, or why nothing did.
func (c *userImportCmd) tellTrial(std streams, got rest.Import) error {
	var err error
	if got.Failed > 0 {
		err = fmt.Errorf("%s of %s cannot be taken, so none was", number(got.Failed, "line"), c.File)
		if got.Failed == 1 {
			err = fmt.Errorf("1 line of %s cannot be taken, so none was", c.File)
		}
	}
	if c.JSON {
		return errors.Join(writeJSON(std, got), err)
	}
	for _, l := range got.Lines {
		if l.Error != "" {
			err = errors.Join(err, fmt.Errorf("line %d, %s: %s", l.Line, l.Name, l.Error))
		}
	}
	if err != nil {
		return err
	}
	return said(std, "%s would be added", number(got.Imported, "user"))
}

// tell tells what was done. The codes are on the sheet, or shown here.
func (c *userImportCmd) tell(std streams, got rest.Import) error {
	if c.JSON {
		return writeJSON(std, got)
	}
	var faults error
	t := newTable("NAME", "CODE", "PAGE")
	t.whole = []string{"CODE", "PAGE"}
	for _, l := range got.Lines {
		if l.Error != "" {
			faults = errors.Join(faults, fmt.Errorf("line %d, %s: %s", l.Line, l.Name, l.Error))
		}
		if l.Ways != nil {
			t.row(l.Name, l.Ways.Secret, l.Ways.URL)
		}
	}
	err := said(std, "%s added", number(got.Imported, "user"))
	if err == nil && len(t.rows) > 0 && c.Sheet == "" {
		err = t.write(std, "")
	}
	return errors.Join(err, faults)
}

// writeSheet writes the cards, to several files when they are too many for one
// page.
func (c *userImportCmd) writeSheet(ctx context.Context, std streams, a *admin, got rest.Import) error {
	if c.Sheet == "" {
		return nil
	}
	if c.JSON {
		std.out = std.err // what is for people goes beside what is for scripts
	}
	var cards []rest.CardInput
	for _, l := range got.Lines {
		if l.Ways != nil {
			cards = append(cards, rest.CardInput{User: l.Ways.Login, Secret: l.Ways.Secret})
		}
	}
	if len(cards) == 0 {
		return said(std, "no sheet: everybody has a password")
	}
	for n := 1; len(cards) > 0; n++ {
		some := cards[:min(len(cards), onboard.MostCards)]
		cards = cards[len(some):]
		file := outFile{c.Sheet, &c.Force}
		if n > 1 {
			ext := filepath.Ext(c.Sheet)
			file.path = strings.TrimSuffix(c.Sheet, ext) + "-" + strconv.Itoa(n) + ext
		}
		if err := a.sheet(ctx, std, file, rest.SheetInput{Entries: some, Host: c.Host}); err != nil {
			return fmt.Errorf("the users are there, but without a sheet (takhost user sheet makes one with new codes): %w", err)
		}
	}
	return nil
}

// sheet has the server make a sheet, and writes it.
func (a *admin) sheet(ctx context.Context, std streams, file outFile, in rest.SheetInput) error {
	body, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("write the request: %w", err)
	}
	page, err := a.bytes(ctx, http.MethodPost, sheetPath, nil, bytes.NewReader(body))
	if err != nil {
		return err
	}
	if err := file.write(std, page); err != nil || file.path == stdout {
		return err
	}
	return said(std, "%s: %s to print; whoever has one can join, so keep them like passwords", file.path, number(len(in.Users)+len(in.Entries), "card"))
}

type userSheetCmd struct {
	sourceFlags
	Names   []string `arg:"" optional:"" name:"name" help:"Names of the users."`
	Group   string   `placeholder:"NAME" help:"All users of this group."`
	All     bool     `help:"All users."`
	Out     string   `short:"o" required:"" placeholder:"FILE" help:"The page, as HTML; - is the standard output."`
	Expires string   `default:"7d" placeholder:"WHEN" help:"Until when the codes are good: 7d, 2027-01-31 or RFC 3339."`
	Host    string   `placeholder:"NAME" help:"Name or address of this server for the codes, in the place of the first of public."`
	Force   bool     `help:"Write over a file that is there."`
}

// Run makes a sheet.
func (c *userSheetCmd) Run(ctx context.Context, std streams) error {
	chosen := 0
	for _, is := range []bool{len(c.Names) > 0, c.Group != "", c.All} {
		if is {
			chosen++
		}
	}
	if chosen != 1 {
		return usagef("say whose cards: names, --group or --all")
	}
	expires, err := ahead("expires", c.Expires, time.Now())
	if err != nil {
		return err
	}
	file := outFile{c.Out, &c.Force}
	if err := file.free(); err != nil {
		return err
	}
	a, err := c.admin()
	if err != nil {
		return err
	}
	names := c.Names
	if len(names) == 0 {
		list, err := a.users(ctx, url.Values{"group": {c.Group}})
		if err != nil {
			return err
		}
		for _, u := range list {
			names = append(names, u.Name)
		}
	}
	switch {
	case len(names) == 0:
		return errors.New("there are no such users")
	case len(names) > onboard.MostCards:
		return usagef("%d users are more than the %d cards of one sheet: choose by --group or by name", len(names), onboard.MostCards)
	}
	return a.sheet(ctx, std, file, rest.SheetInput{Users: names, Expires: expires.Format(time.RFC3339), Host: c.Host})
}
