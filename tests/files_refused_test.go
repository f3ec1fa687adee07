package tests

import (
	"io"
	"net"
	"strings"
	"testing"

	"github.com/takhost/takhost/tests/takclient"
)

func TestFilesRefused(t *testing.T) {
	t.Parallel()
	srv := startFiles(t)
	anna := srv.as(t, srv.anna)
	for name, c := range map[string]struct {
		content, want string
	}{
		"no zip":   {"hello", "no data package"},
		"cut off":  {packageOf(t, "x")[:60], "no data package"},
		"no paper": {zipWith(t, "a.txt"), "MANIFEST/manifest.xml"},
		"leads up": {zipWith(t, "MANIFEST/manifest.xml", "../../etc/cron.d/x"), "no data package"},
	} {
		t.Run(name, func(t *testing.T) {
			form, kind := formOf(t, "p.zip", "application/zip", c.content)
			got := anna.in(t).ask("POST", "/Marti/sync/missionupload?filename=p.zip", kind, form).is(400)
			if !strings.Contains(got.body, c.want) {
				t.Errorf("got %s, want %q in it", got.body, c.want)
			}
			anna.in(t).get("/Marti/sync/missionquery?hash=" + sha(c.content)).is(404)
			anna.in(t).get("/Marti/sync/content?hash=" + sha(c.content)).is(404)
		})
	}
	t.Run("another hash", func(t *testing.T) {
		content := packageOf(t, "x")
		form, kind := formOf(t, "p.zip", "application/zip", content)
		anna.in(t).ask("POST", "/Marti/sync/missionupload?filename=p.zip&hash="+sha("other"), kind, form).is(400)
		anna.in(t).get("/Marti/sync/missionquery?hash=" + sha(content)).is(404)
	})
	t.Run("cut in the middle", func(t *testing.T) {
		conn, err := net.Dial("tcp", srv.Addr("http"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(conn, "POST /Marti/sync/upload?name=cut HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/plain\r\nContent-Length: 1000\r\n\r\nonly this"); err != nil {
			t.Fatal(err)
		}
		takclient.Must(t, conn.(*net.TCPConn).CloseWrite())
		if _, err := io.Copy(io.Discard, conn); err != nil {
			t.Fatal(err)
		}
		conn.Close()
	})
	t.Run("without a login", func(t *testing.T) {
		bare := askAt(t, srv.Server, "web")
		for _, path := range []string{"/Marti/sync/search", "/Marti/sync/content?uid=x", "/api/v1/files"} {
			bare.get(path).is(401)
		}
		askAt(t, srv.Server, "http").get("/api/v1/files").is(404)
	})
	if got := askAt(t, srv.Server, "http").get("/Marti/sync/search").is(200); got.body != `{"resultCount":0,"results":[]}` {
		t.Errorf("what was refused is found: %s", got.body)
	}
	if got := anna.get("/Marti/api/files/metadata/count").is(200); !strings.Contains(got.body, `"data":0`) {
		t.Errorf("what was refused is counted: %s", got.body)
	}
}
