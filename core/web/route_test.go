package web

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/takhost/takhost/core/plugin"
	"github.com/takhost/takhost/core/plugin/call"
	"github.com/takhost/takhost/core/plugin/guest"
	"github.com/takhost/takhost/core/store"
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/wire"
)

// bed is a site with listen.rest and the plugin fence.
type bed struct {
	*site
	plugins *fakePlugins
	url     string
}

func newBed(t testing.TB, opt Options) *bed {
	t.Helper()
	b := &bed{plugins: &fakePlugins{}}
	opt.Plugins = b.plugins
	b.site = newSiteWith(t, &fakeCore{}, opt)
	b.use(t, fence(t))
	b.url = "http://" + b.listenREST(t, nil)
	return b
}

// send sends a request with the token; headers are in pairs.
func (b *bed) send(t testing.TB, method, path, body string, headers ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequest(method, b.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Close = true
	req.Header.Set("Authorization", "Bearer "+testToken)
	if len(body) > 64<<10 {
		// An answer that comes before the body is taken would be lost with the
		// connection.
		req.Header.Set("Expect", "100-continue")
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(text)
}

func treeText(b []byte) string {
	if b == nil {
		return ""
	}
	return hostapi.Tree(b).Root().Raw()
}

// TestRouteRequests shows what a plugin gets of a request.
func TestRouteRequests(t *testing.T) {
	const json = "application/json"
	pairs := func(text ...string) (list []wire.Pair) {
		for i := 0; i < len(text); i += 2 {
			list = append(list, wire.Pair{Name: text[i], Value: text[i+1]})
		}
		return list
	}
	for _, c := range []struct {
		name, method, path, contentType, body string
		want                                  wire.HTTPRequest
		tree                                  string
	}{
		{name: "query", method: "GET", path: "/api/v1/fences?tag=b&tag=a%20c&x=1&limit=5", want: wire.HTTPRequest{
			Route: "fences", Method: "GET", Path: "/api/v1/fences", ReadOnly: true, Query: pairs("tag", "b", "tag", "a c", "x", "1", "limit", "5")}},
		{name: "default of a parameter", method: "HEAD", path: "/api/v1/fences", want: wire.HTTPRequest{
			Route: "fences", Method: "HEAD", Path: "/api/v1/fences", ReadOnly: true, Query: pairs("limit", "100")}},
		{name: "path", method: "GET", path: "/api/v1/fences/a%2Fb%20c", want: wire.HTTPRequest{
			Route: "fence", Method: "GET", Path: "/api/v1/fences/a/b c", ReadOnly: true, Params: pairs("name", "a/b c")}},
		{name: "rest of a path", method: "GET", path: "/api/v1/fences/n/files/a/b.txt", want: wire.HTTPRequest{
			Route: "file", Method: "GET", Path: "/api/v1/fences/n/files/a/b.txt", ReadOnly: true, Params: pairs("name", "n", "path", "a/b.txt")}},
		{name: "other name for the same place", method: "DELETE", path: "/api/v1/fences/x", want: wire.HTTPRequest{
			Route: "drop", Method: "DELETE", Path: "/api/v1/fences/x", Params: pairs("id", "x")}},
		{name: "a GET that writes", method: "GET", path: "/api/v1/fences/x/count", want: wire.HTTPRequest{
			Route: "count", Method: "GET", Path: "/api/v1/fences/x/count", Params: pairs("name", "x")}},
		{name: "json", method: "POST", path: "/api/v1/fences", contentType: json + "; charset=utf-8", body: `{"name":"A","radius":1e2}`,
			want: wire.HTTPRequest{Route: "make", Method: "POST", Path: "/api/v1/fences"}, tree: `{"name":"A","radius":1e2}`},
		{name: "json with a default", method: "POST", path: "/api/v1/fences", contentType: "application/x+json", body: `{"name":"A"}`,
			want: wire.HTTPRequest{Route: "make", Method: "POST", Path: "/api/v1/fences"}, tree: `{"name":"A","radius":250.5}`},
		{name: "loose, any content type", method: "POST", path: "/ManageFence/postFence", contentType: "text/plain", body: `{"name":"A","more":[1]}`,
			want: wire.HTTPRequest{Route: "post", Method: "POST", Path: "/ManageFence/postFence"}, tree: `{"more":[1],"name":"A"}`},
		{name: "loose, empty", method: "POST", path: "/ManageFence/postFence", body: "\n",
			want: wire.HTTPRequest{Route: "post", Method: "POST", Path: "/ManageFence/postFence"}, tree: `{"name":"unnamed"}`},
		{name: "xml", method: "PUT", path: "/Marti/fences/x", contentType: "text/plain", body: `<?xml version="1.0"?><a b="c"/>`,
			want: wire.HTTPRequest{Route: "marti", Method: "PUT", Path: "/Marti/fences/x", Params: pairs("name", "x")}, tree: `<a b="c"/>`},
		{name: "form", method: "POST", path: "/api/plugins/fence/form", contentType: "application/x-www-form-urlencoded", body: "age=7&unit=a+b",
			want: wire.HTTPRequest{Route: "form", Method: "POST", Path: "/api/plugins/fence/form", Form: pairs("age", "7", "unit", "a b")}},
		{name: "multipart form", method: "POST", path: "/api/plugins/fence/form", contentType: "multipart/form-data; boundary=x",
			body: "--x\r\nContent-Disposition: form-data; name=age\r\n\r\n7\r\n--x--\r\n",
			want: wire.HTTPRequest{Route: "form", Method: "POST", Path: "/api/plugins/fence/form", Form: pairs("age", "7", "unit", "m")}},
		{name: "raw", method: "POST", path: "/api/plugins/fence/raw", contentType: "image/png", body: "\x00\xff",
			want: wire.HTTPRequest{Route: "raw", Method: "POST", Path: "/api/plugins/fence/raw", Body: []byte("\x00\xff")}},
		{name: "no body", method: "GET", path: "/api/plugins/fence/hello", contentType: json, body: `{`,
			want: wire.HTTPRequest{Route: "hello", Method: "GET", Path: "/api/plugins/fence/hello", ReadOnly: true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBed(t, Options{AllGroups: func() hostapi.SetID { return 7 }})
			var got wire.HTTPRequest
			b.plugins.http = func(_ context.Context, name, route string, r *wire.HTTPRequest) (*plugin.Answer, error) {
				if name != "fence" || route != r.Route {
					t.Errorf("asked %s for %s", name, route)
				}
				got = *r
				return textAnswer(0, "", "ok"), nil
			}
			headers := []string{"X-Trace", "7", "Cookie", "secret=1", "X-Other", "no", "User-Agent", "ua"}
			if c.contentType != "" {
				headers = append(headers, "Content-Type", c.contentType)
			}
			resp, body := b.send(t, c.method, c.path, c.body, headers...)
			if resp.StatusCode != http.StatusOK {
				t.Fatalf("got %s %s", resp.Status, body)
			}
			text := treeText(got.Tree)
			for _, h := range got.Headers {
				if strings.Contains(h.Value, "secret") || strings.Contains(h.Value, testToken) || h.Name == "x-other" {
					t.Errorf("the plugin got the header %v", h)
				}
			}
			trace := c.want.Route == "fences"
			if has := fmt.Sprint(got.Headers); strings.Contains(has, "{x-trace 7}") != trace || !strings.Contains(has, "{user-agent ua}") {
				t.Errorf("got the headers %s", has)
			}
			caller := &wire.Caller{
				User: SocketUser, Name: "Administrator", Roles: []string{"admin"}, InSet: 7, OutSet: 7, Listener: "rest", BaseURL: b.url,
			}
			if diff := cmp.Diff(caller, got.Caller); diff != "" {
				t.Errorf("caller (-want +got):\n%s", diff)
			}
			c.want.ContentType = c.contentType
			if c.contentType == "" {
				c.want.ContentType = got.ContentType
			}
			got.Tree, got.Headers, got.Caller = nil, nil, nil
			if diff := cmp.Diff(c.want, got); diff != "" || text != c.tree {
				t.Errorf("tree %s, want %s; request (-want +got):\n%s", text, c.tree, diff)
			}
		})
	}
}

// TestRouteRefusals has requests that do not reach the plugin.
func TestRouteRefusals(t *testing.T) {
	b := newBed(t, Options{})
	b.plugins.http = func(context.Context, string, string, *wire.HTTPRequest) (*plugin.Answer, error) {
		t.Error("the plugin was asked")
		return textAnswer(0, "", ""), nil
	}
	const json = "application/json"
	for _, c := range []struct {
		name, method, path, contentType, body string
		status                                int
		want                                  string
	}{
		{"limit is no number", "GET", "/api/v1/fences?limit=many", "", "", 400, "query.limit: is "},
		{"limit too high", "GET", "/api/v1/fences?limit=1001", "", "", 400, "query.limit: 1001 is too high: at most 1000"},
		{"tag too long", "GET", "/api/v1/fences?tag=a&tag=abcdefg", "", "", 400, "query.tag[1]: has 7 characters: at most 5"},
		{"bad escape", "GET", "/api/v1/fences?a=%zz", "", "", 400, "query: "},
		{"not UTF-8", "GET", "/api/v1/fences?a=%ff", "", "", 400, "query: "},
		{"empty parameter", "GET", "/api/v1/fences//count", "", "", 404, "there is no /api/v1/fences//count"},
		{"wrong type", "POST", "/api/v1/fences", "text/plain", `{}`, 415, "the body's content type is not application/json"},
		{"no JSON", "POST", "/api/v1/fences", json, `{"name"`, 400, "body: byte 7: "},
		{"key twice", "POST", "/api/v1/fences", json, `{"name":"a","name":"b"}`, 400, "the same key twice"},
		{"missing key", "POST", "/api/v1/fences", json, `{}`, 400, "body.name: is missing: what it is called"},
		{"unknown key", "POST", "/api/v1/fences", json, `{"name":"a","raduis":1}`, 400, `body.raduis: is not known: did you mean \"radius\"?`},
		{"several faults", "POST", "/api/v1/fences", json, `{"name":"","radius":-1}`, 400, `"errors":["body.name: `},
		{"too large", "POST", "/api/v1/fences", json, `{"name":"` + strings.Repeat("x", 1000) + `"}`, 413, "body: it is larger than 1000 bytes"},
		{"no XML, as Marti writes it", "PUT", "/Marti/fences/x", "", `<a`, 400, `{"status":"BAD_REQUEST","code":0,"message":"body: byte `},
		{"no JSON, as FreeTAKServer writes it", "POST", "/ManageFence/postFence", "", `{`, 400, `{"message":"body: byte 1: `},
		{"form without a field", "POST", "/api/plugins/fence/form", "application/x-www-form-urlencoded", "a=1", 400, "body.age: is missing"},
		{"form of another type", "POST", "/api/plugins/fence/form", json, "{}", 415, "is not application/x-www-form-urlencoded or multipart/form-data"},
		{"form with a file", "POST", "/api/plugins/fence/form", "multipart/form-data; boundary=x",
			"--x\r\nContent-Disposition: form-data; name=a; filename=b\r\n\r\n7\r\n--x--\r\n", 400, `the field \"a\" is a file`},
		{"broken multipart", "POST", "/api/plugins/fence/form", "multipart/form-data", "x", 400, "it is no multipart form"},
		{"upload", "POST", "/api/plugins/fence/upload", "", "x", 503, "this server keeps no files"},
	} {
		t.Run(c.name, func(t *testing.T) {
			resp, body := b.send(t, c.method, c.path, c.body, "Content-Type", c.contentType)
			if resp.StatusCode != c.status || !strings.Contains(body, c.want) {
				t.Errorf("got %s %s, want %d %s", resp.Status, body, c.status, c.want)
			}
		})
	}
}

func TestRouteAnswers(t *testing.T) {
	closed := 0
	for _, c := range []struct {
		name, method, path string
		answer             *plugin.Answer
		err                error
		status             int
		body               string
		headers            [2]string // one that must be there
		log                string
	}{
		{name: "plain", answer: textAnswer(0, "", "hi"), status: 200, body: "hi", headers: [2]string{"Content-Type", "application/json"}},
		{name: "own type and status", answer: textAnswer(201, "text/x", "hi"), status: 201, body: "hi", headers: [2]string{"Content-Type", "text/x"}},
		{name: "length", answer: textAnswer(0, "", "hi"), status: 200, body: "hi", headers: [2]string{"Content-Length", "2"}},
		{name: "unknown length", answer: &plugin.Answer{Size: -1, WriteTo: textAnswer(0, "", "abc").WriteTo}, status: 200, body: "abc"},
		{name: "header", answer: &plugin.Answer{Header: [][2]string{{"ETag", `"x"`}, {"Set-Cookie", "a=b"}, {"Content-Length", "9"}}}, status: 200, headers: [2]string{"ETag", `"x"`}},
		{name: "no content", answer: &plugin.Answer{Status: 204, WriteTo: textAnswer(0, "", "no").WriteTo}, status: 204},
		{name: "head", method: "HEAD", answer: textAnswer(0, "", "hi"), status: 200, headers: [2]string{"Content-Length", "2"}},
		{name: "status that is none", answer: textAnswer(99, "", ""), status: 500, body: "the server failed at this; its log says why", log: "HTTP status 99"},
		{name: "upgrade", answer: textAnswer(101, "", ""), status: 500, log: "HTTP status 101"},
		{name: "bad header", answer: &plugin.Answer{Header: [][2]string{{"X-A", "b\r\nX-Evil: 1"}}}, status: 500, log: "header that cannot be sent"},
		{name: "bad type", answer: textAnswer(200, "a\nb", ""), status: 500, log: "content type"},

		{name: "crash", err: &guest.Crash{Op: hostapi.OpHTTP, Reason: guest.Trapped, Err: errors.New("secret pointer"), Output: "stack"},
			status: 500, body: "the server failed at this; its log says why", log: "secret pointer"},
		{name: "deadline", err: &guest.Crash{Op: hostapi.OpHTTP, Reason: guest.Deadline, Err: context.DeadlineExceeded}, status: 500, log: "deadline"},
		{name: "failed", err: &call.StatusError{Status: hostapi.Failed, Message: "panic: secret index"}, status: 500, body: "its log says why", log: "secret index"},
		{name: "garbage", err: errors.New("secret"), status: 500, body: "its log says why", log: "secret"},
		{name: "invalid", err: &call.StatusError{Status: hostapi.Invalid, Message: "no such colour", Details: []wire.Pair{{Name: "colour", Value: "rod"}}},
			status: 400, body: `"detail":"no such colour","errors":["colour: rod"]`},
		{name: "own code", err: &call.StatusError{Status: hostapi.Forbidden, Code: "too_young", Message: "come back"}, status: 403, body: `"code":"too_young","detail":"come back"`},
		{name: "not found", err: &call.StatusError{Status: hostapi.NotFound, Message: "no fence"}, status: 404, body: "no fence"},
		{name: "conflict", err: &call.StatusError{Status: hostapi.Conflict}, status: 409, body: "the plugin answered conflict"},
		{name: "gone", err: &call.StatusError{Status: hostapi.Gone}, status: 410},
		{name: "limit", err: &call.StatusError{Status: hostapi.Limit, Message: "slow down"}, status: 429, body: "slow down"},
		{name: "unsupported", err: &call.StatusError{Status: hostapi.Unsupported}, status: 501},
		{name: "retry", err: &call.StatusError{Status: hostapi.Retry, Message: "the plugin starts"}, status: 503, body: "the plugin starts", headers: [2]string{"Retry-After", "5"}},
		{name: "away", err: &store.Error{Code: store.Unavailable, Msg: "database away"}, status: 503, headers: [2]string{"Retry-After", "5"}},
		{name: "status of FreeTAKServer's form", method: "POST", path: "/ManageFence/postFence", err: &call.StatusError{Status: hostapi.NotFound, Message: "none"}, status: 404, body: `{"message":"none"}`},
		{name: "status of Marti's form", method: "PUT", path: "/Marti/fences/x", err: &call.StatusError{Status: hostapi.NotFound, Message: "none"}, status: 404,
			body: `{"status":"NOT_FOUND","code":1,"message":"none"}`, headers: [2]string{"Content-Type", "application/json"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBed(t, Options{})
			closed = 0
			b.plugins.http = func(context.Context, string, string, *wire.HTTPRequest) (*plugin.Answer, error) {
				if c.answer != nil {
					c.answer.Close = func() { closed++ }
				}
				return c.answer, c.err
			}
			if c.method == "" {
				c.method = "GET"
			}
			if c.path == "" {
				c.path = "/api/v1/fences/x"
			}
			send := ""
			if c.method == "PUT" {
				send = "<a/>"
			}
			resp, body := b.send(t, c.method, c.path, send)
			if resp.StatusCode != c.status || !strings.Contains(body, c.body) {
				t.Errorf("got %s %s, want %d %s", resp.Status, body, c.status, c.body)
			}
			if name := c.headers[0]; name != "" && resp.Header.Get(name) != c.headers[1] {
				t.Errorf("got header %s: %q, want %q", name, resp.Header.Get(name), c.headers[1])
			}
			if strings.Contains(body, "secret") || resp.Header.Get("Set-Cookie") != "" {
				t.Errorf("this is not for the client: %s %v", body, resp.Header)
			}
			if c.log != "" {
				b.log.await(t, c.log)
			}
			if c.answer != nil && closed != 1 {
				t.Errorf("the answer was closed %d times", closed)
			}
		})
	}
}

// TestAnswerCutShort shows that a client sees when an answer is not whole.
func TestAnswerCutShort(t *testing.T) {
	b := newBed(t, Options{})
	b.plugins.http = func(context.Context, string, string, *wire.HTTPRequest) (*plugin.Answer, error) {
		return &plugin.Answer{Size: -1, WriteTo: func(_ context.Context, w io.Writer) error {
			if _, err := io.WriteString(w, "[1,"); err != nil {
				return err
			}
			return errors.New("document gone")
		}}, nil
	}
	req, err := http.NewRequest("GET", b.url+"/api/v1/fences/x", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+testToken)
	resp, err := http.DefaultClient.Do(req)
	if err == nil {
		defer resp.Body.Close()
		_, err = io.ReadAll(resp.Body)
	}
	if err == nil {
		t.Error("the answer looks whole")
	}
	b.log.await(t, "document gone")
}
