package taktest_test

import (
	"errors"
	"io"
	"net/url"
	"testing"

	"github.com/takhost/takhost/core/config"
	"github.com/takhost/takhost/tests/takclient"
	"github.com/takhost/takhost/tests/taktest"
)

func TestMain(m *testing.M) { taktest.Main(m) }

// see has one client of each connection see the other, and asks the server in
// all ways.
func see(t *testing.T, admin *taktest.Admin, log *taktest.Log, a, b *takclient.Client) {
	t.Helper()
	live := admin.Watch(t, nil)
	takclient.Must(t, a.SA(1, 2))
	b.ExpectUID(t, a.UID())
	e := live.Expect(t, a.UID())
	stored := admin.Archived(t, 1, url.Values{"uid": {a.UID()}})
	if len(stored) != 1 || stored[0].ID != e.ID || stored[0].XML != e.XML {
		t.Errorf("archive: got %v, want the event %s alone", stored, e.ID)
	}
	if c := admin.ClientOf(t, a.UID()); c.Callsign != a.Callsign() || c.Addr != a.LocalAddr().String() {
		t.Errorf("list of clients: got %s from %s, want %s from %s", c.Callsign, c.Addr, a.Callsign(), a.LocalAddr())
	}
	if n := admin.Metric(t, "takhost_route_published_total"); n != 1 {
		t.Errorf("metric of published events: got %v, want 1", n)
	}
	takclient.Must(t, a.Send("<event/>"))
	log.Logged(t, "bad input dropped", a.LocalAddr().String())
}

func TestServerInProcess(t *testing.T) {
	srv := taktest.Start(t, taktest.WithTLS())
	see(t, srv.Admin, srv.Log, srv.Client(t), srv.TLSClient(t, "bravo"))
	live := srv.Watch(t, nil)
	srv.Restart(t)
	if err := live.Ended(t); !errors.Is(err, io.EOF) {
		t.Errorf("live events of a server that stopped: got %v, want EOF", err)
	}
	srv.Client(t).Sync(t)
	srv.Stop(t)
	srv.Stop(t)
}

func TestServerOnPostgres(t *testing.T) {
	srv := taktest.Start(t, taktest.WithPostgres())
	see(t, srv.Admin, srv.Log, srv.Client(t), srv.Client(t))
}

func TestTryGivesTheError(t *testing.T) {
	first := taktest.Start(t)
	_, err := taktest.Try(t, taktest.WithConfig(func(c *config.Config) { c.Data = first.Config.Data }))
	if err == nil {
		t.Error("two servers on one data folder: got no error")
	}
}

func TestChild(t *testing.T) {
	srv := taktest.Run(t)
	a, b := srv.Client(t), srv.Client(t)
	see(t, srv.Admin, srv.Log, a, b)
	if now, peak := srv.Memory(t); now < 1<<20 || peak < now {
		t.Errorf("memory: got %d, at most %d so far", now, peak)
	}
	srv.Kill9(t)
	srv.Restart(t)
	srv.Client(t).Sync(t)
	if code := srv.Interrupt(t); code != 0 {
		t.Errorf("exit code after an interrupt: got %d, want 0", code)
	}
	if out := taktest.Command(t, "status", "--data", srv.Data); out.Code == 0 || out.Err == "" {
		t.Errorf("status of a server that is not there: got %+v, want an error", out)
	}
}
