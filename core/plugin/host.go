package plugin

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"

	"github.com/takhost/takhost/core/plugin/call"
	"github.com/takhost/takhost/core/plugin/guest"
	"github.com/takhost/takhost/core/plugin/run"
	"github.com/takhost/takhost/core/route"
	"github.com/takhost/takhost/core/store"
	"github.com/takhost/takhost/hostapi"
)

var (
	_ route.Tap     = (*Host)(nil)
	_ route.Filter  = (*Host)(nil)
	_ route.Watcher = (*Host)(nil)
	_ call.Actions  = (*Host)(nil)
)

// Options say what a Host works with.
type Options struct {
	Store *store.Store

	// Calls is what the calls of all plugins work with. New sets its fields
	// Actions and Timers to the host's.
	Calls *call.Env

	WASM    guest.Runtime // nil: plugins of that kind fail
	Process guest.Runtime // nil: plugins of that kind fail

	// Archive is what durable subscriptions read.
	Archive run.Archive

	// Shipped holds the packages that come with the server, NAME.takplugin. They
	// are on, with all that they ask for, unless a layer says otherwise. May be nil.
	Shipped fs.FS

	// Dir is the data folder: programs of process plugins are extracted there.
	Dir string

	// Base is what relative sources count from; empty: the working directory.
	Base string

	// Generation makes the next generation of routes out of those of all plugins
	// in force, and checks it. The host calls commit when the plugins are ready
	// for them, or drops it. Nil: there are no routes.
	Generation func(sets []Routes) (commit func(), err error)

	Node   int32
	NodeID string // as answers of Marti give it

	// BaseURLs are where clients reach the listeners that speak HTTP, in the order
	// in which plugins get them; see SetBaseURLs.
	BaseURLs []run.BaseURL

	CodeBudget int64 // bytes of prepared code of all plugins; 0: 192 MiB

	// Idle is after how long without a call a plugin whose state is in the store
	// gives up its instance and its code until it is needed. 0: 10 minutes. See
	// SetIdle.
	Idle   time.Duration
	Tuning run.Tuning

	Log     *slog.Logger
	Metrics prometheus.Registerer
	Tracer  trace.TracerProvider // gets a span for each call of a plugin; nil: nobody does
	Now     func() time.Time     // nil: time.Now
}

// defaultCodeBudget bounds the memory that prepared code of all plugins takes.
const defaultCodeBudget = 192 << 20

// Host is the host of plugins.
type Host struct {
	opt     Options
	log     *slog.Logger
	db      *store.Plugins
	lib     *library
	waits   *run.Waits
	reach   *run.Reach
	idle    atomic.Int64 // as Options.Idle, ns
	metrics *run.Metrics

	// turn holds a value while somebody changes something: it guards what
	// follows, up to mu. It is taken before mu.
	turn    chan struct{}
	layers  Layers
	rows    map[string]rows // of the database, by plugin
	closing bool

	mu      sync.RWMutex // guards entries, the map alone
	entries map[string]*entry

	view atomic.Pointer[view] // what events and requests go by

	gates gates // listeners that wait for filters

	retrying sync.Map // ids of dead letters that are being given to their plugins

	alive context.Context // of changes, which go on when whoever asked goes away
	cut   context.CancelFunc

	wake   chan struct{} // holds a value when the keeper may have something to do
	gaveUp atomic.Bool   // a plugin has given up its code since the keeper looked
	end    context.CancelFunc
	done   chan struct{} // closed when the keeper has ended
}

