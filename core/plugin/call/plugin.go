package call

import (
	"cmp"
	"fmt"
	"log/slog"
	"time"

	"github.com/takhost/takhost/core/store"
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/cot"
	"github.com/takhost/takhost/hostapi/manifest"
)

// Spec says what a version of a plugin is and may do.
type Spec struct {
	Name     string // under which it is installed
	Manifest *manifest.Manifest
	Grants   hostapi.Grants  // what it has: not more than it asked for, nor than was granted
	Limits   manifest.Limits // those in force; zero fields are the defaults
	Config   []byte          // its section of the config: a hostapi.Tree; empty: there is none
}

// Plugin is one version of a plugin, as its calls need it. It is safe for
// concurrent use. Log, limits of rate and metrics are shared by all versions of
// one name, so a swap begins none of them anew.
type Plugin struct {
	env    *Env
	acct   *account
	spec   Spec
	log    *slog.Logger
	owner  store.Owner
	grants [numOps]*hostapi.Scope // by operation; nil: not granted
	denied [numOps][]byte         // the Error of an operation that is not granted

	hostCalls int
	emits     int

	emit   emitScope
	query  queryScope
	client fetcher
	start  time.Time // of the monotonic clock
}

// numOps is above all operations of the host.
const numOps = 0x100

// Name is the one under which it is installed.
func (p *Plugin) Name() string { return p.spec.Name }

// Version is that of the manifest.
func (p *Plugin) Version() string { return p.spec.Manifest.Version }

// Owner is who its documents belong to.
func (p *Plugin) Owner() *store.Owner { return &p.owner }

// Log is the plugin's logger, for those who run it. Lines of the guest itself
// are limited, these are not.
func (p *Plugin) Log() *slog.Logger { return p.log }

// Grant gives the scope of a capability, if it is granted. The caller must not
// change it.
func (p *Plugin) Grant(c hostapi.Capability) (hostapi.Scope, bool) {
	s, ok := p.spec.Grants[c]
	return s, ok
}

// NewPlugin checks and prepares a version. Close it when its last call has
// ended.
func (e *Env) NewPlugin(s Spec) (*Plugin, error) {
	p := &Plugin{
		env: e, spec: s,
		hostCalls: int(cmp.Or(s.Limits.HostCalls, hostapi.DefaultHostCalls)),
		emits:     int(cmp.Or(s.Limits.Emits, hostapi.DefaultEmits)),
		start:     e.now(),
	}
	for c, scope := range s.Grants {
		if !c.Known() {
			return nil, fmt.Errorf("grant %s: there is no such capability", c)
		}
		if faults := c.Check(scope); len(faults) > 0 {
			return nil, fmt.Errorf("grant %s: %s", c, faults[0])
		}
	}
	var err error
	if p.acct, err = e.account(s.Name); err != nil {
		return nil, fmt.Errorf("plugin %s: %w", s.Name, err)
	}
	p.log = p.acct.log.With(slog.String("version", s.Manifest.Version))
	p.owner = store.Owner{
		Plugin: s.Name, Data: uint32(s.Manifest.Data), Collections: s.Manifest.Collections,
		Quota: amount(s.Grants, hostapi.CapStore, "bytes"), BlobQuota: amount(s.Grants, hostapi.CapBlobs, "bytes"),
	}
	p.compileOps()
	if err := p.compileScopes(e); err != nil {
		return nil, fmt.Errorf("plugin %s: %w", s.Name, err)
	}
	return p, nil
}

// compileOps makes the table of what is granted, and the answers to what is
// not.
func (p *Plugin) compileOps() {
	none := &hostapi.Scope{}
	for op := range hostapi.HostOp(numOps) {
		c, ok := op.Capability()
		if !ok {
			continue
		}
		if c == hostapi.CapAlways {
			p.grants[op] = none
			continue
		}
		if s, ok := p.spec.Grants[c]; ok {
			p.grants[op] = &s
			continue
		}
		w := notGranted(op, c).Wire()
		p.denied[op] = w.Append(nil)
	}
}

func (p *Plugin) compileScopes(e *Env) error {
	var err error
	if s, ok := p.spec.Grants[hostapi.CapEventsEmit]; ok {
		if p.emit.types, err = cot.ParseTypeSet(s.Types); err != nil {
			return fmt.Errorf("grant %s: %w", hostapi.CapEventsEmit, err)
		}
		p.emit.rate = amount(p.spec.Grants, hostapi.CapEventsEmit, "rate")
		// One call may always send as much as its own limit.
		p.acct.emit.set(e.now(), p.emit.rate, max(p.emit.rate, int64(p.emits)))
	}
	if s, ok := p.spec.Grants[hostapi.CapEventsQuery]; ok {
		if p.query.types, err = cot.ParseTypeSet(s.Types); err != nil {
			return fmt.Errorf("grant %s: %w", hostapi.CapEventsQuery, err)
		}
		p.query.rows = amount(p.spec.Grants, hostapi.CapEventsQuery, "rows")
	}
	p.client.init(p)
	return nil
}

// Close gives up what the version holds beside memory.
func (p *Plugin) Close() { p.client.close() }

// amount is a number of a grant, or what holds without one; 0 is no bound.
func amount(g hostapi.Grants, c hostapi.Capability, key string) int64 {
	s := g[c]
	n := *s.Amount(key)
	if n != 0 {
		return n
	}
	for _, k := range c.Keys() {
		if k.Name == key {
			return k.Default
		}
	}
	return 0
}
