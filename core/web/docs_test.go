package web

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// chromium finds a browser.
func chromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{os.Getenv("TAKHOST_CHROMIUM"), "chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); name != "" && err == nil {
			return path
		}
	}
	t.Skip("left out: Chromium (make tools installs it)")
	return ""
}

// browse opens an address in the browser without its own traffic, and gives what
// the page came to and what the browser said.
func browse(t *testing.T, url string, more ...string) (dom, said string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 90*time.Second)
	defer cancel()
	args := append([]string{
		"--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-component-update",
		"--disable-default-apps", "--disable-sync", "--no-first-run", "--metrics-recording-only", "--disable-dev-shm-usage",
		// Names do not resolve: what the page wants beyond this server fails, and is told.
		"--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1",
		"--user-data-dir=" + t.TempDir(), "--enable-logging=stderr", "--window-size=1400,1000", "--virtual-time-budget=15000",
	}, more...)
	cmd := exec.CommandContext(ctx, chromium(t), append(args, "--dump-dom", url)...)
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("chromium: %v\n%s", err, errs.String())
	}
	return out.String(), errs.String()
}

// console is a line of a page in what the browser says.
var console = regexp.MustCompile(`(?m)^.*CONSOLE.*$`)

// asked is the host of a request in the browser's log.
var asked = regexp.MustCompile(`"url":"[a-z]+://([^/":]+)`)

// TestDocsInABrowser opens /docs, and sees that it shows the operations and asks
// for nothing beyond this server.
func TestDocsInABrowser(t *testing.T) {
	chromium(t)
	s := newSiteWith(t, &fakeCore{}, Options{})
	s.use(t, fence(t))
	netlog := filepath.Join(t.TempDir(), "net.json")
	page := "http://" + s.listenREST(t, nil) + "/docs"
	if dom, _ := browse(t, page+"?api=marti"); !strings.Contains(dom, "CoT over a WebSocket") {
		t.Error("the page does not show the other description")
	}
	dom, said := browse(t, page, "--log-net-log="+netlog)
	for _, want := range []string{"Authentication", "Bearer Token", "Geofences", "plugins", "takhost", "REST"} {
		if !strings.Contains(dom, want) {
			t.Errorf("the page does not show %q", want)
		}
	}
	for _, line := range console.FindAllString(said, -1) {
		if strings.Contains(line, "violates") || strings.Contains(line, "Refused") || strings.Contains(line, "ERR_") || strings.Contains(line, "Uncaught") {
			t.Errorf("the page wants what it may not have, or fails: %s", line)
		}
	}
	log, err := os.ReadFile(netlog)
	if err != nil {
		t.Fatal(err)
	}
	own := 0
	for _, m := range asked.FindAllStringSubmatch(string(log), -1) {
		switch host := m[1]; {
		case host == "127.0.0.1":
			own++
		case strings.HasSuffix(host, ".google.com"), strings.HasSuffix(host, ".googleapis.com"), strings.HasSuffix(host, ".gvt1.com"):
			// The browser's own, which no flag ends.
		default:
			t.Errorf("the page asked %s", host)
		}
	}
	if own == 0 {
		t.Error("the browser's log shows no request to this server")
	}
}
