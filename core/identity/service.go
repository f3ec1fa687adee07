package identity

import (
	"context"
	"crypto/rsa"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/takhost/takhost/core/store"
	"github.com/takhost/takhost/hostapi"
)

// Store keeps the records and the audit. *store.Store is one.
type Store interface {
	Records(context.Context) ([]store.Record, error)
	ChangeRecords(ctx context.Context, put, remove []store.Record, audit []store.AuditEntry) error
	Audit(context.Context, store.AuditQuery) (store.AuditPage, error)
	AddAudit(context.Context, []store.AuditEntry) error
	PruneAudit(ctx context.Context, before time.Time) (int64, error)
}

// Sets interns sets of groups. *route.Groups is one. What Members gives must not
// be changed.
type Sets interface {
	Intern(...hostapi.GroupID) (hostapi.SetID, error)
	SetNames(map[string]hostapi.GroupID)
	Members(hostapi.SetID) []hostapi.GroupID
}

// Options say what a Service works with.
type Options struct {
	Store   Store
	Sets    Sets
	Now     func() time.Time      // nil: time.Now
	Log     *slog.Logger          // nil: nothing is logged
	Metrics prometheus.Registerer // nil: nothing is registered

	Hashes   int           // passwords hashed at once, 19 MiB each; 0: 2
	Attempts int           // failed logins of a user from an address before that pair is locked out; 0: 5
	Lock     time.Duration // the first lock-out; each further one is twice as long; 0: 1 minute
	Session  time.Duration // life of sessions and access tokens; 0: 130 minutes, as the official server
	Keep     time.Duration // age at which entries of the audit go; 0: never

	// Key gives the key that signs access tokens. It is asked for when it is
	// first needed, as making it takes a second; nil: there are no access tokens.
	Key func(context.Context) (*rsa.PrivateKey, error)

	// OnChange is told of each change after it is in force, one after the other,
	// before the call that made it returns. It must not change anything here.
	OnChange func(Change)
}

const (
	defaultHashes   = 2
	defaultAttempts = 5
	defaultLock     = time.Minute
	defaultSession  = 130 * time.Minute // spec/tak-marti.md 11
)

func (o *Options) setDefaults() error {
	if o.Store == nil || o.Sets == nil {
		return errors.New("identity needs a store and sets")
	}
	if o.Hashes < 0 || o.Attempts < 0 || o.Lock < 0 || o.Session < 0 || o.Keep < 0 {
		return invalid("login: hashes, attempts, lock and session, and the age of the audit, must not be negative")
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	setDefault(&o.Hashes, defaultHashes)
	setDefault(&o.Attempts, defaultAttempts)
	setDefault(&o.Lock, defaultLock)
	setDefault(&o.Session, defaultSession)
	return nil
}

func setDefault[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}

// Service is all of identity; see the package.
type Service struct {
	opt     Options
	state   atomic.Pointer[state]
	hasher  *hasher
	guard   *guard
	metrics *metrics
	names   reservations // of events

	// writer is the one writer lock: whoever has put something in changes the
	// state. A channel, so that who waits can give up. Of the locks below none
	// is held while it is waited for; waiting and guard's may be taken under it.
	writer chan struct{}
	doubt  []Change // whose commit may have taken place; guarded by writer
	swept  sweeper  // guarded by its own lock

	telling sync.Mutex // held while OnChange runs; taken before waiting
	waiting sync.Mutex // guards changes
	changes []Change

	setup setup
	key   signingKey
}

// Open reads everything and makes ready.
func Open(ctx context.Context, opt Options) (*Service, error) {
	if err := opt.setDefaults(); err != nil {
		return nil, err
	}
	s := &Service{opt: opt, writer: make(chan struct{}, 1), hasher: newHasher(opt.Hashes)}
	s.guard = newGuard(&s.opt)
	s.swept.begin(opt.Now())
	st, err := s.read(ctx)
	if err != nil {
		return nil, err
	}
	s.putInPlace(st, true)
	if s.metrics, err = newMetrics(opt.Metrics, s); err != nil {
		return nil, fmt.Errorf("register metrics of identity: %w", err)
	}
	// Marti shows when a group was made, also of the one that is always there.
	// Nobody is told of it, as nobody has this Service yet.
	err = s.changeAlone(ctx, Actor{Via: "server"}, func(d *draft) error {
		if g := d.groups.get(hostapi.AnonGroup); g.Created.IsZero() {
			made := *g
			made.Created = d.now
			d.putGroup(&made)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	s.changes = nil
	return s, nil
}

// read gives the state as stored, with its sets.
func (s *Service) read(ctx context.Context) (*state, error) {
	records, err := s.opt.Store.Records(ctx)
	if err != nil {
		return nil, err
	}
	st, err := load(records)
	if err != nil {
		return nil, fmt.Errorf("read users and certificates: %w", err)
	}
	return st, s.internAll(st, slices.Collect(maps.Values(st.users.m)))
}
