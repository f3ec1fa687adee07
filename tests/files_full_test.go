package tests

import (
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"

	"github.com/takhost/takhost/core/config"
	"github.com/takhost/takhost/core/plugin"
	"github.com/takhost/takhost/tests/takclient"
	"github.com/takhost/takhost/tests/taktest"
)

// noRoom wants that uploads are refused for want of room, in Marti's form of errors.
func noRoom(t *testing.T, m *mover, c content, want string) {
	t.Helper()
	for _, way := range []int{0, 1, 2, 3, 4} { // raw and as a form, announced and chunked
		w := ways[way]
		body, length, kind := c.reader(), c.size, "image/png"
		if w.form {
			body, length, kind = c.form("f.bin", w.nameless)
		}
		if w.chunked {
			length = -1
		}
		r, err := m.send(w.method, w.path+"?name=f", kind, body, length)
		if err != nil {
			t.Fatalf("%s: %v", w.name, err)
		}
		r.t = t
		if r.is(507); !strings.Contains(r.body, want) {
			t.Errorf("%s: got %s, want %q in it", w.name, r.body, want)
		}
		martiError(t, r)
		if status, _, _, _, err := m.fetch("GET", "/Marti/sync/content?hash="+c.hash()); err != nil || status != 404 {
			t.Errorf("%s: what was refused: got %d, %v", w.name, status, err)
		}
	}
}

// All files together have a limit. What comes on top is refused, what is there stays,
// and smaller ones still go in.
func TestFilesQuota(t *testing.T) {
	srv := startFiles(t, limits(func(l *config.Limits) { l.Files = 3 << 20 }))
	m := srv.as(t, srv.anna).mover(t)
	first := content{1, 2 << 20}
	if _, err := m.put("first", first); err != nil {
		t.Fatal(err)
	}
	a := relayBeside(t, srv.Server)
	noRoom(t, m, content{2, 2 << 20}, "limits.files")
	second := content{3, 900 << 10}
	if _, err := m.put("second", second); err != nil {
		t.Error(err)
	}
	noRoom(t, m, content{4, 200 << 10}, "limits.files")
	// Together they are too much, so some are refused, and never too many kept.
	srv2 := startFiles(t, limits(func(l *config.Limits) { l.Files = 3 << 20 }))
	many := srv2.as(t, srv2.anna).mover(t)
	var g errgroup.Group
	for i := range 10 {
		g.Go(func() error {
			c := content{uint64(10 + i), 1 << 20}
			r, err := many.send("POST", "/Marti/sync/upload?name=f", "image/png", c.reader(), c.size)
			if err == nil && r.status != 200 && r.status != 507 {
				err = fmt.Errorf("got %d %s", r.status, r.body)
			}
			return err
		})
	}
	takclient.Must(t, g.Wait())
	if n := keptBy(t, many); n > 3 {
		t.Errorf("%d files of 1 MiB are kept where 3 MiB are allowed", n)
	}
	a.unharmed(t)
	srv.Restart(t)
	srv.Reaches(t, "files", plugin.Active)
	m = srv.as(t, srv.anna).mover(t)
	m.comesBack(t, "/Marti/sync/content?hash="+first.hash(), first)
	m.comesBack(t, "/Marti/sync/content?hash="+second.hash(), second)
	noRoom(t, m, content{5, 200 << 10}, "limits.files")
}

// On a disk that is full, or becomes so while a file comes, uploads are refused; what
// is there is served, events go on, and with room again so do uploads.
func TestFilesOnAFullDisk(t *testing.T) {
	needBuiltIn(t)
	dir := taktest.SmallDisk(t, 192<<20)
	srv := taktest.RunIn(t, dir, taktest.Listening("http", "https", "web")...)
	srv.Reaches(t, "files", plugin.Active)
	m := askTo(t, srv.Admin, "http", srv.Addr(t, "http")).mover(t)
	first := content{1, 10 << 20}
	if _, err := m.put("first", first); err != nil {
		t.Fatal(err)
	}
	a := relayBeside(t, srv)
	filler := fill(t, dir)
	noRoom(t, m, content{2, 4 << 20}, "disk")
	m.comesBack(t, "/Marti/sync/content?hash="+first.hash(), first)
	takclient.Must(t, os.Remove(filler))

	// It fills up while the file comes, which does not say how large it is.
	half, full := make(chan struct{}), make(chan struct{})
	c := content{3, 60 << 20}
	body := &pausing{Reader: c.reader(), at: 20 << 20, reached: half, resume: full}
	done := make(chan error, 1)
	go func() {
		r, err := m.send("POST", "/Marti/sync/upload?name=f", "image/png", body, -1)
		if err == nil && (r.status != 507 || !strings.Contains(r.body, "disk")) {
			err = fmt.Errorf("got %d %s, want that the disk has no room", r.status, r.body)
		}
		done <- err
	}()
	<-half
	filler = fill(t, dir)
	close(full)
	if err := <-done; err != nil {
		t.Error(err)
	}
	m.comesBack(t, "/Marti/sync/content?hash="+first.hash(), first)
	if n := keptBy(t, m); n != 1 {
		t.Errorf("%d files are kept, want one", n)
	}
	for _, name := range filesIn(t, dir) {
		if strings.Contains(name, "part") {
			t.Errorf("there are remains: %s", name)
		}
	}
	takclient.Must(t, os.Remove(filler))
	if _, err := m.put("later", c); err != nil {
		t.Errorf("with room again: %v", err)
	}
	m.comesBack(t, "/Marti/sync/content?hash="+c.hash(), c)
	a.unharmed(t)
}

// pausing is a body that waits behind so many bytes.
type pausing struct {
	io.Reader
	at, n   int64
	reached chan struct{} // closed there
	resume  chan struct{}
	paused  bool
}

// Read implements io.Reader.
func (p *pausing) Read(b []byte) (int, error) {
	if p.n >= p.at && !p.paused {
		p.paused = true
		close(p.reached)
		<-p.resume
	}
	n, err := p.Reader.Read(b)
	p.n += int64(n)
	return n, err
}
