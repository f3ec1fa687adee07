package tests

import (
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/takhost/takhost/core/plugin"
	"github.com/takhost/takhost/core/store"
	"github.com/takhost/takhost/tests/guests"
)

// answered is what a server was asked for and has answered.
type answered struct {
	mu      sync.Mutex
	kept    map[content]receivedFile
	gone    map[content]bool // deleted
	changed chan struct{}    // gets one for each answer
}

func newAnswered() *answered {
	return &answered{kept: map[content]receivedFile{}, gone: map[content]bool{}, changed: make(chan struct{}, 1<<20)}
}

func (d *answered) keep(c content, got receivedFile) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.kept[c] = got
	d.changed <- struct{}{}
}

func (d *answered) remove(c content) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.kept, c)
	d.gone[c] = true
	d.changed <- struct{}{}
}

// wait waits for so many answers.
func (d *answered) wait(n int) {
	for range n {
		<-d.changed
	}
}

// atEnd tells when a body has been read to its end.
type atEnd struct {
	io.Reader
	ended func()
}

func (r *atEnd) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if err == io.EOF {
		r.ended()
	}
	return n, err
}

// listedFiles gives what a search finds, by hash.
func listedFiles(t *testing.T, m *mover) map[string]receivedFile {
	t.Helper()
	var page struct{ Results []receivedFile }
	m.get("/Marti/sync/search").is(200).into(&page)
	list := map[string]receivedFile{}
	for _, f := range page.Results {
		list[f.Hash] = f
	}
	return list
}

// holds checks what a server has that was killed: all that it answered for, nothing
// that is not whole, and no remains.
func (d *answered) holds(t *testing.T, srv *fileChild) map[string]receivedFile {
	t.Helper()
	m := srv.at(t, "http")
	list := listedFiles(t, m)
	for c, f := range d.kept {
		if list[f.Hash].Size != fmt.Sprint(c.size) {
			t.Errorf("a file of %d bytes that was answered for is not listed, or otherwise: %+v", c.size, list[f.Hash])
		}
	}
	for hash, f := range list {
		status, _, sum, n, err := m.fetch("GET", "/Marti/sync/content?hash="+hash)
		if err != nil || status != 200 || sum != hash || fmt.Sprint(n) != f.Size {
			t.Errorf("%+v is listed: got %d, %d bytes of %s, %v", f, status, n, sum, err)
		}
	}
	for c := range d.gone {
		if _, ok := list[c.hash()]; ok {
			t.Errorf("a file that was deleted is listed: %+v", c)
		}
	}
	for _, name := range filesIn(t, srv.Data) {
		if strings.Contains(name, "part") {
			t.Errorf("there are remains: %s", name)
		}
	}
	return list
}

// sweptLater ends a server, sweeps its files as it does by itself an hour later, and
// wants that just these and modules of plugins are left, and counted right.
func sweptLater(t *testing.T, srv *fileChild, list map[string]receivedFile, modules ...[]byte) {
	t.Helper()
	if code := srv.Interrupt(t); code != 0 {
		t.Errorf("exit code: %d", code)
	}
	s, err := store.Open(t.Context(), store.Options{DSN: "sqlite", Dir: srv.Data, Now: func() time.Time { return time.Now().Add(2 * time.Hour) }})
	if err != nil {
		t.Fatal(err)
	}
	swept, err := s.Blobs().Sweep(t.Context())
	if err != nil {
		t.Error(err)
	}
	want, bytes := slices.Collect(maps.Keys(list)), int64(0)
	for _, hash := range want {
		blob, err := s.Blobs().Stat(t.Context(), hash)
		if err != nil {
			t.Error(err)
		}
		bytes += blob.Size
	}
	for _, pkg := range modules {
		want, bytes = append(want, sumOf(pkg)), bytes+int64(len(pkg))
	}
	files, total := s.Blobs().Total()
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}
	there := filesIn(t, srv.Data)
	slices.Sort(want)
	slices.Sort(there)
	t.Logf("%d files are kept, %d were swept", len(want), swept)
	if diff := cmp.Diff(want, there); diff != "" {
		t.Errorf("files on the disk, with -: missing, with +: nobody needs it:\n%s", diff)
	}
	if files != int64(len(want)) || total != bytes {
		t.Errorf("counted are %d files of %d bytes, want %d of %d", files, total, len(want), bytes)
	}
}

