package run

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/takhost/takhost/core/store"
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/manifest"
	"github.com/takhost/takhost/hostapi/wire"
)

// shelf is a plugin with its state in the store: reads go to a pool, writes to the
// main instance.
func shelf(instances int64) func(*manifest.Manifest) {
	return func(m *manifest.Manifest) {
		m.Routes = []manifest.Route{{ID: "read", Method: "GET", HTTP: "pool"}, {ID: "write", Method: "POST"}}
		m.Limits.Instances, m.Limits.HTTPTime = instances, manifest.Duration(30*time.Second)
	}
}

// readShelf gives what a document says, and the file that it names.
func (g *fakeGuest) readShelf(id string) ([]byte, hostapi.Status) {
	get := wire.Get{Collection: "c", IDs: []string{id}}
	out, s := g.op(hostapi.HostGet, string(get.Append(nil)))
	var docs wire.Documents
	if err := docs.Decode([]byte(out)); s != hostapi.OK || err != nil || len(docs.Documents) != 1 {
		return []byte(out), hostapi.Failed
	}
	hash := string(docs.Documents[0].Body)
	ref := wire.BlobRef{Hash: hash}
	if out, s := g.op(hostapi.HostBlobStat, string(ref.Append(nil))); s != hostapi.OK {
		return []byte(out), s
	}
	resp := wire.HTTPResponse{Parts: []wire.Part{{Data: []byte(hash + " ")}, {Blob: &wire.BlobPart{Hash: hash}}}}
	return resp.Append(nil), hostapi.OK
}

// TestPoolReads: with "http": "pool", two requests that read are answered at once
// while one that writes is under way. They see what was committed, all of it, and
// none of what is staged.
func TestPoolReads(t *testing.T) {
	w := newReal(t)
	w.env.Blobs = w.st.Blobs()
	put := func(text string) string {
		b, err := w.st.Blobs().Put(t.Context(), strings.NewReader(text), store.BlobSpec{})
		if err != nil {
			t.Fatal(err)
		}
		return b.Hash
	}
	first, second := put("first"), put("second")
	staged, goOn := make(chan struct{}), make(chan struct{})
	reading := make(chan struct{}, 2)
	var together sync.WaitGroup // of two reads
	a := w.add("shelf", web(func(g *fakeGuest, r *wire.HTTPRequest) ([]byte, hostapi.Status) {
		if r.Route == "read" {
			if r.Path == "/together" {
				reading <- struct{}{}
				together.Done()
				together.Wait()
			}
			return g.readShelf("d")
		}
		hash := strings.TrimPrefix(r.Path, "/")
		doc := wire.Put{Collection: "c", ID: "d", Body: []byte(hash)}
		keep := wire.BlobKeep{Hash: hash, Owner: "d"}
		for op, in := range map[hostapi.HostOp][]byte{hostapi.HostPut: doc.Append(nil), hostapi.HostBlobKeep: keep.Append(nil)} {
			if out, s := g.op(op, string(in)); s != hostapi.OK {
				return []byte(out), s
			}
		}
		if hash == second {
			close(staged)
			<-goOn
		}
		return body("ok"), hostapi.OK
	}), shelf(2))
	w.activate()
	defer w.stop()
	write := func(hash string) {
		if _, err := a.HTTP(t.Context(), &wire.HTTPRequest{Route: "write", Path: "/" + hash}); err != nil {
			t.Errorf("write: %v", err)
		}
	}
	read := func(path, want string) {
		resp, err := a.HTTP(t.Context(), &wire.HTTPRequest{Route: "read", Path: path, ReadOnly: true})
		if err != nil {
			t.Errorf("read: %v", err)
			return
		}
		answer, err := NewAnswer(t.Context(), resp, nil, w.st.Blobs(), &store.Owner{}, nil)
		if err != nil {
			t.Errorf("read: %v", err)
			return
		}
		defer answer.Close()
		var got strings.Builder
		if err := answer.WriteTo(t.Context(), &got); err != nil || got.String() != want {
			t.Errorf("read: got %q, error %v, want %q", &got, err, want)
		}
	}
	write(first)
	var writing sync.WaitGroup
	writing.Go(func() { write(second) })
	select {
	case <-staged:
	case <-time.After(30 * time.Second):
		t.Fatal("nothing was staged")
	}
	together.Add(2)
	var readers sync.WaitGroup
	for range 2 {
		readers.Go(func() { read("/together", first+" first") })
	}
	readers.Wait() // each waited for the other one
	if len(reading) != 2 {
		t.Errorf("%d reads were under way together, want 2", len(reading))
	}
	close(goOn)
	writing.Wait()
	read("/", second+" second") // whoever was told that it is written reads it
}

// BenchmarkPoolReads is requests to one route that reads and waits for 2 ms, as for
// a disk. One that computes gains by a pool what the machine has of free cores.
func BenchmarkPoolReads(b *testing.B) {
	for _, instances := range []int64{0, 1, 2} {
		name := fmt.Sprintf("pool %d", instances)
		if instances == 0 {
			name = "shared"
		}
		b.Run(name, func(b *testing.B) {
			bed := newBed(&testing.T{})
			v, _ := bed.version(web(func(*fakeGuest, *wire.HTTPRequest) ([]byte, hostapi.Status) {
				time.Sleep(2 * time.Millisecond)
				return body("x"), hostapi.OK
			}), func(m *manifest.Manifest) {
				m.Routes = []manifest.Route{{ID: "read", Method: "GET"}}
				if instances > 0 {
					shelf(instances)(m)
				}
			})
			a := New(bed.options(), v)
			if err := a.Activate(b.Context(), nil); err != nil {
				b.Fatal(err)
			}
			b.SetParallelism(8)
			b.ResetTimer()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					if _, err := a.HTTP(b.Context(), &wire.HTTPRequest{Route: "read", ReadOnly: true}); err != nil {
						b.Error(err)
						return
					}
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "req/s")
			b.StopTimer()
			if err := a.Close(context.Background()); err != nil {
				b.Fatal(err)
			}
		})
	}
}
