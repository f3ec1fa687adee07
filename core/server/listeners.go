package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"sync"
	"syscall"

	"github.com/takhost/takhost/core/admin"
	"github.com/takhost/takhost/core/config"
	"github.com/takhost/takhost/core/proxy"
	"github.com/takhost/takhost/core/store"
	"github.com/takhost/takhost/core/stream"
	"github.com/takhost/takhost/core/web"
)

// listenerNames are all that the configuration has, in the order in which they
// are opened.
var listenerNames = []string{"tcp", "tls", "http", "https", "web", "rest"}

// outlet is one listener.
type outlet struct {
	addr  string   // where it is to be; empty: nowhere
	bound net.Addr // where it is; nil: it is closed
	tls   bool
	why   string // why it is closed although it has an address
}

// listeners opens, closes and moves the sockets of the server while it runs.
// Methods may be called from many goroutines.
type listeners struct {
	s        *Server
	changing sync.Mutex // one change at a time

	mu  sync.Mutex // guards what is below
	all map[string]*outlet
}

var _ admin.Listeners = (*listeners)(nil)

func newListeners(s *Server) *listeners {
	l := &listeners{s: s, all: map[string]*outlet{}}
	for _, name := range listenerNames {
		l.all[name] = &outlet{addr: s.cfg.Listen.Addr(name), tls: encrypted(name, s.cfg)}
	}
	return l
}

// encrypted says whether a listener speaks TLS.
func encrypted(name string, cfg *config.Config) bool {
	switch name {
	case "tls", "https", "web":
		return true
	case "rest":
		return cfg.RESTOverTLS()
	}
	return false
}

// Addr gives the address of a listener with its real port, nil when it is
// closed.
func (l *listeners) Addr(name string) net.Addr {
	l.mu.Lock()
	defer l.mu.Unlock()
	if o := l.all[name]; o != nil {
		return o.bound
	}
	return nil
}

// List implements admin.Listeners.
func (l *listeners) List(context.Context) []web.Listener {
	l.mu.Lock()
	defer l.mu.Unlock()
	var list []web.Listener
	for _, name := range listenerNames {
		o := l.all[name]
		entry := web.Listener{Name: name, TLS: o.tls, State: "open"}
		switch {
		case o.bound != nil:
			entry.Addr = o.bound.String()
		case o.addr == "":
			entry.State = "off"
		case o.why != "":
			entry.State = "closed: " + o.why
		default:
			entry.State = "closed"
		}
		list = append(list, entry)
	}
	return list
}

// openAll opens what the configuration has.
func (l *listeners) openAll(ctx context.Context) error {
	l.changing.Lock()
	defer l.changing.Unlock()
	defer l.s.tellPlugins()
	for _, name := range listenerNames {
		if addr := l.wanted(name); addr != "" {
			if err := l.open(ctx, name, addr); err != nil {
				return err
			}
		}
	}
	return nil
}

func (l *listeners) wanted(name string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.all[name].addr
}

// closed notes that all are.
func (l *listeners) closed() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, o := range l.all {
		o.bound = nil
	}
}

// note writes down what became of a listener.
func (l *listeners) note(name string, change func(*outlet)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change(l.all[name])
}

// open opens a listener: at once, or as soon as a filter that must not be
// passed by is active. l.changing is held.
func (l *listeners) open(ctx context.Context, name, addr string) error {
	if !slices.Contains(streamNames, name) {
		return l.openNow(ctx, name, addr)
	}
	ready := l.s.host.Ready(name)
	select {
	case <-ready:
		return l.openNow(ctx, name, addr)
	default:
	}
	l.note(name, func(o *outlet) { o.why = "waits for the filter of a plugin" })
	l.s.opt.Log.Info("a listener waits for the filter of a plugin", slog.String("listener", name))
	l.s.background.Go(func() {
		select {
		case <-ready:
		case <-l.s.stopping:
			return
		}
		l.changing.Lock()
		defer l.changing.Unlock()
		if l.Addr(name) != nil || l.wanted(name) != addr {
			return // somebody was quicker, or it is not wanted any more
		}
		if err := l.openNow(context.Background(), name, addr); err != nil {
			l.s.opt.Log.Error("a listener cannot be opened", slog.String("listener", name), slog.Any("err", err))
		}
	})
	return nil
}

// streamNames are the listeners of CoT streams.
var streamNames = []string{"tcp", "tls"}

func (l *listeners) openNow(ctx context.Context, name, addr string) error {
	conf, err := l.s.tlsOf(name)
	if err != nil {
		return err
	}
	var from *proxy.Trusted
	if slices.Contains(l.s.cfg.Proxy.Protocol, name) {
		from = l.s.trusted
	}
	var bound net.Addr
	if slices.Contains(streamNames, name) {
		var ln *stream.Listener
		ln, err = l.s.stream.Listen(ctx, stream.ListenConfig{Name: name, Addr: addr, TLS: conf, Login: slices.Contains(l.s.cfg.Login.Streams, name), Proxy: from})
		if err == nil {
			bound = ln.Addr()
		}
	} else {
		open := l.s.web.Listen
		if l.Addr(name) != nil {
			open = l.s.web.Move
		}
		bound, err = open(ctx, name, addr, web.ListenOptions{TLS: conf, Proxy: from})
	}
	if err = listenError(name, addr, err); err != nil {
		l.note(name, func(o *outlet) {
			if o.bound == nil {
				o.why = err.Error()
			}
		})
		return err
	}
	l.note(name, func(o *outlet) { o.addr, o.bound, o.why = addr, bound, "" })
	return nil
}

