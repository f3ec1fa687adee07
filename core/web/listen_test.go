package web

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/takhost/takhost/core/identity"
	"github.com/takhost/takhost/core/proxy"
)

// slow is a bed on which the status waits for answer once it was asked for.
type slow struct {
	*bed
	asked, answer chan struct{}
}

func newSlow(t *testing.T) *slow {
	t.Helper()
	s := &slow{bed: newBed(t, Options{Logins: fakeLogins{}, Updates: NewUpdates(nil, nil)}), asked: make(chan struct{}, 1), answer: make(chan struct{})}
	s.core.status = func() (Status, error) {
		s.asked <- struct{}{}
		<-s.answer
		return Status{Version: "v9"}, nil
	}
	return s
}

// begin sends a request that will wait, and gives where its answer comes.
func (s *slow) begin(t *testing.T) <-chan string {
	t.Helper()
	addr := s.Addr(restListener).String()
	got := make(chan string, 1)
	go func() {
		req, err := http.NewRequest("GET", "http://"+addr+"/api/v1/status", nil)
		if err != nil {
			got <- err.Error()
			return
		}
		req.Header.Set("Authorization", "Bearer "+testToken)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			got <- err.Error()
			return
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			got <- err.Error()
			return
		}
		got <- string(body)
	}()
	<-s.asked
	return got
}

func refusesConnections(t *testing.T, addr net.Addr) {
	t.Helper()
	nc, err := net.Dial("tcp", addr.String())
	if err == nil {
		nc.Close()
		t.Errorf("%v still takes connections", addr)
	}
}

// TestUnlisten shows that a closed listener answers what is under way, sends away
// who watches, and takes nothing new; and that it can be opened again.
func TestUnlisten(t *testing.T) {
	s := newSlow(t)
	old := s.Addr(restListener)
	got := s.begin(t)
	watching := s.open(t, "/api/v1/live", with(testToken))
	closed := make(chan error, 1)
	go func() { closed <- s.Unlisten(t.Context(), restListener) }()
	_, _, err := watching.Read(t.Context())
	if websocket.CloseStatus(err) != websocket.StatusGoingAway {
		t.Errorf("who watches got %v", err)
	}
	refusesConnections(t, old)
	select {
	case err := <-closed:
		t.Fatalf("it did not wait for the request: %v", err)
	default:
	}
	if s.Addr(restListener) != nil {
		t.Error("it counts as open")
	}
	close(s.answer)
	if body := <-got; !strings.Contains(body, `"version":"v9"`) {
		t.Errorf("the request under way got %s", body)
	}
	if err := <-closed; err != nil {
		t.Error(err)
	}
	if err := s.Unlisten(t.Context(), restListener); err != nil {
		t.Errorf("closing what is closed: %v", err)
	}
	addr, err := s.Listen(t.Context(), restListener, old.String(), ListenOptions{})
	if err != nil || addr.String() != old.String() {
		t.Fatalf("opened again at %v, %v", addr, err)
	}
	if body := <-s.begin(t); !strings.Contains(body, "v9") {
		t.Errorf("opened again: got %s", body)
	}
	if strings.Contains(s.log.String(), "HTTP listener failed") {
		t.Errorf("the log has a failure:\n%s", s.log)
	}
}

