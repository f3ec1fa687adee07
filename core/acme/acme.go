package acme

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/caddyserver/certmagic"
	"github.com/prometheus/client_golang/prometheus"
	"go.uber.org/zap"
)

// Options say whose certificates come from where.
type Options struct {
	Names     []string // that clients reach the web listener by; each that can gets a certificate of its own
	Email     string   // where the authority writes to; may be empty
	Directory string   // URL of the authority's directory; empty: Let's Encrypt
	RootCA    string   // PEM file of the authority behind the ACME server's own certificate; empty: the system's
	Dir       string   // folder for account, certificates and keys; nobody else may use it

	// At least one way to prove that a name is ours. The authority comes to port
	// 80 or 443 of each name, wherever these lead to.
	HTTPAddr string // listen here for http-01, as ":80"
	HTTP     bool   // http-01 is answered by Handler, which the caller serves
	TLSALPN  bool   // tls-alpn-01 is answered in the handshakes of the web listener

	Log     *slog.Logger
	Metrics prometheus.Registerer // may be nil
}

// Manager gets, keeps and renews the certificates.
type Manager struct {
	opt    Options
	log    *slog.Logger
	zap    *zap.Logger
	config *certmagic.Config
	issuer *certmagic.ACMEIssuer
	cache  *certmagic.Cache
	m      metrics

	mu      sync.Mutex
	started bool
	closed  bool
	cancel  context.CancelFunc
	http    *challenges  // nil without HTTPAddr
	busy    net.Listener // see hold
	done    sync.WaitGroup
}

// New checks the options together; it does not touch the network.
func New(o Options) (*Manager, error) {
	roots, err := o.check()
	if err != nil {
		return nil, fmt.Errorf("acme: %w", err)
	}
	z := zap.New(&bridge{h: o.Log.Handler()})
	m := &Manager{opt: o, log: o.Log, zap: z}
	m.m = newMetrics(o.Metrics, m)
	m.cache = certmagic.NewCache(certmagic.CacheOptions{
		GetConfigForCert: func(certmagic.Certificate) (*certmagic.Config, error) { return m.config, nil },
		Logger:           z,
	})
	m.config = certmagic.New(m.cache, certmagic.Config{Storage: newStorage(o.Dir), Logger: z, OnEvent: m.event})
	m.issuer = certmagic.NewACMEIssuer(m.config, certmagic.ACMEIssuer{
		CA: o.Directory, Email: o.Email, Agreed: true, TrustedRoots: roots, Logger: z,
		DisableHTTPChallenge: o.HTTPAddr == "" && !o.HTTP, DisableTLSALPNChallenge: !o.TLSALPN,
		DisableDistributedSolvers: true, // one process has the folder
		ListenHost:                "127.0.0.1",
	})
	m.config.Issuers = []certmagic.Issuer{m.issuer}
	return m, nil
}

func (o *Options) check() (*x509.CertPool, error) {
	var faults []error
	var names []string
	for _, name := range o.Names {
		name = strings.ToLower(strings.TrimSuffix(name, "."))
		if why := o.unfit(name); why == "" {
			names = append(names, name)
		} else if o.Log != nil {
			o.Log.Warn("no certificate of the ACME authority for this public name", slog.String("name", name), slog.String("why", why))
		}
	}
	if len(names) == 0 {
		faults = append(faults, fmt.Errorf("no name to get a certificate for among %q", o.Names))
	}
	o.Names = names
	if o.Directory != "" {
		if u, err := url.Parse(o.Directory); err != nil || u.Scheme != "https" || u.Host == "" {
			faults = append(faults, fmt.Errorf("directory %q: not a URL with https", o.Directory))
		}
	}
	if o.Dir == "" {
		faults = append(faults, errors.New("no folder to keep the certificates in"))
	}
	if o.HTTPAddr == "" && !o.HTTP && !o.TLSALPN {
		faults = append(faults, errors.New("no way to answer the authority: neither http-01 nor tls-alpn-01 is on"))
	}
	if o.Log == nil {
		faults = append(faults, errors.New("no logger"))
	}
	roots, err := readRoots(o.RootCA)
	return roots, errors.Join(append(faults, err)...)
}

