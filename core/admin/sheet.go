package admin

import (
	"bytes"
	"context"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"github.com/takhost/takhost/core/identity"
	"github.com/takhost/takhost/core/onboard"
)

// SheetInput is what a request for a sheet brings.
type SheetInput struct {
	Users   []string    `json:"users,omitempty" maxItems:"1000" doc:"A new enrolment code is made for each" example:"[\"ann\",\"ben\"]"`
	Entries []CardInput `json:"entries,omitempty" maxItems:"1000" doc:"Codes that were made before"`
	Expires string      `json:"expires,omitempty" maxLength:"64" doc:"Of the new codes: RFC 3339, or how long from now; none: 7d"`
	Host    string      `json:"host,omitempty" maxLength:"253" doc:"Name or address in the place of the first of public"`
}

// CardInput is one card with a code that was made before.
type CardInput struct {
	User   string `json:"user" minLength:"1" maxLength:"64" example:"ann"`
	Secret string `json:"secret" minLength:"1" maxLength:"256"`
}

// Page is a body of HTML. It is exported for huma.
type Page struct {
	ContentType string `header:"Content-Type"`
	Policy      string `header:"Content-Security-Policy"`
	Body        []byte
}

func (r registrar) sheet() {
	op := operators(r.op("POST", "/sheet", "sheet", "enrolment", "A sheet to print",
		"A page with a card for each user: name, QR code, and what to do. Operators make it for those whose only role is user.", missing, away))
	op.Responses["200"] = &huma.Response{Description: "The page", Content: map[string]*huma.MediaType{"text/html": {Schema: &huma.Schema{Type: "string"}}}}
	huma.Register(r.api, op, func(ctx context.Context, in *struct{ Body SheetInput }) (*Page, error) {
		cards, err := r.cards(ctx, &in.Body)
		if err != nil {
			return nil, problemOf(err)
		}
		var b bytes.Buffer
		if err := onboard.Sheet(&b, cards); err != nil {
			return nil, problemOf(err)
		}
		return &Page{"text/html; charset=utf-8", onboard.PageCSP(), b.Bytes()}, nil
	})
}

// cards gives what is on the sheet. All users are looked at before a code is
// made for the first.
func (r registrar) cards(ctx context.Context, in *SheetInput) ([]onboard.Entry, error) {
	if n := len(in.Users) + len(in.Entries); n == 0 || n > onboard.MostCards {
		return nil, invalidf("body: a sheet has 1 to %d cards", onboard.MostCards)
	}
	expires, err := until(in.Expires, sheetLife, r.d.now())
	if err != nil {
		return nil, err
	}
	reach, err := r.reachToEnrol(in.Host)
	if err != nil {
		return nil, err
	}
	trusted := r.d.WebTrusted != nil && r.d.WebTrusted()
	var cards []onboard.Entry
	for _, e := range in.Entries {
		card := onboard.Entry{Reach: reach, User: e.User, Token: e.Secret, Public: trusted}
		if u, ok := r.d.Identity.User(e.User); ok {
			card.User, card.FullName = u.Name, u.FullName
		}
		cards = append(cards, card)
	}
	var users []identity.User
	for _, name := range in.Users {
		u, err := r.userFor(ctx, name)
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(users, func(o identity.User) bool { return o.Name == u.Name }) {
			return nil, invalidf("users: %s is there twice", clip(name))
		}
		users = append(users, u)
	}
	for _, u := range users {
		e, secret, err := r.d.Identity.NewEnrolment(ctx, actor(ctx), identity.EnrolmentSpec{User: u.Name, Uses: 1, Expires: expires})
		if err == nil {
			err = r.mayStill(ctx, u.Name, func(ctx context.Context) error { return r.d.Identity.RemoveEnrolment(ctx, actor(ctx), e.ID) })
		}
		if err != nil {
			return nil, err
		}
		cards = append(cards, onboard.Entry{Reach: reach, User: u.Name, FullName: u.FullName, Token: secret, Expires: expires, Public: trusted})
	}
	return cards, nil
}
