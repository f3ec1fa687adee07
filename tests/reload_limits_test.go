package tests

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/takhost/takhost/tests/takclient"
	"github.com/takhost/takhost/tests/taktest"
)

// TestReloadLimitsOfClients: the limits of CoT clients change by SIGHUP and by
// "config reload" while clients are connected, and none of these is dropped.
func TestReloadLimitsOfClients(t *testing.T) {
	conf := filepath.Join(t.TempDir(), "takhost.yaml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(conf, []byte(text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("limits: {connections: 100}")
	srv := taktest.Run(t, "--config", conf)
	a, b := srv.Client(t), srv.Client(t)
	send := func(uid string, bytes int) {
		t.Helper()
		e := takclient.Event{UID: uid, Type: "b-t-f", How: "h-g-i-g-o", Detail: "<remarks>" + strings.Repeat("x", bytes) + "</remarks>"}
		takclient.Must(t, a.Send(e.XML()))
	}
	heard := func(uid string, bytes int) {
		t.Helper()
		send(uid, bytes)
		b.ExpectUID(t, uid)
	}
	heard("before", 20<<10)

	write("limits: {connections: 2, event: 10KiB, queue_events: 100, gather: 0s, stall: 5s, handshake: 1s}")
	srv.Signal(t, syscall.SIGHUP)
	srv.Log.Logged(t, "configuration read again")
	heard("small", 1<<10)
	send("large", 20<<10)
	srv.Log.Logged(t, "bad input dropped", "longer than 10240")
	b.Never(t, takclient.UID("large"), a)
	if _, err := takclient.Connect(t.Context(), srv.Addr(t, "tcp"), takclient.WithProto()); err == nil {
		t.Error("a third client came in")
	}
	srv.Log.Logged(t, "connection refused", "limits.connections is 2 and")

	write("archive: {keep: 1h}")
	out := taktest.Command(t, "config", "reload", "--data", srv.Data)
	if out.Code != 0 {
		t.Fatalf("config reload: %+v", out)
	}
	heard("large again", 20<<10)
	srv.Client(t).Sync(t)
	line := srv.Log.Logged(t, "take effect at the next start", "archive.keep")
	if strings.Contains(line, "limits.") {
		t.Errorf("a limit waits for a restart: %s", line)
	}
	if n := srv.Log.CountLogged("connection closed"); n != 0 {
		t.Errorf("%d connections were closed", n)
	}
}
