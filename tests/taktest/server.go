package taktest

import (
	"context"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/takhost/takhost/core/config"
	"github.com/takhost/takhost/core/server"
	"github.com/takhost/takhost/core/store/storetest"
	"github.com/takhost/takhost/core/web"
	"github.com/takhost/takhost/tests/takclient"
)

// Server is a takhost in the test's process.
type Server struct {
	*Admin
	*Log
	Config *config.Config // as it was started; not to be changed
	PKI    *PKI           // nil without WithTLS

	log     *slog.Logger
	file    string // the configuration, as far as it is about plugins
	shipped fs.FS
	ownCA   bool
	srv     *server.Server
	running bool
}

// Start gives a server that is running.
func Start(t testing.TB, opts ...Option) *Server {
	t.Helper()
	s, err := Try(t, opts...)
	if err != nil {
		t.Fatalf("start the server: %v", err)
	}
	return s
}

// Try is Start for a server that may not start.
func Try(t testing.TB, opts ...Option) (*Server, error) {
	t.Helper()
	var o options
	for _, set := range opts {
		set(&o)
	}
	cfg := config.Default()
	cfg.Data = Folder(t)
	cfg.Listen = config.Listen{TCP: "127.0.0.1:0", REST: "127.0.0.1:0"}
	s := &Server{Log: newLog(t), Config: &cfg, file: filepath.Join(t.TempDir(), "takhost.yaml"), shipped: o.shipped, ownCA: o.ownCA}
	s.SetPlugins(t, o.plugins)
	if o.tls {
		s.PKI = NewPKI(t)
		cfg.TLS, cfg.Listen.TLS = s.PKI.Files, "127.0.0.1:0"
	}
	if o.postgres {
		cfg.Database = config.Database(storetest.Postgres(t))
	}
	for _, change := range o.change {
		change(&cfg)
	}
	if err := cfg.Validate(); err != nil {
		t.Fatalf("configuration of the test: %v", err)
	}
	if o.limitedLog {
		log, err := server.NewLog(s.Log, "info", "text")
		if err != nil {
			t.Fatal(err)
		}
		s.log = log
	} else {
		s.log = slog.New(slog.NewTextHandler(s.Log, nil))
	}
	s.Admin = newAdmin(filepath.Join(cfg.Data, web.AdminSocket))
	t.Cleanup(func() {
		s.Stop(t)
		s.Log.end()
	})
	return s, s.start()
}

// Folder gives an empty folder whose path is short enough for a socket in it,
// which that of t.TempDir need not be.
func Folder(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "tak")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Errorf("remove the data folder: %v", err)
		}
	})
	return dir
}

func (s *Server) start() error {
	conf, err := s.load()
	if err != nil {
		return err
	}
	srv := server.New(s.Config, server.Options{Log: s.log, Version: "test", Plugins: conf.Plugins, Shipped: s.shipped, Load: s.load})
	takeCode(s.Config.Data)
	if !s.ownCA {
		if err := takeAuthority(s.Config.Data, s.Config.Public); err != nil {
			return err
		}
	}
	if err := srv.Start(context.Background()); err != nil {
		return err
	}
	s.srv, s.running = srv, true
	if s.ownCA {
		return nil
	}
	return keepAuthority(s.Config.Data, s.Config.Public)
}

// load reads the file. What it does not say is as the server was started.
func (s *Server) load() (*config.Loaded, error) {
	conf, err := config.Load(config.Sources{File: s.file})
	if err != nil {
		return nil, err
	}
	conf.Config = *s.Config
	return conf, nil
}

// Stop stops the server as a signal does. Stopping twice does nothing.
func (s *Server) Stop(t testing.TB) {
	t.Helper()
	if !s.running {
		return
	}
	s.running = false
	if err := s.srv.Stop(); err != nil {
		t.Errorf("stop the server: %v", err)
	}
	keepCode(s.Config.Data)
}

// Restart stops the server, if it runs, and starts another one on the same
// data. Ports are new.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	s.Stop(t)
	if err := s.start(); err != nil {
		t.Fatalf("start the server again: %v", err)
	}
}

// Addr gives the address of a listener, empty when it is closed.
func (s *Server) Addr(listener string) string {
	if a := s.srv.Addr(listener); a != nil {
		return a.String()
	}
	return ""
}

// Client connects a client to listen.tcp and waits until it gets what others
// send from then on. A raw client cannot tell; it is for takclient.Dial.
func (s *Server) Client(t testing.TB, opts ...takclient.Option) *takclient.Client {
	t.Helper()
	return dial(t, s.Addr("tcp"), opts...)
}

// TLSClient is Client on listen.tls, with a certificate of that user.
func (s *Server) TLSClient(t testing.TB, user string, opts ...takclient.Option) *takclient.Client {
	t.Helper()
	return dial(t, s.Addr("tls"), append(opts, takclient.WithTLS(s.PKI.Client(t, user)))...)
}

// dial waits for the first event, be it somebody's position or the offer of the
// TAK protocol: the server has let the client in by then.
func dial(t testing.TB, addr string, opts ...takclient.Option) *takclient.Client {
	t.Helper()
	c := takclient.Dial(t, addr, opts...)
	c.ExpectCounts(t, "the first event", func(n takclient.Counts) bool { return n.Events > 0 })
	return c
}
