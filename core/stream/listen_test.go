package stream

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/takhost/takhost/core/proxy"
	"github.com/takhost/takhost/hostapi/wire"
)

func TestListenerMovesAndConnectionsStay(t *testing.T) {
	b := newBed(t, nil)
	old := b.listenOn(ListenConfig{Name: "tcp"})
	other := b.listenOn(ListenConfig{Name: "tls"})
	x, y := b.dial(old).greeted(), b.dial(other).greeted()
	moved := b.listenOn(ListenConfig{Name: "tcp"})
	if c, err := net.Dial("tcp", old); err == nil {
		c.Close()
		t.Error("the old address is still open")
	}
	z := b.dial(moved).greeted()
	z.write(numbered(1))
	for _, p := range []*peer{x, y} {
		if e := p.event(); e != numbered(1) {
			t.Errorf("got %s", e)
		}
	}
	if b.Unlisten("http") {
		t.Error("a listener was closed that never was")
	}
	if !b.Unlisten("tcp") || b.Unlisten("tcp") {
		t.Error("the listener is not closed once")
	}
	if c, err := net.Dial("tcp", moved); err == nil {
		c.Close()
		t.Error("the address is still open")
	}
	x.write(numbered(2))
	for _, p := range []*peer{y, z} {
		if e := p.event(); e != numbered(2) {
			t.Errorf("got %s", e)
		}
	}
	// The same address again, now with another task.
	if _, err := b.Listen(t.Context(), ListenConfig{Name: "tcp", Addr: old}); err != nil {
		t.Fatal(err)
	}
	b.dial(old).greeted()
}

func TestMoveToATakenAddressLeavesTheOldOne(t *testing.T) {
	b := newBed(t, nil)
	tcp, tls := b.listenOn(ListenConfig{Name: "tcp"}), b.listenOn(ListenConfig{Name: "tls"})
	if _, err := b.Listen(t.Context(), ListenConfig{Name: "tcp", Addr: tls}); err == nil {
		t.Fatal("two listeners on one address")
	}
	b.dial(tcp).greeted()
}

func TestCutOfOneListener(t *testing.T) {
	b := newBed(t, func(o *Options) { o.Handshake = time.Hour })
	tcp, other := b.listenOn(ListenConfig{Name: "tcp"}), b.listenOn(ListenConfig{Name: "login", Login: true})
	x, y := b.dial(tcp).greeted(), b.dial(tcp).greeted()
	early := b.dial(other)
	for b.waitingToJoin() == 0 {
		time.Sleep(time.Millisecond)
	}
	if n := b.Cut("tcp", "the operator says so"); n != 2 {
		t.Errorf("%d connections cut, want 2", n)
	}
	x.closed()
	y.closed()
	b.logged("the operator says so")
	early.write(login)
	early.greeted()
	late := b.dial(other)
	for b.waitingToJoin() == 0 {
		time.Sleep(time.Millisecond)
	}
	if n := b.Cut("login", "it too"); n != 2 {
		t.Errorf("%d connections cut, want 2", n)
	}
	early.closed()
	late.closed()
	b.dial(tcp).greeted() // the listeners stay
}

// waitingToJoin counts the connections whose client has not said who it is.
func (b *bed) waitingToJoin() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.early)
}

func TestListenersComeAndGoDuringAStop(t *testing.T) {
	b := newBed(t, nil)
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for _, name := range []string{"a", "b"} {
		wg.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				l, err := b.Listen(context.Background(), ListenConfig{Name: name, Addr: "127.0.0.1:0"})
				if err != nil {
					if !errors.Is(err, errStops) {
						t.Error(err)
					}
					return
				}
				if c, err := net.Dial("tcp", l.Addr().String()); err == nil {
					defer c.Close()
				}
				b.Cut(name, "test")
				b.Unlisten(name)
			}
		})
	}
	x := b.dial(b.listen(nil)).greeted()
	b.Server.Close()
	close(stop)
	wg.Wait()
	x.closed()
	if _, err := b.Listen(context.Background(), ListenConfig{Name: "late", Addr: "127.0.0.1:0"}); !errors.Is(err, errStops) {
		t.Errorf("a listener after the stop: %v", err)
	}
}

