package plugintest

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/manifest"
	"github.com/takhost/takhost/hostapi/tree"
	"github.com/takhost/takhost/hostapi/wire"
	"github.com/takhost/takhost/sdk"
)

// Kit is one plugin and the server around it.
type Kit struct {
	t        testing.TB
	manifest *manifest.Manifest
	grants   hostapi.Grants
	config   []byte // tree
	version  string // of the version that runs
	guest    guest
	remote   bool

	now    time.Time
	begin  time.Time
	ids    int64
	random uint64
	number uint64          // of deliveries
	state  *state          // what is committed
	files  map[string]blob // by hash
	sets   [][]string
	online []sdk.Client

	users, certificates map[string]sdk.Identity

	urls     []baseURL // where clients reach the server, in its order
	archive  []*hostapi.Event
	emitted  []Emission
	updates  []sdk.Update
	logs     []Line
	metrics  map[string]float64
	letters  []Letter
	calls    int // of the plugin, attempts included
	fetch    func(*sdk.Fetch) (*sdk.Fetched, error)
	actions  map[string]func(*sdk.Action) (sdk.ActionResult, error)
	fault    *fault
	conflict int
}

// Option changes how a Kit starts.
type Option func(*options)

type options struct {
	config  string
	at      time.Time
	without []hostapi.Capability
	grants  hostapi.Grants
	plugin  func() *sdk.Plugin
	urls    []baseURL
}

// Config is the plugin's section of the server's config, as JSON. It is checked by
// the manifest's schema and gets its defaults.
func Config(json string) Option { return func(o *options) { o.config = json } }

// At sets the clock; without it, it shows noon of 1 May 2024, UTC.
func At(t time.Time) Option { return func(o *options) { o.at = t } }

// Without takes a capability away that the manifest asks for.
func Without(c hostapi.Capability) Option {
	return func(o *options) { o.without = append(o.without, c) }
}

// Granted narrows a capability. Without it, what the manifest asks for is granted.
func Granted(c hostapi.Capability, s hostapi.Scope) Option {
	return func(o *options) { o.grants[c] = s }
}

// Plugin tests this plugin in the place of the one that was registered, as Go code in
// the test's own process whatever the environment says.
func Plugin(newPlugin func() *sdk.Plugin) Option { return func(o *options) { o.plugin = newPlugin } }

// Start begins the plugin that the test's package registered, with the manifest in a
// file. What goes wrong ends the test.
func Start(t testing.TB, file string, opts ...Option) *Kit {
	t.Helper()
	k, err := TryStart(t, file, opts...)
	if err != nil {
		t.Fatalf("start plugin: %v", err)
	}
	return k
}

// TryStart is Start for tests of a plugin that refuses to start: the error is that of
// the config, or what Init answered.
func TryStart(t testing.TB, file string, opts ...Option) (*Kit, error) {
	t.Helper()
	o := options{at: time.Date(2024, 5, 1, 12, 0, 0, 0, time.UTC), grants: hostapi.Grants{}}
	for _, set := range opts {
		set(&o)
	}
	if o.urls == nil {
		o.urls = []baseURL{{"rest", "http://127.0.0.1:19023"}}
	}
	doc, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read manifest: %w", err)
	}
	m, err := manifest.Parse(doc)
	if err != nil {
		return nil, fmt.Errorf("%s:\n%w", file, err)
	}
	k := &Kit{
		t: t, manifest: m, version: m.Version, now: o.at, begin: o.at, urls: o.urls, grants: hostapi.Grants{},
		state: newState(), files: map[string]blob{}, sets: [][]string{nil, {hostapi.AnonGroupName}},
		metrics: map[string]float64{}, actions: map[string]func(*sdk.Action) (sdk.ActionResult, error){},
		users: map[string]sdk.Identity{}, certificates: map[string]sdk.Identity{},
	}
	for c, s := range m.Grants() {
		k.grants[c] = s
	}
	for c, s := range o.grants {
		k.grants[c] = s
	}
	for _, c := range o.without {
		delete(k.grants, c)
	}
	if k.config, err = configTree(m, o.config); err != nil {
		return nil, err
	}
	if err := k.open(o.plugin); err != nil {
		return nil, err
	}
	t.Cleanup(k.end)
	for _, timer := range m.Timers {
		every := time.Duration(timer.Every)
		k.state.timers[timer.Name] = timerState{due: k.now.Add(every).UnixMicro(), every: every.Microseconds()}
	}
	return k, k.init("", hostapi.OpInit)
}

