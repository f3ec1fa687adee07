package web

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"mime/multipart"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/takhost/takhost/core/plugin"
	"github.com/takhost/takhost/core/plugin/call"
	"github.com/takhost/takhost/core/plugin/guest"
	"github.com/takhost/takhost/core/store"
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/wire"
	"github.com/takhost/takhost/openapi"
)

var since = time.Date(2026, 11, 21, 18, 0, 0, 0, time.UTC)

func TestPluginOperations(t *testing.T) {
	const json = "application/json"
	digest := strings.Repeat("ab", 32)
	for _, c := range []struct {
		name, method, path, body string
		err                      error
		status                   int
		answer                   string
		call                     string
	}{
		{name: "show", method: "GET", path: "/fence", status: 200, answer: `"name":"fence","version":"1.2.0","state":"active"`},
		{name: "show none", method: "GET", path: "/none", status: 404, answer: "there is no plugin none"},
		{name: "enable", method: "POST", path: "/fence/enable", status: 200, answer: `"state":"active"`, call: "enable fence"},
		{name: "disable", method: "POST", path: "/fence/disable", status: 200, call: "disable fence gently"},
		{name: "disable with force", method: "POST", path: "/fence/disable?force=true", status: 200, call: "disable fence force"},
		{name: "disable what is needed", method: "POST", path: "/fence/disable", err: &store.Error{Code: store.Conflict, Msg: "chat needs it"},
			status: 409, answer: "chat needs it", call: "disable fence gently"},
		{name: "remove", method: "DELETE", path: "/fence", status: 204, call: "remove fence gently"},
		{name: "reset", method: "POST", path: "/fence/reset", status: 200, call: "reset fence "},
		{name: "reset a key", method: "POST", path: "/fence/reset?key=config.period", status: 200, call: "reset fence config.period"},
		{name: "grant", method: "PUT", path: "/fence/grant", body: `{"events.read":["a-f-*","b-t-f"]}`, status: 200, call: "grant fence a-f-*,b-t-f"},
		{name: "grant what is none", method: "PUT", path: "/fence/grant", body: `{"events.raed":["a-f-*"]}`, status: 400, answer: `did you mean \"events.read\"?`},
		{name: "limits", method: "PUT", path: "/fence/limits", body: `{"memory":"128MiB"}`, status: 200, call: "limits fence 128MiB"},
		{name: "config", method: "PUT", path: "/fence/config", body: `{"period":"5s"}`, status: 200, call: "config fence 5s"},
		{name: "bad config", method: "PUT", path: "/fence/config", body: `{"period":"5s"}`, err: &store.Error{Code: store.Invalid, Msg: "config.period: is too short"},
			status: 400, answer: "config.period: is too short", call: "config fence 5s"},
		{name: "no config", method: "PUT", path: "/fence/config", body: `[1]`, status: 400, answer: "expected object"},
		{name: "install", method: "POST", path: "?sha256=" + digest, body: "PK", status: 200, answer: `"name":"fence"`, call: "install " + digest},
		{name: "install with a bad digest", method: "POST", path: "?sha256=xyz", body: "PK", status: 400, answer: "query.sha256"},
		{name: "install a broken package", method: "POST", body: "PK", err: errors.New("secret"), status: 500, answer: "its log says why", call: "install "},
		{name: "swap", method: "POST", path: "/fence/swap", body: "PK2", status: 200, call: "swap fence "},
		{name: "swap that asks for more", method: "POST", path: "/fence/swap", err: &call.StatusError{Status: hostapi.Forbidden, Message: "it asks for more", Details: []wire.Pair{{Name: "store", Value: "1 GiB"}}},
			status: 403, answer: `"errors":["store: 1 GiB"]`, call: "swap fence "},
		{name: "swap to one that crashes", method: "POST", path: "/fence/swap", err: fmt.Errorf("trial: %w", &guest.Crash{Op: hostapi.OpInit, Reason: guest.Deadline}),
			status: 409, answer: "trial: init: deadline", call: "swap fence "},
		{name: "swap to one whose routes clash", method: "POST", path: "/fence/swap", err: fmt.Errorf("swap: %w", &openapi.Refused{Plugin: "fence", Route: "list", Err: errors.New("is taken")}),
			status: 409, answer: "swap: plugin fence, route list: is taken", call: "swap fence "},
		{name: "swap to one that does not start", method: "POST", path: "/fence/swap", err: fmt.Errorf("trial: %w", &call.StatusError{Status: hostapi.Failed, Message: "there is no area"}),
			status: 409, answer: "trial: failed: there is no area", call: "swap fence "},
		{name: "dead letter", method: "GET", path: "/fence/dead-letters/2", status: 200, answer: `{"id":2,"plugin":"fence"`},
		{name: "no dead letter", method: "GET", path: "/fence/dead-letters/9", status: 404, answer: "no such dead letter"},
		{name: "no number", method: "GET", path: "/fence/dead-letters/x", status: 400, answer: "path.id: invalid integer"},
		{name: "retry", method: "POST", path: "/fence/dead-letters/2/retry", status: 204, call: "retry fence 2"},
		{name: "drop", method: "DELETE", path: "/fence/dead-letters/2", status: 204, call: "drop fence 2"},
		{name: "unknown parameter", method: "POST", path: "/fence/disable?forse=true", status: 400, answer: "query.forse: unknown query parameter"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBed(t, Options{})
			b.plugins.err = c.err
			b.plugins.list = []plugin.Info{{Name: "fence", Version: "1.2.0", State: plugin.Active, Since: since, Source: "shipped"}}
			b.plugins.dead = []plugin.DeadLetter{{ID: 2, Plugin: "fence", At: since, Op: "events", Error: "boom"}}
			contentType := json
			if strings.HasPrefix(c.body, "PK") {
				contentType = "application/octet-stream"
			}
			resp, body := b.send(t, c.method, "/api/v1/plugins"+c.path, c.body, "Content-Type", contentType)
			if resp.StatusCode != c.status || !strings.Contains(body, c.answer) || strings.Contains(body, "secret") {
				t.Errorf("got %s %s, want %d %s", resp.Status, body, c.status, c.answer)
			}
			if got := strings.Join(b.plugins.calls, "; "); got != c.call {
				t.Errorf("got the calls %q, want %q", got, c.call)
			}
			if c.status == 200 && strings.HasPrefix(c.body, "PK") && b.plugins.pkg != c.body {
				t.Errorf("the host got the package %q", b.plugins.pkg)
			}
		})
	}
}

