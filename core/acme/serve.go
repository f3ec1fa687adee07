package acme

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/caddyserver/certmagic"
	"github.com/mholt/acmez/v3"
)

// ErrNone says that there is no certificate for a handshake: none yet, or the
// client asks for a name (or by an address) that is none of ours. The caller
// serves its own one then.
var ErrNone = errors.New("no certificate of the ACME authority for that name")

// GetCertificate answers the challenge tls-alpn-01, and else gives the
// certificate for the name that the client asks for.
func (m *Manager) GetCertificate(h *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if m.opt.TLSALPN && len(h.SupportedProtos) == 1 && h.SupportedProtos[0] == acmez.ACMETLS1Protocol && h.ServerName != "" {
		return m.config.GetCertificate(h)
	}
	name := strings.ToLower(strings.TrimSuffix(h.ServerName, "."))
	cert, ok := m.certificate(name)
	if !ok {
		return nil, ErrNone
	}
	return cert, nil
}

// certificate gives the one for a name that is good for the longest time.
func (m *Manager) certificate(name string) (best *tls.Certificate, ok bool) {
	if name == "" {
		return nil, false
	}
	now := time.Now()
	for _, c := range m.cache.AllMatchingCertificates(name) {
		if c.Leaf == nil || now.After(c.Leaf.NotAfter) {
			continue
		}
		if best == nil || c.Leaf.NotAfter.After(best.Leaf.NotAfter) {
			best = &c.Certificate
		}
	}
	return best, best != nil
}

// Expires tells when the first of the certificates ends; false while one is
// missing.
func (m *Manager) Expires() (first time.Time, ok bool) {
	for _, name := range m.opt.Names {
		c, ok := m.certificate(name)
		if !ok {
			return time.Time{}, false
		}
		if first.IsZero() || c.Leaf.NotAfter.Before(first) {
			first = c.Leaf.NotAfter
		}
	}
	return first, true
}

// NextProtos has what the web listener must offer after its own protocols.
func (m *Manager) NextProtos() []string {
	if !m.opt.TLSALPN {
		return nil
	}
	return []string{acmez.ACMETLS1Protocol}
}

// Handler answers the challenge http-01 and gives other requests to next; nil:
// they are not found. Only challenges that are under way are answered: certmagic's
// own handler would answer any token for any host, and make keys for that.
func (m *Manager) Handler(next http.Handler) http.Handler {
	if next == nil {
		next = http.NotFoundHandler()
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if certmagic.LooksLikeHTTPChallenge(r) {
			host, _, err := net.SplitHostPort(r.Host)
			if err != nil {
				host = r.Host
			}
			host = strings.ToLower(host)
			if c, ok := certmagic.GetACMEChallenge(host); ok && slices.Contains(m.opt.Names, host) && certmagic.SolveHTTPChallenge(m.zap, w, r, c.Challenge) {
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

// HTTPAddr is where the listener for http-01 is; nil without one.
func (m *Manager) HTTPAddr() net.Addr {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.http == nil {
		return nil
	}
	return m.http.addr
}

// challenges is the listener for http-01. Port 80 of a public name hears a lot
// of noise, so its limits are tight.
type challenges struct {
	addr net.Addr
	srv  *http.Server
	done chan struct{}
}

func serveChallenges(ctx context.Context, addr string, h http.Handler, log *slog.Logger) (*challenges, error) {
	var lc net.ListenConfig
	ln, err := lc.Listen(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("listen for the ACME authority: %w", err)
	}
	c := &challenges{addr: ln.Addr(), done: make(chan struct{}), srv: &http.Server{
		Handler: h, ReadTimeout: 10 * time.Second, WriteTimeout: 10 * time.Second, MaxHeaderBytes: 8 << 10,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}}
	c.srv.SetKeepAlivesEnabled(false)
	go func() {
		defer close(c.done)
		if err := c.srv.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
			log.Error("listener for the ACME authority ended", slog.Any("err", err))
		}
	}()
	return c, nil
}

func (c *challenges) close() error {
	err := c.srv.Close()
	<-c.done
	return err
}
