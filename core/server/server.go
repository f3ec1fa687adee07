package server

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/takhost/takhost/core/admin"
	"github.com/takhost/takhost/core/config"
	"github.com/takhost/takhost/core/identity"
	"github.com/takhost/takhost/core/large"
	"github.com/takhost/takhost/core/marti"
	"github.com/takhost/takhost/core/pki"
	"github.com/takhost/takhost/core/plugin"
	"github.com/takhost/takhost/core/plugin/process"
	"github.com/takhost/takhost/core/plugin/wasm"
	"github.com/takhost/takhost/core/proxy"
	"github.com/takhost/takhost/core/route"
	"github.com/takhost/takhost/core/store"
	"github.com/takhost/takhost/core/stream"
	"github.com/takhost/takhost/core/web"
)

// Options say what a Server needs beside its configuration. Those from Plugins
// on may be left out.
type Options struct {
	Log     *slog.Logger
	Version string

	Plugins []config.PluginValue           // what the configuration says of plugins
	Shipped fs.FS                          // the plugins that come with the program
	Load    func() (*config.Loaded, error) // reads the configuration again, for Reload
	Taps    []route.Tap                    // shown every event that was routed
}

// Server is a whole takhost. Start and Stop are called once each; the other
// methods may be called at any time and from many goroutines.
type Server struct {
	cfg     *config.Config
	opt     Options
	reg     *prometheus.Registry
	started time.Time
	ready   atomic.Bool

	// Set by New.
	listeners *listeners
	reach     *reach
	trusted   *proxy.Trusted                // nil: no proxies
	limits    atomic.Pointer[config.Limits] // in force: see applyLimits

	// Set by Start, in this order, and not changed until Stop has returned.
	unlock       func()
	store        *store.Store
	ids          *route.IDs
	groups       *route.Groups
	pki          *pki.PKI
	identity     *identity.Service
	certificates *certificates
	router       *route.Router
	stream       *stream.Server
	live         *web.Live
	hooks        *hooks
	large        *large.Store
	roster       *marti.Roster
	profiles     *admin.Profiles
	packages     *admin.Packages
	warned       map[string]time.Duration // by serial, how near its end a certificate was when it was told; of sweep alone
	setupOffered atomic.Bool              // there is a link for the first administrator

	wasm    *wasm.Runtime
	process *process.Runtime
	updates *web.Updates
	host    *plugin.Host
	web     *web.Server

	reloading sync.Mutex     // held by Reload
	current   *config.Config // as Reload has read it last; under reloading

	background sync.WaitGroup
	stopping   chan struct{}
	ctx        context.Context // of logins on streams; ends when a stop begins
	cancel     context.CancelFunc
}

// New gives a server that is not started. cfg is valid and not changed any
// more.
func New(cfg *config.Config, opt Options) *Server {
	reg := prometheus.NewRegistry()
	reg.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	s := &Server{cfg: cfg, opt: opt, reg: reg, current: cfg, warned: map[string]time.Duration{}, stopping: make(chan struct{})}
	s.limits.Store(&cfg.Limits)
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.listeners = newListeners(s)
	s.reach = newReach(cfg.Public, s.listeners.Addr)
	return s
}

// Start opens the data folder, the database and the listeners. When something
// is wrong all of it is closed again, and the error says what to do.
func (s *Server) Start(ctx context.Context) (err error) {
	s.started = time.Now()
	defer func() {
		if err != nil {
			err = errors.Join(err, s.stop(context.WithoutCancel(ctx)))
		}
	}()
	if s.unlock, err = store.LockDir(s.cfg.Data); err != nil {
		return err
	}
	if err := web.CheckSocketPath(s.socketPath()); err != nil {
		return err
	}
	if s.trusted, err = proxy.ParseTrusted(s.cfg.Trusted); err != nil {
		return fmt.Errorf("trusted_proxies: %w", err)
	}
	for _, open := range []func(context.Context) error{s.listeners.probe, s.openStore, s.openIDs, s.openGroups, s.openIdentity, s.openCertificates} {
		if err := open(ctx); err != nil {
			return err
		}
	}
	s.build()
	if err := s.openPlugins(ctx); err != nil {
		return err
	}
	if err := s.buildWeb(ctx); err != nil {
		return err
	}
	s.background.Go(s.reserveIDs)
	s.background.Go(s.sweep)
	s.background.Go(s.settle)
	s.pki.Start(context.WithoutCancel(ctx))
	if err := s.startPlugins(ctx); err != nil {
		return err
	}
	if err := s.listen(ctx); err != nil {
		return err
	}
	if err := s.certificates.begin(ctx); err != nil {
		return err
	}
	s.ready.Store(true)
	return s.offerSetup()
}

