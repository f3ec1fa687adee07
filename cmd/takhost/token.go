package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"

	rest "github.com/takhost/takhost/core/admin"
)

const tokensPath = "/api/v1/tokens"

type tokenCmd struct {
	List   tokenListCmd   `cmd:"" help:"List the API tokens, without their secrets."`
	New    tokenNewCmd    `cmd:"" help:"Make an API token with the rights of a user. It is shown once."`
	Remove tokenRemoveCmd `cmd:"" help:"Remove an API token: it is void at once."`
}

type tokenListCmd struct {
	sourceFlags
	User string `placeholder:"NAME" help:"Only those of this user."`
	JSON bool   `help:"Write JSON."`
}

// Run lists.
func (c *tokenListCmd) Run(ctx context.Context, std streams) error {
	a, err := c.admin()
	if err != nil {
		return err
	}
	list, err := a.tokens(ctx, url.Values{"user": {c.User}})
	if err != nil {
		return err
	}
	if c.JSON {
		return writeJSON(std, list)
	}
	t, now := newTable("ID", "USER", "NAME", "USED", "EXPIRES"), time.Now()
	t.whole = []string{"ID"}
	for i := range list {
		k := &list[i]
		name := k.Name
		if k.Weak {
			name += " (weak: its value was chosen by hand)"
		}
		t.row(k.ID, k.User, name, ago(k.Used, now), local(k.Expires))
	}
	return t.write(std, "there are no tokens")
}

func (a *admin) tokens(ctx context.Context, query url.Values) ([]rest.Token, error) {
	return all(ctx, a, tokensPath, query, func(p *rest.TokenPage) ([]rest.Token, string) { return p.Tokens, p.Next })
}

type tokenNewCmd struct {
	sourceFlags
	User    string `arg:"" help:"Whose rights it has."`
	Name    string `help:"What it is for."`
	Expires string `placeholder:"WHEN" help:"When it ends: 30d, 2027-01-31 or RFC 3339; without it, never."`
	JSON    bool   `help:"Write JSON."`
}

// Run makes one. The secret alone goes to the standard output, for scripts.
func (c *tokenNewCmd) Run(ctx context.Context, std streams) error {
	in := rest.TokenInput{User: c.User, Name: c.Name}
	if c.Expires != "" {
		at, err := ahead("expires", c.Expires, time.Now())
		if err != nil {
			return err
		}
		in.Expires = &at
	}
	a, err := c.admin()
	if err != nil {
		return err
	}
	var k rest.NewToken
	if err := a.ask(ctx, http.MethodPost, tokensPath, &in, &k); err != nil {
		return err
	}
	if c.JSON {
		return writeJSON(std, &k)
	}
	fmt.Fprintf(std.err, "token %s of %s, for the header Authorization: Bearer; it is not shown again:\n", k.ID, clean(k.User))
	return said(std, "%s", k.Secret)
}

type tokenRemoveCmd struct {
	sourceFlags
	ID string `arg:"" help:"Id of the token, as takhost token list shows it."`
}

// Run removes.
func (c *tokenRemoveCmd) Run(ctx context.Context, std streams) error {
	a, err := c.admin()
	if err != nil {
		return err
	}
	if err := a.do(ctx, http.MethodDelete, under(tokensPath, c.ID), nil, nil, nil); err != nil {
		return err
	}
	return said(std, "token %s: removed", c.ID)
}
