package tests

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/takhost/takhost/core/plugin"
	"github.com/takhost/takhost/core/plugin/scaffold"
	"github.com/takhost/takhost/tests/takclient"
	"github.com/takhost/takhost/tests/taktest"
)

// The examples in Go, built as their READMEs say, do in the real program among real
// clients what they promise. Their own tests have the details.
func TestExamples(t *testing.T) {
	srv := taktest.Run(t)
	t.Run("geofence", func(t *testing.T) { testGeofence(t, srv) })
	t.Run("redact", func(t *testing.T) { testRedact(t, srv) })
	t.Run("webhook", func(t *testing.T) { testWebhook(t, srv) })
	t.Run("pictures", func(t *testing.T) { testPictures(t, srv) })
}

// withExample builds an example, installs it with these settings and all that it asks for,
// and removes it when the test ends.
func withExample(t *testing.T, srv *taktest.Child, name string, config map[string]any) {
	t.Helper()
	built, err := scaffold.Build(t.Context(), scaffold.BuildOptions{
		Dir: filepath.Join("../examples", name), Out: filepath.Join(t.TempDir(), name+".takplugin"),
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range built.Warnings {
		t.Errorf("build %s: %s", name, w)
	}
	pkg, err := os.ReadFile(built.File)
	if err != nil {
		t.Fatal(err)
	}
	info := srv.InstallOff(t, pkg)
	path := "/api/v1/plugins/" + name
	srv.Must(t, "PUT", path+"/config", config)
	srv.Must(t, "PUT", path+"/grant", info.Ask)
	srv.Must(t, "POST", path+"/enable", nil)
	srv.Reaches(t, name, plugin.Active)
	t.Cleanup(func() {
		if n := srv.Plugin(t, name).Counts; n.DeadLetters+n.Crashes+n.Refused > 0 {
			t.Errorf("%s: %+v", name, n)
		}
		srv.Remove(t, name)
	})
}

// Who crosses a fence raises an alert with the others; who leaves ends it, even if the
// server crashed in between.
func testGeofence(t *testing.T, srv *taktest.Child) {
	withExample(t, srv, "geofence", map[string]any{
		"fences": []any{map[string]any{"id": "yard", "name": "the yard", "lat": 50, "lon": 8, "radius": 500}},
	})
	const fences = "/api/plugins/geofence/fences/"
	a, b := srv.Client(t, takclient.WithUID("GF-A"), takclient.WithCallsign("ALPHA")), srv.Client(t, takclient.WithProto())
	takclient.Must(t, a.SA(50.1, 8))
	b.ExpectUID(t, a.UID())
	takclient.Must(t, a.SA(50.001, 8))
	got := b.Expect(t, takclient.Type("b-a-g").Both(takclient.UID("geofence.yard.GF-A")))
	if !strings.Contains(got.XML, "ALPHA entered the yard") {
		t.Errorf("the alert is %s", got.XML)
	}

	srv.Must(t, "PUT", fences+"gate", map[string]any{"lat": 50, "lon": 8, "radius": 1000})
	takclient.Must(t, a.SA(50.001, 8))
	b.ExpectUID(t, "geofence.gate.GF-A")
	var shown struct {
		Members []struct{ UID, Callsign string }
	}
	srv.Must(t, "GET", fences+"gate", nil).Decode(t, &shown)
	if len(shown.Members) != 1 || shown.Members[0].UID != "GF-A" || shown.Members[0].Callsign != "ALPHA" {
		t.Errorf("inside are %+v, want ALPHA", shown.Members)
	}
	srv.Must(t, "DELETE", fences+"gate", nil)
	b.Expect(t, takclient.Type("b-a-o-can").Both(takclient.UID("geofence.gate.GF-A")))

	a.Close()
	b.Close()
	srv.Kill9(t)
	srv.Restart(t)
	srv.Reaches(t, "geofence", plugin.Active)
	a, b = srv.Client(t, takclient.WithUID("GF-A"), takclient.WithCallsign("ALPHA")), srv.Client(t)
	takclient.Must(t, a.SA(50.1, 8))
	b.Expect(t, takclient.Type("b-a-o-can").Both(takclient.UID("geofence.yard.GF-A")))
}

// Nobody gets a position inside the box, and the archive has none.
func testRedact(t *testing.T, srv *taktest.Child) {
	withExample(t, srv, "redact", map[string]any{
		"box": map[string]any{"south": 10, "west": 20, "north": 11, "east": 21}, "cell": 0.1,
	})
	a, b := srv.Client(t, takclient.WithProto()), srv.Client(t)
	takclient.Must(t, a.SA(10.123456, 20.234567))
	late := srv.Client(t)
	got := []struct{ who, xml string }{
		{"a receiver", b.ExpectUID(t, a.UID()).XML},
		{"a newcomer", late.ExpectUID(t, a.UID()).XML},
		{"the archive", srv.Archived(t, 1, url.Values{"uid": {a.UID()}})[0].XML},
	}
	for _, g := range got {
		for _, part := range []string{`lat="10.15"`, `lon="20.25"`, "battery"} {
			if !strings.Contains(g.xml, part) {
				t.Errorf("%s has no %s: %s", g.who, part, g.xml)
			}
		}
		for _, part := range []string{"10.12", "20.23", "<track"} {
			if strings.Contains(g.xml, part) {
				t.Errorf("%s has %s: %s", g.who, part, g.xml)
			}
		}
	}
	outside, is := takclient.NewMarker()
	outside.Lat, outside.Lon = 11.123456, 20.234567
	takclient.Must(t, a.Send(outside.XML()))
	if xml := b.Expect(t, is).XML; !strings.Contains(xml, `lat="11.123456"`) {
		t.Errorf("outside of the box: %s", xml)
	}
	route, isRoute := takclient.NewMarker()
	route.Lat, route.Lon, route.Detail = 10.5, 20.5, `<link uid="p1" point="10.5,20.5" relation="c"/>`
	takclient.Must(t, a.Send(route.XML()))
	b.Never(t, isRoute, a)
}

// A receiver that fails at first gets the event later, with the same key.
func testWebhook(t *testing.T, srv *taktest.Child) {
	type request struct {
		key, authorization string
		body               struct{ UID, Type, Callsign, Text string }
		err                error
	}
	requests := make(chan request, 100) // more than the plugin sends here
	n := 0
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// One request at a time: the plugin waits for each answer.
		got := request{key: r.Header.Get("Idempotency-Key"), authorization: r.Header.Get("Authorization")}
		text, err := io.ReadAll(r.Body)
		if err == nil {
			err = json.Unmarshal(text, &got.body)
		}
		if r.Method != http.MethodPost || r.URL.Path != "/hook" {
			err = fmt.Errorf("got %s %s", r.Method, r.URL.Path)
		}
		got.err = err
		if n++; n == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		requests <- got
	}))
	defer receiver.Close()
	withExample(t, srv, "webhook", map[string]any{
		"url": receiver.URL + "/hook", "authorization": "Bearer s3cret", "pause": "50ms",
	})
	a := srv.Client(t, takclient.WithCallsign("ALPHA"))
	takclient.Must(t, a.SA(1, 1))
	chat := a.GeoChat("are you there?")
	takclient.Must(t, a.Send(chat.XML()))
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	var keys []string
	for try := range 2 {
		select {
		case r := <-requests:
			if r.err != nil {
				t.Fatal(r.err)
			}
			if r.body.UID != chat.UID || r.body.Type != "b-t-f" || r.body.Text != "are you there?" || r.authorization != "Bearer s3cret" {
				t.Errorf("try %d: got %+v, want the message %s", try, r, chat.UID)
			}
			keys = append(keys, r.key)
		case <-ctx.Done():
			t.Fatalf("try %d: no request came: %s", try, srv.Must(t, "GET", "/api/plugins/webhook/status", nil).Body)
		}
	}
	if keys[0] != keys[1] || !strings.HasPrefix(keys[0], "takhost-") {
		t.Errorf("idempotency keys %q, want the same one twice", keys)
	}
	eventually(t, "the outbox is empty", func() bool {
		return string(srv.Must(t, "GET", "/api/plugins/webhook/status", nil).Body) == `{"waiting":0}`
	})
}
