package main

import (
	"context"
	"net/http"

	rest "github.com/takhost/takhost/core/admin"
	"github.com/takhost/takhost/core/web"
)

const listenersPath = "/api/v1/listeners"

type listenerCmd struct {
	List  listenerListCmd  `cmd:"" help:"List the listeners, also those that are closed."`
	Start listenerStartCmd `cmd:"" help:"Open a listener where it was last, or where the configuration has it."`
	Stop  listenerStopCmd  `cmd:"" help:"Close a listener. Connections there are stay."`
	Move  listenerMoveCmd  `cmd:"" help:"Open a listener at another address and close the old one. Connections there are stay."`
}

type listenerListCmd struct {
	sourceFlags
	JSON bool `help:"Write JSON."`
}

// Run lists.
func (c *listenerListCmd) Run(ctx context.Context, std streams) error {
	a, err := c.admin()
	if err != nil {
		return err
	}
	var list rest.ListenerList
	if err := a.get(ctx, listenersPath, nil, &list); err != nil {
		return err
	}
	if c.JSON {
		return writeJSON(std, list.Listeners)
	}
	t := newTable("NAME", "ADDRESS", "FOR", "STATE")
	for _, l := range list.Listeners {
		t.row(l.Name, place(l.Addr), purpose(&l), l.State)
	}
	return t.write(std, "there are no listeners")
}

// listenerName names one.
type listenerName struct {
	sourceFlags
	Name string `arg:"" help:"tcp, tls, http, https, web or rest."`
	JSON bool   `help:"Write JSON."`
}

// change asks for a change and tells how the listener is then.
func (n *listenerName) change(ctx context.Context, std streams, do func(*admin, *web.Listener) error) error {
	a, err := n.admin()
	if err != nil {
		return err
	}
	var l web.Listener
	if err := do(a, &l); err != nil {
		return err
	}
	switch {
	case n.JSON:
		return writeJSON(std, &l)
	case l.Addr == "":
		return said(std, "listen.%s: %s", l.Name, l.State)
	}
	return said(std, "listen.%s: %s at %s; at the next start the configuration holds again", l.Name, l.State, place(l.Addr))
}

type listenerStartCmd struct{ listenerName }

// Run opens.
func (c *listenerStartCmd) Run(ctx context.Context, std streams) error {
	return c.change(ctx, std, func(a *admin, l *web.Listener) error {
		return a.do(ctx, http.MethodPost, under(listenersPath, c.Name, "start"), nil, nil, l)
	})
}

type listenerStopCmd struct{ listenerName }

// Run closes.
func (c *listenerStopCmd) Run(ctx context.Context, std streams) error {
	return c.change(ctx, std, func(a *admin, l *web.Listener) error {
		return a.do(ctx, http.MethodPost, under(listenersPath, c.Name, "stop"), nil, nil, l)
	})
}

type listenerMoveCmd struct {
	listenerName
	Addr string `arg:"" name:"address" help:"host:port; port 0 takes a free one."`
}

// Run moves.
func (c *listenerMoveCmd) Run(ctx context.Context, std streams) error {
	if c.Addr == "" {
		return usagef("the address is empty: takhost listener stop %s closes the listener", c.Name)
	}
	return c.change(ctx, std, func(a *admin, l *web.Listener) error {
		return a.ask(ctx, http.MethodPut, under(listenersPath, c.Name), rest.Address{Addr: c.Addr}, l)
	})
}
