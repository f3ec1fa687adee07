package pki

import (
	"crypto/tls"
	"crypto/x509"
	"sync/atomic"
)

// ClientCertificate says what a listener asks of clients.
type ClientCertificate int

// What TLSOptions.Client may be.
const (
	None     ClientCertificate = iota // not asked for
	Given                             // asked for, and checked where one is given
	Required                          // refused without a good one
)

// TLSOptions are what one listener wants of TLS.
type TLSOptions struct {
	Client ClientCertificate

	// Verify judges a certificate that is good as such: is there a user, may he
	// come in? It is asked again when a session is resumed. It must be quick,
	// and change nothing, as the client has not yet proved that it has the key.
	Verify func(*x509.Certificate) error

	NextProtos []string // ALPN

	// Certificate gives another certificate than the server's own, such as one
	// that is publicly trusted. Where it has none (nil), or fails, the own is
	// taken.
	Certificate func(*tls.ClientHelloInfo) (*tls.Certificate, error)
}

// TLS makes the configuration of a listener, for TLS 1.2 and 1.3. It follows
// renewals and revocations by itself. Clients are verified here and not by
// crypto/tls, so that the error says what is wrong (*HandshakeError): after the
// handshake PeerCertificates are verified, and VerifiedChains is empty.
func (p *PKI) TLS(o TLSOptions) *tls.Config {
	l := &listener{p: p, opt: o}
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		NextProtos: o.NextProtos,
		Time:       p.now,
		// Session tickets go by the keys of this outer configuration, so they
		// live on when the inner one changes.
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return l.config(), nil },
		GetCertificate:     l.certificate,
	}
}

// listener keeps the inner configuration until the certificate or the trusted
// authorities change.
type listener struct {
	p    *PKI
	opt  TLSOptions
	view atomic.Pointer[view]
}

type view struct {
	server *tls.Certificate
	pool   *x509.CertPool
	conf   *tls.Config
}

func (l *listener) config() *tls.Config {
	s := l.p.state.Load()
	if v := l.view.Load(); v != nil && v.server == s.server && v.pool == s.pool {
		return v.conf
	}
	conf := &tls.Config{
		MinVersion:       tls.VersionTLS12,
		NextProtos:       l.opt.NextProtos,
		Time:             l.p.now,
		VerifyConnection: l.verify, // also called when a session is resumed
	}
	if l.opt.Certificate != nil {
		conf.GetCertificate = l.certificate
	} else {
		conf.Certificates = []tls.Certificate{*s.server}
	}
	if l.opt.Client != None {
		conf.ClientAuth = tls.RequestClientCert
		conf.ClientCAs = s.pool // their names help clients that have several
	}
	l.view.Store(&view{s.server, s.pool, conf})
	return conf
}

func (l *listener) certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if l.opt.Certificate != nil {
		if c, err := l.opt.Certificate(hello); err == nil && c != nil {
			return c, nil
		}
	}
	return l.p.state.Load().server, nil
}

func (l *listener) verify(cs tls.ConnectionState) error {
	if l.opt.Client == None || l.opt.Client == Given && len(cs.PeerCertificates) == 0 {
		return nil
	}
	return l.p.verify(cs.PeerCertificates, l.opt.Verify)
}
