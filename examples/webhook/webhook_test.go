package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/sdk"
	"github.com/takhost/takhost/sdk/plugintest"
)

const config = `{"url": "https://hooks.example.org/tak", "authorization": "Bearer s3cret", "tries": 4}`

func alert(uid string) string {
	return fmt.Sprintf(`<event version="2.0" uid="%s" type="b-a-o-tbl" how="m-g" time="2024-05-01T12:00:00Z" start="2024-05-01T12:00:00Z" stale="2024-05-01T12:01:00Z">`+
		`<point lat="50.5" lon="8.25" hae="0" ce="5" le="5"/><detail><contact callsign="ALPHA"/><emergency type="911 Alert">ALPHA</emergency><remarks>help &amp; soon</remarks></detail></event>`, uid)
}

const chat = `<event version="2.0" uid="GeoChat.1" type="b-t-f" how="h-g-i-g-o" time="2024-05-01T12:00:00Z" start="2024-05-01T12:00:00Z" stale="2024-05-01T12:01:00Z">` +
	`<point lat="0" lon="0" hae="0" ce="0" le="0"/><detail><__chat chatroom="All Chat Rooms" id="All Chat Rooms"/><remarks>hello</remarks></detail></event>`

// receiver is the server that gets the events. It answers with the statuses given, in
// their order, and then with 200; -1 is no answer at all.
type receiver struct {
	statuses []int
	got      []*sdk.Fetch
}

func start(t *testing.T, r *receiver, opts ...plugintest.Option) *plugintest.Kit {
	k := plugintest.Start(t, "plugin.json", append([]plugintest.Option{plugintest.Config(config)}, opts...)...)
	k.OnFetch(func(f *sdk.Fetch) (*sdk.Fetched, error) {
		r.got = append(r.got, f)
		status := 200
		if len(r.statuses) > 0 {
			status, r.statuses = r.statuses[0], r.statuses[1:]
		}
		if status < 0 {
			return nil, sdk.Retryf("no answer in time")
		}
		return &sdk.Fetched{Status: int32(status)}, nil
	})
	return k
}

// uids tells what the receiver got since it was last asked.
func (r *receiver) uids(t *testing.T) []string {
	t.Helper()
	var list []string
	for _, f := range r.got {
		in, err := sdk.ParseJSON(f.Body)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, in.Text("uid"))
	}
	r.got = nil
	return list
}

