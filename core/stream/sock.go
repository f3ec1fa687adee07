package stream

import (
	"net"
	"time"
)

// socket is a connection's bytes. One goroutine reads and at most one writes at
// a time.
type socket interface {
	// read waits for bytes and, as far as it can tell, only then takes a buffer
	// from get; put gives it back when there was nothing after all. n bytes lie
	// at its begin.
	read(get func() []byte, put func()) (n int, err error)

	// try writes what the socket takes at once, perhaps nothing. more says that
	// bytes wait in the socket or before it, so that wait is called for.
	try(b []byte) (n int, more bool, err error)

	// wait is like try, but waits until some bytes went out; without any bytes
	// to write, until nothing waits in the socket. No progress at all for the
	// given time is an error.
	wait(b []byte, stall time.Duration) (n int, err error)

	net.Conn // for deadlines, addresses and closing; not for reading and writing
}
