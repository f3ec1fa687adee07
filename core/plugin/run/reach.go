package run

import (
	"context"
	"slices"
	"sync/atomic"

	"github.com/takhost/takhost/core/plugin/call"
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/wire"
)

// BaseURL is where clients reach a listener that speaks HTTP.
type BaseURL struct{ Listener, URL string }

// Reach is where clients reach the server, which changes while it runs. All actors
// of a server have the same. Safe for concurrent use.
type Reach struct{ list atomic.Pointer[[]BaseURL] }

// Set replaces the list, and says whether it differs from the one before. Actors
// learn of it when they are told (Actor.Changed), or before their next call.
func (r *Reach) Set(list []BaseURL) bool {
	if now := r.now(); now != nil && slices.Equal(*now, list) {
		return false
	}
	list = slices.Clone(list)
	r.list.Store(&list)
	return true
}

// now gives the list, which does not change; each has a pointer of its own. nil:
// none was set.
func (r *Reach) now() *[]BaseURL {
	if r == nil {
		return nil
	}
	return r.list.Load()
}

// Changed tells that Reach has another list, or Idle gives another span.
func (a *Actor) Changed() { a.signal() }

// greet gives the message with which an instance begins, or goes on, as part of v.
func (i *instance) greet(v *Version, role wire.Role, from string) []byte {
	msg := v.Init
	msg.Role, msg.FromVersion = role, from
	if i.reach = i.a.opt.Reach.now(); i.reach != nil {
		for _, b := range *i.reach {
			msg.BaseURLs = append(msg.BaseURLs, b.URL)
			msg.BaseListeners = append(msg.BaseListeners, b.Listener)
		}
	}
	return msg.Append(nil)
}

// stale says whether the instance was told of other URLs than there are now.
func (i *instance) stale() bool { return i.isReady && i.reach != i.a.opt.Reach.now() }

// renew tells the main instance where clients reach the server now. A plugin that
// cannot be told gets a fresh instance.
func (a *Actor) renew(ctx context.Context) {
	i := a.loop.main
	c := i.v.Calls.Begin(call.Options{Op: hostapi.OpReconfigure, Lane: a.lane})
	out, s, err := i.call(ctx, c, hostapi.OpReconfigure, i.greet(i.v, wire.RoleMain, ""), i.v.Limits.Init)
	if err == nil && s == hostapi.OK {
		if err = c.Commit(context.WithoutCancel(ctx)); err == nil {
			return
		}
	}
	c.Discard()
	switch {
	case isCrash(err):
		a.lose(ctx, err)
		return
	case err == nil && s != hostapi.Unsupported:
		err = refusal(s, out)
	}
	if err != nil {
		a.log.Warn("plugin did not take over where the server is reached: it gets a fresh instance", "error", err)
	}
	a.recycle(ctx)
}

// keepFresh has the instances replaced when clients reach the server elsewhere.
func (f *filters) keepFresh(ctx context.Context) {
	now := f.a.opt.Reach.now()
	if f.reach == now {
		return
	}
	f.reach = now
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.closed {
		f.helps.Go(func() { f.refresh(ctx) })
	}
}

// refresh replaces the instances that were told of other URLs than there are now,
// one after the other, while the others decide.
func (f *filters) refresh(ctx context.Context) {
	for range cap(f.free) {
		fresh, err := f.a.startInstance(ctx, f.v, wire.RoleFilter, "", &lane{})
		if err != nil {
			f.a.log.Warn("no instance of a filter was made", "error", err)
			return
		}
		// One that died meanwhile has a fresh one in its place already.
		select {
		case old := <-f.free:
			if old == nil || !old.stale() {
				f.free <- old
				fresh.stop(ctx)
				continue
			}
			f.free <- fresh
			old.stop(ctx)
		case <-f.stop:
			fresh.stop(ctx)
			return
		}
	}
}
