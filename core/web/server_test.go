package web

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// listenREST opens listen.rest on a free port.
func (s *site) listenREST(t testing.TB, conf *tls.Config) string {
	t.Helper()
	if at := s.Addr(restListener); at != nil {
		t.Errorf("rest is at %v before it is open", at)
	}
	addr, err := s.Listen(context.Background(), restListener, "127.0.0.1:0", ListenOptions{TLS: conf})
	if err != nil {
		t.Fatal(err)
	}
	return addr.String()
}

func TestREST(t *testing.T) {
	for _, c := range []struct {
		name, method, path string
		ready              error
		status             int
		want               string
	}{
		{"health", "GET", "/healthz", errors.New("no"), 200, "ok\n"},
		{"ready", "GET", "/readyz", nil, 200, "ready\n"},
		{"not ready", "GET", "/readyz", errors.New("not all listeners are open"), 503, "not ready: not all listeners are open\n"},
		{"metrics", "GET", "/metrics", nil, 200, "takhost_test 42\n"},
		{"root leads to the description", "GET", "/", nil, 200, "<title>takhost API</title>"},
		{"no such path", "GET", "/x", nil, 404, "there is no /x"},
		{"api needs a token", "GET", "/api/v1/status", nil, 401, "Authorization: Bearer TOKEN"},
		{"post", "POST", "/metrics", nil, 405, "POST is not possible on /metrics"},
		{"head", "HEAD", "/healthz", nil, 200, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSite(t, &fakeCore{ready: c.ready}, 0)
			url := "http://" + s.listenREST(t, nil) + c.path
			req, err := http.NewRequest(c.method, url, nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Close = true
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			if err != nil {
				t.Fatal(err)
			}
			if resp.StatusCode != c.status || !strings.Contains(string(body), c.want) {
				t.Errorf("got %s %q, want %d %q", resp.Status, body, c.status, c.want)
			}
		})
	}
}

func TestRESTOverTLS(t *testing.T) {
	s := newSite(t, &fakeCore{}, 0)
	helper := httptest.NewTLSServer(nil) // for its certificate
	defer helper.Close()
	addr := s.listenREST(t, &tls.Config{Certificates: helper.TLS.Certificates})
	client := helper.Client()
	defer client.CloseIdleConnections()
	resp, err := client.Get("https://" + addr + "/healthz")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); err != nil || string(body) != "ok\n" {
		t.Errorf("got %q, %v", body, err)
	}
}

// TestBadBeginnings sends what is no request to listen.rest: the connection is
// closed, with a line in the log, and others are served.
func TestBadBeginnings(t *testing.T) {
	noHeader := "connection closed without a whole HTTP header"
	for _, c := range []struct {
		name   string
		tls    bool
		send   string
		answer string // how it begins
		log    string
	}{
		{"header that never ends", false, "GET /healthz HTTP/1.1\r\nHost: x\r\nX-Y: ", "", noHeader},
		{"one byte", false, "G", "HTTP/1.1 400", noHeader},
		{"no HTTP", false, "<event/>\r\n\r\n", "HTTP/1.1 400", noHeader},
		{"header too large", false, "GET / HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("y", 80<<10) + "\r\n\r\n", "HTTP/1.1 431", noHeader},
		{"TLS handshake that never ends", true, "\x16\x03\x01", "", "TLS handshake failed\" listener=rest"},
		{"no TLS", true, "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "HTTP/1.0 400", "the client speaks HTTP and no TLS"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSite(t, &fakeCore{}, 100*time.Millisecond)
			var conf *tls.Config
			if c.tls {
				helper := httptest.NewTLSServer(nil)
				defer helper.Close()
				conf = &tls.Config{Certificates: helper.TLS.Certificates}
			}
			nc, err := net.Dial("tcp", s.listenREST(t, conf))
			if err != nil {
				t.Fatal(err)
			}
			defer nc.Close()
			if err := nc.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
				t.Fatal(err)
			}
			if _, err := io.WriteString(nc, c.send); err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(nc)
			if ne := net.Error(nil); errors.As(err, &ne) && ne.Timeout() {
				t.Fatal("the connection is not closed")
			}
			if !strings.HasPrefix(string(got), c.answer) || c.answer == "" && len(got) > 0 {
				t.Errorf("got %q, want %q", got, c.answer)
			}
			s.log.await(t, c.log)
			if log := s.log.String(); !strings.Contains(log, "level=WARN") || !strings.Contains(log, "listener=rest") || !strings.Contains(log, nc.LocalAddr().String()) {
				t.Errorf("the log does not name the address:\n%s", log)
			}
		})
	}
}

func TestPortTaken(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	s := newSite(t, &fakeCore{}, 0)
	_, err = s.Listen(context.Background(), restListener, ln.Addr().String(), ListenOptions{})
	if err == nil || !strings.Contains(err.Error(), "listen.rest: ") || !strings.Contains(err.Error(), "address already in use") {
		t.Errorf("got %v", err)
	}
	if at := s.Addr(restListener); at != nil {
		t.Errorf("rest is at %v", at)
	}
}

func TestListenAfterClose(t *testing.T) {
	s := newSite(t, &fakeCore{}, 0)
	if err := s.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Listen(context.Background(), restListener, "127.0.0.1:0", ListenOptions{}); err == nil {
		t.Error("a stopped server listens")
	}
	if err := s.ListenAdmin(s.path); err == nil {
		t.Error("a stopped server listens")
	}
}

// TestCloseAnswersRequests shows that a stop lets a request under way end.
func TestCloseAnswersRequests(t *testing.T) {
	asked, answer := make(chan struct{}), make(chan struct{})
	s := newSite(t, &fakeCore{status: func() (Status, error) {
		close(asked)
		<-answer
		return Status{Version: "v9"}, nil
	}}, 0)
	nc := s.dial(t)
	if _, err := io.WriteString(nc, "GET /api/v1/status HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	<-asked
	closed := make(chan error, 1)
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		closed <- s.Close(ctx)
	}()
	<-s.live.watch(Filter{}).done // the stop has begun
	close(answer)
	resp, err := http.ReadResponse(bufio.NewReader(nc), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); err != nil || !strings.Contains(string(body), `"version":"v9"`) {
		t.Errorf("got %s %q, %v", resp.Status, body, err)
	}
	if err := <-closed; err != nil {
		t.Errorf("close: %v", err)
	}
}
