package web

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/takhost/takhost/core/plugin"
	"github.com/takhost/takhost/hostapi/wire"
)

func TestCORS(t *testing.T) {
	b := newBed(t, Options{})
	b.plugins.http = func(context.Context, string, string, *wire.HTTPRequest) (*plugin.Answer, error) {
		a := textAnswer(0, "text/plain", "hello")
		a.Header = [][2]string{{"Access-Control-Allow-Origin", "http://one"}, {"Access-Control-Allow-Credentials", "true"}}
		return a, nil
	}
	const ask, want = "Access-Control-Request-Method", "Access-Control-Request-Headers"
	for _, c := range []struct {
		name, method, path string
		headers            []string // in pairs
		status             int
		origin, allowed    string
	}{
		{"preflight without a login", "OPTIONS", "/ManageFence/postFence", []string{"Authorization", "", "Origin", "http://ui:5000", ask, "POST", want, "authorization, content-type"}, 204, "*", "authorization, content-type"},
		{"preflight that names no headers", "OPTIONS", "/api/v1/fences", []string{"Authorization", "", "Origin", "null", ask, "GET"}, 204, "*", "Authorization, Content-Type"},
		{"preflight with odd headers", "OPTIONS", "/api/v1/fences", []string{"Authorization", "", "Origin", "null", ask, "GET", want, "a b, x-y,,(z)"}, 204, "*", "x-y"},
		{"preflight with many headers", "OPTIONS", "/api/v1/fences", []string{"Authorization", "", "Origin", "null", ask, "GET", want, "x-y," + strings.Repeat("a", 2000)}, 204, "*", "x-y"},
		{"no preflight", "OPTIONS", "/api/v1/fences", []string{"Authorization", "", "Origin", "http://ui:5000"}, 405, "*", ""},
		{"request", "GET", "/api/v1/fences", []string{"Origin", "http://ui:5000"}, 200, "*", ""},
		{"refusal", "GET", "/api/v1/fences", []string{"Authorization", "", "Origin", "http://ui:5000"}, 401, "*", ""},
		{"nothing there", "GET", "/nothing", []string{"Origin", "http://ui:5000"}, 404, "*", ""},
		{"metrics", "GET", "/metrics", []string{"Origin", "http://ui:5000"}, 200, "", ""},
		{"preflight of metrics", "OPTIONS", "/metrics", []string{"Origin", "http://ui:5000", ask, "GET"}, 405, "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			resp, _ := b.send(t, c.method, c.path, "", c.headers...)
			h := resp.Header
			if resp.StatusCode != c.status {
				t.Errorf("got %s, want %d", resp.Status, c.status)
			}
			if got := strings.Join(h.Values("Access-Control-Allow-Origin"), ";"); got != c.origin {
				t.Errorf("got origin %q, want %q", got, c.origin)
			}
			if got := h.Get("Access-Control-Allow-Headers"); got != c.allowed {
				t.Errorf("got headers %q, want %q", got, c.allowed)
			}
			if got := h.Get("Access-Control-Allow-Credentials"); got != "" {
				t.Errorf("a browser may send credentials of its own: %q", got)
			}
		})
	}
	t.Run("admin socket", func(t *testing.T) {
		req, err := http.NewRequest("GET", "http://takhost/api/v1/clients", nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Origin", "http://ui:5000")
		resp, err := b.http.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if got := resp.Header.Get("Access-Control-Allow-Origin"); got != "" {
			t.Errorf("got %q", got)
		}
	})
}