// Stop ends the server: nothing new comes in, what is queued for clients is
// written as far as limits.shutdown allows, and every event that was accepted
// is in the archive.
func (s *Server) Stop() error {
	return s.stop(context.Background())
}

// archiveDrain is how long a stop may take to write the archive's queue, whatever
// time requests and plugins took.
const archiveDrain = 20 * time.Second

// lastAnswers is how long requests may take to end whose plugin has ended, and
// what runs plugins.
const lastAnswers = time.Second

func (s *Server) stop(ctx context.Context) error {
	s.ready.Store(false)
	s.cancel()
	s.listeners.closed()
	var errs []error
	if s.router != nil {
		s.router.Close()
		s.stream.Close()
	}
	if s.web != nil {
		soon, cancel := context.WithTimeout(ctx, s.limits.Load().Shutdown.Std())
		errs = append(errs, s.web.Shut(soon))
		cancel()
	}
	soon, cancel := context.WithTimeout(ctx, s.limits.Load().Shutdown.Std())
	errs = append(errs, s.stopPlugins(soon)...)
	cancel()
	if s.web != nil {
		soon, cancel := context.WithTimeout(ctx, lastAnswers)
		errs = append(errs, s.web.Wait(soon))
		cancel()
	}
	close(s.stopping)
	s.background.Wait()
	if s.packages != nil {
		errs = append(errs, s.packages.Close())
	}
	if s.certificates != nil {
		errs = append(errs, s.certificates.close())
	}
	if s.pki != nil {
		s.pki.Close()
	}
	if s.store != nil {
		ctx, cancel := context.WithTimeout(ctx, archiveDrain)
		defer cancel()
		if s.ids != nil {
			errs = append(errs, s.store.SaveHighID(ctx, s.ids.Last()))
		}
		errs = append(errs, s.store.Close(ctx))
	}
	if s.unlock != nil {
		s.unlock()
	}
	return errors.Join(errs...)
}

func (s *Server) openStore(ctx context.Context) (err error) {
	a, l := s.cfg.Archive, s.cfg.Limits
	s.store, err = store.Open(ctx, store.Options{
		DSN: s.cfg.Database.DSN(), Dir: s.cfg.Data, Log: s.opt.Log, Metrics: s.reg,
		Archive: store.ArchiveOptions{
			Types: a.Types, Keep: a.Keep.Std(), Max: int64(a.Max),
			QueueEvents: l.ArchiveQueueEvents, QueueBytes: int64(l.ArchiveQueueBytes),
		},
		Blobs: store.BlobOptions{Quota: int64(l.Files)},
	})
	return err
}

// build makes router, streams and web and fits them together.
func (s *Server) build() {
	s.live = web.NewLive()
	s.roster = marti.NewRoster()
	s.hooks = &hooks{roster: s.roster}
	s.router = route.New(route.Options{
		IDs: s.ids, Groups: s.groups, Taps: append([]route.Tap{s.store.Archive(), s.hooks, s.live}, s.opt.Taps...), Filter: s.hooks, Watcher: s.hooks,
		Flush: func() { s.stream.Flush() }, Now: time.Now, Log: s.opt.Log, Metrics: s.reg,
	})
	s.large = large.NewStore(large.Options{Bytes: largeBytes, Keep: largeKeep, Now: time.Now, Metrics: s.reg})
	s.stream = stream.New(stream.Options{
		Large: noticer{s},
		Join:  s.join, NextID: s.ids.Next, Now: time.Now, Log: s.opt.Log, Metrics: s.reg, Version: "takhost-" + s.opt.Version,
		Limits: streamLimits(&s.cfg.Limits),
	})
}

func (s *Server) socketPath() string { return filepath.Join(s.cfg.Data, web.AdminSocket) }

// listen opens all listeners. The admin socket comes first: who watches a
// start sees what it is at.
func (s *Server) listen(ctx context.Context) error {
	if err := s.web.ListenAdmin(s.socketPath()); err != nil {
		return err
	}
	return s.listeners.openAll(ctx)
}

// Addr gives the address of a listener with its real port, nil when it is
// closed.
func (s *Server) Addr(listener string) net.Addr { return s.listeners.Addr(listener) }

// DataDir gives the data folder.
func (s *Server) DataDir() string { return s.cfg.Data }

// Plugins gives the plugin host of a server that was started.
func (s *Server) Plugins() *plugin.Host { return s.host }

// Registry gives the metrics of the server.
func (s *Server) Registry() *prometheus.Registry { return s.reg }
