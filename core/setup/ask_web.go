package setup

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/mail"
	"path/filepath"
	"strings"
	"time"

	"github.com/takhost/takhost/core/config"
	"github.com/takhost/takhost/core/identity"
)

// askWeb asks for the certificate of listen.web.
func (w *Wizard) askWeb(ctx context.Context) error {
	c, err := w.Draft.Load()
	if err != nil {
		return err
	}
	var then func(context.Context) error
	err = w.choose(ctx, "Certificate of the web pages and of enrolment (port 8446)", nil, c.Web.Certificate, []option{
		{config.WebOwn, "of the server's own authority. ATAK and WinTAK take it; browsers warn; iTAK refuses to enrol"},
		{config.WebFiles, "that you have as PEM files, of an authority that phones trust"},
		{config.WebACME, "from Let's Encrypt, for a name that the internet reaches"},
	}, func(_ context.Context, key string) error {
		then = nil
		switch {
		case key == c.Web.Certificate && (w.Yes || key == config.WebOwn):
			return nil
		case key == config.WebFiles:
			then = w.askFiles
			return nil
		}
		// Checks that there is a public name for an ACME authority.
		err := w.set(Value{"web.certificate", key}, Value{"web.cert", ""}, Value{"web.key", ""})
		if err == nil && key == config.WebACME {
			then = w.askACME
		}
		return err
	})
	if err != nil || then == nil {
		return err
	}
	if err = then(ctx); errors.Is(err, errBack) {
		return w.askWeb(ctx)
	}
	return err
}

// askFiles asks for the operator's own certificate, and tries it.
func (w *Wizard) askFiles(ctx context.Context) error {
	c, err := w.Draft.Load()
	if err != nil {
		return err
	}
	cert := ""
	err = w.ask(ctx, question{title: "File with the certificate", about: []string{"PEM, with those between it and the root behind it."}, byHand: c.Web.Cert, take: func(_ context.Context, answer string) error {
		_, err := readCert(answer)
		if err == nil {
			cert, err = filepath.Abs(answer)
		}
		return err
	}})
	if err != nil {
		return err
	}
	return w.ask(ctx, question{title: "File with its private key", byHand: c.Web.Key, take: func(_ context.Context, answer string) error {
		key, err := filepath.Abs(answer)
		if err != nil {
			return err
		}
		pair, err := tls.LoadX509KeyPair(cert, key)
		if err != nil {
			return err
		}
		w.judge(pair.Leaf, c)
		return w.set(Value{"web.certificate", config.WebFiles}, TextValue("web.cert", cert), TextValue("web.key", key))
	}})
}

// judge tells what phones will not like about a certificate.
func (w *Wizard) judge(cert *x509.Certificate, c *config.Loaded) {
	if cert.NotAfter.Before(time.Now()) {
		w.note("It ended on %s.", cert.NotAfter.Format(time.DateOnly))
	}
	for _, name := range lacking(cert, c.Public, "web") {
		w.note("It is not for %s, the name by which phones come: they will refuse it.", name)
	}
}

// lacking gives those names of public for a listener that a certificate is not
// for.
func lacking(cert *x509.Certificate, public []string, listener string) (names []string) {
	for _, text := range public {
		p, err := config.ParsePublic(text)
		if err == nil && (p.Listener == "" || p.Listener == listener) && cert.VerifyHostname(p.Host) != nil {
			names = append(names, p.Host)
		}
	}
	return names
}

// askACME asks what Let's Encrypt has to know.
func (w *Wizard) askACME(ctx context.Context) error {
	c, err := w.Draft.Load()
	if err != nil {
		return err
	}
	byHand := c.Web.Email
	if byHand == "" {
		byHand = noAdmin
	}
	err = w.ask(ctx, question{title: "E-mail address for Let's Encrypt", about: []string{"They write there when something is wrong with the certificate. none: nowhere."}, byHand: byHand, take: func(_ context.Context, answer string) error {
		if answer == noAdmin {
			answer = ""
		} else if a, err := mail.ParseAddress(answer); err != nil || a.Address != answer {
			return fmt.Errorf("%s is no e-mail address", answer)
		}
		return w.set(TextValue("web.acme_email", answer))
	}})
	if err != nil {
		return err
	}
	now := "443"
	if c.Web.HTTP != "" {
		now = "80"
	}
	return w.choose(ctx, "How Let's Encrypt gets here to see that the name is yours",
		[]string{"It comes from the internet to port 80 or 443 of the name, whatever port phones use."}, now, []option{
			{"80", "port 80 of the name leads to port 80 of this machine, which takhost opens for it"},
			{"443", "port 443 of the name leads to listen.web, " + c.Listen.Web},
		}, func(_ context.Context, key string) error {
			addr := ""
			if key == "80" {
				if addr = c.Web.HTTP; addr == "" {
					addr = "0.0.0.0:80"
				}
			}
			return w.set(TextValue("web.acme_http", addr))
		})
}

// askAll shows what is going to be written.
func (w *Wizard) askAll(ctx context.Context) error {
	if w.Yes {
		return nil
	}
	c, err := w.Draft.Load()
	if err != nil {
		return err
	}
	w.Terminal.Print("\nThis is going to be written\n")
	for _, l := range w.summary(c) {
		w.say("%s", l)
	}
	if w.FTS != nil {
		report, err := w.preview(ctx)
		if err != nil {
			return err
		}
		w.Terminal.Print("\n" + report.Text())
	}
	return w.yesNo(ctx, "Write it", nil, true, func(yes bool) error {
		if !yes {
			return errNotWritten
		}
		return nil
	})
}

// preview tries the take-over on a copy of the users, which is read anew then.
func (w *Wizard) preview(ctx context.Context) (Report, error) {
	if w.Admin != nil {
		u := identity.NewUser{User: identity.User{Name: w.Admin.Name, Roles: []string{identity.RoleAdmin}}}
		if _, err := w.ids.AddUser(ctx, byInit, u); err != nil {
			return Report{}, err
		}
	}
	taken, err := w.FTS.takeover(ctx, w.ids, true)
	if err != nil {
		return Report{}, err
	}
	_, err = w.read(ctx)
	return w.FTS.Report.and(taken), err
}

// summary tells the answers.
func (w *Wizard) summary(c *config.Loaded) []string {
	line := func(name, text string) string { return fmt.Sprintf("%-14s %s", name, text) }
	public := strings.Join(c.Public, ", ")
	if public == "" {
		public = "none"
	}
	var open []string
	for _, name := range listeners {
		if addr := c.Listen.Addr(name); addr != "" {
			open = append(open, name+" "+addr)
		}
	}
	admin := "by the link that the server shows at its first start"
	switch {
	case w.Admin != nil:
		admin = w.Admin.Name
	case w.ids != nil && !w.ids.NeedsSetup():
		admin = "as before"
	}
	return []string{
		line("configuration", w.File), line("data", c.Data), line("public", public), line("exposure", string(c.Exposure)),
		line("listeners", strings.Join(open, ", ")), line("database", c.Database.String()), line("administrator", admin), line("web", c.Web.Certificate),
	}
}