func TestUnlistenCuts(t *testing.T) {
	s := newSlow(t)
	got := s.begin(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Unlisten(ctx, restListener); err == nil || !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if body := <-got; !strings.Contains(body, "EOF") {
		t.Errorf("the request under way got %s", body)
	}
	close(s.answer)
}

// TestUnlistenItself has a request close the listener that it came by.
func TestUnlistenItself(t *testing.T) {
	b := newBed(t, Options{})
	b.core.status = func() (Status, error) { return Status{Version: "v9"}, nil }
	b.opt.Reload = nil
	done := make(chan error, 1)
	b.machines["/healthz"] = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		done <- b.Unlisten(r.Context(), restListener)
	})
	b.pages = b.allPages()
	b.use(t)
	if resp, _ := b.send(t, "GET", "/healthz", ""); resp.StatusCode != 200 {
		t.Errorf("got %s", resp.Status)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestMove(t *testing.T) {
	s := newSlow(t)
	first := s.Addr(restListener)
	got := s.begin(t)
	second, err := s.Move(t.Context(), restListener, "127.0.0.1:0", ListenOptions{})
	if err != nil || second.String() == first.String() {
		t.Fatalf("moved to %v, %v", second, err)
	}
	refusesConnections(t, first)
	close(s.answer)
	if body := <-got; !strings.Contains(body, "v9") {
		t.Errorf("the request under way got %s", body)
	}
	if body := <-s.begin(t); !strings.Contains(body, "v9") {
		t.Errorf("at the new address: %s", body)
	}

	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	if _, err := s.Move(t.Context(), restListener, taken.Addr().String(), ListenOptions{}); err == nil || !strings.Contains(err.Error(), "address already in use") {
		t.Errorf("to a port that is taken: %v", err)
	}
	if body := <-s.begin(t); !strings.Contains(body, "v9") {
		t.Errorf("after a move that failed: %s", body)
	}

	// The old one is in the way of the new one.
	_, port, _ := net.SplitHostPort(second.String())
	if wide, err := s.Move(t.Context(), restListener, "0.0.0.0:"+port, ListenOptions{}); err != nil || s.Addr(restListener) != wide {
		t.Errorf("to all addresses: %v, %v", wide, err)
	}
	if body := <-s.begin(t); !strings.Contains(body, "v9") {
		t.Errorf("at all addresses: %s", body)
	}
	if _, err := s.Move(t.Context(), restListener, "192.0.2.1:"+port, ListenOptions{}); err == nil {
		t.Error("moved to an address that this machine does not have")
	}
	if body := <-s.begin(t); !strings.Contains(body, "v9") {
		t.Errorf("after a move that failed: %s", body)
	}
	// What is closed is opened.
	if err := s.Unlisten(t.Context(), restListener); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Move(t.Context(), restListener, "127.0.0.1:0", ListenOptions{}); err != nil {
		t.Error(err)
	}
}

func TestListenErrors(t *testing.T) {
	s := newBed(t, Options{})
	if _, err := s.Listen(t.Context(), restListener, "127.0.0.1:0", ListenOptions{}); err == nil || !strings.Contains(err.Error(), "listen.rest: it is open already") {
		t.Errorf("twice: %v", err)
	}
	if _, err := s.Listen(t.Context(), "tls", "127.0.0.1:0", ListenOptions{}); err == nil || !strings.Contains(err.Error(), "no such HTTP listener") {
		t.Errorf("another name: %v", err)
	}
	if _, err := s.Listen(t.Context(), webListener, "nonsense", ListenOptions{}); err == nil || !strings.Contains(err.Error(), "listen.web: ") {
		t.Errorf("no address: %v", err)
	}
}

// TestCloseWhileDraining stops a server while a listener still ends.
func TestCloseWhileDraining(t *testing.T) {
	s := newSlow(t)
	got := s.begin(t)
	if _, err := s.Move(t.Context(), restListener, "127.0.0.1:0", ListenOptions{}); err != nil {
		t.Fatal(err)
	}
	closed := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		closed <- s.Close(ctx)
	}()
	<-s.live.watch(Filter{}).done // the stop has begun
	close(s.answer)
	if body := <-got; !strings.Contains(body, "v9") {
		t.Errorf("the request under way got %s", body)
	}
	if err := <-closed; err != nil {
		t.Errorf("close: %v", err)
	}
}

// roundTrip sends one request on a connection of its own, and gives the status.
func roundTrip(nc net.Conn) (string, error) {
	if err := nc.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		return "", err
	}
	if _, err := io.WriteString(nc, "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		return "", err
	}
	resp, err := http.ReadResponse(bufio.NewReader(nc), nil)
	if err != nil {
		return "", err
	}
	resp.Body.Close()
	return resp.Status, nil
}

