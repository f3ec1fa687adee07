package tests

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/takhost/takhost/tests/takclient"
	"github.com/takhost/takhost/tests/taktest"
)

// Connections that send nothing are legitimate: displays only receive. What one
// may cost is in the design's table of numbers.
func TestIdleConnectionsAreHeldAndServed(t *testing.T) {
	t.Run("plain", func(t *testing.T) {
		idle(t, taktest.Run(t, withoutPlugins...), "tcp", 5000, 10<<10, nil)
	})
	t.Run("TLS", func(t *testing.T) {
		pki := taktest.NewPKI(t)
		srv := taktest.Run(t, append([]string{"--set", "listen.tls=127.0.0.1:0",
			"--set", "tls.cert=" + pki.Files.Cert, "--set", "tls.key=" + pki.Files.Key, "--set", "tls.client_ca=" + pki.Files.ClientCA}, withoutPlugins...)...)
		idle(t, srv, "tls", 1000, 40<<10, pki.Client(t, "display"))
	})
	t.Run("TLS of the own authority", func(t *testing.T) {
		srv := taktest.Run(t, append(taktest.Listening("tls"), withoutPlugins...)...)
		addUser(t, srv.Admin, "display")
		idle(t, srv, "tls", 1000, 40<<10, issue(t, srv.Admin, "display", false).TLS())
	})
}

// withoutPlugins keeps what plugins take when they start, processor and memory, out
// of a measurement.
var withoutPlugins = []string{"--set", "plugins.chat.enabled=false", "--set", "plugins.emergency.enabled=false"}

func idle(t *testing.T, srv *taktest.Child, listener string, n int, most int64, conf *tls.Config) {
	talk := srv.Client(t)
	addr := srv.Addr(t, listener)
	// What the first connections make the server allocate for good does not
	// belong to each.
	closeAll(connect(t, addr, 50, conf))
	waitForConnections(t, srv.Admin, 1)
	before, _ := srv.Memory(t)
	conns := connect(t, addr, n, conf)
	defer closeAll(conns)
	if got := srv.Status(t).Connections; got != n+1 {
		t.Fatalf("the server holds %d connections, want %d", got, n+1)
	}
	// Garbage of the joining goes when the collector and the scavenger have
	// run; what stays is the cost.
	var each int64
	eventually(t, fmt.Sprintf("at most %d bytes for each of %d connections", most, n), func() bool {
		now, _ := srv.Memory(t)
		each = (now - before) / int64(n)
		return each <= most
	})
	now, peak := srv.Memory(t)
	t.Logf("%d idle connections: %d bytes each, %.1f MB in all, %.1f MB at most", n, each, float64(now)/1e6, float64(peak)/1e6)

	marker, _ := takclient.NewMarker()
	takclient.Must(t, talk.Send(marker.XML()))
	var g errgroup.Group
	g.SetLimit(100)
	for i, c := range conns {
		g.Go(func() error {
			if err := c.readUntil(marker.UID); err != nil {
				return fmt.Errorf("connection %d of %d was not served: %w", i, n, err)
			}
			return nil
		})
	}
	takclient.Must(t, g.Wait())
	if got := srv.Status(t).Connections; got != n+1 {
		t.Errorf("the server holds %d connections, want %d", got, n+1)
	}
}

// idleConn is a connection that only reads, without the memory and the
// goroutine of a takclient.Client.
type idleConn struct {
	net.Conn
	in *bufio.Reader
}

// connect opens n connections and reads what each gets at first.
func connect(t *testing.T, addr string, n int, conf *tls.Config) []*idleConn {
	t.Helper()
	conns := make([]*idleConn, n)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(64)
	for i := range n {
		g.Go(func() error {
			var d net.Dialer
			c, err := d.DialContext(ctx, "tcp", addr)
			if err != nil {
				return fmt.Errorf("connection %d: %w", i, err)
			}
			if conf != nil {
				conf := conf.Clone()
				conf.ServerName = "localhost"
				c = tls.Client(c, conf)
			}
			conns[i] = &idleConn{c, bufio.NewReaderSize(c, 512)}
			if err := conns[i].readUntil("t-x-takp-v"); err != nil {
				return fmt.Errorf("connection %d: %w", i, err)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		closeAll(conns)
		t.Fatal(err)
	}
	return conns
}

func closeAll(conns []*idleConn) {
	for _, c := range conns {
		if c != nil {
			c.Close()
		}
	}
}

// readUntil reads to the end of the event that holds text.
func (c *idleConn) readUntil(text string) error {
	if err := c.SetReadDeadline(time.Now().Add(takclient.DefaultWait)); err != nil {
		return err
	}
	var event strings.Builder
	for {
		part, err := c.in.ReadString('>')
		event.WriteString(part)
		switch {
		case err != nil:
			return fmt.Errorf("%w, waiting for %q", err, text)
		case !strings.HasSuffix(part, "</event>"):
		case strings.Contains(event.String(), text):
			return nil
		default:
			event.Reset()
		}
	}
}
