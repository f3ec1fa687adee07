package tests

import (
	"testing"
	"time"

	"github.com/takhost/takhost/core/config"
	"github.com/takhost/takhost/tests/takclient"
	"github.com/takhost/takhost/tests/taktest"
)

// eventually asks a server, which tells nobody when it has come so far, again
// and again until ok says true, at most takclient.DefaultWait.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	limit := time.NewTimer(takclient.DefaultWait)
	defer limit.Stop()
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for !ok() {
		select {
		case <-again.C:
		case <-limit.C:
			t.Fatalf("%s: not so after %v", what, takclient.DefaultWait)
		}
	}
}

// waitForConnections waits until the server holds n connections.
func waitForConnections(t *testing.T, a *taktest.Admin, n int) {
	t.Helper()
	eventually(t, "number of connections", func() bool { return a.Status(t).Connections == n })
}

// limits changes the limits of a server.
func limits(change func(*config.Limits)) taktest.Option {
	return taktest.WithConfig(func(c *config.Config) { change(&c.Limits) })
}
