package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"

	"github.com/takhost/takhost/core/config"
	"github.com/takhost/takhost/core/server"
	"github.com/takhost/takhost/plugins/dist"
)

type serveCmd struct {
	sourceFlags
	exposureFlag
}

// Run serves until SIGINT or SIGTERM. A second one ends the process at once.
func (c *serveCmd) Run(ctx context.Context, std streams) error {
	conf, err := c.load(c.flag())
	if err != nil {
		return err
	}
	log, err := server.NewLog(std.err, conf.Log.Level, conf.Log.Format)
	if err != nil {
		return &usageError{err}
	}
	defer func() {
		if err := server.FlushLog(context.WithoutCancel(ctx), log); err != nil {
			fmt.Fprintln(std.err, "takhost: write the log:", err)
		}
	}()
	tuneGC()
	for _, w := range conf.Warnings {
		log.Warn("configuration", slog.String("warning", w))
	}
	if n, ok := openFiles(); ok && n < uint64(conf.Limits.Connections)+reservedFiles {
		log.Warn("the process may not open as many files as there may be connections: raise its limit (ulimit -n, or LimitNOFILE= of the service)",
			slog.Uint64("files", n), slog.Int("limits.connections", conf.Limits.Connections))
	}

	signals := make(chan os.Signal, 2)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	defer signal.Stop(signals)
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	defer signal.Stop(hangups)

	srv := server.New(&conf.Config, server.Options{
		Log: log, Version: thisVersion().Version,
		Plugins: conf.Plugins, Shipped: dist.Files(),
		Load: func() (*config.Loaded, error) { return c.load(c.flag()) },
	})
	if err := srv.Start(ctx); err != nil {
		return err
	}
	c.welcome(log, conf, srv)
	for {
		select {
		case <-ctx.Done():
			return srv.Stop()
		case <-hangups:
			if err := srv.Reload(ctx); err != nil {
				log.Error("the configuration was not read again: nothing has changed", slog.Any("err", err))
			}
			continue
		case s := <-signals:
			log.Info("stopping", slog.String("signal", s.String()))
		}
		break
	}
	// From here on a signal does what it does to any program.
	signal.Reset(syscall.SIGINT, syscall.SIGTERM)
	if err := srv.Stop(); err != nil {
		return fmt.Errorf("stop: %w", err)
	}
	log.Info("stopped")
	return nil
}

// reservedFiles are those that are no connections of clients: databases, logs,
// listeners, requests.
const reservedFiles = 100
