//go:build !unix

package stream

import "net"

func newSocket(conn net.Conn) (socket, error) { return &plainSocket{Conn: conn}, nil }