// New gives a host that knows no plugins yet.
func New(opt Options) (*Host, error) {
	switch {
	case opt.Store == nil || opt.Calls == nil:
		return nil, errors.New("plugin host: needs a store and calls")
	case opt.Log == nil:
		opt.Log = slog.New(slog.DiscardHandler)
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	if opt.CodeBudget == 0 {
		opt.CodeBudget = defaultCodeBudget
	}
	if opt.Metrics == nil {
		opt.Metrics = prometheus.NewRegistry()
	}
	if opt.Generation == nil {
		opt.Generation = func([]Routes) (func(), error) { return func() {}, nil }
	}
	metrics, err := run.NewMetrics(opt.Metrics)
	if err != nil {
		return nil, fmt.Errorf("plugin host: %w", err)
	}
	h := &Host{
		opt: opt, log: opt.Log, db: opt.Store.Plugins(), waits: &run.Waits{}, reach: &run.Reach{}, metrics: metrics,
		turn: make(chan struct{}, 1), entries: map[string]*entry{}, rows: map[string]rows{},
		wake: make(chan struct{}, 1), done: make(chan struct{}),
	}
	h.alive, h.cut = context.WithCancel(context.Background())
	h.view.Store(&view{byName: map[string]*running{}})
	h.reach.Set(opt.BaseURLs)
	h.idle.Store(int64(opt.Idle))
	h.lib = newLibrary(opt.Shipped, opt.Store, opt.Base, opt.Log)
	if err := opt.Metrics.Register(stateCollector{h}); err != nil {
		return nil, fmt.Errorf("plugin host: %w", err)
	}
	opt.Calls.Actions = h
	opt.Calls.Timers = h.timersChanged
	return h, nil
}

// Start reads what the database and the layers say and puts topics and aliases in
// force in the router; when it returns, events can be routed. Plugins that are on
// are started in the background, one after the other. A plugin that cannot start
// is no error here: it is listed as failed.
func (h *Host) Start(ctx context.Context, l Layers) error {
	if err := h.restore(ctx); err != nil {
		return fmt.Errorf("start plugins: %w", err)
	}
	settings, err := h.db.Settings(ctx)
	if err != nil {
		return fmt.Errorf("start plugins: %w", err)
	}
	h.turn <- struct{}{}
	defer h.release()
	h.layers, h.rows = l, byPlugin(settings)
	for name, t := range h.targets(l, h.rows) {
		e := h.entry(name)
		e.setWant(t)
		h.settle(e)
		// Whatever was on probation has started anew.
		e.setSpent(unquote(h.rows[name][formerKey]))
	}
	h.prepareAll(ctx)
	h.gates.update(h.list())
	kept, end := context.WithCancel(context.WithoutCancel(ctx))
	h.end = end
	go func() {
		defer close(h.done)
		h.keep(kept)
	}()
	h.poke()
	return nil
}

// SetBaseURLs tells plugins where clients reach the server from now on: each has
// learned of it before its next call, but for filters, which learn of it soon.
func (h *Host) SetBaseURLs(list []run.BaseURL) {
	if !h.reach.Set(list) {
		return
	}
	h.tellActors()
}

// SetIdle is Options.Idle from now on.
func (h *Host) SetIdle(d time.Duration) {
	h.idle.Store(int64(d))
	h.tellActors()
}

func (h *Host) tellActors() {
	for _, r := range h.view.Load().byName {
		r.actor.Changed()
	}
}

// prepareAll puts routes and queues of all plugins that are on in force, before the
// first of them is compiled: what comes in meanwhile waits for them.
func (h *Host) prepareAll(ctx context.Context) {
	for _, name := range h.order() {
		e := h.find(name)
		if e == nil || !e.want.set.enabled || e.want.err != nil {
			continue
		}
		if err := h.prepare(ctx, e, e.want); err != nil {
			// The keeper tries the same, and its error is the plugin's state.
			h.log.Debug("a plugin is not prepared", slog.String("plugin", name), slog.Any("err", err))
		}
	}
}

// restore puts in force what plugins have set in the router before. It does not
// matter whether these plugins run.
func (h *Host) restore(ctx context.Context) error {
	topics, err := h.db.Topics(ctx)
	if err != nil {
		return err
	}
	aliases, err := h.db.Aliases(ctx)
	if err != nil {
		return err
	}
	for _, t := range topics {
		members := make([]route.Member, len(t.Members))
		for i, m := range t.Members {
			members[i] = route.Member{User: m.User, UID: m.Client, Publish: m.MayPublish}
		}
		h.opt.Calls.Router.SetTopic(route.Topic{ID: t.Name, Members: members})
	}
	for _, a := range aliases {
		h.opt.Calls.Router.SetAlias(a.Name, a.Topics...)
	}
	return nil
}

// closeWait is how long a change that is being made may take when the server ends.
const closeWait = 5 * time.Second

// Close ends all plugins: calls at hand end, or are cut when ctx ends. What they
// are asked after that is refused.
func (h *Host) Close(ctx context.Context) error {
	if h.end != nil {
		h.end()
		<-h.done
	}
	// A change at hand ends first, if it does so soon.
	late := time.AfterFunc(closeWait, h.cut)
	defer h.cut()
	defer late.Stop()
	defer context.AfterFunc(ctx, h.cut)()
	h.turn <- struct{}{}
	defer h.release()
	h.closing = true
	var errs []error
	names := h.order()
	slices.Reverse(names) // who needs others ends before them
	h.view.Store(&view{byName: map[string]*running{}})
	h.drain(ctx, names)
	for _, name := range names {
		e := h.find(name)
		if e != nil && e.running != nil {
			errs = append(errs, h.halt(ctx, e, "the server stops"))
		}
	}
	for _, e := range h.list() {
		h.dropGuard(ctx, e)
	}
	h.opt.Calls.Settle()
	return errors.Join(append(errs, h.lib.close())...)
}

// drainWait is how long a server that stops lets plugins handle the events that
// came before.
const drainWait = 5 * time.Second

func (h *Host) drain(ctx context.Context, names []string) {
	ctx, cancel := context.WithTimeout(ctx, drainWait)
	defer cancel()
	for _, name := range names {
		if e := h.find(name); e != nil && e.running != nil {
			e.running.actor.Drain(ctx)
		}
	}
}

// take waits for the turn to change something.
func (h *Host) take(ctx context.Context) error {
	select {
	case h.turn <- struct{}{}:
	case <-ctx.Done():
		return &store.Error{Code: store.Unavailable, Msg: "other changes of plugins are under way", Err: ctx.Err()}
	}
	if h.closing {
		h.release()
		return &store.Error{Code: store.Unavailable, Msg: "the server stops"}
	}
	return nil
}

func (h *Host) release() { <-h.turn }

// poke lets the keeper look for something to do.
func (h *Host) poke() {
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

// names gives the plugins that anybody speaks of. The digest of a file that was
// seen once is not speaking.
func (h *Host) names(l Layers, all map[string]rows) map[string]bool {
	names := map[string]bool{}
	for name := range h.lib.shipped {
		names[name] = true
	}
	for _, name := range l.names() {
		names[name] = true
	}
	for name, r := range all {
		for key := range r {
			if key != pinKey && key != formerKey {
				names[name] = true
			}
		}
	}
	return names
}

// targets makes out what each of them is to be.
func (h *Host) targets(l Layers, all map[string]rows) map[string]*target {
	out := map[string]*target{}
	for name := range h.names(l, all) {
		out[name] = h.target(name, l, all[name])
	}
	return out
}

// target makes out what one plugin is to be.
func (h *Host) target(name string, l Layers, r rows) *target {
	set, pin, err := r.setting(name)
	t := h.lib.resolve(name, l.of(name, h.lib.shippedSetting(name), set), pin)
	if err != nil {
		t.err = err
	}
	return t
}

// shippedSetting is what holds for a plugin that comes with the server: it is on
// and has what it asks for.
func (l *library) shippedSetting(name string) Setting {
	p := l.shipped[name]
	if p == nil {
		return Setting{}
	}
	on := true
	return Setting{Enabled: &on, Grant: p.Manifest.Grants()}
}

// entry gives the record of a plugin, a new one if there is none. The caller has
// the turn.
func (h *Host) entry(name string) *entry {
	h.mu.Lock()
	defer h.mu.Unlock()
	e := h.entries[name]
	if e == nil {
		e = newEntry(name, h)
		h.entries[name] = e
	}
	return e
}

func (h *Host) find(name string) *entry {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.entries[name]
}

// known gives the record of a plugin or an error that says there is none.
func (h *Host) known(name string) (*entry, error) {
	if e := h.find(name); e != nil {
		return e, nil
	}
	h.mu.RLock()
	defer h.mu.RUnlock()
	return nil, notFound("there is no plugin %s%s", name, nearest(name, slices.Sorted(maps.Keys(h.entries))))
}

// list gives all records by name.
func (h *Host) list() []*entry {
	h.mu.RLock()
	defer h.mu.RUnlock()
	list := make([]*entry, 0, len(h.entries))
	for _, name := range slices.Sorted(maps.Keys(h.entries)) {
		list = append(list, h.entries[name])
	}
	return list
}

// programs is the folder of a process plugin's extracted packages.
func (h *Host) programs(name string) string { return filepath.Join(h.opt.Dir, "plugins", name) }

// namesOf gives the names of the groups of a set.
func (h *Host) namesOf(set hostapi.SetID) []string {
	members := h.opt.Calls.Groups.Members(set)
	var names []string
	for name, id := range h.opt.Calls.Groups.Names() {
		if slices.Contains(members, id) {
			names = append(names, name)
		}
	}
	return names
}
