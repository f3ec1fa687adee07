package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	rest "github.com/takhost/takhost/core/admin"
)

const certificatesPath = "/api/v1/certificates"

type certCmd struct {
	List     certListCmd     `cmd:"" help:"List the certificates of clients."`
	Show     certShowCmd     `cmd:"" help:"Show one certificate."`
	Issue    certIssueCmd    `cmd:"" help:"Issue a certificate, for a feed or a client that cannot enrol."`
	Revoke   certRevokeCmd   `cmd:"" help:"Revoke certificates: connections by them are cut, and they open nothing any more."`
	CA       certCACmd       `cmd:"" name:"ca" help:"Write the certificate of the authority, which clients trust."`
	CRL      certCRLCmd      `cmd:"" name:"crl" help:"Write the revocation list."`
	Rollover certRolloverCmd `cmd:"" help:"Change to another authority, in two steps."`
}

type certListCmd struct {
	sourceFlags
	User  string `placeholder:"NAME" help:"Only those of this user."`
	State string `placeholder:"STATE" help:"Only those in this state: active, replaced, expired or revoked."`
	JSON  bool   `help:"Write JSON."`
}

// shortSerial is how much of a serial number the list shows: enough to name one.
const shortSerial = 12

// Run lists.
func (c *certListCmd) Run(ctx context.Context, std streams) error {
	a, err := c.admin()
	if err != nil {
		return err
	}
	list, err := a.certificates(ctx, url.Values{"user": {c.User}, "state": {c.State}})
	if err != nil {
		return err
	}
	if c.JSON {
		return writeJSON(std, list)
	}
	t := newTable("SERIAL", "USER", "KIND", "STATE", "ENDS", "DEVICE")
	t.whole = []string{"SERIAL"}
	for i := range list {
		k := &list[i]
		t.row(k.Serial[:min(len(k.Serial), shortSerial)], k.User, k.Kind, k.State, local(&k.NotAfter), deviceOf(k))
	}
	return t.write(std, "there are no such certificates")
}

func (a *admin) certificates(ctx context.Context, query url.Values) ([]rest.Certificate, error) {
	return all(ctx, a, certificatesPath, query, func(p *rest.CertificatePage) ([]rest.Certificate, string) { return p.Certificates, p.Next })
}

// deviceOf leaves out what stands for a device that is not known.
func deviceOf(k *rest.Certificate) string {
	if k.Device == "certificate-"+k.Serial {
		return ""
	}
	return k.Device
}

// certificate finds one by the begin of its serial number.
func (a *admin) certificate(ctx context.Context, serial string) (*rest.Certificate, error) {
	serial = strings.ToLower(strings.ReplaceAll(serial, ":", ""))
	var k rest.Certificate
	err := a.get(ctx, under(certificatesPath, serial), nil, &k)
	if err == nil || !isStatus(err, http.StatusNotFound) {
		return &k, err
	}
	list, listErr := a.certificates(ctx, nil)
	if listErr != nil {
		return nil, listErr
	}
	list = slices.DeleteFunc(list, func(o rest.Certificate) bool { return !strings.HasPrefix(o.Serial, serial) })
	const least = 6
	switch {
	case len(list) == 0:
		return nil, err
	case len(list) > 1 || len(serial) < least:
		return nil, usagef("serial %s: %d certificates begin so: give more of it, at least %d characters", serial, len(list), least)
	}
	return &k, a.get(ctx, under(certificatesPath, list[0].Serial), nil, &k)
}

type certShowCmd struct {
	sourceFlags
	Serial string `arg:"" help:"Serial number, or the begin of it."`
	PEM    bool   `name:"pem" xor:"form" help:"Write the certificate itself."`
	JSON   bool   `xor:"form" help:"Write JSON."`
}

// Run shows.
func (c *certShowCmd) Run(ctx context.Context, std streams) error {
	a, err := c.admin()
	if err != nil {
		return err
	}
	k, err := a.certificate(ctx, c.Serial)
	if err != nil {
		return err
	}
	switch {
	case c.JSON:
		return writeJSON(std, k)
	case c.PEM:
		_, err := fmt.Fprint(std.out, k.PEM)
		return err
	}
	var f facts
	f.line("serial", k.Serial)
	f.line("user", k.User)
	f.line("device", deviceOf(k))
	f.line("kind", k.Kind)
	f.line("state", k.State)
	f.line("subject", k.Subject)
	f.line("issuer", k.Issuer)
	f.line("begins", local(&k.NotBefore))
	f.line("ends", local(&k.NotAfter))
	f.line("issued", local(&k.Issued))
	f.line("channels", yes(k.Channels))
	f.line("code", k.Enrolment)
	f.line("replaced", local(k.Replaced))
	f.line("revoked", local(k.Revoked))
	f.line("by", k.RevokedBy)
	f.line("reason", k.Reason)
	f.line("SHA-256", k.Fingerprint)
	return f.write(std)
}

type certRevokeCmd struct {
	sourceFlags
	Serial []string `arg:"" optional:"" help:"Serial numbers, or the begin of them."`
	User   string   `placeholder:"NAME" help:"All certificates of this user."`
	Reason string   `help:"For people."`
	JSON   bool     `help:"Write JSON."`
}

// Run revokes. All are looked up before the first is revoked.
func (c *certRevokeCmd) Run(ctx context.Context, std streams) error {
	if (len(c.Serial) == 0) == (c.User == "") {
		return usagef("say what to revoke: serial numbers, or --user NAME for all of a user's")
	}
	a, err := c.admin()
	if err != nil {
		return err
	}
	var list []rest.Certificate
	if c.User != "" {
		var u rest.User
		if err := a.get(ctx, under(usersPath, c.User), nil, &u); err != nil {
			return err
		}
		if list, err = a.certificates(ctx, url.Values{"user": {u.Name}}); err != nil {
			return err
		}
		list = slices.DeleteFunc(list, func(k rest.Certificate) bool { return k.State == "revoked" || k.State == "expired" })
		if len(list) == 0 {
			return fmt.Errorf("%s has no certificate that is good", u.Name)
		}
	}
	for _, serial := range c.Serial {
		k, err := a.certificate(ctx, serial)
		if err != nil {
			return err
		}
		list = append(list, *k)
	}
	var revoked []rest.Certificate
	var faults error
	for i := range list {
		var k rest.Certificate
		err := a.ask(ctx, http.MethodPost, under(certificatesPath, list[i].Serial, "revoke"), rest.Revoke{Reason: c.Reason}, &k)
		if err == nil && !c.JSON {
			err = said(std, "certificate %s of %s: revoked", k.Serial, k.User)
		}
		if err != nil {
			faults = errors.Join(faults, err)
			continue
		}
		revoked = append(revoked, k)
	}
	if c.JSON {
		faults = errors.Join(writeJSON(std, revoked), faults)
	}
	return faults
}
