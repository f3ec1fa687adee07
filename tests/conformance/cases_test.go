package conformance

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/takhost/takhost/core/plugin/guest"
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/cot"
	"github.com/takhost/takhost/hostapi/tree"
	"github.com/takhost/takhost/hostapi/wire"
)

// What the header-sized SDKs read and write, beyond what the examples use.
func TestSDKs(t *testing.T) {
	tests := []struct {
		name  string
		build func(testing.TB, string) []byte
	}{
		{"c", BuildC},
		{"rust", BuildRust},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := load(t, guest.Code{Name: "cases", Module: tt.build(t, "tests/conformance/testdata/"+tt.name)})
			for name, run := range map[string]func(*plugin){
				"view": readsViews, "request": readsRequests, "emit": emits, "delete": deletes, "config": readsConfig,
			} {
				t.Run(name, func(t *testing.T) {
					p := start(t, m)
					if out, status := p.call(hostapi.OpInit, nil); status != hostapi.OK {
						t.Fatalf("init: got %v %q", status, out)
					}
					run(p)
				})
			}
		})
	}
}

// A panic in Rust is a trap that says nothing; the crate logs why.
func TestRustPanic(t *testing.T) {
	p := start(t, load(t, guest.Code{Name: "cases", Module: BuildRust(t, "tests/conformance/testdata/rust")}))
	p.call(hostapi.OpInit, nil)
	_, _, err := p.instance.Call(t.Context(), hostapi.OpHTTP, (&wire.HTTPRequest{Route: "panic"}).Append(nil), nil)
	if got := guest.ReasonOf(err); got != guest.Trapped {
		t.Errorf("got %q (%v), want a trap", got, err)
	}
	if logs := p.host.Logs(); len(logs) != 1 || !strings.Contains(logs[0], "an author's mistake") {
		t.Errorf("got the log %q, want the panic", logs)
	}
}

const fullXML = `<event version="2.0" uid="ANDROID-1" type="a-f-G-U-C" time="2026-08-20T10:11:12.5Z" start="2026-08-20T10:11:12Z" ` +
	`stale="2026-08-20T10:17:27.25Z" how="m-g"><point lat="-48.125" lon="11.5" hae="519.25" ce="9.9" le="9999999.0"/><detail>` +
	`<contact endpoint="*:-1:stcp" callsign="LINDE &amp; CO"/><__group role="Team Lead" name="Cyan"/><track course="142.5" speed="1.25"/>` +
	`<remarks>along the &lt;ridge&gt;</remarks></detail></event>`

func readsViews(p *plugin) {
	e := &hostapi.Event{XML: fullXML, ID: 1<<40 + 7, Recv: 1787220672345678, User: "linde", Client: "ANDROID-2"}
	if err := cot.Scan(fullXML, &e.Header); err != nil {
		p.Fatal(err)
	}
	var w hostapi.BatchWriter
	w.Add(e, hostapi.DetailWant{All: true, XML: true}, 1<<5)
	if out, status := p.call(hostapi.OpEvents, w.Bytes(1, 0, 0)); status != hostapi.OK {
		p.Fatalf("got %v %q", status, out)
	}
	want := fmt.Sprint(int64(e.ID), "|1787220672345678|", e.Time, "|", e.Start, "|", e.Stale, "|-48125|11500|519250|1250|142500|0|1|") +
		"a-f-G-U-C|m-g|LINDE & CO|*:-1:stcp|Cyan|Team Lead|linde|ANDROID-2|contact|__group|track|remarks|LINDE & CO||" +
		fmt.Sprint("along the <ridge>|<remarks>along the &lt;ridge&gt;</remarks>|", len(fullXML), "|")
	if diff := cmp.Diff(map[string]string{"ANDROID-1": want}, p.host.Documents("seen")); diff != "" {
		p.Errorf("the view (-want +got):\n%s", diff)
	}
}

