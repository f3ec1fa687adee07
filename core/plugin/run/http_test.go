package run

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/takhost/takhost/core/plugin/call"
	"github.com/takhost/takhost/core/store"
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/manifest"
	"github.com/takhost/takhost/hostapi/wire"
)

func body(text string) []byte {
	return (&wire.HTTPResponse{Parts: []wire.Part{{Data: []byte(text)}}}).Append(nil)
}

// web is a guest that answers requests by do.
func web(do func(g *fakeGuest, r *wire.HTTPRequest) ([]byte, hostapi.Status)) script {
	return func(g *fakeGuest, op hostapi.GuestOp, in []byte) ([]byte, hostapi.Status) {
		if op != hostapi.OpHTTP {
			return nil, hostapi.Unsupported
		}
		var r wire.HTTPRequest
		if err := r.Decode(in); err != nil {
			return nil, hostapi.Invalid
		}
		return do(g, &r)
	}
}

func statusOf(err error) hostapi.Status {
	var e *call.StatusError
	if errors.As(err, &e) {
		return e.Status
	}
	return hostapi.OK
}

func TestHTTPAnswers(t *testing.T) {
	tests := []struct {
		name   string
		do     func(g *fakeGuest, r *wire.HTTPRequest) ([]byte, hostapi.Status)
		read   bool
		status hostapi.Status
		text   string // body, or in the error
		doc    string // afterwards
	}{
		{"an answer, and what it wrote", func(g *fakeGuest, r *wire.HTTPRequest) ([]byte, hostapi.Status) {
			g.op(hostapi.HostPut, "doc=new")
			return body("hello " + r.Path), hostapi.OK
		}, false, hostapi.OK, "hello /x", "new"},
		{"an HTTP error is committed too", func(g *fakeGuest, r *wire.HTTPRequest) ([]byte, hostapi.Status) {
			g.op(hostapi.HostPut, "doc=new")
			return (&wire.HTTPResponse{Status: 418, Parts: []wire.Part{{Data: []byte("tea")}}}).Append(nil), hostapi.OK
		}, false, hostapi.OK, "tea", "new"},
		{"a refusal writes nothing", func(g *fakeGuest, r *wire.HTTPRequest) ([]byte, hostapi.Status) {
			g.op(hostapi.HostPut, "doc=new")
			return (&wire.Error{Code: "no_such", Message: "no such thing"}).Append(nil), hostapi.NotFound
		}, false, hostapi.NotFound, "no such thing", "old"},
		{"read-only", func(g *fakeGuest, r *wire.HTTPRequest) ([]byte, hostapi.Status) {
			_, s := g.op(hostapi.HostPut, "doc=new")
			return body(s.String()), hostapi.OK
		}, true, hostapi.OK, "forbidden", "old"},
		{"a crash", func(g *fakeGuest, r *wire.HTTPRequest) ([]byte, hostapi.Status) {
			g.op(hostapi.HostPut, "doc=new")
			g.trap("")
			return nil, hostapi.OK
		}, false, hostapi.Failed, "crashed", "old"},
		{"an endless loop", func(g *fakeGuest, r *wire.HTTPRequest) ([]byte, hostapi.Status) {
			g.hang()
			return nil, hostapi.OK
		}, false, hostapi.Failed, "crashed", "old"},
		{"garbage", func(g *fakeGuest, r *wire.HTTPRequest) ([]byte, hostapi.Status) {
			g.op(hostapi.HostPut, "doc=new")
			return []byte{1, 2, 3}, hostapi.OK
		}, false, hostapi.Failed, "crashed", "old"},
		{"an HTTP status that is none", func(g *fakeGuest, r *wire.HTTPRequest) ([]byte, hostapi.Status) {
			return (&wire.HTTPResponse{Status: 42}).Append(nil), hostapi.OK
		}, false, hostapi.Failed, "crashed", "old"},
		{"too large", func(g *fakeGuest, r *wire.HTTPRequest) ([]byte, hostapi.Status) {
			return body(strings.Repeat("x", hostapi.DefaultBodyOut+maxHead)), hostapi.OK
		}, false, hostapi.Limit, "too large", "old"},
		{"a file without its hash", func(g *fakeGuest, r *wire.HTTPRequest) ([]byte, hostapi.Status) {
			return (&wire.HTTPResponse{Parts: []wire.Part{{Blob: &wire.BlobPart{}}}}).Append(nil), hostapi.OK
		}, false, hostapi.Failed, "crashed", "old"},
		{"a file from before its begin", func(g *fakeGuest, r *wire.HTTPRequest) ([]byte, hostapi.Status) {
			g.op(hostapi.HostPut, "doc=new")
			return (&wire.HTTPResponse{Parts: []wire.Part{{Blob: &wire.BlobPart{Hash: "x", Offset: -1}}}}).Append(nil), hostapi.OK
		}, false, hostapi.Invalid, "below zero", "old"},
		{"fewer bytes of a file than none", func(g *fakeGuest, r *wire.HTTPRequest) ([]byte, hostapi.Status) {
			return (&wire.HTTPResponse{Parts: []wire.Part{{Blob: &wire.BlobPart{Hash: "x", Length: -1}}}}).Append(nil), hostapi.OK
		}, false, hostapi.Invalid, "below zero", "old"},
	}
	for _, tt := range tests {
		for _, route := range []string{"get", "pooled"} {
			t.Run(tt.name+" "+route, func(t *testing.T) {
				b := newBed(t)
				b.db.docs["doc"] = "old"
				v, _ := b.version(web(tt.do), func(m *manifest.Manifest) { m.Limits.HTTPTime = manifest.Duration(50 * time.Millisecond) })
				b.start(v)
				resp, err := b.a.HTTP(t.Context(), &wire.HTTPRequest{Route: route, Path: "/x", ReadOnly: tt.read})
				b.stop()
				got := ""
				switch {
				case err != nil:
					got = err.Error()
				case len(resp.Parts) > 0:
					got = string(resp.Parts[0].Data)
				}
				if statusOf(err) != tt.status || !strings.Contains(got, tt.text) {
					t.Errorf("got %v %q, want %v %q", statusOf(err), got, tt.status, tt.text)
				}
				if doc := b.db.doc("doc"); doc != tt.doc {
					t.Errorf("the document is %q, want %q", doc, tt.doc)
				}
			})
		}
	}
}