func TestConnectionLimits(t *testing.T) {
	for _, c := range []struct {
		name string
		opt  Options
		log  string
	}{
		{"of the listener", Options{Limits: Limits{Connections: 2}}, "limits.connections is reached"},
		{"of the address", Options{Limits: Limits{PerAddress: 2, Connections: 10}}, "limits.connections_per_address is reached"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSiteWith(t, &fakeCore{}, c.opt)
			addr := s.listenREST(t, nil)
			dial := func() net.Conn {
				nc, err := net.Dial("tcp", addr)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { nc.Close() })
				return nc
			}
			first, second := dial(), dial()
			for _, nc := range []net.Conn{first, second} {
				if status, err := roundTrip(nc); err != nil || status != "200 OK" {
					t.Fatalf("got %s, %v", status, err)
				}
			}
			if status, err := roundTrip(dial()); err == nil {
				t.Errorf("one too many got %s", status)
			}
			s.log.await(t, c.log)
			first.Close()
			for late := time.Now().Add(10 * time.Second); ; {
				if _, err := roundTrip(dial()); err == nil {
					return // there is room again
				}
				if time.Now().After(late) {
					t.Fatal("a connection that is closed still counts")
				}
			}
		})
	}
}

// reasoned is an error of a handshake that says why, as that of core/pki.
type reasoned struct{}

func (reasoned) Error() string           { return "certificate 1f of eve: revoked" }
func (reasoned) HandshakeReason() string { return "revoked: 1f, eve" }

// TestHandshakeReasons has clients that TLS refuses: the log says which and why.
func TestHandshakeReasons(t *testing.T) {
	ca, other := newTestCA(t), newTestCA(t)
	conf := ca.server(t)
	conf.ClientAuth = tls.RequireAndVerifyClientCert
	conf.VerifyConnection = func(st tls.ConnectionState) error {
		if st.PeerCertificates[0].Subject.CommonName == "eve" {
			return reasoned{}
		}
		return nil
	}
	s := newSiteWith(t, &fakeCore{}, Options{})
	addr, err := s.Listen(t.Context(), httpsListener, "127.0.0.1:0", ListenOptions{TLS: conf})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		client *tls.Config
		log    string
	}{
		{"revoked", &tls.Config{Certificates: []tls.Certificate{*ca.client(t, "eve")}}, `reason="revoked: 1f, eve"`},
		{"none", &tls.Config{}, "client didn't provide a certificate"},
		{"foreign", &tls.Config{Certificates: []tls.Certificate{*other.client(t, "bob")}}, "certificate signed by unknown authority"},
		{"does not trust us", &tls.Config{RootCAs: other.pool()}, "remote error: tls: "},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.client.ServerName = "tak.example"
			if c.client.RootCAs == nil {
				c.client.RootCAs = ca.pool()
			}
			nc, err := tls.Dial("tcp", addr.String(), c.client)
			if err == nil { // with TLS 1.3 a client learns it when it reads
				_, err = nc.Read(make([]byte, 1))
				nc.Close()
			}
			if err == nil {
				t.Error("it came in")
			}
			s.log.await(t, c.log)
			if log := s.log.String(); !strings.Contains(log, `msg="TLS handshake failed" listener=https addr=127.0.0.1:`) {
				t.Errorf("the log says\n%s", log)
			}
		})
	}
	t.Run("hangs up", func(t *testing.T) {
		nc, err := net.Dial("tcp", addr.String())
		if err != nil {
			t.Fatal(err)
		}
		nc.Close()
		s.log.await(t, `reason="the client hung up"`)
	})
	t.Run("good", func(t *testing.T) {
		nc, err := tls.Dial("tcp", addr.String(), &tls.Config{RootCAs: ca.pool(), ServerName: "tak.example", Certificates: []tls.Certificate{*ca.client(t, "bob")}})
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		if status, err := roundTrip(nc); err != nil || status != "404 Not Found" {
			t.Errorf("got %s, %v", status, err)
		}
	})
}