func same(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func TestRequest(t *testing.T) {
	for name, tt := range map[string]struct{ xml, want string }{
		"alert": {alert("A-9-1-1"), `"uid":"A-9-1-1","type":"b-a-o-tbl","callsign":"ALPHA","user":"","lat":50.5,"lon":8.25,"text":"help & soon","emergency":{"type":"911 Alert","cancel":false}}`},
		"chat":  {chat, `"uid":"GeoChat.1","type":"b-t-f","callsign":"","user":"","lat":0,"lon":0,"text":"hello","chatroom":"All Chat Rooms"}`},
	} {
		t.Run(name, func(t *testing.T) {
			var r receiver
			k := start(t, &r)
			k.Events(tt.xml)
			if len(r.got) != 0 {
				t.Error("sent before it was committed")
			}
			k.Advance(time.Second)
			if len(r.got) != 1 {
				t.Fatalf("%d requests, want 1", len(r.got))
			}
			f := r.got[0]
			var headers []string
			for _, h := range f.Headers {
				headers = append(headers, h.Name+": "+h.Value)
			}
			same(t, "headers", headers, "Content-Type: application/json", "Authorization: Bearer s3cret")
			if !strings.HasSuffix(string(f.Body), tt.want) || f.URL != "https://hooks.example.org/tak" || f.Method != "POST" {
				t.Errorf("sent %s %s %s, want %s", f.Method, f.URL, f.Body, tt.want)
			}
			if a := k.Get("/api/plugins/webhook/status"); a.Body != `{"waiting":0}` {
				t.Errorf("status %s", a.Body)
			}
		})
	}
}

func TestReceiverIsAway(t *testing.T) {
	for name, statuses := range map[string][]int{"it is down": {-1, -1, -1}, "it says later": {503, 429, 500}} {
		t.Run(name, func(t *testing.T) {
			r := receiver{statuses: statuses}
			k := start(t, &r)
			k.Events(alert("first"))
			k.Events(alert("second"))
			steps := []struct {
				after time.Duration
				want  []string
			}{
				{100 * time.Millisecond, []string{"first"}}, // fails: again in 5 s
				{4 * time.Second, nil},
				{time.Second, []string{"first"}}, // again in 10 s
				{9 * time.Second, nil},
				{2 * time.Second, []string{"first"}}, // again in 20 s
				{18 * time.Second, nil},
				{3 * time.Second, []string{"first", "second"}},
				{time.Hour, nil},
			}
			keys := map[string]bool{}
			for i, s := range steps {
				k.Advance(s.after)
				for _, f := range r.got {
					keys[f.IdempotencyKey] = true
				}
				same(t, fmt.Sprint("step ", i), r.uids(t), s.want...)
				if a := k.Get("/api/plugins/webhook/status"); i < 6 && !strings.Contains(a.Body, `{"waiting":2,"next":"2024-05-01T12:00:`) {
					t.Errorf("step %d: status %s", i, a.Body)
				}
			}
			if len(keys) != 2 {
				t.Errorf("idempotency keys %v, want one for each event", keys)
			}
		})
	}
}

func TestGivenUp(t *testing.T) {
	for name, tt := range map[string]struct {
		statuses []int
		want     []string
	}{
		"refused":        {[]int{400}, []string{"first", "second"}},
		"too many tries": {[]int{503, 503, 503, 503}, []string{"first", "first", "first", "first", "second"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := receiver{statuses: tt.statuses}
			k := start(t, &r)
			k.Events(alert("first"), alert("second"))
			k.Advance(time.Hour)
			same(t, "sent", r.uids(t), tt.want...)
			if n := k.Metric("given_up"); n != 1 {
				t.Errorf("given up %v, want 1", n)
			}
			if left := k.Documents("outbox"); len(left) != 0 {
				t.Errorf("left in the outbox: %v", left)
			}
		})
	}
}

// A crash behind the request sends it again: the key tells the receiver so.
func TestCrashBehindTheRequest(t *testing.T) {
	var r receiver
	k := start(t, &r)
	k.Events(alert("first"))
	k.Trap(0)
	k.Advance(time.Second)
	if len(r.got) != 2 || r.got[0].IdempotencyKey != r.got[1].IdempotencyKey || !strings.HasPrefix(r.got[0].IdempotencyKey, "takhost-") {
		t.Errorf("requests %v, want two with the same key", r.got)
	}
}

func TestWaitsOverARestart(t *testing.T) {
	r := receiver{statuses: []int{503}}
	k := start(t, &r)
	k.Events(alert("first"))
	k.Advance(time.Second)
	r.uids(t)
	k.Restart(time.Minute)
	k.Advance(time.Second)
	same(t, "sent afterwards", r.uids(t), "first")
}

func TestHostThatIsNotGranted(t *testing.T) {
	var r receiver
	k := start(t, &r, plugintest.Granted(hostapi.CapHTTPClient, hostapi.Scope{Hosts: []string{"other.example.org"}}))
	k.Events(alert("first"))
	k.Advance(time.Second)
	if a := k.Get("/api/plugins/webhook/status"); !strings.Contains(a.Body, `"waiting":1`) || !strings.Contains(a.Body, "is not granted") {
		t.Errorf("status %s", a.Body)
	}
}

func TestConfig(t *testing.T) {
	for name, tt := range map[string]struct{ config, want string }{
		"none":    {`{}`, "url: is missing"},
		"scheme":  {`{"url": "hooks.example.org"}`, `url: "hooks.example.org" does not begin with http`},
		"timeout": {`{"url": "https://hooks.example.org", "timeout": "soon"}`, "config.timeout"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := plugintest.TryStart(t, "plugin.json", plugintest.Config(tt.config))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}
