package server

import (
	"context"
	"crypto/x509"
	"log/slog"
	"path/filepath"

	"github.com/danielgtaylor/huma/v2"

	"github.com/takhost/takhost/core/admin"
	"github.com/takhost/takhost/core/fts"
	"github.com/takhost/takhost/core/marti"
	"github.com/takhost/takhost/core/web"
)

// buildWeb makes the HTTP side.
func (s *Server) buildWeb(ctx context.Context) error {
	c := s.cfg
	node, err := s.nodeID(ctx)
	if err != nil {
		return err
	}
	s.recall(ctx)
	if err := s.openProfiles(ctx); err != nil {
		return err
	}
	s.packages, err = admin.OpenPackages(admin.PackageOptions{
		Dir: filepath.Join(c.Data, "packages"), Identity: s.identity, PKI: s.pki, Password: c.PKI.Password, Reach: s.reach.reach,
	})
	if err != nil {
		return err
	}
	adminDeps := admin.Deps{
		Identity: s.identity, PKI: s.pki, Profiles: s.profiles, Packages: s.packages, Listeners: s.listeners,
		Public: s.public, Reach: s.reach.reach, Reset: s.resetAdmin, WebTrusted: s.certificates.public, Log: s.opt.Log,
	}
	ftsDeps := fts.Deps{
		Identity: s.identity, Packages: s.packages, Clients: s.Clients,
		Listeners: s.listeners.List, DataPackage: s.dataPackage, Log: s.opt.Log,
	}
	martiDeps := marti.Deps{
		Core: martiCore{s}, Identity: s.identity, PKI: s.pki, Groups: s.groups, Profiles: s.profiles, Keeper: s.profiles, Roster: s.roster,
		Version: s.opt.Version, NodeID: node, Log: s.opt.Log,
	}
	opt := web.Options{
		Core: s, Live: s.live, Gatherer: s.reg, Log: s.opt.Log, Version: s.opt.Version, Limits: webLimits(&c.Limits),
		Plugins: s.host, Updates: s.updates, Reload: s.Reload, AllGroups: s.allGroups,
		REST: []func(huma.API){
			func(api huma.API) { admin.Register(api, adminDeps) },
			func(api huma.API) { fts.Register(api, ftsDeps) },
		},
		Marti:     []func(huma.API){func(api huma.API) { marti.Register(api, martiDeps) }},
		Blobs:     s.store.Blobs(),
		MaxUpload: s.maxUpload,
		Logins:    s.identity,
		Anonymous: func() bool { return c.Login.Anonymous },
		Trusted:   s.trusted, ForwardedCertificate: c.Proxy.Certificate, VerifyForwarded: s.verifyForwarded,
		PublicURL: func(listener string) string { return s.reach.url(listener, encrypted(listener, c)) },
		WebPages:  s.pages(),
	}
	if c.Listen.REST != "" {
		token, path, made, err := web.LoadToken(c.Data)
		if err != nil {
			return err
		}
		if made {
			s.opt.Log.Info("a token for the REST API was made", slog.String("file", path))
		}
		if web.SharedToken(path) {
			s.opt.Log.Warn("other users of this machine may read the token of the REST API, which makes them administrators: chmod 600", slog.String("file", path))
		}
		opt.Auth = web.NewTokenAuth(token, s.allGroups)
	}
	s.web = web.New(opt)
	return nil
}

// public tells where clients reach the server.
func (s *Server) public() admin.Public {
	p := admin.Public{Names: []string{}, Ports: map[string]int{}, Candidates: candidates()}
	for _, e := range *s.reach.public.Load() {
		p.Names = append(p.Names, e.Host)
	}
	for _, name := range listenerNames {
		if port := s.reach.port(name); port != 0 {
			p.Ports[name] = port
		}
	}
	if p.Candidates == nil {
		p.Candidates = []string{}
	}
	return p
}

// verifyForwarded checks a certificate that a trusted proxy passes on, as a
// handshake does.
func (s *Server) verifyForwarded(cert *x509.Certificate) error {
	if err := s.pki.VerifyClient(cert); err != nil {
		return err
	}
	return s.verify(cert)
}