// A client with a certificate needs no <auth> where others do.
func TestLoginOverTLS(t *testing.T) {
	b := newBed(t, nil)
	var seen []Peer
	users := passwords(&seen)
	b.router.refuse = func(p Peer) error {
		if p.User == "" && p.TLS != nil && len(p.TLS.PeerCertificates) > 0 {
			return nil
		}
		return users(p)
	}
	conf := selfSigned(t)
	conf.ClientAuth = tls.RequestClientCert
	addr := b.listenOn(ListenConfig{Name: "tls", TLS: conf, Login: true})
	dial := func(certs []tls.Certificate) *peer {
		c, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true, Certificates: certs})
		if err != nil {
			t.Fatal(err)
		}
		return b.peer(c)
	}
	x := dial(conf.Certificates).greeted()
	y := dial(nil)
	y.write(login + numbered(1))
	y.greeted()
	if e := x.event(); e != numbered(1) {
		t.Errorf("got %s", e)
	}
	z := dial(nil)
	z.write(strings.Replace(login, "hush-hush", "no", 1))
	if got, err := io.ReadAll(z); len(got) > 0 || err != nil && isTimeout(err) {
		t.Errorf("got %q, %v", got, err)
	}
}

type revoked struct{}

func (revoked) Error() string           { return "bad certificate: 05 was revoked by pki, details" }
func (revoked) HandshakeReason() string { return "the certificate was revoked" }

func TestReasonOfAFailedHandshake(t *testing.T) {
	b := newBed(t, nil)
	conf := selfSigned(t)
	conf.ClientAuth = tls.RequireAnyClientCert
	conf.VerifyPeerCertificate = func([][]byte, [][]*x509.Certificate) error { return revoked{} }
	addr := b.listenOn(ListenConfig{Name: "tls", TLS: conf})
	c, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true, Certificates: conf.Certificates})
	if err == nil {
		b.peer(c).closed()
	}
	b.logged(`reason="the certificate was revoked"`)
	b.logged(`err="bad certificate: 05 was revoked by pki, details"`)
	d, err := tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true})
	if err == nil {
		b.peer(d).closed()
	}
	b.logged(`client didn't provide a certificate`)
}

func trusted(t *testing.T, who ...string) *proxy.Trusted {
	t.Helper()
	p, err := proxy.ParseTrusted(who)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestProxyProtocol(t *testing.T) {
	for _, c := range []struct {
		name string
		tls  bool
	}{{"plain", false}, {"TLS", true}} {
		t.Run(c.name, func(t *testing.T) {
			b := newBed(t, func(o *Options) { o.PerAddress = 1 })
			conf := ListenConfig{Name: "tcp", Proxy: trusted(t, "127.0.0.1")}
			if c.tls {
				conf.TLS = selfSigned(t)
			}
			addr := b.listenOn(conf)
			dial := func(client string) *peer {
				nc, err := net.Dial("tcp", addr)
				if err != nil {
					t.Fatal(err)
				}
				if _, err := io.WriteString(nc, "PROXY TCP4 "+client+" 192.0.2.99 4711 8087\r\n"); err != nil {
					t.Fatal(err)
				}
				if c.tls {
					nc = tls.Client(nc, &tls.Config{InsecureSkipVerify: true})
				}
				return b.peer(nc)
			}
			x, y := dial("192.0.2.1").greeted(), dial("192.0.2.2").greeted()
			x.write(numbered(1))
			if e := y.event(); e != numbered(1) {
				t.Errorf("got %s", e)
			}
			addrs := map[string]bool{}
			for _, i := range b.Connections() {
				addrs[i.Addr] = true
			}
			if !addrs["192.0.2.1:4711"] || !addrs["192.0.2.2:4711"] || len(addrs) != 2 {
				t.Errorf("the connections are of %v", addrs)
			}
			b.mu.Lock()
			for _, o := range b.open {
				if ts, ok := o.sock.(*tlsSocket); ok {
					if _, ok := ts.records.sock.(*plainSocket); ok {
						t.Error("TLS is read and written without single system calls")
					}
				} else if _, ok := o.sock.(*plainSocket); ok {
					t.Error("the socket is read and written without single system calls")
				}
			}
			b.mu.Unlock()
			dial("192.0.2.1").closed() // one from an address is the limit
			b.logged("192.0.2.1:4711, through the proxy 127.0.0.1")
			b.logged("limits.connections_per_address is 1")
			x.Close()
			b.logged("connection ended")
			dial("192.0.2.1").greeted()
		})
	}
}

func TestProxyProtocolThatFails(t *testing.T) {
	for _, c := range []struct{ name, trust, sent, log string }{
		{"untrusted", "192.0.2.7", "PROXY TCP4 192.0.2.1 192.0.2.99 1 2\r\n", "trusted_proxies"},
		{"no header", "127.0.0.1", event(""), "PROXY protocol header"},
		{"silence", "127.0.0.1", "", "PROXY protocol header"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBed(t, func(o *Options) { o.Handshake = 100 * time.Millisecond })
			x := b.dial(b.listenOn(ListenConfig{Name: "tcp", Proxy: trusted(t, c.trust)}))
			x.write(c.sent)
			if got, err := io.ReadAll(x); len(got) > 0 || err != nil && isTimeout(err) {
				t.Errorf("got %q, %v", got, err)
			}
			b.logged("connection refused")
			b.logged(c.log)
		})
	}
}

