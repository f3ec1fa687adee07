package tests

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/takhost/takhost/tests/guests"
	"github.com/takhost/takhost/tests/taktest"
)

// TestReloadLimitsOfFiles: limits.upload and limits.files hold from a reload on.
func TestReloadLimitsOfFiles(t *testing.T) {
	conf := filepath.Join(t.TempDir(), "takhost.yaml")
	write := func(limits string) {
		t.Helper()
		if err := os.WriteFile(conf, []byte("limits: {"+limits+"}\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("upload: 1MiB")
	srv := taktest.Run(t, "--config", conf)
	srv.Install(t, guests.WASM(t, "shelf").Pack(t))
	send := func(want int, size int, fill byte) (text string) {
		t.Helper()
		_, text = mustSend(t, srv.Admin, want, "POST", "files", bytes.NewReader(bytes.Repeat([]byte{fill}, size)))
		return text
	}
	if got := send(413, 2<<20, 'a'); !strings.Contains(got, "larger than 1 MiB") {
		t.Errorf("got %s", got)
	}
	write("upload: 3MiB, files: 5MiB")
	srv.Must(t, "POST", "/api/v1/config/reload", nil)
	send(200, 2<<20, 'a')
	if got := send(413, 4<<20, 'b'); !strings.Contains(got, "larger than 3 MiB") {
		t.Errorf("got %s", got)
	}
	if got := send(507, 3<<20, 'c'); !strings.Contains(got, "limits.files") {
		t.Errorf("got %s", got)
	}
	write("upload: 3MiB")
	srv.Must(t, "POST", "/api/v1/config/reload", nil)
	send(200, 3<<20, 'c')
	if n := srv.Log.CountLogged("take effect at the next start"); n != 0 {
		t.Error("a limit waits for a restart")
	}
}
