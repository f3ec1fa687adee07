package pki

import (
	"context"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

const (
	day = 24 * time.Hour

	// A phone whose clock is behind takes a fresh certificate nevertheless.
	backdate = 2 * day

	checkEvery = time.Minute

	minBits, maxBits = 2048, 8192
)

// PKI is one certificate authority with all that hangs on it.
type PKI struct {
	opt     Options
	log     *slog.Logger
	now     func() time.Time
	dir     folder
	metrics *metrics

	state atomic.Pointer[state]

	work sync.Mutex // held while files change
	mu   sync.Mutex // held to swap state; after work

	// The rest is guarded by work.
	serverFiles, clientFiles watched
	warned                   map[string]time.Duration // by fingerprint: the last threshold told
	told                     map[string]string        // what was logged last about something, so that the next minute says nothing new
	token                    *rsa.PrivateKey

	makers chan struct{} // places for keys in the making
	closed chan struct{}
	ending sync.Mutex // held to close closed, and to start goroutines before that
	alive  sync.WaitGroup
}

// state is what handshakes and signatures need. It never changes; a change makes
// a new one.
type state struct {
	current *authority
	former  *authority // between Rollover and FinishRollover, else nil

	server  *tls.Certificate    // Leaf is set
	chain   []*x509.Certificate // of a server certificate that the operator brought
	foreign []*x509.Certificate
	pool    *x509.CertPool // current, former and foreign

	revoked revocations
	crl     crl
}

// Open takes the folder into use. It makes the authority, the server's
// certificate and the revocation list where there are none.
func Open(o Options) (*PKI, error) {
	o.defaults()
	if o.KeyBits < minBits || o.KeyBits > maxBits {
		return nil, fmt.Errorf("keys of %d bits: give %d to %d", o.KeyBits, minBits, maxBits)
	}
	for _, l := range []time.Duration{o.CALife, o.ServerLife, o.ClientLife} {
		if l < time.Hour {
			return nil, fmt.Errorf("a life of %v is too short for a certificate: an hour is the least", l)
		}
	}
	p := &PKI{
		opt: o, log: o.Log, now: o.Now,
		dir:    folder{path: o.Dir, step: o.test.step},
		warned: map[string]time.Duration{},
		told:   map[string]string{},
		makers: make(chan struct{}, 2),
		closed: make(chan struct{}),
	}
	p.metrics = newMetrics(p)
	if err := p.open(); err != nil {
		return nil, fmt.Errorf("certificates in %s: %w", o.Dir, err)
	}
	if err := p.metrics.register(o.Metrics); err != nil {
		return nil, err
	}
	return p, nil
}

func (p *PKI) open() error {
	p.work.Lock()
	defer p.work.Unlock()
	if err := p.dir.open(p.log); err != nil {
		return err
	}
	s := &state{}
	var err error
	if s.current, err = p.openAuthority("ca"); err != nil {
		return err
	}
	if s.current == nil {
		if s.current, err = p.makeFirst(); err != nil {
			return fmt.Errorf("make the certificate authority: %w", err)
		}
	}
	if s.former, err = p.openAuthority("former"); err != nil {
		return err
	}
	s.trust()
	p.readCRL(s)
	p.state.Store(s)
	if p.opt.Server == nil {
		p.openServer()
	}
	return p.check()
}

// update swaps in a changed copy of the state.
func (p *PKI) update(change func(*state)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := *p.state.Load()
	change(&s)
	p.state.Store(&s)
}

// Start looks after the files until ctx ends or Close is called: it renews the
// server's certificate and the revocation list, reads changed files of the
// operator and warns of ends that come near. Call it once.
func (p *PKI) Start(ctx context.Context) {
	p.spawn(func() {
		t := time.NewTicker(checkEvery)
		defer t.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-p.closed:
				return
			case <-t.C:
				p.complain(p.Refresh())
			}
		}
	})
}

// Refresh does at once what is else done every minute, such as after Names gives
// other names.
func (p *PKI) Refresh() error {
	p.work.Lock()
	defer p.work.Unlock()
	return p.check()
}

// complain logs an error that may come back every minute once, and again when it
// comes back after it was gone.
func (p *PKI) complain(err error) {
	const key = "refresh"
	p.work.Lock()
	defer p.work.Unlock()
	text := ""
	if err != nil {
		text = err.Error()
	}
	if text != "" && text != p.told[key] {
		p.log.Error("certificates are not looked after", "err", err)
	}
	p.told[key] = text
}

// Close ends what Start began, and waits for it and for keys in the making.
func (p *PKI) Close() {
	p.ending.Lock()
	select {
	case <-p.closed:
	default:
		close(p.closed)
		p.metrics.unregister(p.opt.Metrics)
	}
	p.ending.Unlock()
	p.alive.Wait()
}

// spawn starts a goroutine that Close waits for; false when it was called.
func (p *PKI) spawn(f func()) bool {
	p.ending.Lock()
	defer p.ending.Unlock()
	select {
	case <-p.closed:
		return false
	default:
		p.alive.Go(f)
		return true
	}
}

var errClosed = errors.New("the certificate authority is closed")

// CA is the authority that issues certificates now.
func (p *PKI) CA() *x509.Certificate { return p.state.Load().current.cert }

// Chain is what a client gets beside its certificate so that it trusts this
// server: the issuer first, then the chain above it, then, in a rollover, the
// former authority, and what an operator's server certificate hangs on.
func (p *PKI) Chain() []*x509.Certificate {
	s := p.state.Load()
	all := s.current.all()
	if s.former != nil {
		all = append(all, s.former.all()...)
	}
	return unique(append(all, s.chain...))
}

// Trusted are the authorities whose clients are let in: the current one, the
// former one in a rollover, foreign ones. Of an intermediate authority that is
// itself alone, so that its root's other certificates open nothing here.
func (p *PKI) Trusted() []*x509.Certificate { return p.state.Load().trusted() }

// NameEntry is one part of the name that a client's request has to carry.
type NameEntry struct{ Name, Value string }

// NameEntries are the parts beside the CN: two, as node-tak fails on one alone
// (spec/tak-marti.md 5.1).
func (p *PKI) NameEntries() []NameEntry {
	return []NameEntry{{"O", p.opt.Organization}, {"OU", p.opt.Unit}}
}

func (s *state) trusted() []*x509.Certificate {
	list := []*x509.Certificate{s.current.cert}
	if s.former != nil {
		list = append(list, s.former.cert)
	}
	return unique(append(list, s.foreign...))
}

// trust makes the pool anew after a change of authorities.
func (s *state) trust() {
	s.pool = x509.NewCertPool()
	for _, c := range s.trusted() {
		s.pool.AddCert(c)
	}
}

func unique(certs []*x509.Certificate) (list []*x509.Certificate) {
	seen := map[string]bool{}
	for _, c := range certs {
		if !seen[string(c.Raw)] {
			seen[string(c.Raw)] = true
			list = append(list, c)
		}
	}
	return list
}
