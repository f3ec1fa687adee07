package tests

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/takhost/takhost/tests/takclient"
	"github.com/takhost/takhost/tests/taktest"
)

// fill takes all of a small disk with one file, which it gives.
func fill(t *testing.T, dir string) string {
	t.Helper()
	path := filepath.Join(dir, "other people's data")
	f, err := os.Create(path)
	takclient.Must(t, err)
	defer f.Close()
	block := make([]byte, 64<<10)
	for len(block) > 0 {
		if _, err := f.Write(block); err != nil {
			block = block[:len(block)/2]
		}
	}
	return path
}

// send has from send n events, each of them after the one before has arrived.
func send(t *testing.T, from, to *takclient.Client, typ string, n int) {
	t.Helper()
	for i := range n {
		e := takclient.Event{UID: fmt.Sprintf("%s-%d-%d", typ, time.Now().UnixNano(), i), Type: typ, How: "m-g", Detail: "<remarks>" + strings.Repeat("a", 1000) + "</remarks>"}
		takclient.Must(t, from.Send(e.XML()))
		to.ExpectUID(t, e.UID)
	}
}

// The archive waits while the disk is full, and says so; routing does not care.
// When there is room again, what waited is stored.
func TestFullDisk(t *testing.T) {
	dir := taktest.SmallDisk(t, 16<<20)
	srv := taktest.RunIn(t, dir)
	a, b := srv.Client(t), srv.Client(t)
	send(t, a, b, "b-x-before", 10)
	srv.Archived(t, 10, url.Values{"type": {"b-x-before"}})

	filler := fill(t, dir)
	for range 300 { // until what SQLite had in reserve is used up
		send(t, a, b, "b-x-full", 50)
		if srv.Status(t).Archive.State != "ok" {
			break
		}
	}
	line := srv.Logged(t, "level=ERROR", "disk")
	if !strings.Contains(line, "free space") {
		t.Errorf("got the line %q, want it to say what to do", line)
	}
	if st := srv.Status(t).Archive.State; st != "disk full" && st != "low disk" {
		t.Errorf("state of the archive: got %q, want disk full or low disk", st)
	}
	send(t, a, b, "b-x-on", 50)
	out := taktest.Command(t, "status", "--data", dir)
	if out.Code != 0 || !strings.Contains(out.Out, "archive") || !strings.Contains(out.Out, "disk") {
		t.Errorf("takhost status: got %+v, want the state of the archive", out)
	}

	takclient.Must(t, os.Remove(filler))
	eventually(t, "the archive goes on", func() bool { return srv.Status(t).Archive.State == "ok" })
	send(t, a, b, "b-x-after", 10)
	srv.Archived(t, 10, url.Values{"type": {"b-x-after"}})
	st := srv.Status(t).Archive
	stored := len(srv.Events(t, url.Values{"type": {"b-x-full", "b-x-on"}}))
	sent := b.Count(takclient.Type("b-x-full")) + b.Count(takclient.Type("b-x-on"))
	t.Logf("%d events while the disk was full, %d stored in the end, %d counted as lost", sent, stored, st.Dropped)
	if stored+int(st.Dropped) != sent {
		t.Errorf("%d events stored and %d counted as lost, want %d in all", stored, st.Dropped, sent)
	}
}

// A server whose disk is full from the begin says so and stops.
func TestStartOnAFullDisk(t *testing.T) {
	dir := taktest.SmallDisk(t, 1<<20)
	fill(t, dir)
	out := taktest.Command(t, "serve", "--data", dir, "--set", "listen.tcp=127.0.0.1:0", "--set", "listen.rest=127.0.0.1:0")
	if out.Code != 1 || !strings.Contains(out.Err, "full") || !strings.Contains(out.Err, "free space") || strings.Contains(out.Err, "damaged") {
		t.Errorf("got exit code %d and %q, want 1, that the disk is full, and to free space", out.Code, out.Err)
	}
}