func TestHTTPConflictAndDatabaseAway(t *testing.T) {
	for _, tt := range []struct {
		err     *store.Error
		repeats int
		want    hostapi.Status
	}{
		{&store.Error{Code: store.Conflict, Msg: "x"}, 4, hostapi.Conflict},
		{&store.Error{Code: store.Unavailable, Msg: "x"}, 1, hostapi.Retry},
		{&store.Error{Code: store.Limit, Msg: "x"}, 1, hostapi.Limit},
		{&store.Error{Code: store.Unavailable, Msg: "x", Err: store.ErrOutcome}, 1, hostapi.Failed},
	} {
		for _, route := range []string{"get", "pooled"} {
			t.Run(fmt.Sprint(tt.want, " ", route), func(t *testing.T) {
				b := newBed(t)
				b.db.before = func() error { return tt.err }
				calls := 0
				v, _ := b.version(web(func(g *fakeGuest, r *wire.HTTPRequest) ([]byte, hostapi.Status) {
					calls++
					g.op(hostapi.HostPut, "a=b")
					return body("x"), hostapi.OK
				}))
				b.start(v)
				_, err := b.a.HTTP(t.Context(), &wire.HTTPRequest{Route: route})
				b.stop()
				if statusOf(err) != tt.want || calls != tt.repeats {
					t.Errorf("got %v after %d calls, want %v after %d", err, calls, tt.want, tt.repeats)
				}
			})
		}
	}
}

// A request waits five seconds for its plugin, then it is told to come again.
func TestHTTPWaitsForABusyPlugin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t)
		busy := make(chan struct{})
		v, _ := b.version(func(g *fakeGuest, op hostapi.GuestOp, in []byte) ([]byte, hostapi.Status) {
			if op == hostapi.OpEvents {
				g.wait(busy)
			}
			return nil, hostapi.OK
		}, func(m *manifest.Manifest) { m.Limits.EventsTime = manifest.Duration(time.Hour) })
		b.start(v)
		b.offer("a")
		synctest.Wait()
		began := time.Now()
		_, err := b.a.HTTP(t.Context(), &wire.HTTPRequest{Route: "get"})
		if took := time.Since(began); statusOf(err) != hostapi.Retry || RetryAfter(err) != time.Second || took != 5*time.Second {
			t.Errorf("got %v after %v, want Retry after 5s", err, took)
		}
		// One that comes while there is still time is answered when its turn comes.
		go func() {
			time.Sleep(3 * time.Second)
			close(busy)
		}()
		if _, err := b.a.HTTP(t.Context(), &wire.HTTPRequest{Route: "get"}); err != nil {
			t.Errorf("got %v, want an answer", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := b.a.HTTP(ctx, &wire.HTTPRequest{Route: "get"}); !errors.Is(err, context.Canceled) && err != nil {
			t.Errorf("got %v", err)
		}
		b.stop()
		if _, err := b.a.HTTP(t.Context(), &wire.HTTPRequest{Route: "get"}); statusOf(err) != hostapi.Retry {
			t.Errorf("after the end: got %v, want Retry", err)
		}
	})
}

