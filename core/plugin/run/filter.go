package run

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/takhost/takhost/core/plugin/call"
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/cot"
	"github.com/takhost/takhost/hostapi/manifest"
	"github.com/takhost/takhost/hostapi/wire"
)

// filterWait is how long an event waits for an instance of the filter. Each
// call has a deadline of 5 ms, so this is long only when instances are missing.
const filterWait = 250 * time.Millisecond

// gate is one filter of the manifest, bounded by the grant.
type gate struct {
	selection
	grant     *selection
	listeners []string
	closed    bool
	order     int64
}

func (g *gate) forget() {
	g.groups.forget()
	g.grant.groups.forget()
}

func newGates(m *manifest.Manifest, grants hostapi.Grants, names func(hostapi.SetID) []string) ([]gate, error) {
	if len(m.Filters) == 0 {
		return nil, nil
	}
	if len(m.Filters) > 32 {
		return nil, fmt.Errorf("are %d: a view has room for 32", len(m.Filters))
	}
	scope, granted := grants[hostapi.CapEventsFilter]
	if !granted {
		return nil, fmt.Errorf("need the capability %s", hostapi.CapEventsFilter)
	}
	grant, err := grantSelection(scope, names)
	if err != nil {
		return nil, err
	}
	var gates []gate
	for _, f := range m.Filters {
		// An event for a mission is one like any other here, as far as granted.
		sel, err := newSelection(f.Types, f.Groups, []string{"*"}, (*cot.Box)(f.Box), names)
		if err != nil {
			return nil, err
		}
		gates = append(gates, gate{selection: sel, grant: &grant, listeners: f.Listeners, closed: f.Fail == "closed", order: f.Order})
	}
	return gates, nil
}

// FilterInfo says what the filters of a version are about.
type FilterInfo struct {
	Order  int64 // lowest of its filters: plugins with lower ones come first
	Closed bool  // some of them drop events while they cannot run
}

// Filters says what filters the version has on a listener, if any.
func (v *Version) Filters(listener string) (info FilterInfo, any bool) {
	for i := range v.gates {
		g := &v.gates[i]
		if len(g.listeners) > 0 && !slices.Contains(g.listeners, listener) {
			continue
		}
		if !any || g.order < info.Order {
			info.Order = g.order
		}
		info.Closed = info.Closed || g.closed
		any = true
	}
	return info, any
}

// filters are the instances that decide about events, all of one version.
type filters struct {
	a    *Actor
	v    *Version
	want hostapi.DetailWant
	free chan *instance // capacity: all there may be

	reach *[]BaseURL // of which the instances were told, or are being told; of the actor's goroutine

	mu     sync.Mutex
	alive  int
	misses []time.Time
	open   bool // the fail mode holds
	again  time.Time
	back   time.Duration
	closed bool
	stop   chan struct{} // closed with closed
	helps  sync.WaitGroup
}

// newFilters makes the instances; nil without filters.
func (a *Actor) newFilters(ctx context.Context, v *Version) (*filters, error) {
	if len(v.gates) == 0 {
		return nil, nil
	}
	n := runtime.GOMAXPROCS(0)
	f := &filters{a: a, v: v, reach: a.opt.Reach.now(), free: make(chan *instance, n), stop: make(chan struct{})}
	for i, mf := range v.Manifest.Filters {
		w := hostapi.WantDetail(mf.Detail)
		w.XML = mf.XML
		if i == 0 {
			f.want = w
		} else {
			f.want = f.want.Union(w)
		}
	}
	for range n {
		i, err := a.startInstance(ctx, v, wire.RoleFilter, "", &lane{})
		if err != nil {
			f.close(ctx)
			return nil, fmt.Errorf("filter: %w", err)
		}
		f.alive++
		f.free <- i
	}
	return f, nil
}

// Filter lets the plugin decide about an event that came by a listener, on the
// caller's goroutine. It gives the event itself, another one in its place, or
// nil when it is dropped, and then why.
func (a *Actor) Filter(listener string, e *hostapi.Event) (_ *hostapi.Event, reason string) {
	v := a.cur.Load()
	if len(v.gates) == 0 {
		return e, ""
	}
	return a.filterFrom(a.filters.Load(), v, listener, e)
}