func TestPages(t *testing.T) {
	b := newBed(t, Options{})
	for _, name := range []string{"c", "a", "b"} {
		b.plugins.list = append(b.plugins.list, plugin.Info{Name: name})
	}
	for i := range 5 {
		b.plugins.dead = append(b.plugins.dead, plugin.DeadLetter{ID: int64(10 * (i + 1)), Plugin: "fence"})
	}
	_, body := b.send(t, "GET", "/api/v1/plugins?limit=2", "")
	if !strings.Contains(body, `"name":"a"`) || !strings.Contains(body, `"next":"b"`) {
		t.Errorf("first page: %s", body)
	}
	if _, body = b.send(t, "GET", "/api/v1/plugins?limit=2&after=b", ""); !strings.Contains(body, `"name":"c"`) || strings.Contains(body, "next") {
		t.Errorf("second page: %s", body)
	}
	var ids, after []string
	for next := ""; ; {
		_, body := b.send(t, "GET", "/api/v1/plugins/fence/dead-letters?limit=2&after="+next, "")
		ids = append(ids, strings.Join(strings.Split(body, `{"id":`)[1:], ""))
		_, rest, more := strings.Cut(body, `"next":"`)
		if !more {
			break
		}
		next, _, _ = strings.Cut(rest, `"`)
		after = append(after, next)
	}
	if diff := cmp.Diff([]string{"14", "k"}, after); diff != "" || len(ids) != 3 {
		t.Errorf("%d pages, after (-want +got):\n%s", len(ids), diff)
	}
	if resp, body := b.send(t, "GET", "/api/v1/plugins/fence/dead-letters?limit=1000", ""); resp.StatusCode != 200 || strings.Contains(body, "next") {
		t.Errorf("the largest page: got %s %s", resp.Status, body)
	}
	if resp, body := b.send(t, "GET", "/api/v1/plugins/fence/dead-letters?after=!", ""); resp.StatusCode != 400 {
		t.Errorf("bad after: got %s %s", resp.Status, body)
	}
}

