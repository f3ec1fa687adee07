package admin

import (
	"context"
	"slices"

	"github.com/danielgtaylor/huma/v2"

	"github.com/takhost/takhost/core/web"
	"github.com/takhost/takhost/openapi"
)

// ListenerList is all listeners.
type ListenerList struct {
	Listeners []web.Listener `json:"listeners" nullable:"false"`
}

// Socket names the listener in a path.
type Socket struct {
	Name string `path:"name" maxLength:"64" doc:"Name of the listener: a key under listen of the configuration" example:"tls"`
}

// Address is what a request to move a listener brings.
type Address struct {
	Addr string `json:"addr" maxLength:"256" doc:"host:port; empty: closed" example:"0.0.0.0:8089"`
}

func (r registrar) listeners() {
	const tag = "server"

	huma.Register(r.api, operators(r.op("GET", "/listeners", "listeners", tag, "All listeners", "Also those that are closed, and why they are.", away)),
		func(ctx context.Context, _ *struct{}) (*Answer[ListenerList], error) {
			if r.d.Listeners == nil {
				return nil, noListeners()
			}
			return answer(ListenerList{append([]web.Listener{}, r.d.Listeners.List(ctx)...)}, nil)
		})

	huma.Register(r.api, admins(r.op("PUT", "/listeners/{name}", "listener-move", tag, "Move a listener to another address",
		"The new one is open before the old one closes; connections there are stay. At the next start the configuration holds again.", missing, clash, away)),
		func(ctx context.Context, in *struct {
			Socket
			Body Address
		}) (*Answer[web.Listener], error) {
			return r.listener(ctx, in.Name, "listener.move", in.Body.Addr, func(l Listeners) error { return l.Move(ctx, in.Name, in.Body.Addr) })
		})

	huma.Register(r.api, admins(r.op("POST", "/listeners/{name}/start", "listener-start", tag, "Open a listener",
		"Where it was last, or where the configuration has it.", missing, clash, away)),
		func(ctx context.Context, in *Socket) (*Answer[web.Listener], error) {
			return r.listener(ctx, in.Name, "listener.start", "", func(l Listeners) error { return l.Start(ctx, in.Name) })
		})

	huma.Register(r.api, admins(r.op("POST", "/listeners/{name}/stop", "listener-stop", tag, "Close a listener",
		"Nobody comes in there any more; connections there are stay.", missing, away)),
		func(ctx context.Context, in *Socket) (*Answer[web.Listener], error) {
			return r.listener(ctx, in.Name, "listener.stop", "", func(l Listeners) error { return l.Stop(ctx, in.Name) })
		})
}

// listener changes a listener, notes it, and shows it then.
func (r registrar) listener(ctx context.Context, name, action, detail string, change func(Listeners) error) (*Answer[web.Listener], error) {
	if r.d.Listeners == nil {
		return nil, noListeners()
	}
	err := change(r.d.Listeners)
	r.d.Identity.Record(ctx, actor(ctx), action, name, detail, err == nil)
	if err != nil {
		return nil, problemOf(err)
	}
	list := r.d.Listeners.List(ctx)
	i := slices.IndexFunc(list, func(l web.Listener) bool { return l.Name == name })
	if i < 0 {
		return nil, notFoundf("there is no listener %s", clip(name))
	}
	return answer(list[i], nil)
}

func noListeners() error {
	return openapi.NewProblem(away, "this server cannot change its listeners while it runs")
}
