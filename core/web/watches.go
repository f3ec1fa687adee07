package web

import (
	"context"
	"crypto/tls"
	"slices"
	"sync"

	"github.com/takhost/takhost/core/identity"
	"github.com/takhost/takhost/hostapi/wire"
)

// watches are the requests that go on for long, with whose they are.
type watches struct {
	mu  sync.Mutex
	all map[*watch]struct{}
}

// watch is one of them.
type watch struct {
	caller *wire.Caller
	again  func() error  // whether the caller would still be let in
	stream bool          // of CoT, which the core changes and cuts by itself: only the end of its login matters here
	cut    chan struct{} // closed when the caller is not any more who he was
	once   sync.Once
}

// begin notes a request until end is called.
func (w *watches) begin(one *watch) (_ *watch, end func()) {
	one.cut = make(chan struct{})
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.all == nil {
		w.all = map[*watch]struct{}{}
	}
	w.all[one] = struct{}{}
	return one, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.all, one)
	}
}

// beginWatch notes that a request goes on for long. What was changed since the
// guard has looked at it counts as well.
func beginWatch(ctx context.Context) (cut <-chan struct{}, end func()) {
	return begin(ctx, false)
}

// beginStream is beginWatch for a stream of CoT.
func beginStream(ctx context.Context) (cut <-chan struct{}, end func()) { return begin(ctx, true) }

func begin(ctx context.Context, stream bool) (cut <-chan struct{}, end func()) {
	q := requestOf(ctx)
	one, end := q.watches.begin(&watch{caller: CallerOf(ctx), again: q.again, stream: stream})
	if q.again() != nil {
		one.close()
	}
	return one.cut, end
}

func (o *watch) close() { o.once.Do(func() { close(o.cut) }) }

// ask cuts those of these users whose token or session has ended; others of the
// same user go on.
func (w *watches) ask(users []string) {
	if len(users) == 0 {
		return
	}
	w.mu.Lock()
	var list []*watch
	for one := range w.all {
		if slices.Contains(users, one.caller.User) {
			list = append(list, one)
		}
	}
	w.mu.Unlock()
	for _, one := range list {
		if one.again() != nil {
			one.close()
		}
	}
}

func (w *watches) cut(match func(*wire.Caller) bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for one := range w.all {
		if !one.stream && match(one.caller) {
			one.close()
		}
	}
}

// Changed is told of changes of users and certificates. Whoever watches and is
// not any more who he was is cut, and may come again; so are connections with a
// certificate that was revoked. Other requests under way end as they began.
func (s *Server) Changed(ch identity.Change) {
	s.watches.cut(func(c *wire.Caller) bool {
		return c.User != "" && (slices.Contains(ch.Users, c.User) || slices.Contains(ch.Removed, c.User)) ||
			c.CertificateSerial != "" && slices.Contains(ch.Certificates, c.CertificateSerial)
	})
	s.watches.ask(ch.Logins)
	if len(ch.Certificates) == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.open {
		l.gate.cut(ch.Certificates)
	}
	for l := range s.draining {
		l.gate.cut(ch.Certificates)
	}
}

// cut closes the connections with these certificates.
func (g *gate) cut(serials []string) {
	if g == nil {
		return // the admin socket
	}
	g.mu.Lock()
	var list []*gatedConn
	for c := range g.conns {
		if slices.Contains(serials, c.serial) {
			list = append(list, c)
		}
	}
	g.mu.Unlock()
	for _, c := range list {
		c.Close()
	}
}

// serialOf gives the number of the certificate that a client came with.
func serialOf(st tls.ConnectionState) string {
	if len(st.PeerCertificates) == 0 {
		return ""
	}
	return identity.SerialText(st.PeerCertificates[0].SerialNumber)
}
