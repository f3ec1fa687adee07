package tests

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/takhost/takhost/core/web"
	"github.com/takhost/takhost/tests/takclient"
	"github.com/takhost/takhost/tests/taktest"
)

// The commands that look at a running server, against the real program.
func TestCommandsAgainstARunningServer(t *testing.T) {
	srv := taktest.Run(t)
	a, b := srv.Client(t, takclient.WithCallsign("ALPHA")), srv.Client(t)
	takclient.Must(t, a.SA(48.5, 11.5))
	b.ExpectUID(t, a.UID())
	chat := a.GeoChat("hello from the archive")
	takclient.Must(t, a.Send(chat.XML()))
	b.ExpectUID(t, chat.UID)
	srv.Archived(t, 2, nil)
	run := func(args ...string) string {
		t.Helper()
		out := taktest.Command(t, append(args, "--data", srv.Data)...)
		if out.Code != 0 || out.Err != "" {
			t.Fatalf("takhost %s: got exit code %d and %q, want 0 and no error", strings.Join(args, " "), out.Code, out.Err)
		}
		return out.Out
	}

	var st web.Status
	if err := json.Unmarshal([]byte(run("status", "--json")), &st); err != nil || st.PID != srv.PID() || st.Connections != 2 || st.Clients != 1 {
		t.Errorf("status --json: got %+v, %v; want process %d, 2 connections, 1 client", st, err, srv.PID())
	}
	if got := run("status", "--clients"); !strings.Contains(got, "ALPHA") || !strings.Contains(got, "listen.tcp") {
		t.Errorf("status --clients: got %s", got)
	}
	var found []string
	for line := range strings.Lines(run("events", "query", "--json", "--order", "asc")) {
		var e web.Event
		takclient.Must(t, json.Unmarshal([]byte(line), &e))
		found = append(found, e.UID)
	}
	if want := []string{a.UID(), chat.UID}; !slices.Equal(found, want) {
		t.Errorf("events query: got %q, want %q", found, want)
	}
	if got := run("events", "query", "--type", "b-t-f"); !strings.Contains(got, "hello from the archive") || strings.Contains(got, "a-f-G") {
		t.Errorf("events query --type: got %s", got)
	}
	if got := run("events", "query", "--xml", "--box", "48,11,49,12"); !strings.Contains(got, b.All()[1].XML) && !strings.Contains(got, a.UID()) {
		t.Errorf("events query --xml: got %s", got)
	}
}

// What was archived can be sent again, as a client would.
func TestReplayOfTheArchive(t *testing.T) {
	srv := taktest.Run(t)
	a, b := srv.Client(t), srv.Client(t)
	present(t, a, b)
	e, is := takclient.NewMarker()
	e.Detail = "<remarks>again</remarks>"
	takclient.Must(t, a.Send(e.XML()))
	b.Expect(t, is)
	srv.Archived(t, 3, nil)
	out := taktest.Command(t, "events", "replay", "--data", srv.Data, "--from", "1h", "--type", "b-m-*", "--speed", "100")
	if out.Code != 0 {
		t.Fatalf("events replay: got exit code %d and %s", out.Code, out.Err)
	}
	for _, c := range []*takclient.Client{a, b} {
		if got := c.Expect(t, is); !strings.Contains(got.XML, "again") {
			t.Errorf("replayed: got %s", got.XML)
		}
	}
}
