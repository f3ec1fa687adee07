package web

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/takhost/takhost/hostapi"
)

// watcher reads live events as a client does.
type watcher struct {
	t    *testing.T
	body io.ReadCloser
	in   *bufio.Reader
}

// watch gives a watcher that has seen the first comment: all that is routed
// from now on is to come.
func (s *site) watch(t *testing.T, query string) *watcher {
	t.Helper()
	resp, err := s.http.Get("http://takhost/api/v1/events/live?" + query)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	if ct := resp.Header.Get("Content-Type"); resp.StatusCode != http.StatusOK || ct != "text/event-stream" {
		t.Fatalf("got %s, %q", resp.Status, ct)
	}
	w := &watcher{t, resp.Body, bufio.NewReader(resp.Body)}
	if got := w.message(); got != ": watching\n" {
		t.Fatalf("begins with %q", got)
	}
	return w
}

// message gives the lines up to the next empty one.
func (w *watcher) message() string {
	w.t.Helper()
	var lines string
	for {
		line, err := w.in.ReadString('\n')
		if err != nil {
			w.t.Fatalf("after %q: %v", lines+line, err)
		}
		if line == "\n" {
			return lines
		}
		lines += line
	}
}

func TestLiveEvents(t *testing.T) {
	s := newSite(t, &fakeCore{}, 0)
	w := s.watch(t, "")
	e := event(t, 1<<60, "U-1", "a-f-G-U-C", 48.5, -11.25)
	s.live.Routed([]*hostapi.Event{e})
	got := w.message()
	id, data, _ := strings.Cut(got, "\n")
	if id != "id: 1152921504606846976" || strings.Count(got, "\n") != 2 {
		t.Fatalf("got %q", got)
	}
	var ev Event
	if err := json.Unmarshal([]byte(strings.TrimPrefix(data, "data: ")), &ev); err != nil {
		t.Fatal(err)
	}
	at := func(s string) *time.Time {
		v, err := time.Parse(time.RFC3339Nano, s)
		if err != nil {
			t.Fatal(err)
		}
		return &v
	}
	num := func(f float64) *float64 { return &f }
	want := Event{
		ID: 1 << 60, Recv: *at("2026-11-21T18:00:01.000005Z"), Origin: "client", Conn: 7, Client: "UID-A",
		Type: "a-f-G-U-C", How: "m-g", UID: "U-1",
		Time: at("2026-11-21T18:00:00Z"), Start: at("2026-11-21T18:00:00Z"), Stale: at("2026-11-21T18:01:00Z"),
		Lat: num(48.5), Lon: num(-11.25), Hae: num(100), CE: num(10), LE: num(9999999),
		Callsign: "ALPHA <&>", XML: e.XML,
	}
	if diff := cmp.Diff(want, ev); diff != "" {
		t.Errorf("event (-want +got):\n%s", diff)
	}
	if strings.Contains(data, `\u003c`) {
		t.Errorf("XML is escaped beyond need: %s", data)
	}
}

func TestLiveFilters(t *testing.T) {
	evs := []*hostapi.Event{
		event(t, 1, "A", "a-f-G-U-C", 48, 11),
		event(t, 2, "B", "a-h-G", 10, 10),
		event(t, 3, "A", "b-t-f", 0, 0),
		parsed(t, 4, `<event uid="C" type="t-x-d-d"/>`),
	}
	last := event(t, 99, "A", "a-h-b-t-f", 48, 11) // passes all filters but for the last type
	last.Type = "a-f-end"
	for _, c := range []struct {
		query string
		want  []hostapi.ID
	}{
		{"", []hostapi.ID{1, 2, 3, 4}},
		{"uid=A", []hostapi.ID{1, 3}},
		{"type=a-f-*&type=a-h-*", []hostapi.ID{1, 2}},
		{"box=47,10,49,12", []hostapi.ID{1}},
		{"uid=A&type=a-*&box=47,10,49,12", []hostapi.ID{1}},
	} {
		t.Run(c.query, func(t *testing.T) {
			s := newSite(t, &fakeCore{}, 0)
			w := s.watch(t, c.query)
			s.live.Routed(append(evs[:len(evs):len(evs)], last))
			var got []hostapi.ID
			for {
				id, _, _ := strings.Cut(w.message(), "\n")
				n, err := hostapi.ParseID(strings.TrimPrefix(id, "id: "))
				if err != nil {
					t.Fatal(err)
				}
				if n == 99 {
					break
				}
				got = append(got, n)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("events (-want +got):\n%s", diff)
			}
		})
	}
}

