package web

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/google/go-cmp/cmp"

	"github.com/takhost/takhost/core/plugin/call"
	"github.com/takhost/takhost/hostapi"
)

func newSocketBed(t *testing.T) *bed {
	t.Helper()
	return newBed(t, Options{Auth: userAuth{out: 3}, Updates: NewUpdates(fakeAudiences{}, slog.New(slog.DiscardHandler))})
}

// open opens a WebSocket that has said that it watches.
func (b *bed) open(t *testing.T, path string, opt *websocket.DialOptions) *websocket.Conn {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	c, _, err := websocket.Dial(ctx, "ws"+strings.TrimPrefix(b.url, "http")+path, opt)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.CloseNow() })
	if m := readSocket(t, c); m.Type != "watching" {
		t.Fatalf("begins with %+v", m)
	}
	return c
}

func readSocket(t *testing.T, c *websocket.Conn) (m socketMessage) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	kind, b, err := c.Read(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &m); err != nil || kind != websocket.MessageText {
		t.Fatalf("got %v %q, %v", kind, b, err)
	}
	return m
}

func with(token string) *websocket.DialOptions {
	return &websocket.DialOptions{HTTPHeader: http.Header{"Authorization": {"Bearer " + token}}}
}

func TestEventsBySocket(t *testing.T) {
	b := newSocketBed(t)
	for _, c := range []struct {
		name     string
		opt      *websocket.DialOptions
		protocol string
	}{
		{"header", with("bob-admin"), ""},
		{"as a browser does", &websocket.DialOptions{Subprotocols: []string{"takhost", "bearer.bob-admin"}}, "takhost"},
		{"token alone", &websocket.DialOptions{Subprotocols: []string{"bearer.bob-admin"}}, "bearer.bob-admin"},
		{"own origin", &websocket.DialOptions{HTTPHeader: http.Header{"Authorization": {"Bearer bob-admin"}, "Origin": {b.url}}}, ""},
		{"other origin, with a token", &websocket.DialOptions{HTTPHeader: http.Header{"Authorization": {"Bearer bob-admin"}, "Origin": {"https://other.example"}}}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			conn := b.open(t, "/api/v1/events/live?type=a-f-*", c.opt)
			if conn.Subprotocol() != c.protocol {
				t.Errorf("got the subprotocol %q, want %q", conn.Subprotocol(), c.protocol)
			}
			b.live.Routed([]*hostapi.Event{event(t, 1, "U", "b-t-f", 0, 0), event(t, 1<<60, "V", "a-f-G", 1, 2)})
			m := readSocket(t, conn)
			var e Event
			if err := json.Unmarshal(m.Data, &e); err != nil || m.Type != "event" || m.ID != "1152921504606846976" || e.UID != "V" {
				t.Errorf("got %+v, %v", m, err)
			}
		})
	}
}

func TestSocketRefused(t *testing.T) {
	b := newSocketBed(t)
	for _, c := range []struct {
		name, path string
		opt        *websocket.DialOptions
		status     int
	}{
		{"no token", "/api/v1/events/live", nil, 401},
		{"wrong token", "/api/v1/events/live", &websocket.DialOptions{Subprotocols: []string{"takhost", "bearer.x"}}, 401},
		{"not an administrator", "/api/v1/events/live", with("eve-user"), 403},
		{"bad type", "/api/v1/events/live?type=%3C", with("bob-admin"), 400},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
			defer cancel()
			conn, resp, err := websocket.Dial(ctx, "ws"+strings.TrimPrefix(b.url, "http")+c.path, c.opt)
			if err == nil {
				conn.CloseNow()
			}
			if err == nil || resp == nil || resp.StatusCode != c.status {
				t.Errorf("got %v, %v, want %d", resp, err, c.status)
			}
		})
	}
}

func TestUpdatesBySocketAndSSE(t *testing.T) {
	b := newSocketBed(t)
	conn := b.open(t, "/api/v1/live?stream=chat&stream=geo.*", with("eve-user"))
	req, err := http.NewRequest("GET", b.url+"/api/v1/live?stream=chat&stream=geo.*", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer eve-user")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	w := &watcher{t, resp.Body, bufio.NewReader(resp.Body)}
	if got := w.message(); got != ": watching\n" {
		t.Fatalf("begins with %q", got)
	}
	up := func(stream, event string, set hostapi.SetID, data string) (u call.Update) {
		u.Stream, u.Event, u.Data = stream, event, []byte(data)
		u.To.Groups = set
		return u
	}
	b.opt.Updates.Publish([]call.Update{up("chat", "message", 4, "0"), up("other", "", 3, "1"), up("chat", "message", 3, `{"text":"hi"}`), up("geo.x", "", 3, "3")})
	want := []socketMessage{{Type: "message", Stream: "chat", Data: []byte(`{"text":"hi"}`)}, {Type: "geo.x", Stream: "geo.x", Data: []byte("3")}}
	if diff := cmp.Diff(want, []socketMessage{readSocket(t, conn), readSocket(t, conn)}); diff != "" {
		t.Errorf("by WebSocket (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"event: message\ndata: {\"text\":\"hi\"}\n", "event: geo.x\ndata: 3\n"}, []string{w.message(), w.message()}); diff != "" {
		t.Errorf("by SSE (-want +got):\n%s", diff)
	}
}

// TestCloseEndsSockets shows that a stop ends those who watch, also one who does
// not read.
func TestCloseEndsSockets(t *testing.T) {
	b := newSocketBed(t)
	good := b.open(t, "/api/v1/live", with("eve-user"))
	stuck := b.open(t, "/api/v1/events/live", with("bob-admin"))
	e := event(t, 1, "U", "a-f-G", 0, 0)
	e.XML = strings.Repeat("x", liveBytes/2)
	b.live.Routed([]*hostapi.Event{e, e}) // more than the connection takes
	ended := make(chan error, 1)
	go func() {
		_, _, err := good.Read(context.Background())
		ended <- err
	}()
	ctx, cancel := context.WithTimeout(context.Background(), pushWait/2)
	defer cancel()
	if err := b.Close(ctx); err != nil {
		t.Errorf("close: %v", err)
	}
	var end websocket.CloseError
	if err := <-ended; !errors.As(err, &end) || end.Code != websocket.StatusGoingAway {
		t.Errorf("got %v, want a going away", err)
	}
	stuck.CloseNow()
}

// TestSocketThatLeaves shows that nothing is left of one who is gone.
func TestSocketThatLeaves(t *testing.T) {
	b := newSocketBed(t)
	conn := b.open(t, "/api/v1/events/live", with("bob-admin"))
	if b.live.readers.Load() == nil {
		t.Fatal("nobody watches")
	}
	conn.Close(websocket.StatusNormalClosure, "")
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if left := b.requests.wait(ctx); left != 0 {
		t.Errorf("%d requests are still under way", left)
	}
	if b.live.readers.Load() != nil {
		t.Error("somebody still watches")
	}
}

// TestSocketThatTalks shows that a client that sends something is cut: nothing
// is read there.
func TestSocketThatTalks(t *testing.T) {
	b := newSocketBed(t)
	conn := b.open(t, "/api/v1/live", with("eve-user"))
	if err := conn.Write(t.Context(), websocket.MessageText, []byte("hello")); err != nil {
		t.Fatal(err)
	}
	_, _, err := conn.Read(t.Context())
	var end websocket.CloseError
	if !errors.As(err, &end) || end.Code != websocket.StatusPolicyViolation {
		t.Errorf("got %v", err)
	}
}
