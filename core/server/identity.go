package server

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path/filepath"
	"slices"
	"time"

	"github.com/takhost/takhost/core/identity"
	"github.com/takhost/takhost/core/pki"
	"github.com/takhost/takhost/core/route"
	"github.com/takhost/takhost/core/store"
	"github.com/takhost/takhost/core/stream"
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/wire"
)

// sweepEvery is how often what time brings is looked after: ends of codes,
// sessions, accounts and certificates.
const sweepEvery = 30 * time.Second

// openIdentity opens users and certificates.
func (s *Server) openIdentity(ctx context.Context) (err error) {
	c := s.cfg
	opt := pki.Options{
		Dir: filepath.Join(c.Data, "pki"), Organization: c.PKI.Organization, Unit: c.PKI.Unit,
		CALife: c.PKI.CA.Std(), ServerLife: c.PKI.Server.Std(), ClientLife: c.PKI.Client.Std(), KeyBits: c.PKI.KeyBits,
		Names: s.reach.names, ClientCAs: c.TLS.ClientCA, Now: time.Now, Log: s.opt.Log, Metrics: s.reg,
	}
	if c.TLS.Enabled() {
		opt.Server = &pki.ServerFiles{Cert: c.TLS.Cert, Key: c.TLS.Key}
	}
	if s.pki, err = pki.Open(opt); err != nil {
		return fmt.Errorf("open certificates: %w", err)
	}
	s.identity, err = identity.Open(ctx, identity.Options{
		Store: s.store, Sets: s.groups, Now: time.Now, Log: s.opt.Log, Metrics: s.reg,
		Hashes: c.Login.Hashes, Attempts: c.Login.Attempts, Lock: c.Login.Lock.Std(), Session: c.Login.Session.Std(), Keep: c.Audit.Keep.Std(),
		Key: s.pki.SigningKey, OnChange: s.changed,
	})
	if err != nil {
		return fmt.Errorf("open users: %w", err)
	}
	return s.revoke(ctx)
}

// revoke brings the list of revoked certificates to where handshakes look.
func (s *Server) revoke(ctx context.Context) error {
	entries := s.identity.Revoked()
	list := make([]pki.Revoked, len(entries))
	for i, e := range entries {
		list[i] = pki.Revoked{Serial: e.Serial, At: e.At}
	}
	if err := s.pki.Revoke(ctx, list); err != nil {
		return fmt.Errorf("write the list of revoked certificates: %w", err)
	}
	return nil
}

// changed carries a change of users, groups or certificates to whoever is
// connected. It implements identity.Options.OnChange.
func (s *Server) changed(ch identity.Change) {
	if len(ch.Certificates) > 0 {
		if err := s.revoke(context.Background()); err != nil {
			s.opt.Log.Error("certificates were revoked, but the list of them cannot be written", slog.Any("err", err))
		}
	}
	if s.router == nil || s.host == nil || s.web == nil {
		return // nobody is connected yet
	}
	if s.setupOffered.Load() && !s.identity.NeedsSetup() {
		s.setupDone()
	}
	if ch.Groups {
		s.host.GroupsChanged()
	}
	if len(ch.Certificates) > 0 {
		s.router.Cut(func(w route.Who) bool { return w.Certificate != "" && slices.Contains(ch.Certificates, w.Certificate) },
			"its certificate was revoked")
	}
	if len(ch.Removed) > 0 {
		s.router.Cut(func(w route.Who) bool { return w.User != "" && slices.Contains(ch.Removed, w.User) },
			"its user was removed or disabled")
	}
	s.web.Changed(ch)
	if len(ch.Users) > 0 {
		s.regroup(func(w route.Who, _ string) bool { return slices.Contains(ch.Users, w.User) }, ch.Device)
	}
}