// TestLiveLagging shows that a client that does not read holds up nobody, and
// is told how much it missed.
func TestLiveLagging(t *testing.T) {
	s := newSite(t, &fakeCore{}, 0)
	w := s.watch(t, "")
	// Larger than what the socket and all buffers take.
	e := event(t, 1, "U", "a-f-G", 0, 0)
	e.XML = strings.Replace(e.XML, "</detail>", "<x>"+strings.Repeat("y", 10_000)+"</x></detail>", 1)
	const n = 3 * liveEvents
	for i := range n {
		s.live.Routed([]*hostapi.Event{{Header: e.Header, XML: e.XML, ID: hostapi.ID(i)}})
	}
	end := event(t, n, "U", "a-f-end", 0, 0)
	s.live.Routed([]*hostapi.Event{end})
	got, missed := 0, 0
	for {
		m := w.message()
		if data, ok := strings.CutPrefix(m, "event: lagging\ndata: "); ok {
			var lag struct{ Missed int }
			if err := json.Unmarshal([]byte(data), &lag); err != nil {
				t.Fatal(err)
			}
			missed += lag.Missed
			continue
		}
		if strings.HasPrefix(m, fmt.Sprintf("id: %d\n", n)) {
			break
		}
		got++
	}
	if missed == 0 || got+missed != n {
		t.Errorf("got %d and was told of %d missed, of %d", got, missed, n)
	}
}

// TestKeepAlive runs the handler in a bubble where time is ours.
func TestKeepAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		live := NewLive()
		r := live.watch(Filter{})
		ctx, cancel := context.WithCancel(t.Context())
		rec := &deadlineRecorder{ResponseRecorder: httptest.NewRecorder()}
		go func() { servePushes(ctx, rec, r, nil); live.drop(r) }()
		step := func(d time.Duration, want string) {
			t.Helper()
			time.Sleep(d) // in the bubble, this waits for nothing
			synctest.Wait()
			if got := rec.taken(); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		}
		step(0, ": watching\n\n")
		step(15*time.Second, ": keep-alive\n\n")
		step(14*time.Second, "")
		live.Routed([]*hostapi.Event{parsed(t, 5, `<event uid="C" type="t-x-d-d"/>`)})
		step(0, "id: 5\ndata: "+`{"id":"5","recv":"2026-11-21T18:00:01.000005Z","origin":"client","conn":7,"client":"UID-A",`+
			`"type":"t-x-d-d","how":"","uid":"C","xml":"<event uid=\"C\" type=\"t-x-d-d\"/>"}`+"\n\n")
		step(14*time.Second, "") // an event is as good as a comment
		step(time.Second, ": keep-alive\n\n")
		cancel()
		synctest.Wait()
		if live.readers.Load() != nil {
			t.Error("the reader is still there")
		}
		if rec.deadlines == 0 {
			t.Error("writes have no deadline")
		}
	})
}

// deadlineRecorder takes deadlines as a real connection does, and may be read
// while it is written.
type deadlineRecorder struct {
	*httptest.ResponseRecorder
	mu        sync.Mutex
	deadlines int
}

func (r *deadlineRecorder) SetWriteDeadline(time.Time) error { r.deadlines++; return nil }

func (r *deadlineRecorder) Write(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ResponseRecorder.Write(b)
}

func (r *deadlineRecorder) taken() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	defer r.Body.Reset()
	return r.Body.String()
}

func TestCloseEndsLiveEvents(t *testing.T) {
	s := newSite(t, &fakeCore{}, 0)
	w := s.watch(t, "")
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := s.Close(ctx); err != nil {
		t.Errorf("close: %v", err)
	}
	if rest, err := io.ReadAll(w.in); err != nil || len(rest) > 0 {
		t.Errorf("got %q, %v, want the end", rest, err)
	}
}

// TestCloseDespiteStalledWatcher shows that one who does not read does not hold
// up a stop.
func TestCloseDespiteStalledWatcher(t *testing.T) {
	s := newSite(t, &fakeCore{}, 0)
	s.watch(t, "")
	e := event(t, 1, "U", "a-f-G", 0, 0)
	e.XML = strings.Repeat("x", liveBytes/2)
	s.live.Routed([]*hostapi.Event{e, e}) // more than the socket takes
	ctx, cancel := context.WithTimeout(context.Background(), pushWait/2)
	defer cancel()
	if err := s.Close(ctx); err != nil {
		t.Errorf("close: %v", err)
	}
}

func TestWatcherThatLeaves(t *testing.T) {
	s := newSite(t, &fakeCore{}, 0)
	w := s.watch(t, "")
	if s.live.readers.Load() == nil {
		t.Fatal("nobody watches")
	}
	w.body.Close()
	s.http.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if left := s.requests.wait(ctx); left != 0 {
		t.Errorf("%d requests are still under way", left)
	}
	if s.live.readers.Load() != nil {
		t.Error("somebody still watches")
	}
}