func TestNoiseIsBounded(t *testing.T) {
	s := newSiteWith(t, &fakeCore{}, Options{})
	ca := newTestCA(t)
	addr, err := s.Listen(t.Context(), webListener, "127.0.0.1:0", ListenOptions{TLS: ca.server(t)})
	if err != nil {
		t.Fatal(err)
	}
	for range 3 * noiseBurst {
		nc, err := net.Dial("tcp", addr.String())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(nc, "nonsense"); err != nil {
			t.Fatal(err)
		}
		_, _ = io.ReadAll(nc) // until it is cut, in whatever way
		nc.Close()
	}
	if n := strings.Count(s.log.String(), "TLS handshake failed"); n < noiseBurst || n >= 2*noiseBurst {
		t.Errorf("the log has %d lines", n)
	}
}

// TestProxyProtocol has a listener behind a proxy that speaks TCP.
func TestProxyProtocol(t *testing.T) {
	trusted, err := proxy.ParseTrusted([]string{"127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	others, err := proxy.ParseTrusted([]string{"192.0.2.1"})
	if err != nil {
		t.Fatal(err)
	}
	e := newEstate(t, Options{Limits: Limits{Handshake: 500 * time.Millisecond, PerAddress: 1}})
	dial := func(from *proxy.Trusted, plain bool, header string) (string, error) {
		if err := e.Unlisten(t.Context(), webListener); err != nil {
			t.Fatal(err)
		}
		opt := ListenOptions{Proxy: from, TLS: e.ca.server(t)}
		addr, err := e.Listen(t.Context(), webListener, "127.0.0.1:0", opt)
		if err != nil {
			t.Fatal(err)
		}
		nc, err := net.Dial("tcp", addr.String())
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		if err := nc.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(nc, header); err != nil {
			t.Fatal(err)
		}
		var conn net.Conn = nc
		if !plain {
			conn = tls.Client(nc, &tls.Config{RootCAs: e.ca.pool(), ServerName: "tak.example"})
		}
		if _, err := io.WriteString(conn, "GET /Marti/who HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer eve-user\r\nConnection: close\r\n\r\n"); err != nil {
			return "", err
		}
		body, err := io.ReadAll(conn)
		return string(body), err
	}
	if body, err := dial(trusted, false, "PROXY TCP4 198.51.100.7 192.0.2.9 50000 8446\r\n"); err != nil || !strings.Contains(body, `"addr":"198.51.100.7"`) {
		t.Errorf("got %s, %v", body, err)
	}
	if body, err := dial(trusted, false, ""); err == nil {
		t.Errorf("without a header: got %s", body)
	}
	e.log.await(t, "connection without a PROXY protocol header refused")
	if body, err := dial(others, false, "PROXY TCP4 198.51.100.7 192.0.2.9 50000 8446\r\n"); err == nil {
		t.Errorf("from somebody else: got %s", body)
	}
	e.log.await(t, "the peer is not in trusted_proxies")
	if body, err := dial(trusted, true, ""); err == nil && strings.Contains(body, "200") {
		t.Errorf("plain: got %s", body)
	}
}

// TestChanged shows that who watches is cut when he is not any more who he was.
func TestChanged(t *testing.T) {
	e := newEstate(t, Options{Updates: NewUpdates(nil, nil)})
	eve, bob := e.open(t, "/api/v1/live", with("eve-user")), e.open(t, "/api/v1/live", with("bob-admin"))
	e.Changed(identity.Change{Users: []string{"eve"}})
	if _, _, err := eve.Read(t.Context()); websocket.CloseStatus(err) != websocket.StatusPolicyViolation {
		t.Errorf("who was changed got %v", err)
	}
	cert := e.ca.client(t, "ann-user")
	nc, err := tls.Dial("tcp", e.Addr(httpsListener).String(), &tls.Config{RootCAs: e.ca.pool(), ServerName: "tak.example", Certificates: []tls.Certificate{*cert}})
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	if status, err := roundTrip(nc); err != nil || status != "404 Not Found" {
		t.Fatalf("got %s, %v", status, err)
	}
	e.Changed(identity.Change{Certificates: []string{identity.SerialText(cert.Leaf.SerialNumber)}})
	if _, err := nc.Read(make([]byte, 1)); err == nil || errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the connection of a revoked certificate: %v", err)
	}
	if err := bob.Ping(bob.CloseRead(t.Context())); err != nil {
		t.Errorf("somebody else was cut: %v", err)
	}
}