// Requests to a pool run beside events and beside one another, and no more of
// them than the limit.
func TestPool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBed(t)
		var mu sync.Mutex
		now, most, roles := 0, 0, map[wire.Role]int{}
		busy := make(chan struct{})
		v, mod := b.version(func(g *fakeGuest, op hostapi.GuestOp, in []byte) ([]byte, hostapi.Status) {
			switch op {
			case hostapi.OpEvents:
				g.wait(busy)
			case hostapi.OpHTTP:
				mu.Lock()
				now++
				most = max(most, now)
				roles[g.init.Role]++
				mu.Unlock()
				time.Sleep(time.Second)
				mu.Lock()
				now--
				mu.Unlock()
				return body("x"), hostapi.OK
			}
			return nil, hostapi.OK
		}, func(m *manifest.Manifest) {
			m.Limits.Instances = 3
			m.Limits.EventsTime = manifest.Duration(time.Hour)
		})
		b.start(v)
		b.offer("a")
		synctest.Wait()
		began := time.Now()
		var wg sync.WaitGroup
		for range 9 {
			wg.Go(func() {
				if _, err := b.a.HTTP(t.Context(), &wire.HTTPRequest{Route: "pooled"}); err != nil {
					t.Errorf("request: %v", err)
				}
			})
		}
		wg.Wait()
		if took := time.Since(began); took != 3*time.Second || most != 3 || roles[wire.RolePool] != 9 {
			t.Errorf("took %v with %d at once in roles %v, want 3s, 3, the pool's", took, most, roles)
		}
		if live, made := mod.counts(); live != 4 || made != 4 {
			t.Errorf("%d instances of %d are there, want 4 of 4", live, made)
		}
		close(busy)
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if live, _ := mod.counts(); live != 1 {
			t.Errorf("%d instances are there, want the main one", live)
		}
		b.stop()
	})
}

// Kinds of work take turns: a flood of events does not keep a request waiting.
func TestTurns(t *testing.T) {
	b := newBed(t)
	var mu sync.Mutex
	var order []string
	inside, goOn := make(chan struct{}), make(chan struct{})
	first := true
	v, _ := b.version(func(g *fakeGuest, op hostapi.GuestOp, in []byte) ([]byte, hostapi.Status) {
		if op == hostapi.OpEvents || op == hostapi.OpHTTP || op == hostapi.OpClients {
			if first {
				first = false
				close(inside)
				<-goOn
			}
			mu.Lock()
			order = append(order, op.String())
			mu.Unlock()
		}
		return nil, hostapi.OK
	}, func(m *manifest.Manifest) {
		m.Limits.BatchEvents = 1
		m.Clients = true
		m.Limits.EventsTime = manifest.Duration(time.Minute)
	})
	b.start(v)
	b.offer(uids(20)...)
	<-inside
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, err := b.a.HTTP(t.Context(), &wire.HTTPRequest{Route: "get"}); err != nil {
			t.Error(err)
		}
	})
	b.a.ClientsChanged([]wire.ClientChange{{Client: &wire.Client{UID: "c"}}})
	for ready := false; len(b.a.reqs) == 0 || !ready; ready, _ = b.a.clientsReady(time.Now()) {
		time.Sleep(time.Millisecond)
	}
	close(goOn)
	wg.Wait()
	b.drained()
	b.stop()
	early := strings.Join(order[:5], " ")
	if !strings.Contains(early, "http") || !strings.Contains(early, "clients") {
		t.Errorf("the first calls were %q, want a request and clients among them", early)
	}
	if diff := cmp.Diff(22, len(order)); diff != "" {
		t.Errorf("calls: %s", diff)
	}
}

// TestUploadWaitsForItsCall: whoever comes with a file and goes away learns how the
// call ended, as what the file becomes depends on it.
func TestUploadWaitsForItsCall(t *testing.T) {
	b := newBed(t)
	began, goOn := make(chan struct{}), make(chan struct{})
	v, _ := b.version(web(func(g *fakeGuest, r *wire.HTTPRequest) ([]byte, hostapi.Status) {
		close(began)
		<-goOn
		return body("taken"), hostapi.OK
	}))
	b.start(v)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		_, err := b.a.HTTP(ctx, &wire.HTTPRequest{Route: "get", Blobs: []wire.BlobRef{{Hash: "x"}}})
		done <- err
	}()
	<-began
	cancel()
	select {
	case err := <-done:
		t.Fatalf("it ended before its call did: %v", err)
	case <-time.After(20 * time.Millisecond): // nothing tells that somebody waits
	}
	close(goOn)
	if err := <-done; err != nil {
		t.Errorf("got error %v, want the answer", err)
	}
	b.stop()
}
