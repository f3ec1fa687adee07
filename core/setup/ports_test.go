package setup

import (
	"fmt"
	"net"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/takhost/takhost/core/config"
)

func TestPorts(t *testing.T) {
	for _, network := range []string{"127.0.0.1:0", "[::1]:0"} {
		ln, err := net.Listen("tcp", network)
		if err != nil && strings.HasPrefix(network, "[") {
			continue // no IPv6 here
		} else if err != nil {
			t.Fatal(err)
		}
		defer ln.Close()
		port := ln.Addr().(*net.TCPAddr).Port
		m := ThisMachine()
		f := m.checkPort(t.Context(), "listen.tls", ln.Addr().String())
		if f == nil || !f.taken || f.port != port {
			t.Fatalf("a port that is taken: got %+v", f)
		}
		if want := fmt.Sprintf("(process %d)", os.Getpid()); runtime.GOOS == "linux" && !strings.Contains(f.text, want) {
			t.Errorf("got %q, want %s", f.text, want)
		}
		next := m.freePortNear(t.Context(), ln.Addr().String(), func(string) bool { return false })
		if next == "" || m.checkPort(t.Context(), "listen.tls", next) != nil {
			t.Errorf("a port beside it: got %q", next)
		}
	}
	m := ThisMachine()
	for addr, want := range map[string]string{
		"192.0.2.254:0":     "this machine does not have the address 192.0.2.254",
		"nonsense":          "nonsense is no address",
		"127.0.0.1:0":       "",
		"localhost:0":       "",
		"no.such.invalid:0": "cannot be opened",
	} {
		f := m.checkPort(t.Context(), "listen.tls", addr)
		if f == nil && want == "" {
			continue
		}
		if f == nil || !strings.Contains(f.text, want) || want == "" || f.do == "" {
			t.Errorf("%s: got %+v, want %s", addr, f, want)
		}
	}
	if holder(1) != "" {
		t.Error("somebody is said to hold port 1")
	}
	c := config.Default()
	c.Web.Certificate, c.Web.HTTP = config.WebACME, "0.0.0.0:80"
	if got := made(":8089").checkPorts(t.Context(), &c); len(got) != 2 || got[0].key != "listen.tls" || got[1].key != "web.acme_http" {
		t.Errorf("got %v", got)
	}
}