// regroup works out anew what the connections that match may send to and see.
// cause is the uid of the client that asked for it, empty for others.
func (s *Server) regroup(match func(w route.Who, uid string) bool, cause string) {
	s.router.RegroupFor(cause, func(w route.Who, uid string) (in, out hostapi.SetID, ok bool) {
		if w.User == "" || w.Feed || !match(w, uid) {
			return 0, 0, false
		}
		if _, known := s.identity.User(w.User); !known {
			return 0, 0, false
		}
		in, out, err := s.identity.SetsOf(w.User, w.Device, w.Channels)
		switch store.CodeOf(err) {
		case store.Forbidden, store.NotFound:
			return 0, 0, false // he is cut
		}
		if err != nil {
			s.opt.Log.Error("cannot work out the groups of a user", slog.String("user", w.User), slog.Any("err", err))
			return 0, 0, false
		}
		return in, out, true
	}, true)
}

// viaAdmin is the name of streams on the admin socket. Their events are other
// people's: replays.
const viaAdmin = "admin"

// join gives a new connection its place, or says why it may not come in.
func (s *Server) join(c stream.Client, p stream.Peer) (stream.Session, error) {
	who := route.Who{Conn: p.Conn, Addr: p.Addr, Listener: p.Listener}
	if p.Listener == viaAdmin {
		all := s.allGroups()
		who.Feed, who.In, who.Out = true, all, all
		return s.router.Join(c, who), nil
	}
	caller, err := s.streamCaller(p)
	if err != nil {
		return nil, err
	}
	who.User, who.Roles, who.Certificate = caller.User, caller.Roles, caller.CertificateSerial
	who.In, who.Out, who.Device = hostapi.SetID(caller.InSet), hostapi.SetID(caller.OutSet), p.UID
	if cert, ok := s.identity.Certificate(who.Certificate); ok {
		who.Device, who.Channels = cert.ClientUID, cert.Channels
	}
	if p.TLS != nil && len(p.TLS.PeerCertificates) > 0 && who.Certificate != "" {
		who.Until = p.TLS.PeerCertificates[0].NotAfter
	}
	_, known := s.identity.User(who.User)
	return s.router.JoinIf(c, who, func(who *route.Who) error { return s.checkIn(who, known) })
}

// checkIn is the last look at somebody who comes in: what was changed since the
// first one, when he was a user here or not, would else be lost on him.
func (s *Server) checkIn(who *route.Who, wasKnown bool) error {
	if cert, ok := s.identity.Certificate(who.Certificate); ok && cert.Revoked != nil {
		return errors.New("its certificate was revoked")
	}
	u, known := s.identity.User(who.User)
	switch {
	case who.User == "" || !known && !wasKnown:
		return nil
	case !known:
		return errors.New("its user was removed")
	case u.Disabled:
		return errors.New("its user was disabled")
	}
	var err error
	who.In, who.Out, err = s.identity.SetsOf(who.User, who.Device, who.Channels)
	who.Roles = u.Roles
	return err
}

// loginWait bounds how long a login on a stream may take, waiting included.
const loginWait = 20 * time.Second

// streamCaller says who is at the other end.
func (s *Server) streamCaller(p stream.Peer) (*wire.Caller, error) {
	switch {
	case p.Caller != nil:
		return p.Caller, nil
	case p.TLS != nil && len(p.TLS.PeerCertificates) > 0:
		return s.byCertificate(p.TLS.PeerCertificates[0])
	case p.User != "":
		ctx, cancel := context.WithTimeout(s.ctx, loginWait)
		defer cancel()
		caller, err := s.identity.Login(ctx, p.User, p.Password, ipOf(p.Addr))
		if err != nil {
			return nil, fmt.Errorf("login of %q: %w", p.User, err)
		}
		return caller, nil
	}
	return s.identity.Anonymous(), nil
}

