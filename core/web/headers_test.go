package web

import (
	"context"
	"strings"
	"testing"

	"github.com/takhost/takhost/core/plugin"
	"github.com/takhost/takhost/hostapi/wire"
)

// TestHeadersThatAPluginCannotSet: they would speak for the whole server.
func TestHeadersThatAPluginCannotSet(t *testing.T) {
	b := newBed(t, Options{})
	var name string
	b.plugins.http = func(context.Context, string, string, *wire.HTTPRequest) (*plugin.Answer, error) {
		a := textAnswer(0, "text/plain", "hello")
		a.Header = [][2]string{{name, "of-the-plugin"}}
		return a, nil
	}
	for _, name = range []string{
		"Set-Cookie", "Service-Worker-Allowed", "Alt-Svc", "Report-To", "NEL", "X-Accel-Redirect", "X-Sendfile",
		"X-Content-Type-Options", "access-control-expose-headers", "Proxy-Authenticate", "Strict-Transport-Security",
	} {
		resp, _ := b.send(t, "GET", "/api/v1/fences", "")
		for _, v := range resp.Header.Values(name) {
			if v == "of-the-plugin" {
				t.Errorf("%s went out", name)
			}
		}
	}
	name = "Content-Language"
	if resp, _ := b.send(t, "GET", "/api/v1/fences", ""); resp.Header.Get(name) != "of-the-plugin" {
		t.Errorf("%s did not go out", name)
	}
}

// TestCaching: answers behind a login are kept nowhere, unless the plugin says so.
func TestCaching(t *testing.T) {
	b := newBed(t, Options{})
	var own [][2]string
	b.plugins.http = func(context.Context, string, string, *wire.HTTPRequest) (*plugin.Answer, error) {
		a := textAnswer(0, "text/plain", "hello")
		a.Header = own
		return a, nil
	}
	for _, c := range []struct {
		name, path string
		own        [][2]string
		want       string
	}{
		{"core", "/api/v1/clients", nil, "no-store"},
		{"plugin", "/api/v1/fences", nil, "no-store"},
		{"plugin that says more", "/api/v1/fences", [][2]string{{"cache-control", "private"}, {"Cache-Control", "max-age=60"}}, "private, max-age=60"},
		{"open", "/api/plugins/fence/hello", nil, ""},
		{"file", "/api/plugins/fence/static/app.mjs", nil, "no-cache"},
	} {
		t.Run(c.name, func(t *testing.T) {
			own = c.own
			resp, _ := b.send(t, "GET", c.path, "")
			if got := strings.Join(resp.Header.Values("Cache-Control"), ", "); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
			if got := resp.Header.Values("X-Content-Type-Options"); len(got) != 1 || got[0] != "nosniff" {
				t.Errorf("got X-Content-Type-Options %q", got)
			}
		})
	}
}

// TestDocumentsOfPlugins: what a client put into an answer is no script of this
// server.
func TestDocumentsOfPlugins(t *testing.T) {
	b := newBed(t, Options{})
	var contentType string
	b.plugins.http = func(context.Context, string, string, *wire.HTTPRequest) (*plugin.Answer, error) {
		return textAnswer(0, contentType, "<script>alert(1)</script>"), nil
	}
	b.plugins.action = func(string, string, *wire.Action) (*wire.ActionResult, error) {
		return &wire.ActionResult{ContentType: contentType, Body: []byte("<script>alert(1)</script>")}, nil
	}
	for _, c := range []struct {
		contentType string
		document    bool
	}{
		{"application/xhtml+xml , q", false}, {"text/html (x)", false}, // they go out as bytes
		{"Multipart/x-mixed-replace", true}, {"message/rfc822", true}, {"application/unheard-of", true}, {"text/css", true},
		{"text/html; charset=utf-8", true}, {"TEXT/HTML", true}, {"text/html;;", true}, {"image/svg+xml", true},
		{"application/xhtml+xml", true}, {"application/xml", true}, {"text/xml;charset=x", true},
		{"application/json", false}, {"text/plain", false}, {"image/png", false},
	} {
		contentType = c.contentType
		for _, path := range []string{"/api/v1/fences", "/v2/fence/list"} {
			resp, _ := b.send(t, "GET", path, "")
			want := ""
			if c.document {
				want = documentCSP
			}
			if got := resp.Header.Get("Content-Security-Policy"); got != want || resp.Header.Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("%s as %s: got policy %q, want %q; header %v", path, c.contentType, got, want, resp.Header)
			}
			if got := resp.Header.Get("Content-Type"); strings.ContainsAny(c.contentType, ",(") && got != "application/octet-stream" {
				t.Errorf("%s as %s: got it as %s", path, c.contentType, got)
			}
		}
	}
}
