//go:build !race

package tests

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/takhost/takhost/tests/takclient"
	"github.com/takhost/takhost/tests/taktest"
)

// plain starts the program plaincopy, and asks it.
func plain(t *testing.T, program string, args ...string) *mover {
	t.Helper()
	a := &asker{t: t, base: "http://"}
	if strings.Contains(strings.Join(args, " "), "-cert") {
		// Whose certificate it is costs no time.
		a.base, a.conf = "https://", &tls.Config{InsecureSkipVerify: true}
	}
	cmd := exec.Command(program, append(args, "-dir", taktest.Folder(t))...)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	takclient.Must(t, cmd.Start())
	m := a.mover(t)
	t.Cleanup(func() {
		m.http.CloseIdleConnections()
		in.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("plaincopy: %v", err)
		}
	})
	addr, err := bufio.NewReader(out).ReadString('\n')
	takclient.Must(t, err)
	m.base += strings.TrimSpace(addr)
	return m
}

// contest is one of those whose speed is compared.
type contest struct {
	name             string
	put, get, remove func(c content) error
	durable          bool      // it syncs, as ours does
	up, down         []float64 // MiB a second, by round
}

// Files go up and down at least half as fast as with a server that only copies them,
// with one client and with four.
func TestFilesAtFullRate(t *testing.T) {
	const (
		size   = 256 << 20
		rounds = 6
		least  = 0.5
		tries  = 3
	)
	program := filepath.Join(t.TempDir(), "plaincopy")
	build := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-o", program, module+"/tests/plaincopy")
	build.Env = append(build.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, listener := range []string{"http", "https"} {
		for _, clients := range []int{1, 4} {
			t.Run(fmt.Sprintf("%s, %d clients", listener, clients), func(t *testing.T) {
				srv := runFiles(t)
				ours := srv.at(t, listener)
				all := []*contest{{
					name: "takhost",
					put:  func(c content) error { _, err := ours.put(fmt.Sprint(c.seed), c); return err },
					get:  func(c content) error { return ours.drain("/Marti/sync/content?hash="+c.hash(), c.size) },
					// What nobody keeps is swept an hour later.
					remove: func(c content) error { return ours.removes("/Marti/sync/delete?hash=" + c.hash()) },
				}}
				for _, name := range []string{"plain copy", "plain copy with sync"} {
					var args []string
					if strings.HasSuffix(name, "sync") {
						args = append(args, "-sync")
					}
					if listener == "https" {
						pki := taktest.NewPKI(t)
						args = append(args, "-cert", pki.Files.Cert, "-key", pki.Files.Key)
					}
					m := plain(t, program, args...)
					path := func(c content) string { return fmt.Sprint("/", c.seed) }
					all = append(all, &contest{
						name: name, durable: strings.HasSuffix(name, "sync"),
						put: func(c content) error {
							r, err := m.send("PUT", path(c), "application/octet-stream", c.reader(), c.size)
							if err == nil && r.status != 200 {
								err = fmt.Errorf("got %d %s", r.status, r.body)
							}
							return err
						},
						get:    func(c content) error { return m.drain(path(c), c.size) },
						remove: func(c content) error { return m.removes(path(c)) },
					})
				}
				seed := uint64(0)
				for try := 1; ; try++ {
					o := measureOthers()
					for round := range rounds {
						for i := range all {
							all[(i+round)%len(all)].race(t, seed, clients, size/int64(clients))
						}
						seed += uint64(clients)
					}
					ratio := compare(t, all)
					t.Logf("others used %.0f %% of a processor", 100*o.share())
					if ratio >= least {
						return
					}
					if try == tries {
						t.Fatalf("got %.2f of the speed of a server that only copies and syncs, want %.1f at least", ratio, least)
					}
				}
			})
		}
	}
}

// compare tells what came out, and forgets it. It gives the worse of up and down against
// the one that syncs, as ours does: what is not on the disk yet is nothing that we
// answer for. The other one is shown for what that and the hash cost.
func compare(t *testing.T, all []*contest) (ratio float64) {
	t.Helper()
	for _, c := range all {
		c.up, c.down = c.up[1:], c.down[1:] // the first warms up
		t.Logf("%-20s up %4.0f MiB/s (%.0f to %.0f), down %4.0f MiB/s (%.0f to %.0f)", c.name,
			mid(c.up), slices.Min(c.up), slices.Max(c.up), mid(c.down), slices.Min(c.down), slices.Max(c.down))
	}
	for _, c := range all[1:] {
		up, down := mid(all[0].up)/mid(c.up), mid(all[0].down)/mid(c.down)
		t.Logf("against %s: up %.2f, down %.2f", c.name, up, down)
		if c.durable {
			ratio = min(up, down)
		}
	}
	for _, c := range all {
		c.up, c.down = nil, nil
	}
	return ratio
}

func mid(list []float64) float64 { return slices.Sorted(slices.Values(list))[len(list)/2] }

// race measures one round.
func (c *contest) race(t *testing.T, seed uint64, clients int, size int64) {
	t.Helper()
	together := func(do func(content) error) float64 {
		t.Helper()
		var g errgroup.Group
		began := time.Now()
		for i := range clients {
			g.Go(func() error { return do(content{seed + uint64(i) + 1, size}) })
		}
		if err := g.Wait(); err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		return float64(int64(clients)*size) / (1 << 20) / time.Since(began).Seconds()
	}
	for i := range clients { // not while it is measured
		content{seed + uint64(i) + 1, size}.hash()
	}
	c.up = append(c.up, together(c.put))
	c.down = append(c.down, together(c.get))
	together(c.remove)
}