// byCertificate says whose a certificate is that was found good. One of a
// foreign authority may be of somebody who is no user here: then he is in
// __ANON__ by the name in it.
func (s *Server) byCertificate(cert *x509.Certificate) (*wire.Caller, error) {
	caller, err := s.identity.ByCertificate(cert)
	if refused := (*identity.Refusal)(nil); errors.As(err, &refused) && refused.Reason == identity.ReasonUnknown && !s.issuedHere(cert) {
		anon := s.identity.Anonymous()
		return &wire.Caller{
			User: cert.Subject.CommonName, Name: cert.Subject.CommonName, Roles: []string{identity.RoleUser},
			InSet: anon.InSet, OutSet: anon.OutSet, CertificateSerial: identity.SerialText(cert.SerialNumber),
		}, nil
	}
	return caller, err
}

// issuedHere says whether a certificate is from the server's own authority, or
// the former one during a rollover: then who is no user is nobody.
func (s *Server) issuedHere(cert *x509.Certificate) bool {
	for _, ca := range []*x509.Certificate{s.pki.CA(), s.pki.Former()} {
		if ca != nil && cert.CheckSignatureFrom(ca) == nil {
			return true
		}
	}
	return false
}

// verify lets a certificate pass a handshake.
func (s *Server) verify(cert *x509.Certificate) error {
	_, err := s.byCertificate(cert)
	return err
}

// sweep looks after what time brings until the server stops.
func (s *Server) sweep() {
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		select {
		case <-s.stopping:
			return
		case <-tick.C:
		}
		ctx, cancel := context.WithTimeout(context.Background(), sweepEvery)
		if err := s.identity.Sweep(ctx); err != nil {
			s.opt.Log.Error("cannot look after users and certificates", slog.Any("err", err))
		}
		if err := s.profiles.SweepOffers(ctx); err != nil {
			s.opt.Log.Error("cannot look after device profiles", slog.Any("err", err))
		}
		cancel()
		s.large.Sweep()
		s.cutEnded(time.Now())
		s.warnOfEnds(time.Now())
	}
}

// cutEnded ends the connections whose certificate is no longer good: it has
// expired, or its authority is not trusted any more, as after a rollover.
func (s *Server) cutEnded(now time.Time) {
	var trusted []string
	for _, ca := range s.pki.Trusted() {
		trusted = append(trusted, ca.Subject.String())
	}
	s.router.Cut(func(w route.Who) bool {
		cert, ok := s.identity.Certificate(w.Certificate)
		return ok && now.After(cert.NotAfter) || !w.Until.IsZero() && now.After(w.Until)
	}, "its certificate has expired")
	s.router.Cut(func(w route.Who) bool {
		cert, ok := s.identity.Certificate(w.Certificate)
		return ok && !slices.Contains(trusted, cert.Issuer)
	}, "the authority of its certificate is no longer trusted")
}

// warnAt are the times before the end of a certificate at which the operator is
// told of it, each time once.
var warnAt = []time.Duration{7 * day, 14 * day, 30 * day}

const day = 24 * time.Hour

// warnOfEnds tells which clients' certificates end soon. Who has a newer one on
// the same device is none of them.
func (s *Server) warnOfEnds(now time.Time) {
	for _, cert := range s.identity.Certificates(identity.CertificateFilter{State: identity.StateActive}) {
		left := cert.NotAfter.Sub(now)
		i := slices.IndexFunc(warnAt, func(d time.Duration) bool { return left <= d })
		if i < 0 || cert.NotAfter.Sub(cert.NotBefore) <= 2*warnAt[i] {
			continue // far off, or so short a life that a warning would be normal
		}
		if told, ok := s.warned[cert.Serial]; ok && told <= warnAt[i] {
			continue
		}
		s.warned[cert.Serial] = warnAt[i]
		s.opt.Log.Warn("the certificate of a client ends soon: it renews by itself if it enrolled, else it needs a new one",
			slog.String("user", cert.User), slog.String("device", cert.ClientUID), slog.String("kind", cert.Kind),
			slog.String("serial", cert.Serial), slog.Time("ends", cert.NotAfter), slog.Int("days", int(left/day)))
	}
}

// ipOf takes the port off an address.
func ipOf(addr string) string {
	if host, _, err := net.SplitHostPort(addr); err == nil {
		return host
	}
	return addr
}
