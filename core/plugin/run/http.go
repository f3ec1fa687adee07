package run

import (
	"bytes"
	"context"

	"github.com/takhost/takhost/core/plugin/call"
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/wire"
)

// HTTP has the plugin answer a request to one of its routes and commits what
// the answer staged, unless the request is read-only, in which nothing can be
// staged. A guest's refusal, and the Retry of a plugin that does not come to it
// within five seconds, is a *call.StatusError.
func (a *Actor) HTTP(ctx context.Context, req *wire.HTTPRequest) (*wire.HTTPResponse, error) {
	a.met.requests.Add(1)
	v := a.cur.Load()
	if !v.routes[req.Route] {
		return a.shared(ctx, req)
	}
	switch {
	case a.is(phaseBroken), a.is(phaseEnded):
		return nil, a.notNow()
	case !a.is(phaseActive):
		// The goroutine makes the plugin ready first.
		if err := a.submit(ctx, a.reqs, a.opt.Tuning.WaitHTTP, &job{do: func(context.Context, *instance) error { return nil }}); err != nil {
			return nil, err
		}
	}
	return a.pool.http(ctx, req)
}

// shared answers on the main instance.
func (a *Actor) shared(ctx context.Context, req *wire.HTTPRequest) (*wire.HTTPResponse, error) {
	in := req.Append(nil)
	var resp wire.HTTPResponse
	// What was uploaded is removed if the call does not take it: not before it has ended.
	err := a.submit(ctx, a.reqs, a.opt.Tuning.WaitHTTP, &job{stay: len(req.Blobs) > 0, do: func(ctx context.Context, i *instance) error {
		return i.http(ctx, req, in, &resp)
	}})
	if err != nil {
		return nil, err
	}
	return &resp, nil
}

func (i *instance) http(ctx context.Context, req *wire.HTTPRequest, in []byte, resp *wire.HTTPResponse) error {
	return i.do(ctx, &work{
		op: hostapi.OpHTTP, in: in, limit: i.v.Limits.HTTP,
		opt: call.Options{Caller: req.Caller, ReadOnly: req.ReadOnly},
		read: func(_ Call, out []byte) error {
			if len(out) > hostapi.DefaultBodyOut+maxHead {
				return &call.StatusError{Status: hostapi.Limit, Message: "the answer is too large: larger ones are made of parts"}
			}
			if err := resp.Decode(bytes.Clone(out)); err != nil {
				return err
			}
			return checkResponse(resp)
		},
	})
}