// tlsOf gives the TLS configuration of a listener, nil for a plain one.
func (s *Server) tlsOf(name string) (*tls.Config, error) {
	if !encrypted(name, s.cfg) {
		return nil, nil
	}
	return s.certificates.config(name)
}

// close closes a listener; connections there are stay. l.changing is held.
func (l *listeners) close(ctx context.Context, name, why string) error {
	if l.Addr(name) == nil {
		return nil
	}
	l.note(name, func(o *outlet) { o.bound, o.why = nil, why })
	if slices.Contains(streamNames, name) {
		l.s.stream.Unlisten(name)
		return nil
	}
	return l.s.web.Unlisten(ctx, name)
}

func (l *listeners) check(name, addr string) error {
	if !slices.Contains(listenerNames, name) {
		return &store.Error{Code: store.NotFound, Msg: fmt.Sprintf("there is no listener %q", name)}
	}
	next := *l.s.cfg
	for _, other := range listenerNames {
		next.Listen.SetAddr(other, l.wanted(other))
	}
	next.Listen.SetAddr(name, addr)
	if err := next.Validate(); err != nil {
		return &store.Error{Code: store.Invalid, Err: err}
	}
	if name == "rest" && next.RESTOverTLS() != l.s.cfg.RESTOverTLS() {
		return &store.Error{Code: store.Invalid, Msg: "listen.rest changes between HTTP and HTTPS with this address: set it in the configuration and restart"}
	}
	return nil
}

// Move implements admin.Listeners.
func (l *listeners) Move(ctx context.Context, name, addr string) error {
	l.changing.Lock()
	defer l.changing.Unlock()
	defer l.s.tellPlugins()
	return l.move(ctx, name, addr)
}

func (l *listeners) move(ctx context.Context, name, addr string) error {
	if err := l.check(name, addr); err != nil {
		return err
	}
	was, bound := l.wanted(name), l.Addr(name)
	if addr == was && (bound != nil || addr == "") {
		return nil
	}
	if addr != "" && bound != nil {
		// The new address is there before the old one goes, unless it has its port.
		err := l.openNow(ctx, name, addr)
		if err == nil {
			l.s.opt.Log.Info("listener moved", slog.String("listener", name), slog.String("addr", addr))
			return nil
		}
		if !errors.Is(err, syscall.EADDRINUSE) {
			return &store.Error{Code: store.Conflict, Err: err}
		}
	}
	if err := l.close(ctx, name, "is being moved"); err != nil {
		return err
	}
	l.note(name, func(o *outlet) { o.addr, o.why = addr, "" })
	if addr == "" {
		l.s.opt.Log.Info("listener closed", slog.String("listener", name))
		return nil
	}
	if err := l.open(ctx, name, addr); err != nil {
		l.note(name, func(o *outlet) { o.addr = was })
		if bound != nil {
			// Back to where it was: the very port, also if it was a free one.
			if again := l.open(ctx, name, bound.String()); again != nil {
				l.s.opt.Log.Error("a listener cannot be opened again", slog.String("listener", name), slog.Any("err", again))
			}
			l.note(name, func(o *outlet) { o.addr = was })
		}
		return &store.Error{Code: store.Conflict, Err: err}
	}
	l.s.opt.Log.Info("listener moved", slog.String("listener", name), slog.String("addr", addr))
	return nil
}

// Start implements admin.Listeners.
func (l *listeners) Start(ctx context.Context, name string) error {
	l.changing.Lock()
	defer l.changing.Unlock()
	defer l.s.tellPlugins()
	addr := ""
	if slices.Contains(listenerNames, name) {
		if addr = l.wanted(name); addr == "" {
			addr = l.s.cfg.Listen.Addr(name)
		}
	}
	if err := l.check(name, addr); err != nil {
		return err
	}
	switch {
	case l.Addr(name) != nil:
		return nil
	case addr == "":
		return &store.Error{Code: store.Invalid, Msg: fmt.Sprintf("listen.%s has no address: give it one with takhost listener move %s ADDRESS", name, name)}
	}
	if err := l.open(ctx, name, addr); err != nil {
		return &store.Error{Code: store.Conflict, Err: err}
	}
	return nil
}

// Stop implements admin.Listeners.
func (l *listeners) Stop(ctx context.Context, name string) error {
	l.changing.Lock()
	defer l.changing.Unlock()
	defer l.s.tellPlugins()
	if err := l.check(name, ""); err != nil {
		return err
	}
	if err := l.close(ctx, name, "was stopped"); err != nil {
		return err
	}
	l.s.opt.Log.Info("listener stopped", slog.String("listener", name))
	return nil
}

// apply moves the listeners whose address another configuration has changed.
func (l *listeners) apply(ctx context.Context, now, next *config.Listen) error {
	l.changing.Lock()
	defer l.changing.Unlock()
	defer l.s.tellPlugins()
	for _, name := range listenerNames {
		if addr := next.Addr(name); addr != now.Addr(name) {
			if err := l.move(ctx, name, addr); err != nil {
				return err
			}
		}
	}
	return nil
}
