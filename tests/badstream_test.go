package tests

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/takhost/takhost/core/config"
	"github.com/takhost/takhost/tests/takclient"
	"github.com/takhost/takhost/tests/taktest"
)

func TestHalfAnEventAndThenSilence(t *testing.T) {
	srv := taktest.Start(t, limits(func(l *config.Limits) { l.UnfinishedWait = config.Duration(100 * time.Millisecond) }))
	marker, _ := takclient.NewMarker()
	for name, opts := range encodings {
		for _, what := range []string{"the first byte", "half", "all but the last byte"} {
			t.Run(name+", "+what, func(t *testing.T) {
				a, b := srv.Client(t, opts...), srv.Client(t)
				wire := []byte(marker.XML())
				if a.Proto() {
					wire = frame(t, marker.XML())
				}
				part := map[string]int{"the first byte": 1, "half": len(wire) / 2, "all but the last byte": len(wire) - 1}
				takclient.Must(t, a.SendRaw(wire[:part[what]]))
				srv.Logged(t, "bad input dropped, the connection goes on", a.LocalAddr().String(), "unfinished event, and nothing more came")
				takclient.Fence(t, a, b)
				b.Quiet(t, a)
				if n := srv.Metric(t, "takhost_stream_unfinished_bytes"); n != 0 {
					t.Errorf("unfinished bytes: got %v, want none", n)
				}
			})
		}
	}
}

// waitEOF waits until the server has closed a connection on which nothing is
// expected, and gives what came before.
func waitEOF(t *testing.T, c net.Conn) string {
	t.Helper()
	takclient.Must(t, c.SetReadDeadline(time.Now().Add(takclient.DefaultWait)))
	b, err := io.ReadAll(c)
	if netErr := net.Error(nil); errors.As(err, &netErr) && netErr.Timeout() {
		t.Fatalf("the connection is open after %v, want it closed; got %q", takclient.DefaultWait, b)
	}
	return string(b)
}

func dial(t *testing.T, addr string) net.Conn {
	t.Helper()
	c, err := net.DialTimeout("tcp", addr, takclient.DefaultWait)
	takclient.Must(t, err)
	t.Cleanup(func() { c.Close() })
	return c
}

func TestConnectionsThatSendNothingAreKeptUpToTheLimits(t *testing.T) {
	tests := []struct {
		name string
		set  func(*config.Limits)
		want string
	}{
		{"in total", func(l *config.Limits) { l.Connections = 3 }, "limits.connections is 3 and as many are open"},
		{"of one address", func(l *config.Limits) { l.ConnectionsPerAddress = 3 }, "limits.connections_per_address is 3 and as many are open"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			srv := taktest.Start(t, limits(tt.set))
			a, b, c := srv.Client(t), srv.Client(t), srv.Client(t)
			for range 3 {
				refused := dial(t, srv.Addr("tcp"))
				if got := waitEOF(t, refused); got != "" {
					t.Errorf("a refused connection got %q, want nothing", got)
				}
				srv.Logged(t, "connection refused", refused.LocalAddr().String(), tt.want)
			}
			if n := srv.Metric(t, "takhost_stream_refused_total"); n != 3 {
				t.Errorf("refused connections: counted %v, want 3", n)
			}
			present(t, a, b, c)
			c.Close()
			waitForConnections(t, srv.Admin, 2)
			srv.Client(t).ExpectUID(t, a.UID())
		})
	}
}

func TestBadTLSHandshakes(t *testing.T) {
	srv := taktest.Start(t, taktest.WithTLS(), limits(func(l *config.Limits) { l.Handshake = config.Duration(200 * time.Millisecond) }))
	stranger := taktest.NewPKI(t)
	shake := func(conf *tls.Config) func(*testing.T, net.Conn) {
		return func(t *testing.T, c net.Conn) {
			conf = conf.Clone()
			conf.ServerName = "localhost"
			tc := tls.Client(c, conf)
			if err := tc.Handshake(); err == nil { // TLS 1.3 tells a client of its refusal at its first read
				takclient.Must(t, tc.SetReadDeadline(time.Now().Add(takclient.DefaultWait)))
				if _, err := tc.Read(make([]byte, 1)); err == nil {
					t.Error("a client that must not come in was served")
				}
			}
		}
	}
	nameless := srv.PKI.Client(t, "")
	others := stranger.Client(t, "mallory")
	others.RootCAs = nameless.RootCAs
	old := srv.PKI.Client(t, "old")
	old.MinVersion, old.MaxVersion = tls.VersionTLS10, tls.VersionTLS11
	tests := []struct {
		name, want string
		do         func(*testing.T, net.Conn)
	}{
		{"never begins", "limits.handshake", func(*testing.T, net.Conn) {}},
		{"never ends", "limits.handshake", func(t *testing.T, c net.Conn) {
			_, err := c.Write([]byte{0x16, 3, 1, 2, 0, 1, 0, 1, 0xFC, 3, 3}) // the begin of a hello
			takclient.Must(t, err)
		}},
		{"XML", "first record does not look like a TLS handshake", func(t *testing.T, c net.Conn) {
			_, err := c.Write([]byte(`<event uid="U" type="t"></event>`))
			takclient.Must(t, err)
		}},
		{"no certificate", "no certificate", shake(nameless)},
		{"a stranger's certificate", "foreign CA", shake(others)},
		{"TLS 1.1", "unsupported versions", shake(old)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := dial(t, srv.Addr("tls"))
			tt.do(t, c)
			srv.Logged(t, "TLS handshake failed", c.LocalAddr().String(), tt.want)
			waitEOF(t, c)
		})
	}
	waitForConnections(t, srv.Admin, 0)
	if n := srv.Metric(t, "takhost_stream_handshake_failures_total"); n != float64(len(tests)) {
		t.Errorf("failed handshakes: counted %v, want %d", n, len(tests))
	}
	takclient.Must(t, srv.TLSClient(t, "alice").SA(1, 1))
}

// Handshakes that never end hold no connection out that would come in.
func TestManyUnfinishedHandshakesKeepNobodyOut(t *testing.T) {
	srv := taktest.Start(t, taktest.WithTLS(), taktest.WithLimitedLog(), limits(func(l *config.Limits) { l.Handshake = config.Duration(time.Second) }))
	for range 500 {
		dial(t, srv.Addr("tls"))
	}
	a, b := srv.TLSClient(t, "alice"), srv.TLSClient(t, "bob")
	present(t, a, b)
	eventually(t, "unfinished handshakes end", func() bool { return srv.Metric(t, "takhost_stream_connections") == 2 })
}

func TestBadHTTPHeaders(t *testing.T) {
	srv := taktest.Start(t, limits(func(l *config.Limits) { l.Handshake = config.Duration(200 * time.Millisecond) }))
	const want = "connection closed without a whole HTTP header: it did not end in time, is malformed or too large"
	for name, header := range map[string]string{
		"never ends": "GET /healthz HTTP/1.1\r\nHost: x\r\n",
		"malformed":  "<event uid=\"U\" type=\"t\"/>\r\n\r\n",
		"too large":  "GET /healthz HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("a", 1<<20),
	} {
		t.Run(name, func(t *testing.T) {
			c := dial(t, srv.Addr("rest"))
			// The server may close before all is written.
			if _, err := io.WriteString(c, header); err != nil && name != "too large" {
				t.Fatal(err)
			}
			srv.Logged(t, want, c.LocalAddr().String(), "listener=rest")
			waitEOF(t, c)
		})
	}
	if n := srv.Metric(t, "takhost_stream_refused_total"); n != 0 {
		t.Errorf("refused connections: counted %v, want none", n)
	}
}