// filterFrom is Filter for who has found f in force.
func (a *Actor) filterFrom(f *filters, v *Version, listener string, e *hostapi.Event) (_ *hostapi.Event, reason string) {
	for {
		out, reason, err := a.filterBy(f, v, listener, e)
		// Filters that ended because another version's took over decide nothing.
		if next := a.filters.Load(); next != f && errors.Is(err, errNoFilter) {
			f = next
			continue
		}
		return out, reason
	}
}

// filterBy is Filter by the instances f, or by none of them: then v says which
// events are dropped. The error is why the fail mode decided.
func (a *Actor) filterBy(f *filters, v *Version, listener string, e *hostapi.Event) (_ *hostapi.Event, reason string, err error) {
	if f != nil {
		v = f.v
	}
	mission := e.NumDests() > 0 && toMission(e)
	var bits uint32
	closed := false
	for i := range v.gates {
		g := &v.gates[i]
		if g.match(e, mission) && g.grant.match(e, mission) && (len(g.listeners) == 0 || slices.Contains(g.listeners, listener)) {
			bits |= 1 << i
			closed = closed || g.closed
		}
	}
	if bits == 0 {
		return e, "", nil
	}
	out, reason, err := f.decide(e, bits)
	if err == nil {
		return out, reason, nil
	}
	a.met.filterMissed.Add(1)
	if closed {
		return nil, "the filter " + a.opt.Name + " cannot run: " + err.Error(), err
	}
	return e, "", err
}

var (
	errNoFilter   = errors.New("it is not active")
	errFilterOpen = errors.New("it failed too often")
	errFilterBusy = errors.New("it is too busy")
)

// decide asks an instance. An error means that the fail mode decides.
func (f *filters) decide(e *hostapi.Event, bits uint32) (*hostapi.Event, string, error) {
	if f == nil {
		return nil, "", errNoFilter
	}
	ctx := context.Background()
	i, err := f.get(ctx)
	if err != nil {
		return nil, "", err
	}
	i.writer.Reset()
	i.writer.Add(e, f.want, bits)
	var verdict wire.FilterVerdict
	var out *hostapi.Event
	err = i.do(ctx, &work{
		op: hostapi.OpFilter, in: i.writer.Bytes(0, 0, 0), limit: f.v.Limits.Filter,
		opt: call.Options{Pure: true, ReadOnly: true, Events: []*hostapi.Event{e}, Hops: e.Hops},
		read: func(_ Call, answer []byte) error {
			if err := verdict.Decode(answer); err != nil {
				return err
			}
			switch verdict.Verdict {
			case wire.VerdictPass:
				out = e
			case wire.VerdictDrop:
				out = nil
			case wire.VerdictReplace:
				var err error
				if out, err = replaced(e, verdict.XML); err != nil {
					return &call.StatusError{Status: hostapi.Invalid, Message: "the event in its place is wrong", Err: err}
				}
			default:
				return fmt.Errorf("has the verdict %d", verdict.Verdict)
			}
			return nil
		},
	})
	switch {
	case err == nil:
		if i.worn(f.a.opt.Now()) {
			f.retire(ctx, i)
		} else {
			f.free <- i
		}
		f.well()
		return out, verdict.Reason, nil
	case isCrash(err):
		f.dead(ctx, i, err)
	default:
		f.free <- i
		f.miss(err)
	}
	return nil, "", err
}

// replaced makes the event that goes on in place of e. What the core knows of
// its coming stays.
func replaced(e *hostapi.Event, xml string) (*hostapi.Event, error) {
	n := &hostapi.Event{
		XML: xml, ID: e.ID, Recv: e.Recv, Conn: e.Conn, User: e.User, Client: e.Client, Groups: e.Groups,
		Origin: e.Origin, Via: e.Via, Hops: e.Hops, First: e.First, Fleeting: e.Fleeting,
	}
	if err := cot.Scan(xml, &n.Header); err != nil {
		return nil, err
	}
	if n.UID != e.UID {
		return nil, errors.New("its uid is another one")
	}
	return n, nil
}