// As by a WebSocket: TAK protocol from the first byte, no offer, no XML.
func TestServeClientInTAKProtocol(t *testing.T) {
	b := newBed(t, nil)
	caller := &wire.Caller{User: "cloud"}
	var seen []Peer
	b.router.refuse = func(p Peer) error {
		seen = append(seen, p)
		return nil
	}
	ours, theirs := net.Pipe()
	done := make(chan struct{})
	go func() {
		defer close(done)
		b.ServeClient(theirs, Peer{Addr: "192.0.2.1:99", Listener: "https", Caller: caller}, true)
	}()
	x := b.peer(ours)
	x.write(frameOf(t, ping))
	if e := x.frame(); !strings.Contains(e, "takPong") {
		t.Errorf("the first frame is %s", e)
	}
	y := b.dial(b.listen(nil)).greeted()
	y.write(numbered(1))
	if e := x.frame(); !strings.Contains(e, `<n v="1"/>`) {
		t.Errorf("got %s", e)
	}
	x.write(numbered(2) + frameOf(t, request) + frameOf(t, numbered(3))) // XML and a negotiation count for nothing
	if e := y.event(); !strings.Contains(e, `<n v="3"/>`) {
		t.Errorf("got %s", e)
	}
	y.write(numbered(4))
	if e := x.frame(); !strings.Contains(e, `<n v="4"/>`) {
		t.Errorf("got %s", e)
	}
	if seen[0].Caller != caller || seen[0].Addr != "192.0.2.1:99" || seen[0].Conn == 0 {
		t.Errorf("the router is told %+v", seen[0])
	}
	if bytes.Contains(x.buf, []byte("<event")) {
		t.Errorf("XML was sent: %q", x.buf)
	}
	if n := b.Cut("https", "test"); n != 1 {
		t.Errorf("%d connections cut", n)
	}
	<-done
}

// slowToClose is a connection whose end takes as long as it is told.
type slowToClose struct {
	net.Conn
	wait chan struct{}
}

func (c slowToClose) Close() error {
	<-c.wait
	return c.Conn.Close()
}

func TestCloseDoesNotWaitForTheGoodbye(t *testing.T) {
	b := newBed(t, nil)
	ours, theirs := net.Pipe()
	wait := make(chan struct{})
	go b.ServeClient(slowToClose{theirs, wait}, Peer{Listener: "https"}, true)
	x := b.peer(ours)
	x.write(frameOf(t, ping))
	x.frame()
	if n := b.Cut("https", "test"); n != 1 { // would hang if it waited
		t.Errorf("%d connections cut", n)
	}
	close(wait)
	x.closed()
}
