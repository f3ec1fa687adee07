package server

import (
	"context"
	"crypto/tls"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/takhost/takhost/core/acme"
	"github.com/takhost/takhost/core/config"
	"github.com/takhost/takhost/core/pki"
)

// certificates gives each listener its TLS.
type certificates struct {
	s     *Server
	acme  *acme.Manager // nil unless listen.web has its certificate from an ACME authority
	files *filePair     // nil unless it has the operator's
}

// openCertificates prepares what listen.web shows.
func (s *Server) openCertificates(context.Context) (err error) {
	c := &certificates{s: s}
	s.certificates = c
	w := s.cfg.Web
	switch w.Certificate {
	case config.WebFiles:
		if c.files, err = openPair(w.Cert, w.Key, s.opt.Log); err != nil {
			return fmt.Errorf("certificate of listen.web: %w", err)
		}
	case config.WebACME:
		var names []string
		for _, text := range s.cfg.Public {
			if p, err := config.ParsePublic(text); err == nil && (p.Listener == "" || p.Listener == "web") && !slices.Contains(names, p.Host) {
				names = append(names, p.Host)
			}
		}
		c.acme, err = acme.New(acme.Options{
			Names: names, Email: w.Email, Directory: w.Directory, RootCA: w.CA, Dir: filepath.Join(s.cfg.Data, "acme"),
			HTTPAddr: w.HTTP, TLSALPN: w.HTTP == "", Log: s.opt.Log, Metrics: s.reg,
		})
		if err != nil {
			return fmt.Errorf("certificate of listen.web: %w", err)
		}
	}
	return nil
}

// begin has the ACME authority asked. It looks for its answer at listen.web, so
// that is open by then: a try that fails counts there, and delays the next.
func (c *certificates) begin(ctx context.Context) error {
	if c.acme == nil {
		return nil
	}
	if err := c.acme.Start(ctx); err != nil {
		return fmt.Errorf("certificate of listen.web: %w", err)
	}
	return nil
}

// config gives the TLS of a listener that speaks it.
func (c *certificates) config(listener string) (*tls.Config, error) {
	p, cfg := c.s.pki, c.s.cfg
	switch listener {
	case "tls":
		ask := pki.Required
		if slices.Contains(cfg.Login.Streams, "tls") {
			ask = pki.Given
		}
		return p.TLS(pki.TLSOptions{Client: ask, Verify: c.s.verify}), nil
	case "https":
		return p.TLS(pki.TLSOptions{Client: pki.Given, Verify: c.s.verify, NextProtos: []string{"http/1.1"}}), nil
	case "web":
		return c.web(), nil
	}
	return p.TLS(pki.TLSOptions{Client: pki.None, NextProtos: []string{"http/1.1"}}), nil
}

// web shows the operator's certificate or that of the ACME authority; until
// there is one, that of the server's own.
func (c *certificates) web() *tls.Config {
	opt := pki.TLSOptions{Client: pki.None, NextProtos: []string{"http/1.1"}}
	switch {
	case c.files != nil:
		opt.Certificate = c.files.certificate
	case c.acme != nil:
		opt.Certificate = c.acme.GetCertificate
		opt.NextProtos = append(opt.NextProtos, c.acme.NextProtos()...)
	}
	return c.s.pki.TLS(opt)
}

// public says whether listen.web shows a certificate that phones trust without
// further ado.
func (c *certificates) public() bool {
	if c.acme != nil {
		_, there := c.acme.Expires()
		return there
	}
	return c.files != nil
}

func (c *certificates) close() error {
	if c.acme != nil {
		return c.acme.Close()
	}
	return nil
}