// get takes a free instance. While the circuit is open one event after each
// back-off tries whether it works again.
func (f *filters) get(ctx context.Context) (*instance, error) {
	now := time.Now()
	f.mu.Lock()
	if f.open && now.Before(f.again) {
		f.mu.Unlock()
		return nil, errFilterOpen
	}
	if f.open {
		f.again = now.Add(f.back) // the others wait for this one's result
	}
	f.mu.Unlock()
	select {
	case i := <-f.free:
		return f.usable(i)
	default:
	}
	t := time.NewTimer(filterWait)
	defer t.Stop()
	select {
	case i := <-f.free:
		return f.usable(i)
	case <-t.C:
		f.miss(errFilterBusy)
		return nil, errFilterBusy
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// usable hands on the mark that close leaves in the channel.
func (f *filters) usable(i *instance) (*instance, error) {
	if i == nil {
		f.free <- nil
		return nil, errNoFilter
	}
	return i, nil
}

// well closes the circuit after a call that worked.
func (f *filters) well() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.open {
		f.open, f.misses = false, nil
		f.a.log.Info("plugin filter works again")
	}
}

// miss counts a call that gave no verdict.
func (f *filters) miss(err error) {
	t := &f.a.opt.Tuning
	now := time.Now()
	f.mu.Lock()
	defer f.mu.Unlock()
	for len(f.misses) > 0 && now.Sub(f.misses[0]) > t.FilterSpan {
		f.misses = f.misses[1:]
	}
	f.misses = append(f.misses, now)
	switch {
	case f.open:
		f.back = min(2*f.back, t.BackOffMax)
		f.again = now.Add(f.back)
	case len(f.misses) >= t.FilterMiss:
		f.open, f.back = true, t.BackOff
		f.again = now.Add(f.back)
		f.a.log.Error("plugin filter failed too often: its fail mode decides for a while", "error", err, slog.Duration("retry_in", f.back))
	}
}

// dead replaces an instance that died.
func (f *filters) dead(ctx context.Context, i *instance, err error) {
	f.a.met.crash(err)
	if f.v == f.a.cur.Load() {
		f.a.circuit.fall(err.Error())
		f.a.signal()
	}
	f.a.log.Warn("plugin filter died", "error", err, "output", outputOf(err))
	f.miss(err)
	f.retire(ctx, i)
}

// retire has another instance made in place of one that is not used any more.
func (f *filters) retire(ctx context.Context, i *instance) {
	i.close(ctx)
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed {
		f.free <- nil // close waits for this one
		return
	}
	f.alive--
	f.helps.Go(func() { f.replace(ctx) })
}

// replace makes an instance, as often as it takes.
func (f *filters) replace(ctx context.Context) {
	for wait := 10 * time.Millisecond; ; wait = min(2*wait, 10*time.Second) {
		i, err := f.a.startInstance(ctx, f.v, wire.RoleFilter, "", &lane{})
		f.mu.Lock()
		if f.closed {
			f.mu.Unlock()
			if err == nil {
				i.close(ctx)
			}
			return
		}
		if err == nil {
			f.alive++
			f.free <- i
			f.mu.Unlock()
			return
		}
		f.mu.Unlock()
		f.a.log.Warn("no instance of a filter was made", "error", err)
		f.miss(err)
		select {
		case <-time.After(wait):
		case <-f.stop:
			return
		}
	}
}

// close waits for the calls at hand and ends the instances.
func (f *filters) close(ctx context.Context) {
	f.mu.Lock()
	f.closed = true
	close(f.stop)
	f.mu.Unlock()
	f.helps.Wait()
	// Calls at hand have a deadline, and from now on none of them makes a new
	// instance: alive changes no more.
	for range f.alive {
		if i := <-f.free; i != nil {
			i.stop(ctx)
		}
	}
	f.free <- nil // for those who wait for an instance
}
