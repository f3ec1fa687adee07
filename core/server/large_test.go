package server

import (
	"io"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/takhost/takhost/core/config"
	"github.com/takhost/takhost/core/stream"
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/cot"
)

// Where clients are told to fetch.
func TestFetchBase(t *testing.T) {
	bound := map[string]string{"http": "0.0.0.0:8080", "https": "[::]:8443", "web": "192.0.2.1:8446"}
	for _, tt := range []struct {
		name   string
		public []string
		bound  map[string]string
		at     stream.Place
		want   string // or the words of the error
	}{
		{"plain", nil, bound, stream.Place{Listener: "tcp", Host: "198.51.100.7"}, "http://198.51.100.7:8080"},
		{"TLS", nil, bound, stream.Place{Listener: "tls", Host: "2001:db8::1"}, "https://[2001:db8::1]:8443"},
		{"bound to one address", nil, bound, stream.Place{Listener: "web", Host: "198.51.100.7"}, "https://192.0.2.1:8446"},
		{"by name", []string{"tak.example.org"}, bound, stream.Place{Listener: "tls", Host: "198.51.100.7"}, "https://tak.example.org:8443"},
		{"by name and port", []string{"a.example.org", "https=tak.example.org:443"}, bound, stream.Place{Listener: "tls"}, "https://tak.example.org"},
		{"another listener's name", []string{"https=tak.example.org:443"}, bound, stream.Place{Listener: "tcp", Host: "198.51.100.7"}, "http://198.51.100.7:8080"},
		{"WebSocket", nil, bound, stream.Place{Listener: "https", BaseURL: "https://seen.example.org:99"}, "https://seen.example.org:99"},
		{"WebSocket that named nothing", []string{"tak.example.org"}, bound, stream.Place{Listener: "web"}, "https://tak.example.org:8446"},
		{"no http", nil, map[string]string{"https": "0.0.0.0:8443"}, stream.Place{Listener: "tcp", Host: "198.51.100.7"}, "listen.http is closed"},
		{"no https", []string{"tak.example.org"}, map[string]string{"http": "0.0.0.0:8080"}, stream.Place{Listener: "tls"}, "listen.https is closed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cfg := config.Default()
			cfg.Public = tt.public
			s := New(&cfg, Options{})
			for name, addr := range tt.bound {
				tcp, err := net.ResolveTCPAddr("tcp", addr)
				if err != nil {
					t.Fatal(err)
				}
				s.listeners.note(name, func(o *outlet) { o.bound = tcp })
			}
			got, err := s.fetchBase(tt.at)
			if err != nil {
				got = err.Error()
			}
			if !strings.HasPrefix(got, tt.want) {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func longEvent(t *testing.T, uid string, groups hostapi.SetID) *hostapi.Event {
	t.Helper()
	e := &hostapi.Event{
		XML:    `<event version="2.0" uid="` + uid + `" type="u-d-f" how="h-e"><detail><x>` + strings.Repeat("a", 70<<10) + `</x></detail></event>`,
		Groups: groups, Origin: hostapi.FromPlugin, Via: "chat",
	}
	if err := cot.Scan(e.XML, &e.Header); err != nil {
		t.Fatal(err)
	}
	return e
}

var senderURL = regexp.MustCompile(`senderUrl="([^"]*)"`)

// What a plugin sent to some by name belongs to no group: the notice has a key.
func TestEventByNameIsFetchedByItsKey(t *testing.T) {
	s := startServer(t, "http")
	for groups, wantKey := range map[hostapi.SetID]bool{0: true, hostapi.AnonSet: false} {
		e := longEvent(t, "n", groups)
		e.ID, _ = s.ids.Next()
		n, err := noticer{s}.Keep(e)
		if err != nil {
			t.Fatal(err)
		}
		xml, err := n.For(stream.Place{Listener: "tcp"})
		if err != nil {
			t.Fatal(err)
		}
		u, err := url.Parse(strings.ReplaceAll(senderURL.FindStringSubmatch(xml)[1], "&amp;", "&"))
		if err != nil {
			t.Fatal(err)
		}
		u.Host = s.Addr("http").String()
		key := u.Query().Get("key")
		if (key != "") != wantKey {
			t.Errorf("groups %d: the key is %q", groups, key)
		}
		if status, body := fetchURL(t, u.String()); status != 200 || !strings.HasSuffix(body, e.XML) {
			t.Errorf("groups %d: got %d, %d bytes", groups, status, len(body))
		}
		if !wantKey {
			continue
		}
		for _, other := range []string{"", key[:len(key)-1], key + "A"} {
			q := u.Query()
			q.Set("key", other)
			u.RawQuery = q.Encode()
			if status, body := fetchURL(t, u.String()); status != 404 || body != "" {
				t.Errorf("with key %q: got %d, %d bytes", other, status, len(body))
			}
		}
	}
	if _, err := (noticer{s}).Keep(longEvent(t, "n", 1)); err == nil {
		t.Error("an event without an id is kept")
	}
}

func fetchURL(t *testing.T, u string) (status int, body string) {
	t.Helper()
	resp, err := http.Get(u)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}

// Events are found by id also where ids ran ahead of the clock.
func TestReadArchived(t *testing.T) {
	s := startServer(t, "tcp")
	ctx := t.Context()
	at := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	ids := map[string]hostapi.ID{}
	for name, ahead := range map[string]time.Duration{"in step": 0, "a little ahead": 3 * time.Millisecond, "clock set back": 5 * time.Minute} {
		e := longEvent(t, "same", hostapi.AnonSet)
		e.Recv = at.UnixMicro()
		e.ID = hostapi.NewID(at.Add(ahead), 1, len(ids))
		ids[name] = e.ID
		s.store.Archive().Routed([]*hostapi.Event{e})
	}
	if err := s.store.Archive().Flush(ctx); err != nil {
		t.Fatal(err)
	}
	for name, id := range ids {
		e, err := s.readArchived(ctx, "same", id, nil)
		if err != nil || e == nil || e.ID != id {
			t.Errorf("%s: got %v, %v", name, e, err)
		}
	}
	for name, ask := range map[string]struct {
		uid  string
		id   hostapi.ID
		sets []hostapi.SetID
	}{
		"another uid":  {"other", ids["in step"], nil},
		"other groups": {"same", ids["in step"], []hostapi.SetID{99}},
		"no groups":    {"same", ids["in step"], []hostapi.SetID{}},
		"no such id":   {"same", hostapi.NewID(at, 9, 9), nil},
		"id 0":         {"same", 0, nil},
		"largest id":   {"same", 1<<63 - 1, nil},
	} {
		if e, err := s.readArchived(ctx, ask.uid, ask.id, ask.sets); e != nil || err != nil {
			t.Errorf("%s: got %v, %v", name, e, err)
		}
	}
}
