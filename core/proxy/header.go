package proxy

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"

	proxyproto "github.com/pires/go-proxyproto"
)

const (
	// The shortest header is "PROXY UNKNOWN" with its line end, and the fixed
	// part of version 2 is one byte longer: so many bytes belong to any header.
	shortest = 15
	// The longest line of version 1, with its end.
	longestV1 = 107
	fixedV2   = 16
	// Addresses of version 2 need 216 bytes at most. What else may follow are
	// facts about the client's TLS, its certificate's name among them, and what
	// clouds add: some hundred bytes. The protocol would allow 64 KiB.
	longestV2 = fixedV2 + 4096
)

var (
	// ErrNoHeader is what a trusted proxy gets that sends something else.
	ErrNoHeader = errors.New("no PROXY protocol header at the start of the connection")
	// ErrUntrusted is what others get on a listener that wants the header.
	ErrUntrusted = errors.New("the peer is not in trusted_proxies, and this listener takes connections from proxies alone")
)

// readHeader takes the header off r and not a byte more: what follows may be a
// TLS handshake that others read from the same socket.
func readHeader(r io.Reader) (*proxyproto.Header, error) {
	buf := make([]byte, shortest, longestV1+1)
	for n := 0; n < shortest; {
		m, err := r.Read(buf[n:shortest])
		n += m
		if !couldBegin(buf[:n]) {
			return nil, ErrNoHeader
		}
		if err != nil && n < shortest {
			return nil, early(err)
		}
	}
	var err error
	if buf[0] == proxyproto.SIGV1[0] {
		buf, err = restV1(r, buf)
	} else {
		buf, err = restV2(r, buf)
	}
	if err != nil {
		return nil, err
	}
	h, err := proxyproto.Read(bufio.NewReaderSize(bytes.NewReader(buf), len(buf)))
	if err != nil {
		return nil, fmt.Errorf("PROXY protocol header: %w", err)
	}
	return h, nil
}

// couldBegin says whether b and one of the two signatures begin alike.
func couldBegin(b []byte) bool {
	for _, sig := range [][]byte{proxyproto.SIGV1, proxyproto.SIGV2} {
		n := min(len(b), len(sig))
		if bytes.Equal(b[:n], sig[:n]) {
			return true
		}
	}
	return false
}

// restV1 reads the line byte by byte: only its end tells its length.
func restV1(r io.Reader, buf []byte) ([]byte, error) {
	for buf[len(buf)-1] != '\n' {
		if len(buf) == longestV1 {
			return nil, fmt.Errorf("PROXY protocol header: no line end within %d bytes", longestV1)
		}
		buf = buf[:len(buf)+1]
		if _, err := io.ReadFull(r, buf[len(buf)-1:]); err != nil {
			return nil, early(err)
		}
	}
	return buf, nil
}

func restV2(r io.Reader, buf []byte) ([]byte, error) {
	buf = buf[:fixedV2]
	if _, err := io.ReadFull(r, buf[shortest:]); err != nil {
		return nil, early(err)
	}
	n := fixedV2 + int(binary.BigEndian.Uint16(buf[fixedV2-2:]))
	if n > longestV2 {
		return nil, fmt.Errorf("PROXY protocol header: %d bytes, the limit is %d", n, longestV2)
	}
	buf = append(buf, make([]byte, n-fixedV2)...)
	if _, err := io.ReadFull(r, buf[fixedV2:]); err != nil {
		return nil, early(err)
	}
	return buf, nil
}

// early words the end of a connection within its header.
func early(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("PROXY protocol header: the connection ended within it: %w", io.ErrUnexpectedEOF)
	}
	return fmt.Errorf("PROXY protocol header: %w", err)
}

// source is the address that a header names; nil when it names none, as with
// health checks of the proxy itself: then the peer's own address stays.
func source(h *proxyproto.Header) (*net.TCPAddr, error) {
	if h.Command.IsLocal() {
		return nil, nil
	}
	src, _, ok := h.TCPAddrs()
	if !ok {
		return nil, fmt.Errorf("PROXY protocol header: the client's address is not one of TCP (family %#x)", byte(h.TransportProtocol))
	}
	ip, ok := ipOf(src)
	if !ok || ip.IsUnspecified() || ip.IsMulticast() {
		return nil, fmt.Errorf("PROXY protocol header: %s is no address of a client", src.IP)
	}
	// One address has one form, or limits by address would count it twice.
	return &net.TCPAddr{IP: ip.AsSlice(), Port: src.Port}, nil
}
