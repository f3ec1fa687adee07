package run

import (
	"context"
	"sync"
	"time"

	"github.com/takhost/takhost/core/plugin/call"
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/wire"
)

// poolIdle is how long an instance of a pool is kept without a request.
const poolIdle = time.Minute

// pool has the extra instances that answer requests (http: pool), made on
// demand. A request keeps the version with which it began. Safe for concurrent
// use.
type pool struct {
	a *Actor

	mu     sync.Mutex
	free   []pooled // the one used last is last
	closed bool
	calls  sync.WaitGroup // requests in flight

	slots chan struct{} // as many values as there are instances at work; replaced with the version
}

type pooled struct {
	i    *instance
	used time.Time
}

func newPool(a *Actor) *pool {
	return &pool{a: a, slots: make(chan struct{}, max(1, a.cur.Load().Limits.Instances))}
}

// resize makes room for another number of instances. Requests in flight keep
// their places in the old room.
func (p *pool) resize(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n = max(1, n); n != cap(p.slots) {
		p.slots = make(chan struct{}, n)
	}
}

// http answers a request on an instance of the pool.
func (p *pool) http(ctx context.Context, req *wire.HTTPRequest) (*wire.HTTPResponse, error) {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return nil, p.a.notNow()
	}
	p.calls.Add(1)
	slots := p.slots
	p.mu.Unlock()
	defer p.calls.Done()

	patience := time.NewTimer(p.a.opt.Tuning.WaitHTTP)
	defer patience.Stop()
	select {
	case slots <- struct{}{}:
		defer func() { <-slots }()
	case <-patience.C:
		return nil, p.a.notNow()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	// A caller who goes away does not cost an instance: the call is completed.
	ctx = context.WithoutCancel(ctx)
	i, err := p.get(ctx)
	if err != nil {
		if isAway(err) {
			return nil, awayError(err)
		}
		p.a.crashed(p.a.cur.Load(), err)
		return nil, &call.StatusError{Status: hostapi.Failed, Message: "the plugin did not start", Err: err}
	}
	var resp wire.HTTPResponse
	err = i.http(ctx, req, req.Append(nil), &resp)
	if isCrash(err) {
		i.close(ctx)
		p.a.crashed(i.v, err)
		return nil, &call.StatusError{Status: hostapi.Failed, Message: "the plugin crashed", Err: err}
	}
	p.put(ctx, i)
	if isAway(err) {
		return nil, awayError(err)
	}
	if err != nil {
		return nil, err
	}
	return &resp, nil
}

// get gives an instance of the version in force.
func (p *pool) get(ctx context.Context) (*instance, error) {
	v := p.a.cur.Load()
	p.mu.Lock()
	for n := len(p.free); n > 0; n = len(p.free) {
		i := p.free[n-1].i
		p.free[n-1] = pooled{}
		p.free = p.free[:n-1]
		if i.v == v && !i.stale() {
			p.mu.Unlock()
			return i, nil
		}
		p.mu.Unlock()
		i.stop(ctx)
		p.mu.Lock()
	}
	p.mu.Unlock()
	return p.a.startInstance(ctx, v, wire.RolePool, "", &lane{})
}

func (p *pool) put(ctx context.Context, i *instance) {
	p.mu.Lock()
	if !p.closed && i.v == p.a.cur.Load() && !i.stale() && !i.worn(p.a.opt.Now()) {
		p.free = append(p.free, pooled{i, time.Now()})
		p.mu.Unlock()
		return
	}
	p.mu.Unlock()
	i.stop(ctx)
}

// sweep ends instances that had nothing to do for a while.
func (p *pool) sweep(ctx context.Context, now time.Time) {
	p.mu.Lock()
	n := 0
	for n < len(p.free) && now.Sub(p.free[n].used) >= poolIdle {
		n++
	}
	old := append([]pooled(nil), p.free[:n]...)
	p.free = append(p.free[:0], p.free[n:]...)
	p.mu.Unlock()
	for _, x := range old {
		x.i.stop(ctx)
	}
}

// sweepAt is when sweep has something to do, zero for never.
func (p *pool) sweepAt() time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.free) == 0 {
		return time.Time{}
	}
	return p.free[0].used.Add(poolIdle)
}

// empty ends the instances that are not at work.
func (p *pool) empty(ctx context.Context) {
	p.mu.Lock()
	free := p.free
	p.free = nil
	p.mu.Unlock()
	for _, x := range free {
		x.i.stop(ctx)
	}
}

// close takes no requests any more, waits for those in flight and ends all
// instances.
func (p *pool) close(ctx context.Context, wait time.Duration) {
	p.mu.Lock()
	p.closed = true
	p.mu.Unlock()
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.calls.Wait()
	}()
	patience := time.NewTimer(wait)
	defer patience.Stop()
	select {
	case <-done:
	case <-patience.C:
		p.a.log.Warn("requests of a plugin that stops did not end in time", "after", wait)
		<-done // each has a deadline of its own
	}
	p.empty(ctx)
}