// Killed while files come, the server has those that it answered for, whole, and no
// others that are not whole.
func TestKillDuringUploads(t *testing.T) {
	t.Parallel()
	srv := runFiles(t)
	d := newAnswered()
	seed := uint64(0)
	for round, when := range []string{"after some answers", "behind a last byte", "behind a last byte", "at any time", "at any time", "at any time"} {
		sizes := []int64{0, 1, 70_000, 1 << 20, 5 << 20}
		var senders sync.WaitGroup
		ended := make(chan struct{}, 1<<10)
		stop := make(chan struct{})
		for sender := range 6 {
			m := srv.at(t, []string{"http", "https"}[sender%2])
			first := seed
			seed += 1 << 16
			senders.Go(func() {
				for n := range uint64(1 << 16) {
					select {
					case <-stop:
						return
					default:
					}
					c := content{first + n, sizes[int(n+uint64(sender))%len(sizes)]}
					body, length, kind := io.Reader(c.reader()), c.size, "image/png"
					if sender > 2 {
						body, length, kind = c.form("f.bin", false)
					}
					body = &atEnd{body, func() { ended <- struct{}{} }}
					var got receivedFile
					r, err := m.send("POST", "/Marti/sync/upload?name=f.bin", kind, body, length)
					if err != nil {
						return // it was killed
					}
					if err := r.decode(200, &got); err != nil || got.Hash != c.hash() {
						t.Errorf("got %+v, %v", got, err)
						return
					}
					d.keep(c, got)
				}
			})
		}
		d.wait(10)
		switch when {
		case "behind a last byte":
			for len(ended) > 0 {
				<-ended
			}
			<-ended
		case "at any time":
			<-time.After(rand.N(50 * time.Millisecond)) // the moment is what is tried
		}
		srv.Kill9(t)
		close(stop)
		senders.Wait()
		srv.Restart(t)
		srv.Reaches(t, "files", plugin.Active)
		list := d.holds(t, srv)
		t.Logf("round %d, killed %s: %d answered for, %d listed", round, when, len(d.kept), len(list))
	}
	sweptLater(t, srv, listedFiles(t, srv.at(t, "http")))
}

// Killed while files are deleted and while their time is over, the server has deleted
// what it said, and has all others whole.
func TestKillDuringDeletion(t *testing.T) {
	t.Parallel()
	srv := runFiles(t)
	d := newAnswered()
	m := srv.at(t, "http")
	fill := func(from, n int, query string) (list []content) {
		for i := range n {
			c := content{uint64(from + i), 20_000}
			got := receivedFile{}
			r, err := m.send("POST", "/Marti/sync/upload?name=f.bin"+query, "image/png", c.reader(), c.size)
			if err == nil {
				err = r.decode(200, &got)
			}
			if err != nil {
				t.Fatal(err)
			}
			if query == "" {
				d.keep(c, got)
			}
			list = append(list, c)
		}
		return list
	}
	began := time.Now()
	all := fill(0, 80, "")
	took := time.Since(began)
	d.wait(len(all))
	var workers sync.WaitGroup
	var asked sync.Map // also those without an answer
	for w := range 3 {
		workers.Go(func() {
			for i := w; i < len(all)-10; i += 3 {
				asked.Store(all[i], true)
				if m.removes("/Marti/sync/delete?hash="+all[i].hash()) != nil {
					return // it was killed
				}
				d.remove(all[i])
			}
		})
	}
	d.wait(25)
	srv.Kill9(t)
	workers.Wait()
	for _, c := range all {
		if _, ok := asked.Load(c); ok {
			delete(d.kept, c) // it may be there or not
		}
	}
	srv.Restart(t)
	srv.Reaches(t, "files", plugin.Active)
	list := d.holds(t, srv)
	t.Logf("%d deleted, %d of %d listed", len(d.gone), len(list), len(all))

	// A version that looks every second, so that the test need not wait for a minute.
	quick := filesVersion(t, "1.0.1", guests.Set("timers", []any{map[string]any{"name": "sweep", "every": "1s"}}))
	if answer, err := srv.Swap("files", quick); err != nil || answer.Status != 200 {
		t.Fatalf("swap: got %+v, %v", answer, err)
	}
	m = srv.at(t, "http")
	end := time.Now().Add(2*time.Second + 2*took) // so that all have come before
	passing := fill(1000, 80, fmt.Sprintf("&expiration=%d", end.Unix()))
	<-time.After(time.Until(end)) // what happens then is what is tried
	srv.Logged(t, "file expired")
	srv.Kill9(t)
	srv.Restart(t)
	srv.Reaches(t, "files", plugin.Active)
	for _, c := range passing {
		d.gone[c] = true
	}
	again := d.holds(t, srv)
	if len(again) != len(list) {
		t.Errorf("%d files are listed, want the %d that stay", len(again), len(list))
	}
	// Nobody else asks the plugin for anything now: these calls are of the timer.
	calls := srv.Plugin(t, "files").Counts.Calls
	srv.Shows(t, "files", "the timer has gone again", func(i *plugin.Info) bool { return i.Counts.Calls > calls+2 })
	sweptLater(t, srv, list, quick)
}
