package main

import (
	"strings"
	"testing"

	"github.com/takhost/takhost/sdk"
	"github.com/takhost/takhost/sdk/plugintest"
)

// Where clients fetch what the server offers: by config, by what the server knows of its
// listeners, or where the caller came from.
func TestURLsOfOffers(t *testing.T) {
	const web, https, http = "https://web:8446", "https://tak:8443", "http://tak:8080"
	for name, c := range map[string]struct {
		opts        []plugintest.Option
		base, via   string // of the caller
		safe, plain string
	}{
		"listeners":        {[]plugintest.Option{plugintest.BaseURL("https", https), plugintest.BaseURL("http", http)}, "http://127.0.0.1:19023", "rest", https, http},
		"no http":          {[]plugintest.Option{plugintest.BaseURL("https", https)}, web, "web", https, https},
		"web alone":        {[]plugintest.Option{plugintest.BaseURL("web", web)}, "http://127.0.0.1:19023", "rest", web, web},
		"http alone":       {[]plugintest.Option{plugintest.BaseURL("http", http)}, "http://127.0.0.1:19023", "rest", http, http},
		"as the caller":    {[]plugintest.Option{plugintest.BaseURL("https", https), plugintest.BaseURL("http", http)}, "https://proxy", "https", "https://proxy", http},
		"as the other":     {[]plugintest.Option{plugintest.BaseURL("https", https), plugintest.BaseURL("http", http)}, "http://proxy", "http", https, "http://proxy"},
		"config":           {[]plugintest.Option{plain, plugintest.BaseURL("https", https)}, "https://proxy", "https", "https://tak.example.org:8443", "http://plain:8080"},
		"nothing is known": {nil, "http://127.0.0.1:19023", "rest", "http://127.0.0.1:19023", "http://127.0.0.1:19023"},
	} {
		t.Run(name, func(t *testing.T) {
			b := start(t, c.opts...)
			f := b.raw(b.anna, "name=f", "text/plain", "x")
			as := *b.anna
			as.BaseURL, as.Listener = c.base, c.via
			b.Connect(tcpClient(b))
			b.send(&as, 200, f.PrimaryKey, `{"all": true}`)
			path := "/Marti/sync/content?hash=" + f.Hash
			want := []string{"Blue,Red uids  callsigns  except T " + c.safe + path, "Blue,Red uids T callsigns  except  " + c.plain + path}
			if c.safe == c.plain {
				want = []string{strings.Replace(want[0], "except T", "except ", 1)}
			}
			b.offered(want...)
		})
	}
}

func TestEnvelope(t *testing.T) {
	b := start(t)
	if got, want := b.get(b.anna, 200, "/Marti/api/sync/search").Body, `{"version":"3","type":"Resource","nodeId":"`+plugintest.NodeID+`","data":[]}`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func tcpClient(b *bed) sdk.Client {
	return sdk.Client{UID: "T", Callsign: "T", Listener: "tcp", InSet: b.anna.InSet}
}
