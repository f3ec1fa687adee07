package plugintest_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/takhost/takhost/sdk"
	"github.com/takhost/takhost/sdk/plugintest"
)

func TestHTTP(t *testing.T) {
	k := start(t)
	k.Put("/api/plugins/watch/notes/1", `{"text": "one", "rank": 3}`)
	steps := []struct {
		name, method, path, body string
		status                   int
		want                     string // a part of the body
	}{
		{"put", "PUT", "/api/plugins/watch/notes/2", `{"text": "two"}`, 201, `{"text":"two","rank":5}`},
		{"get", "GET", "/api/plugins/watch/notes/2", "", 200, `{"text":"two","rank":5}`},
		{"literal before parameter", "GET", "/api/plugins/watch/notes/mine", "", 200, `{"user":"admin","admin":true}`},
		{"list", "GET", "/api/plugins/watch/notes", "", 200,
			`{"now":"2024-05-01T12:00:00.000Z","notes":[{"text":"two","rank":5},{"text":"one","rank":3}],"end":true}`},
		{"list limited", "GET", "/api/plugins/watch/notes?limit=1", "", 200, `"notes":[{"text":"two","rank":5}],"end"`},
		{"not found", "GET", "/api/plugins/watch/notes/9", "", 404, "9 is not in notes"},
		{"no route", "GET", "/api/plugins/watch/other", "", 404, "no route"},
		{"no method", "DELETE", "/api/plugins/watch/notes/2", "", 404, "no route"},
		{"unique", "PUT", "/api/plugins/watch/notes/3", `{"text": "two"}`, 409, "unique index text"},
		{"schema", "PUT", "/api/plugins/watch/notes/3", `{"rank": 1}`, 400, "text"},
		{"no JSON", "PUT", "/api/plugins/watch/notes/3", `{"text"`, 400, "body"},
		{"the plugin's own rule", "PUT", "/api/plugins/watch/notes/3", `{"text": "x", "rank": 10}`, 400, "rank: 10 is above 9"},
		{"two rules", "PUT", "/api/plugins/watch/notes/3", `{"text": "123456789012345678901", "rank": 10}`, 400, "above 20 characters; rank"},
		{"parameter", "GET", "/api/plugins/watch/notes?limit=no", "", 400, "limit"},
		{"too large", "PUT", "/api/plugins/watch/notes/3", strings.Repeat(" ", 1<<20+1), 413, "bytes"},
		{"read-only", "GET", "/api/plugins/watch/sneak", "", 403, "read-only"},
		{"by an action", "GET", "/api/plugins/watch/count", "", 200, `{"count":0,"memory":0}`},
	}
	for _, s := range steps {
		t.Run(s.name, func(t *testing.T) {
			a := k.Do(plugintest.Request{Method: s.method, Path: s.path, Body: s.body})
			if a.Status != s.status || !strings.Contains(a.Body, s.want) {
				t.Errorf("got %d %s, want %d and %s", a.Status, a.Body, s.status, s.want)
			}
		})
	}
}

// The variable of the environment decides what runs, and nothing else.
func TestRemote(t *testing.T) {
	if got, want := start(t).Remote(), os.Getenv(plugintest.Env) != ""; got != want {
		t.Errorf("remote is %v, want %v", got, want)
	}
}

func TestCallerSees(t *testing.T) {
	k := start(t)
	blue := plugintest.Admin()
	blue.InSet, blue.OutSet = k.Set("Blue"), k.Set("Blue")
	a := k.Do(plugintest.Request{Method: "PUT", Path: "/api/plugins/watch/notes/1", Body: `{"text": "secret"}`, Caller: blue})
	if a.Status != 201 {
		t.Fatalf("put: %d %s", a.Status, a.Body)
	}
	if a := k.Get("/api/plugins/watch/notes/1"); a.Status != 404 {
		t.Errorf("somebody outside of the group sees it: %d %s", a.Status, a.Body)
	}
	if a := k.Get("/api/plugins/watch/notes"); !strings.Contains(a.Body, `"notes":[]`) {
		t.Errorf("somebody outside of the group sees it: %s", a.Body)
	}
	if a := k.Do(plugintest.Request{Path: "/api/plugins/watch/notes/1", Caller: blue}); a.Status != 200 {
		t.Errorf("somebody of the group: %d %s", a.Status, a.Body)
	}
}

func TestActions(t *testing.T) {
	k := start(t)
	res, err := k.Action("note.add", []byte(`{"text": "x"}`), nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := k.Documents("notes"); len(got) != 1 || got[0] != string(res.Body) || len(got[0]) != 36 {
		t.Errorf("notes %v, the action gave %s", got, res.Body)
	}
	if _, err := k.Action("note.add", []byte(`{"rank": 1}`), nil); !sdk.Is(err, sdk.Invalid) {
		t.Errorf("an action on a bad body: %v, want invalid", err)
	}
}

func TestReindex(t *testing.T) {
	k := start(t)
	for i := range 3 {
		k.PutDocument("notes", fmt.Sprint(i), fmt.Appendf(nil, `{"text":"%d","rank":%d}`, i, 9-i), 1)
	}
	if a := k.Get("/api/plugins/watch/notes"); !strings.Contains(a.Body, `"notes":[]`) {
		t.Fatalf("documents without keys are found: %s", a.Body)
	}
	if err := k.Reindex("notes", "rank"); err != nil {
		t.Fatal(err)
	}
	var list struct{ Notes []struct{ Text string } }
	k.JSON(k.Get("/api/plugins/watch/notes"), &list)
	if len(list.Notes) != 3 || list.Notes[0].Text != "0" {
		t.Errorf("list %+v, want three, by rank", list)
	}
}

// A text that is kept without a copy must show in a test.
func TestKeptTexts(t *testing.T) {
	var kept []string
	k := plugintest.Start(t, "testdata/plugin.json", plugintest.Plugin(func() *sdk.Plugin {
		return &sdk.Plugin{Events: func(c *sdk.Call, e sdk.Event) error {
			kept = append(kept, e.UID())
			return nil
		}}
	}))
	k.Events(position("ALPHA", "A", 1))
	if got := kept; cmp.Equal(got, []string{"ALPHA"}) {
		t.Error("the input of a call is still there when it is over")
	}
}
