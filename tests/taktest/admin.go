package taktest

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/takhost/takhost/core/web"
	"github.com/takhost/takhost/tests/takclient"
)

// Admin asks a server over its admin socket, and for metrics on its listen.rest.
type Admin struct {
	socket string
	http   *http.Client
}

func newAdmin(socket string) *Admin {
	return &Admin{socket: socket, http: &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", socket)
		},
		DisableKeepAlives: true, // no goroutine is left behind
	}}}
}

// HTTP gives a client whose every request goes to the admin socket; the host of
// the URL does not matter.
func (a *Admin) HTTP() *http.Client { return a.http }

// Get asks for a path and decodes the JSON of the answer, which must be 200.
func (a *Admin) Get(t testing.TB, path string, query url.Values, to any) {
	t.Helper()
	u := url.URL{Scheme: "http", Host: "takhost", Path: path, RawQuery: query.Encode()}
	status, body := fetch(t, a.http, u.String())
	if status != http.StatusOK {
		t.Fatalf("GET %s: got %d %s, want 200", u.RequestURI(), status, body)
	}
	if err := json.Unmarshal(body, to); err != nil {
		t.Fatalf("GET %s: %v in %s", u.RequestURI(), err, body)
	}
}

// Refused asks for a path, whose answer must be a problem, and gives its detail.
func (a *Admin) Refused(t testing.TB, wantStatus int, path string, query url.Values) string {
	t.Helper()
	u := url.URL{Scheme: "http", Host: "takhost", Path: path, RawQuery: query.Encode()}
	status, body := fetch(t, a.http, u.String())
	var p web.Problem
	if err := json.Unmarshal(body, &p); err != nil || status != wantStatus {
		t.Fatalf("GET %s: got %d %s (%v), want the problem %d", u.RequestURI(), status, body, err, wantStatus)
	}
	return p.Detail
}

func fetch(t testing.TB, c *http.Client, u string) (status int, body []byte) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, err = io.ReadAll(resp.Body); err != nil {
		t.Fatalf("GET %s: %v", u, err)
	}
	return resp.StatusCode, body
}

// Status asks how the server is doing.
func (a *Admin) Status(t testing.TB) (st web.Status) {
	t.Helper()
	a.Get(t, "/api/v1/status", nil, &st)
	return st
}

// Clients lists all connections.
func (a *Admin) Clients(t testing.TB) (all []web.Client) {
	t.Helper()
	query := url.Values{"limit": {"1000"}}
	for {
		var page web.ClientPage
		a.Get(t, "/api/v1/clients", query, &page)
		all = append(all, page.Clients...)
		if page.Next == "" {
			return all
		}
		query.Set("after", page.Next)
	}
}

// ClientOf gives the connection of the client with that uid.
func (a *Admin) ClientOf(t testing.TB, uid string) web.Client {
	t.Helper()
	for _, c := range a.Clients(t) {
		if c.UID == uid {
			return c
		}
	}
	t.Fatalf("no client has the uid %q", uid)
	return web.Client{}
}

// Events gives all archived events that query asks for, over all pages. The
// pages have 1,000 events unless it has a limit.
func (a *Admin) Events(t testing.TB, query url.Values) (all []web.Event) {
	t.Helper()
	q := url.Values{"limit": {"1000"}}
	for k, v := range query {
		q[k] = v
	}
	for {
		var page web.EventPage
		a.Get(t, "/api/v1/events", q, &page)
		all = append(all, page.Events...)
		if page.Next == "" {
			return all
		}
		q.Set("after", page.Next)
	}
}

// Archived waits, at most takclient.DefaultWait, until the archive has n events
// that query asks for, and gives them.
func (a *Admin) Archived(t testing.TB, n int, query url.Values) []web.Event {
	t.Helper()
	limit := time.NewTimer(takclient.DefaultWait)
	defer limit.Stop()
	again := time.NewTicker(10 * time.Millisecond)
	defer again.Stop()
	for {
		evs := a.Events(t, query)
		if len(evs) >= n {
			return evs
		}
		select {
		case <-again.C:
		case <-limit.C:
			t.Fatalf("the archive has %d events of %v after %v, want %d", len(evs), query, takclient.DefaultWait, n)
		}
	}
}

// Metric gives the value of a metric; name has its labels, if any, as
// Prometheus writes them.
func (a *Admin) Metric(t testing.TB, name string) float64 {
	t.Helper()
	for line := range strings.Lines(string(a.rest(t, "/metrics"))) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			v, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
			if err != nil {
				t.Fatalf("metric %s: %v", name, err)
			}
			return v
		}
	}
	t.Fatalf("there is no metric %s", name)
	return 0
}

// rest asks listen.rest.
func (a *Admin) rest(t testing.TB, path string) []byte {
	t.Helper()
	for _, l := range a.Status(t).Listeners {
		if l.Name == "rest" && l.Addr != "" {
			c := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
			status, body := fetch(t, c, "http://"+l.Addr+path)
			if status != http.StatusOK {
				t.Fatalf("GET %s: got %d %s, want 200", path, status, body)
			}
			return body
		}
	}
	t.Fatal("listen.rest is not open")
	return nil
}
