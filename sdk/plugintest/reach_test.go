package plugintest_test

import (
	"strings"
	"testing"

	"github.com/takhost/takhost/sdk"
	"github.com/takhost/takhost/sdk/plugintest"
)

func TestMove(t *testing.T) {
	k := plugintest.Start(t, "testdata/files.json", plugintest.BaseURL("http", "http://a:8080"), plugintest.BaseURL("https", "https://a:8443"),
		plugintest.Plugin(func() *sdk.Plugin {
			return &sdk.Plugin{
				Actions: map[string]func(*sdk.Call, *sdk.Action) (sdk.ActionResult, error){
					"do": func(c *sdk.Call, _ *sdk.Action) (sdk.ActionResult, error) {
						s := c.Start()
						return sdk.ActionResult{Body: []byte(strings.Join(append(s.BaseURLs, s.BaseURL("http"), s.BaseURL("web"), s.NodeID), " "))}, nil
					},
				},
			}
		}))
	want := func(urls, http string) {
		t.Helper()
		got, err := k.Action("do", nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		if want := strings.Join([]string{urls, http, "", plugintest.NodeID}, " "); string(got.Body) != want {
			t.Errorf("got %q, want %q", got.Body, want)
		}
	}
	want("https://a:8443 http://a:8080", "http://a:8080")
	if err := k.Move("http", "http://b"); err != nil {
		t.Fatal(err)
	}
	want("https://a:8443 http://b", "http://b")
	if err := k.Move("http", ""); err != nil {
		t.Fatal(err)
	}
	want("https://a:8443", "")
}
