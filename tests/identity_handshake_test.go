//go:build !race

package tests

import (
	"context"
	"crypto/tls"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/takhost/takhost/tests/takclient"
	"github.com/takhost/takhost/tests/taktest"
)

// A crowd that comes back after a cut of the network is let in at 200 TLS
// handshakes a second at least, each a whole one with a certificate of the own
// authority, with client and server on the same processors.
func TestHandshakeRate(t *testing.T) {
	srv := taktest.Run(t, append(taktest.Listening("tls", "web"), append([]string{"--set", "public=" + publicName}, withoutPlugins...)...)...)
	addUser(t, srv.Admin, "ann")
	dev := enrolTo(t, srv.Admin, srv.Addr(t, "web"), "ann", "ANDROID-ann")
	addr := srv.Addr(t, "tls")
	const n, least = 600, 200
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		t.Run(tls.VersionName(version), func(t *testing.T) {
			conf := dev.TLS()
			conf.ServerName, conf.MinVersion, conf.MaxVersion = "127.0.0.1", version, version
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			begun := time.Now()
			g, ctx := errgroup.WithContext(ctx)
			g.SetLimit(32)
			for range n {
				g.Go(func() error {
					conn, err := (&tls.Dialer{Config: conf}).DialContext(ctx, "tcp", addr)
					if err != nil {
						return err
					}
					defer conn.Close()
					_, err = conn.Read(make([]byte, 1)) // the server is through with it too
					return err
				})
			}
			takclient.Must(t, g.Wait())
			rate := n / time.Since(begun).Seconds()
			t.Logf("%.0f handshakes a second", rate)
			if rate < least {
				t.Errorf("%.0f handshakes a second, want %d", rate, least)
			}
		})
	}
}
