package setup

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/takhost/takhost/core/identity"
	"github.com/takhost/takhost/core/store"
)

// askDatabase asks where the data goes, and looks at what is there.
func (w *Wizard) askDatabase(ctx context.Context) error {
	c, err := w.Draft.Load()
	if err != nil {
		return err
	}
	now := c.Database.String() // without the password
	about := []string{
		"sqlite keeps all in files of the data folder " + c.Data + ", and is right for one server.",
		"Or a PostgreSQL database: postgres://user:password@host/database",
	}
	return w.ask(ctx, question{title: "Database", about: about, byHand: now, take: func(ctx context.Context, answer string) error {
		before := w.Draft.values
		if answer != now {
			if err := w.set(TextValue("database", answer)); err != nil {
				return err
			}
		}
		err := w.lookAt(ctx)
		if err != nil {
			w.Draft.values = before
		}
		return err
	}})
}

// lookAt connects to the database, and reads the users that it may have.
func (w *Wizard) lookAt(ctx context.Context) error {
	look, err := w.read(ctx)
	if err != nil {
		return err
	}
	switch {
	case !look.Empty && !w.ids.NeedsSetup():
		w.note("A takhost was here before: its users stay.")
	case strings.HasPrefix(look.Engine, "PostgreSQL") && !w.Yes:
		w.say("%s answers.", look.Engine)
	}
	return nil
}

// read fills w.ids anew.
func (w *Wizard) read(ctx context.Context) (store.Look, error) {
	c, err := w.Draft.Load()
	if err != nil {
		return store.Look{}, err
	}
	look, err := tryDatabase(ctx, c.Database.DSN(), c.Data)
	switch {
	case err != nil:
		return look, err
	case len(look.Newer) > 0:
		return look, errors.New("this database was made by a newer takhost: run that one")
	}
	w.ids, err = openScratch(ctx, look)
	return look, err
}

// asksAdmin: a database with an administrator has one.
func (w *Wizard) asksAdmin(context.Context) bool {
	if w.ids == nil || w.ids.NeedsSetup() {
		return true
	}
	if w.Admin == nil {
		return false
	}
	if u, there := w.ids.User(w.Admin.Name); there && slices.Contains(u.Roles, identity.RoleAdmin) {
		w.note("%s is an administrator already, and keeps his password: takhost user passwd %s sets another.", u.Name, word(u.Name))
		w.Admin = nil
	}
	return w.Admin != nil // a further one
}

// noAdmin is the answer of who wants the link.
const noAdmin = "none"

// askAdmin asks for the first administrator.
func (w *Wizard) askAdmin(ctx context.Context) error {
	byHand := "admin"
	switch {
	case w.Admin != nil:
		byHand = w.Admin.Name
	case w.Yes:
		return nil // nobody is there to choose a password
	}
	about := []string{
		"Logs in to the web pages and to the REST API. With none, the server shows a link at its",
		"start by which the first one is made.",
	}
	return w.ask(ctx, question{title: "Name of the administrator", about: about, byHand: byHand, take: func(ctx context.Context, answer string) error {
		if w.Yes {
			return w.checkAdmin(w.Admin.Name, w.Admin.Password)
		}
		if strings.EqualFold(answer, noAdmin) {
			w.Admin = nil
			return nil
		}
		if err := w.checkAdmin(answer, ""); err != nil {
			return err
		}
		if w.Admin != nil && w.Admin.Name == answer && w.Admin.Password != "" {
			return nil // piped in
		}
		password, err := w.askPassword(ctx, answer)
		if err == nil {
			w.Admin = &Admin{answer, password}
		}
		return err
	}})
}

// checkAdmin checks name and password by the rules that hold for them later.
func (w *Wizard) checkAdmin(name, password string) error {
	u := identity.NewUser{User: identity.User{Name: name, Roles: []string{identity.RoleAdmin}}, Password: password}
	err := w.ids.CheckUsers([]identity.NewUser{u})[0]
	if store.CodeOf(err) == store.Conflict {
		return errors.New("there is a user of that name, who is no administrator: choose another name")
	}
	return err
}

// askPassword asks until a password is good and was typed twice.
func (w *Wizard) askPassword(ctx context.Context, name string) (string, error) {
	for {
		first, err := w.Terminal.Secret(ctx, "  Password of "+name+": ")
		if err != nil {
			return "", err
		}
		if first == "" {
			return "", errors.New("no password: type a name and its password, or " + noAdmin)
		}
		if err := w.checkAdmin(name, first); err != nil {
			w.say("! %s", err)
			continue
		}
		again, err := w.Terminal.Secret(ctx, "  The same again: ")
		if err != nil {
			return "", err
		}
		if first == again {
			return first, nil
		}
		w.say("! The two are not the same.")
	}
}
