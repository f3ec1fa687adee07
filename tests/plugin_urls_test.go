package tests

import (
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/takhost/takhost/core/config"
	"github.com/takhost/takhost/tests/guests"
	"github.com/takhost/takhost/tests/taktest"
)

// TestPluginsKnowTheURLs: listeners are on free ports, move, close and open again
// while a plugin runs, which knows at each request where clients reach the server.
func TestPluginsKnowTheURLs(t *testing.T) {
	for _, runtime := range []string{"wasm", "process"} {
		t.Run(runtime, func(t *testing.T) {
			srv := taktest.Start(t, taktest.WithConfig(func(c *config.Config) {
				for _, name := range []string{"https", "web", "rest", "http"} {
					c.Listen.SetAddr(name, "127.0.0.1:0")
				}
				c.Public = []string{"web=tak.example.org"}
			}))
			srv.Install(t, guests.Of(t, "reach", runtime).Pack(t))
			schemes := map[string]string{"https": "https", "web": "https", "rest": "http", "http": "http"}
			check := func(open ...string) (node string) {
				t.Helper()
				lines := strings.Split(string(srv.Must(t, "GET", "/api/plugins/reach/start", nil).Body), "\n")
				var want []string
				for _, name := range open {
					addr := srv.Addr(name)
					if name == "web" {
						_, port, err := net.SplitHostPort(addr)
						if err != nil {
							t.Fatal(err)
						}
						addr = "tak.example.org:" + port
					}
					want = append(want, name+" "+schemes[name]+"://"+addr)
				}
				if diff := cmp.Diff(want, lines[1:]); diff != "" {
					t.Errorf("URLs (-want +got):\n%s", diff)
				}
				return lines[0]
			}
			node := check("https", "web", "rest", "http")
			resp, err := http.Get("http://" + srv.Addr("http") + "/Marti/api/node/id")
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if got, err := io.ReadAll(resp.Body); err != nil || strings.TrimSpace(string(got)) != node || node == "" {
				t.Errorf("the plugin has the node id %q, Marti says %q, error %v", node, got, err)
			}
			for range 3 {
				srv.Must(t, "PUT", "/api/v1/listeners/http", map[string]string{"addr": "127.0.0.2:0"})
				check("https", "web", "rest", "http")
				srv.Must(t, "POST", "/api/v1/listeners/https/stop", nil)
				check("web", "rest", "http")
				srv.Must(t, "POST", "/api/v1/listeners/https/start", nil)
				check("https", "web", "rest", "http")
			}
		})
	}
}
