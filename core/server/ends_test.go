package server

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/takhost/takhost/core/config"
	"github.com/takhost/takhost/core/identity"
	"github.com/takhost/takhost/core/pki"
)

// Each threshold is told once, and nothing of what ends later.
func TestWarnOfEnds(t *testing.T) {
	srv := startServer(t, "tls")
	var log bytes.Buffer
	srv.opt.Log = slog.New(slog.NewTextHandler(&log, nil))
	by := identity.Actor{Via: "test"}
	if _, err := srv.identity.AddUser(t.Context(), by, identity.NewUser{User: identity.User{Name: "ann"}}); err != nil {
		t.Fatal(err)
	}
	pair, err := srv.pki.Issue(t.Context(), pki.Leaf{CommonName: "ann", Life: 100 * day})
	if err != nil {
		t.Fatal(err)
	}
	if err := srv.identity.AddCertificate(t.Context(), by, identity.NewCertificate(pair.Cert, identity.KindEnrolled, "ann", "PHONE")); err != nil {
		t.Fatal(err)
	}
	for _, step := range []struct {
		left time.Duration
		want int
	}{{40 * day, 0}, {29 * day, 1}, {28 * day, 0}, {13 * day, 1}, {8 * day, 0}, {6 * day, 1}, {day, 0}} {
		log.Reset()
		srv.warnOfEnds(pair.Cert.NotAfter.Add(-step.left))
		if got := strings.Count(log.String(), "ends soon"); got != step.want {
			t.Errorf("%v before the end: %d lines, want %d\n%s", step.left, got, step.want, log.String())
		}
	}
}

// An administrator who is made another way makes the link useless.
func TestSetupLinkGoes(t *testing.T) {
	srv := startServer(t, "web")
	file := filepath.Join(srv.cfg.Data, SetupFile)
	if _, err := os.Stat(file); err != nil {
		t.Fatal(err)
	}
	_, err := srv.identity.AddUser(t.Context(), identity.Actor{Via: "admin"},
		identity.NewUser{User: identity.User{Name: "ann", Roles: []string{identity.RoleAdmin}}, Password: "correct horse"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(file); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the link is still there: %v", err)
	}
}

// A reload moves listeners and takes other names, and names what has to wait.
func TestReloadListeners(t *testing.T) {
	srv := startServer(t, "tcp", "web")
	var log bytes.Buffer
	srv.opt.Log = slog.New(slog.NewTextHandler(&log, nil))
	next := srv.cfg.Clone()
	next.Listen.TCP, next.Listen.Web = "127.0.0.2:0", ""
	next.Public = []string{"other.example.org"}
	next.Login.Attempts = 9
	srv.opt.Load = func() (*config.Loaded, error) { return &config.Loaded{Config: next}, nil }
	if err := srv.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := srv.Addr("tcp").String(); !strings.HasPrefix(got, "127.0.0.2:") {
		t.Errorf("tcp is at %s", got)
	}
	if got := srv.Addr("web"); got != nil {
		t.Errorf("web is at %s", got)
	}
	if host, err := srv.reach.host(); err != nil || host != "other.example.org" {
		t.Errorf("got %s, %v", host, err)
	}
	if !strings.Contains(log.String(), "login.attempts") || strings.Contains(log.String(), "keys=listen") {
		t.Errorf("the log has\n%s", log.String())
	}
}