// ask sends a request to a route that answers with one part.
func (p *plugin) ask(r wire.HTTPRequest) (status int32, contentType, body string) {
	p.Helper()
	out, s := p.call(hostapi.OpHTTP, r.Append(nil))
	var response wire.HTTPResponse
	if err := response.Decode(out); s != hostapi.OK || err != nil || len(response.Parts) != 1 {
		p.Fatalf("got %v, error %v, %q", s, err, out)
	}
	return response.Status, response.ContentType, string(response.Parts[0].Data)
}

func readsRequests(p *plugin) {
	doc, err := tree.AppendJSON(nil, []byte(`{"other":[9],"list":[1,"two",{"a":[3]},true]}`))
	if err != nil {
		p.Fatal(err)
	}
	status, contentType, body := p.ask(wire.HTTPRequest{
		Route: "echo", Method: "PUT", Path: "/x/7", Params: []wire.Pair{{Name: "other", Value: "0"}, {Name: "id", Value: "7"}},
		Query: []wire.Pair{{Name: "q", Value: "é"}, {Name: "r", Value: "no"}}, Tree: doc, Body: []byte("a\"b\\\n\x01é"),
		Caller: &wire.Caller{User: "linde"},
	})
	want := "PUT|/x/7|7|é||a\"b\\\n\x01é|1|two||true|" + `"a\"b\\\u000a\u0001é"`
	if status != 201 || contentType != "text/plain" || body != want {
		p.Errorf("got %d %s %q, want 201 text/plain %q", status, contentType, body, want)
	}
	if status, contentType, body := p.ask(wire.HTTPRequest{Route: "nothing"}); status != 0 || contentType != "" || body != "" {
		p.Errorf("an empty answer: got %d %q %q", status, contentType, body)
	}
}

func emits(p *plugin) {
	p.ask(wire.HTTPRequest{Route: "emit"})
	want := []wire.Emission{
		{XML: "<event/>", Audience: &wire.Audience{AsEvent: 77}},
		{XML: "<event2/>", Audience: &wire.Audience{Groups: []string{"Blue"}}},
	}
	if diff := cmp.Diff(want, p.host.Sent()); diff != "" {
		p.Errorf("sent (-want +got):\n%s", diff)
	}
	p.host.Fail = map[hostapi.HostOp]hostapi.Status{hostapi.HostEmit: hostapi.Forbidden}
	out, status := p.call(hostapi.OpHTTP, (&wire.HTTPRequest{Route: "emit"}).Append(nil))
	var e wire.Error
	if err := e.Decode(out); err != nil || status != hostapi.Forbidden || e.Message != "not done" {
		p.Errorf("refused: got %v, %+v, error %v", status, e, err)
	}
}

func deletes(p *plugin) {
	p.host.Put("seen", "a", "body")
	p.host.Put("seen", "b", "body")
	if _, _, body := p.ask(wire.HTTPRequest{Route: "delete", Query: []wire.Pair{{Name: "id", Value: "a"}}}); body != "7|" {
		p.Errorf("got %q, want that it is not found afterwards", body)
	}
	if diff := cmp.Diff(map[string]string{"b": "body"}, p.host.Documents("seen")); diff != "" {
		p.Errorf("documents (-want +got):\n%s", diff)
	}
}

func readsConfig(p *plugin) {
	config, err := tree.AppendJSON(nil, []byte(`{"unit":"m","radius":500.5,"long":"`+strings.Repeat("x", 2000)+`"}`))
	if err != nil {
		p.Fatal(err)
	}
	p.host.Config, p.host.Now = config, 1787220672345678
	if _, _, body := p.ask(wire.HTTPRequest{Route: "config"}); body != "500.5|1787220672345678|" {
		p.Errorf("got %q, want 500.5 and the time", body)
	}
	if diff := cmp.Diff([]string{"looked at the config"}, p.host.Logs()); diff != "" {
		p.Errorf("log (-want +got):\n%s", diff)
	}
}