// unfit says why there can be no certificate for a name. Among the names of a
// server there may well be some for its own network only.
func (o *Options) unfit(name string) string {
	_, err := netip.ParseAddr(name)
	switch {
	case err == nil:
		return "certificates are for names, not for addresses"
	case strings.Contains(name, "*"):
		return "wildcards need a challenge by DNS"
	case o.Directory == "" && !certmagic.SubjectQualifiesForPublicCert(name):
		return "not a name that the public can reach"
	}
	return ""
}

func readRoots(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("authority of the ACME server: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(b) {
		return nil, fmt.Errorf("authority of the ACME server: no certificate in %s", file)
	}
	return roots, nil
}

// Start opens the listener of HTTPAddr, takes what is in the folder already, and
// begins to get what is not. The only error is that of the listener.
func (m *Manager) Start(ctx context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.started || m.closed {
		return errors.New("acme: started twice, or after its end")
	}
	if err := m.hold(ctx); err != nil {
		return err
	}
	if m.opt.HTTPAddr != "" {
		c, err := serveChallenges(ctx, m.opt.HTTPAddr, m.Handler(nil), m.log)
		if err != nil {
			return errors.Join(err, m.busy.Close())
		}
		m.http = c
	}
	m.started = true
	ctx, m.cancel = context.WithCancel(context.WithoutCancel(ctx))
	for _, name := range m.opt.Names {
		if !m.load(ctx, name) {
			m.done.Go(func() { m.obtain(ctx, name) })
		}
	}
	return nil
}

// hold opens a port that certmagic takes for one where the challenges are
// answered: without that it would open listeners of its own.
func (m *Manager) hold(ctx context.Context) error {
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("acme: %w", err)
	}
	m.busy = ln
	m.issuer.AltHTTPPort = ln.Addr().(*net.TCPAddr).Port
	m.issuer.AltTLSALPNPort = m.issuer.AltHTTPPort
	m.done.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			_ = c.Close() // it was a look whether somebody is there
		}
	})
	return nil
}

// Close ends all work and waits for it. What certificates there are can still be
// asked for.
func (m *Manager) Close() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.closed {
		return nil
	}
	m.closed = true
	var err error
	if m.started {
		m.cancel()
		err = m.busy.Close()
		if m.http != nil {
			err = errors.Join(err, m.http.close())
		}
		m.done.Wait()
	}
	m.cache.Stop()
	m.m.unregister()
	return err
}

// load takes a certificate out of the folder, from where it is then renewed.
func (m *Manager) load(ctx context.Context, name string) bool {
	cert, err := m.config.CacheManagedCertificate(ctx, name)
	if err != nil {
		if !errors.Is(err, os.ErrNotExist) {
			m.log.Error("certificate in the folder cannot be used, getting another", slog.String("name", name), slog.Any("err", err))
		}
		return false
	}
	m.log.Info("certificate of the ACME authority is in use", slog.String("name", name), slog.Time("expires", cert.Leaf.NotAfter))
	return true
}

// pause is how long to wait where certmagic itself does not try again: it does
// after most faults, for a month.
const pause = 10 * time.Minute

// obtain tries until there is a certificate.
func (m *Manager) obtain(ctx context.Context, name string) {
	for {
		// In spite of its name it comes back when it is done, and asks nobody.
		err := m.config.ObtainCertAsync(ctx, name)
		if err == nil && m.load(ctx, name) || ctx.Err() != nil {
			return
		}
		if err != nil {
			m.log.Error("no certificate from the ACME authority", slog.String("name", name), slog.Any("err", err), slog.Duration("again", pause))
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}
