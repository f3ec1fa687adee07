package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"time"
)

// sender is a CoT stream to the server that is written to. What the server
// sends is read and thrown away, as it would close a client that does not read.
type sender struct {
	nc   *net.UnixConn
	out  *bufio.Writer
	done chan struct{} // closed when the server has ended the stream
	stop func() bool
}

func openSender(ctx context.Context, a *admin) (*sender, error) {
	nc, in, err := a.stream(ctx)
	if err != nil {
		return nil, err
	}
	s := &sender{nc: nc, out: bufio.NewWriterSize(nc, 64<<10), done: make(chan struct{})}
	go func() {
		defer close(s.done)
		// However it ends, it has ended; writing tells the rest.
		_, _ = io.Copy(io.Discard, in)
	}()
	// A write that waits for the server ends with the command. The deadline
	// cannot fail but on a closed connection.
	s.stop = context.AfterFunc(ctx, func() { _ = nc.SetWriteDeadline(time.Unix(1, 0)) })
	return s, nil
}

var errServerGone = errors.New("the server has ended the stream: it stops, or its log says why")

func (s *sender) send(ctx context.Context, xml string) error {
	_, err := s.out.WriteString(xml + "\n")
	return told(ctx, err)
}

func (s *sender) flush(ctx context.Context) error { return told(ctx, s.out.Flush()) }

func told(ctx context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return ctx.Err()
	default:
		return errServerGone
	}
}

// pause waits for d, unless the command is interrupted or the server goes.
func (s *sender) pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-s.done:
		return errServerGone
	}
}

// finish sends what is left and waits until the server has taken all of it: it
// ends the stream when it has read the end.
func (s *sender) finish(ctx context.Context) error {
	if ctx.Err() != nil {
		return nil
	}
	if err := s.flush(ctx); err != nil {
		return err
	}
	if err := s.nc.CloseWrite(); err != nil {
		return errServerGone
	}
	select {
	case <-s.done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *sender) close() {
	s.stop()
	s.nc.Close()
	<-s.done
}

// interruptible is an input whose reading can be given up, which that of a
// terminal or pipe cannot. The read that then goes on in the background ends
// with the process.
type interruptible struct {
	done <-chan struct{}
	in   io.Reader
}

func (r *interruptible) Read(b []byte) (int, error) {
	type result struct {
		n   int
		err error
	}
	own := make([]byte, len(b)) // b is the caller's again when this returns
	got := make(chan result, 1)
	go func() {
		n, err := r.in.Read(own)
		got <- result{n, err}
	}()
	select {
	case res := <-got:
		return copy(b, own[:res.n]), res.err
	case <-r.done:
		return 0, context.Canceled
	}
}
