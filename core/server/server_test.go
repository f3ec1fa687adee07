package server

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"path/filepath"
	"testing"

	"github.com/takhost/takhost/core/config"
	"github.com/takhost/takhost/core/web"
)

// The admin socket is open before the other listeners: whoever asks for the
// status then gets what is open by now, and later the rest.
func TestStatusWhileItStarts(t *testing.T) {
	cfg := config.Default()
	cfg.Data = t.TempDir()
	cfg.Listen = config.Listen{TCP: "127.0.0.1:0", REST: "127.0.0.1:0"}
	srv := New(&cfg, Options{Log: slog.New(slog.NewTextHandler(t.Output(), nil)), Version: "test"})
	client := &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", filepath.Join(cfg.Data, web.AdminSocket))
		},
	}}
	status := func() error {
		resp, err := client.Get("http://admin/api/v1/status")
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		_, err = io.Copy(io.Discard, resp.Body)
		return err
	}
	started, asked := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(asked)
		for {
			for _, name := range []string{"tcp", "rest", "tls"} {
				srv.Addr(name)
			}
			_ = status() // refused until the socket is there
			select {
			case <-started:
				return
			default:
			}
		}
	}()
	if err := srv.Start(t.Context()); err != nil {
		t.Fatalf("start: %v", err)
	}
	close(started)
	<-asked
	if err := status(); err != nil {
		t.Errorf("status of a started server: %v", err)
	}
	for name, open := range map[string]bool{"tcp": true, "rest": true, "tls": false} {
		if got := srv.Addr(name) != nil; got != open {
			t.Errorf("%s is open: %v, want %v", name, got, open)
		}
	}
	if err := srv.Stop(); err != nil {
		t.Errorf("stop: %v", err)
	}
	if a := srv.Addr("tcp"); a != nil {
		t.Errorf("tcp is at %v after the stop", a)
	}
}
