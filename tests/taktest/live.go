package taktest

import (
	"bufio"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/takhost/takhost/core/web"
	"github.com/takhost/takhost/tests/takclient"
)

// Live collects the events that the server tells as they come.
type Live struct {
	done chan struct{} // closed when the reader has ended

	mu      sync.Mutex // guards what follows
	events  []web.Event
	next    int // of events, for Expect
	changed chan struct{}
	err     error
}

// Watch begins to collect events; none that is routed after its return is
// missing. It ends with the test or the server.
func (a *Admin) Watch(t testing.TB, query url.Values) *Live {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://takhost/api/v1/events/live?"+query.Encode(), nil)
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	resp, err := a.http.Do(req)
	if err != nil {
		cancel()
		t.Fatal(err)
	}
	l := &Live{done: make(chan struct{}), changed: make(chan struct{})}
	t.Cleanup(func() {
		cancel()
		<-l.done
	})
	in := bufio.NewReader(resp.Body)
	first, err := in.ReadString('\n')
	if err != nil || !strings.HasPrefix(first, ":") || resp.StatusCode != http.StatusOK {
		resp.Body.Close()
		close(l.done)
		t.Fatalf("watch events: got %s, %q, %v; want 200 and a comment", resp.Status, first, err)
	}
	go func() {
		defer close(l.done)
		defer resp.Body.Close()
		l.read(in)
	}()
	return l
}

func (l *Live) read(in *bufio.Reader) {
	for {
		line, err := in.ReadString('\n')
		if data, ok := strings.CutPrefix(line, "data: "); ok && err == nil {
			var e web.Event
			if err = json.Unmarshal([]byte(data), &e); err == nil {
				l.add(func() { l.events = append(l.events, e) })
			}
		}
		if err != nil {
			l.add(func() { l.err = err })
			return
		}
	}
}

func (l *Live) add(change func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change()
	close(l.changed)
	l.changed = make(chan struct{})
}

// Expect waits, at most takclient.DefaultWait, for the next event that has uid,
// and passes over those before it.
func (l *Live) Expect(t testing.TB, uid string) web.Event {
	t.Helper()
	timer := time.NewTimer(takclient.DefaultWait)
	defer timer.Stop()
	for {
		l.mu.Lock()
		for l.next < len(l.events) {
			e := l.events[l.next]
			l.next++
			if e.UID == uid {
				l.mu.Unlock()
				return e
			}
		}
		changed, err := l.changed, l.err
		l.mu.Unlock()
		if err != nil {
			t.Fatalf("live events ended before %q came: %v", uid, err)
		}
		select {
		case <-changed:
		case <-timer.C:
			t.Fatalf("live events: %q did not come", uid)
		}
	}
}

// All gives what came so far.
func (l *Live) All() []web.Event {
	l.mu.Lock()
	defer l.mu.Unlock()
	return append([]web.Event(nil), l.events...)
}

// Ended waits until the server has ended the events and gives the reason;
// io.EOF is an orderly end.
func (l *Live) Ended(t testing.TB) error {
	t.Helper()
	timer := time.NewTimer(takclient.DefaultWait)
	defer timer.Stop()
	select {
	case <-l.done:
	case <-timer.C:
		t.Fatal("live events go on, want them to end")
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}
