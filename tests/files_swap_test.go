package tests

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/takhost/takhost/core/plugin"
)

// traffic is clients that send files and fetch them, until they are stopped. Where the
// plugin is away they are refused; what was answered with success counts.
type traffic struct {
	answered
	quit    chan struct{}
	busy    sync.WaitGroup
	refused atomic.Int64
	down    atomic.Int64
}

func startTraffic(t *testing.T, srv *fileServer) *traffic {
	t.Helper()
	d := &traffic{answered: *newAnswered(), quit: make(chan struct{})}
	going := func() bool {
		select {
		case <-d.quit:
			return false
		default:
			return true
		}
	}
	for i := range 3 {
		m := srv.as(t, srv.anna).mover(t)
		d.busy.Go(func() {
			for n := uint64(0); going(); n++ {
				c := content{uint64(i+1)<<32 + n, []int64{100, 50_000, 2 << 20}[n%3]}
				r, err := m.send("POST", "/Marti/sync/upload?name=f", "image/png", c.reader(), c.size)
				var got receivedFile
				switch {
				case err != nil:
					t.Errorf("upload: %v", err)
					return
				case r.status == 503 || r.status == 404:
					d.refused.Add(1)
				case r.decode(200, &got) != nil || got.Hash != c.hash():
					t.Errorf("upload: got %d %s", r.status, r.body)
					return
				default:
					d.keep(c, got)
				}
			}
		})
	}
	first := content{1, 3 << 20}
	m := srv.as(t, srv.bert).mover(t)
	if _, err := srv.as(t, srv.anna).mover(t).put("first", first); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		d.busy.Go(func() {
			for going() {
				status, _, sum, n, err := m.fetch("GET", "/Marti/sync/content?hash="+first.hash())
				switch {
				case err != nil:
					t.Errorf("download: %v", err)
					return
				case status == 503 || status == 404:
					d.refused.Add(1)
				case status != 200 || sum != first.hash():
					t.Errorf("download: got %d, %d bytes of %s", status, n, sum)
					return
				default:
					d.down.Add(1)
				}
			}
		})
	}
	return d
}

// whole ends it, and wants that all is there that was answered for.
func (d *traffic) whole(t *testing.T, srv *fileServer) {
	t.Helper()
	close(d.quit)
	d.busy.Wait()
	m := srv.as(t, srv.bert).mover(t)
	for c := range d.kept {
		status, _, sum, n, err := m.fetch("GET", "/Marti/sync/content?hash="+c.hash())
		if err != nil || status != 200 || sum != c.hash() {
			t.Errorf("a file that was answered for: got %d, %d bytes of %s, %v", status, n, sum, err)
		}
	}
	t.Logf("%d uploads and %d downloads, %d refused meanwhile", len(d.kept), d.down.Load(), d.refused.Load())
}

// begun is a download that has begun and waits for its reader.
func begun(t *testing.T, srv *fileServer, c content) (finish func()) {
	t.Helper()
	m := srv.as(t, srv.anna).mover(t)
	resp, err := m.do("GET", "/Marti/sync/content?hash="+c.hash(), func(*http.Request) {})
	if err != nil || resp.StatusCode != 200 {
		t.Fatalf("got %v, %v", resp, err)
	}
	return func() {
		defer resp.Body.Close()
		if sum, _, err := sumAll(resp.Body); err != nil || sum != c.hash() {
			t.Errorf("a download that had begun: got %s, %v", sum, err)
		}
	}
}

// Versions of the plugin follow one another while files go up and down: none that was
// answered for is lost, none is refused, and what had begun comes to its end.
func TestSwapUnderFiles(t *testing.T) {
	t.Parallel()
	srv := startFiles(t)
	large := content{77, 64 << 20}
	if _, err := srv.as(t, srv.anna).mover(t).put("large", large); err != nil {
		t.Fatal(err)
	}
	d := startTraffic(t, srv)
	d.wait(3)
	finish := begun(t, srv, large)
	// This one is under way all the while: it ends by another version than it began.
	half, resume := make(chan struct{}), make(chan struct{})
	slow := content{78, 4 << 20}
	m := srv.as(t, srv.anna).mover(t)
	done := make(chan error, 1)
	go func() {
		r, err := m.send("POST", "/Marti/sync/upload?name=slow", "image/png", &pausing{Reader: slow.reader(), at: 1 << 20, reached: half, resume: resume}, slow.size)
		if err == nil {
			err = r.decode(200, &receivedFile{})
		}
		done <- err
	}()
	<-half
	for n := 1; n <= 4; n++ {
		version := fmt.Sprintf("1.0.%d", n)
		answer, err := srv.Swap("files", filesVersion(t, version))
		if err != nil || answer.Status != 200 {
			t.Fatalf("swap to %s: got %+v, %v", version, answer, err)
		}
		if i := srv.Plugin(t, "files"); i.Version != version || i.State != plugin.Active {
			t.Errorf("got %s %s, want %s", i.State, i.Version, version)
		}
		d.wait(3)
	}
	close(resume)
	if err := <-done; err != nil {
		t.Errorf("the upload that was under way: %v", err)
	}
	d.keep(slow, receivedFile{})
	finish()
	d.whole(t, srv)
	if n := d.refused.Load(); n > 0 {
		t.Errorf("%d requests were refused while versions changed", n)
	}
}

// The plugin is switched off and on while files go up and down: what was answered for
// is there again, what had begun comes to its end, and the rest is told to try again.
func TestDisableUnderFiles(t *testing.T) {
	t.Parallel()
	srv := startFiles(t)
	large := content{77, 64 << 20}
	if _, err := srv.as(t, srv.anna).mover(t).put("large", large); err != nil {
		t.Fatal(err)
	}
	a, b := srv.Client(t), srv.Client(t)
	d := startTraffic(t, srv)
	for range 3 {
		d.wait(5)
		finish := begun(t, srv, large)
		before := d.refused.Load()
		srv.Must(t, "POST", "/api/v1/plugins/files/disable", nil)
		eventually(t, "requests are refused", func() bool { return d.refused.Load() > before })
		send(t, a, b, "b-x-disabled", 3)
		finish()
		r := srv.as(t, srv.anna).get("/Marti/sync/search")
		if r.status != 503 && r.status != 404 || strings.Contains(r.body, "panic") {
			t.Errorf("while it is off: got %d %s", r.status, r.body)
		}
		srv.Must(t, "POST", "/api/v1/plugins/files/enable", nil)
		srv.Reaches(t, "files", plugin.Active)
	}
	d.wait(3)
	d.whole(t, srv)
}
