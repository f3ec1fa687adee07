package server

import (
	"log/slog"
	"net"
	"os"
	"strings"
	"testing"

	"github.com/takhost/takhost/core/config"
)

// All addresses that are taken are told together, before a database is made.
func TestTakenAddressesAreToldFirst(t *testing.T) {
	cfg := config.Default()
	cfg.Data = t.TempDir()
	var taken [2]string
	for i := range taken {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer ln.Close()
		taken[i] = ln.Addr().String()
	}
	cfg.Listen = config.Listen{TCP: taken[0], REST: taken[1]}
	err := New(&cfg, Options{Log: slog.New(slog.NewTextHandler(t.Output(), nil)), Version: "test"}).Start(t.Context())
	if err == nil {
		t.Fatal("it has started")
	}
	for _, want := range []string{"listen.tcp: another program uses " + taken[0], "listen.rest: another program uses " + taken[1]} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q in it", err, want)
		}
	}
	left, err := os.ReadDir(cfg.Data)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range left {
		if strings.HasSuffix(e.Name(), ".db") {
			t.Errorf("%s is there", e.Name())
		}
	}
}