// configTree checks the plugin's section and makes the tree that the plugin reads.
func configTree(m *manifest.Manifest, section string) ([]byte, error) {
	var v any
	if section != "" {
		if err := json.Unmarshal([]byte(section), &v); err != nil {
			return nil, fmt.Errorf("config: %w", err)
		}
	}
	if m.Config == nil && v == nil {
		return nil, nil
	}
	full, err := m.Config.Apply("config", v)
	if err != nil {
		return nil, err
	}
	doc, err := json.Marshal(full)
	if err != nil {
		return nil, fmt.Errorf("config: %w", err)
	}
	return tree.AppendJSON(nil, doc)
}

// open makes the guest, without an instance yet.
func (k *Kit) open(newPlugin func() *sdk.Plugin) error {
	command := os.Getenv(Env)
	if newPlugin != nil || command == "" {
		g := &inProcess{plugin: newPlugin}
		k.guest = g
		return g.renew()
	}
	r, err := startRunner(command)
	if err != nil {
		return err
	}
	k.guest, k.remote = r, true
	return r.renew()
}

// Remote says whether the plugin runs in a process of its own.
func (k *Kit) Remote() bool { return k.remote }

// init begins an instance, or reconfigures it.
func (k *Kit) init(from string, op hostapi.GuestOp) error {
	m := wire.Init{
		Name: k.manifest.Name, Version: k.version, Config: k.config, Grants: k.grantList(),
		FromVersion: from, NodeID: NodeID,
	}
	for _, b := range k.urls {
		m.BaseURLs, m.BaseListeners = append(m.BaseURLs, b.url), append(m.BaseListeners, b.listener)
	}
	_, err := k.call(op, m.Append(nil), how{})
	return err
}

// grantList is what init tells of the grants. It has the scopes that plugins ask
// about; the Kit itself checks by the whole ones.
func (k *Kit) grantList() []wire.Grant {
	var list []wire.Grant
	for _, c := range hostapi.Capabilities() {
		s, ok := k.grants[c]
		if !ok {
			continue
		}
		g := wire.Grant{
			Capability: string(c), Types: s.Types, Groups: s.Groups, Missions: s.Missions, Rate: s.Rate,
			Span: s.Span.Microseconds(), Rows: s.Rows, Bytes: s.Bytes, Number: s.Number,
			Prefixes: s.Prefixes, Listeners: s.Listeners, Names: s.Names, Hosts: s.Hosts,
			Methods: s.Methods, Listen: s.Listen, Dial: s.Dial, Trust: s.Trust, Actions: s.Actions,
		}
		if s.Box != nil {
			g.Box = &wire.Box{South: s.Box.South, West: s.Box.West, North: s.Box.North, East: s.Box.East}
		}
		list = append(list, g)
	}
	return list
}

// end stops the plugin when the test is over.
func (k *Kit) end() {
	k.fault = nil
	if _, err := k.call(hostapi.OpStop, nil, how{}); err != nil && !errors.Is(err, errCrashed) {
		k.t.Errorf("stop plugin: %v", err)
	}
	if err := k.guest.close(); err != nil {
		k.t.Errorf("end plugin: %v", err)
	}
	for _, l := range k.letters {
		k.t.Errorf("a dead letter that no test asked for: %v", l)
	}
}

// Manifest is the plugin's.
func (k *Kit) Manifest() *manifest.Manifest { return k.manifest }

// Now is what the clock shows.
func (k *Kit) Now() time.Time { return k.now }

// Set gives the number of a set of groups, for callers and clients. Set 1 holds
// __ANON__ alone, in which all are who have no other.
func (k *Kit) Set(groups ...string) int32 {
	groups = slices.Clone(groups)
	slices.Sort(groups)
	for i, have := range k.sets {
		if i > 0 && slices.Equal(have, groups) {
			return int32(i)
		}
	}
	k.sets = append(k.sets, groups)
	return int32(len(k.sets) - 1)
}

// meet says whether two sets have a group in common.
func (k *Kit) meet(a, b int32) bool {
	for _, g := range k.groups(a) {
		if slices.Contains(k.groups(b), g) {
			return true
		}
	}
	return false
}

func (k *Kit) groups(set int32) []string {
	if set < 0 || int(set) >= len(k.sets) {
		return nil
	}
	return k.sets[set]
}