func TestUploads(t *testing.T) {
	b := newBed(t, Options{})
	var form bytes.Buffer
	w := multipart.NewWriter(&form)
	if err := w.WriteField("note", "x"); err != nil {
		t.Fatal(err)
	}
	part, err := w.CreateFormFile("package", "fence.takplugin")
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Repeat("PK", 1<<20) // more than huma reads of a body
	if _, err := part.Write([]byte(want)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	resp, body := b.send(t, "POST", "/api/v1/plugins", form.String(), "Content-Type", w.FormDataContentType())
	if resp.StatusCode != 200 || b.plugins.pkg != want {
		t.Errorf("got %s %s, %d bytes", resp.Status, body, len(b.plugins.pkg))
	}
	resp, body = b.send(t, "POST", "/api/v1/plugins", "--x--\r\n", "Content-Type", "multipart/form-data; boundary=x")
	if resp.StatusCode != 400 || !strings.Contains(body, "body: it has no file") {
		t.Errorf("no file: got %s %s", resp.Status, body)
	}
}

func TestPackageTooLarge(t *testing.T) {
	b := newBed(t, Options{})
	for _, c := range []struct{ name, contentType string }{{"plain", "application/zip"}} {
		t.Run(c.name, func(t *testing.T) {
			nc := b.dial(t)
			// The length alone is enough: the body need not come.
			if _, err := nc.Write([]byte("POST /api/v1/plugins HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\nConnection: close\r\n\r\n")); err != nil {
				t.Fatal(err)
			}
			answer := make([]byte, 64)
			n, err := nc.Read(answer)
			if err != nil || !strings.HasPrefix(string(answer[:n]), "HTTP/1.1 413 ") {
				t.Errorf("got %q, %v", answer[:n], err)
			}
		})
	}
}

func TestNoPlugins(t *testing.T) {
	s := newSite(t, &fakeCore{}, 0)
	for path, want := range map[string]int{"/api/v1/plugins": 200, "/api/v1/plugins/x": 503, "/api/v1/plugins/x/dead-letters": 503, "/api/v1/live": 503, "/v2/x/y": 404} {
		if resp, body := s.get(t, path); resp.StatusCode != want {
			t.Errorf("%s: got %s %s", path, resp.Status, body)
		}
	}
}

func TestReload(t *testing.T) {
	var fail error
	b := newBed(t, Options{Reload: func(context.Context) error { return fail }})
	if resp, body := b.send(t, "POST", "/api/v1/config/reload", ""); resp.StatusCode != 204 {
		t.Errorf("got %s %s", resp.Status, body)
	}
	fail = &store.Error{Code: store.Invalid, Msg: "takhost.yaml:3:1: prot is not known"}
	if resp, body := b.send(t, "POST", "/api/v1/config/reload", ""); resp.StatusCode != 400 || !strings.Contains(body, "prot is not known") {
		t.Errorf("got %s %s", resp.Status, body)
	}
	b = newBed(t, Options{})
	if resp, body := b.send(t, "POST", "/api/v1/config/reload", ""); resp.StatusCode != 501 {
		t.Errorf("got %s %s", resp.Status, body)
	}
}

func TestActions(t *testing.T) {
	b := newBed(t, Options{})
	b.plugins.action = func(name, action string, a *wire.Action) (*wire.ActionResult, error) {
		if name != "fence" || a.Name != action || a.Caller.User != SocketUser {
			t.Errorf("got %s %s %+v", name, action, a)
		}
		if action == "clear" {
			return nil, &call.StatusError{Status: hostapi.Conflict, Message: "busy"}
		}
		return &wire.ActionResult{Body: []byte(treeText(a.Tree))}, nil
	}
	for _, c := range []struct {
		name, method, path, body string
		status                   int
		want                     string
	}{
		{"get", "GET", "/v2/fence/list?synchronous=true", "", 200, "{}"},
		{"post", "POST", "/v2/fence/list", `{"a":1}`, 200, `{"a":1}`},
		{"by a route", "POST", "/api/plugins/fence/list", `{"a":2}`, 200, `{"a":2}`},
		{"refused", "POST", "/v2/fence/clear", "", 409, "busy"},
		{"get that writes", "GET", "/v2/fence/clear", "", 405, "send it by POST"},
		{"not public", "POST", "/v2/fence/inner", "", 404, "there is no public action fence/inner"},
		{"no plugin", "POST", "/v2/EmergencyAPI/GetEmergency", "", 404, "there is no public action"},
		{"no JSON", "POST", "/v2/fence/list", "{", 400, "body: byte 1"},
		{"no object", "POST", "/v2/fence/list", "[]", 400, "it is no JSON object"},
		{"too large", "POST", "/v2/fence/list", `{"a":"` + strings.Repeat("x", 1<<20) + `"}`, 413, "it is larger than 1 MiB"},
	} {
		t.Run(c.name, func(t *testing.T) {
			contentType := "text/plain"
			if c.name == "by a route" {
				contentType = "application/json"
			}
			resp, body := b.send(t, c.method, c.path, c.body, "Content-Type", contentType)
			if resp.StatusCode != c.status || !strings.Contains(body, c.want) {
				t.Errorf("got %s %s, want %d %s", resp.Status, body, c.status, c.want)
			}
		})
	}
}

// TestActionThatCrashes: who may call an action does not learn how the plugin
// ended; the log does.
func TestActionThatCrashes(t *testing.T) {
	b := newBed(t, Options{})
	b.plugins.action = func(string, string, *wire.Action) (*wire.ActionResult, error) {
		return nil, &guest.Crash{Op: hostapi.OpAction, Reason: guest.Trapped, Err: errors.New("unreachable"), Output: "the secret"}
	}
	resp, body := b.send(t, "POST", "/v2/fence/list", "{}")
	if resp.StatusCode != 500 || strings.Contains(body, "unreachable") || strings.Contains(body, "secret") {
		t.Errorf("got %s %s", resp.Status, body)
	}
	b.log.await(t, "plugin failed at an action")
}
