package proxy

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"
)

// mostWaiting bounds the connections whose header is awaited, as each has a
// goroutine. Proxies send it with the first packet. More connections than that
// wait in the backlog of the socket.
const mostWaiting = 1024

// Listener gives out the connections of ln once their header is read, which may
// take wait. refused, if not nil, is told of those that were closed instead; it
// is called from many goroutines. Close waits for the goroutines.
func Listener(ln net.Listener, t *Trusted, wait time.Duration, refused func(net.Addr, error)) net.Listener {
	l := &listener{Listener: ln, trusted: t, wait: wait, refused: refused, slots: make(chan struct{}, mostWaiting), ready: make(chan net.Conn)}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	l.done.Go(l.accept)
	return l
}

type listener struct {
	net.Listener
	trusted *Trusted
	wait    time.Duration
	refused func(net.Addr, error)

	ctx    context.Context // ends with Close: the goroutines are the listener's own
	cancel context.CancelFunc
	slots  chan struct{}
	ready  chan net.Conn
	done   sync.WaitGroup

	mu  sync.Mutex
	err error // why accepting ended, if not by Close
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case nc := <-l.ready:
		return nc, nil
	case <-l.ctx.Done():
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.err != nil {
			return nil, l.err
		}
		return nil, &net.OpError{Op: "accept", Net: l.Addr().Network(), Addr: l.Addr(), Err: net.ErrClosed}
	}
}

// Close also closes the connections that nobody has accepted.
func (l *listener) Close() error {
	l.cancel()
	err := l.Listener.Close()
	l.done.Wait()
	return err
}

func (l *listener) accept() {
	pause := time.Duration(0)
	for {
		select {
		case l.slots <- struct{}{}:
		case <-l.ctx.Done():
			return
		}
		nc, err := l.Listener.Accept()
		if err == nil {
			pause = 0
			l.done.Go(func() { l.begin(nc); <-l.slots })
			continue
		}
		<-l.slots
		if errors.Is(err, net.ErrClosed) || l.ctx.Err() != nil {
			l.end(err)
			return
		}
		// Out of files, say. What is accepted already may end, so go on.
		pause = min(max(2*pause, 5*time.Millisecond), time.Second)
		l.report(l.Addr(), err)
		select {
		case <-time.After(pause):
		case <-l.ctx.Done():
			return
		}
	}
}

func (l *listener) end(err error) {
	l.mu.Lock()
	if l.ctx.Err() == nil {
		l.err = err
	}
	l.mu.Unlock()
	l.cancel()
}

func (l *listener) begin(nc net.Conn) {
	ctx, cancel := context.WithTimeout(l.ctx, l.wait)
	defer cancel()
	c, err := Accept(ctx, nc, l.trusted)
	if err != nil {
		if l.ctx.Err() == nil {
			l.report(nc.RemoteAddr(), err)
		}
		_ = nc.Close() // it was never used
		return
	}
	select {
	case l.ready <- c:
	case <-l.ctx.Done():
		_ = nc.Close()
	}
}

func (l *listener) report(a net.Addr, err error) {
	if l.refused != nil {
		l.refused(a, err)
	}
}
