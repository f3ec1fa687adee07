package run

import (
	"context"

	"github.com/takhost/takhost/core/plugin/call"
	"github.com/takhost/takhost/core/store"
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/wire"
)

// FromPlugin makes the calls of a version by package call.
func FromPlugin(p *call.Plugin) Calls { return pluginCalls{p} }

type pluginCalls struct{ p *call.Plugin }

func (c pluginCalls) Begin(o call.Options) Call { return storeCall{c.p.Begin(o)} }

// storeCall adds the host's own rows to a call.
type storeCall struct{ *call.Call }

func (c storeCall) SetTimer(t store.Timer) error { return c.Work().SetTimer(c.Plugin().Owner(), t) }

func (c storeCall) DropTimer(name string) error {
	return c.Work().CancelTimer(c.Plugin().Owner(), name)
}

func (c storeCall) SetCursor(at store.Cursor) error {
	return c.Work().SetCursor(c.Plugin().Owner(), at)
}

func (c storeCall) AddDeadLetter(d store.DeadLetter) error {
	return c.Work().AddDeadLetter(c.Plugin().Owner(), d)
}

// ActFor runs an action for another plugin, within its call. It is what
// call.Actions asks for; the version must have been made with FromPlugin.
func (a *Actor) ActFor(ctx context.Context, parent *call.Call, action *wire.Action) (*wire.ActionResult, error) {
	from, _ := parent.Options().Lane.(*lane)
	return a.act(ctx, from, action, func(v *Version) Call {
		p := v.Calls.(pluginCalls).p
		return storeCall{parent.Child(p, call.Options{Op: hostapi.OpAction, Caller: action.Caller, Lane: a.lane})}
	})
}
