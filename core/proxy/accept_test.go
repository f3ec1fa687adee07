package proxy

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	proxyproto "github.com/pires/go-proxyproto"
)

// peer is a connection of net.Pipe that seems to come from an address.
type peer struct {
	net.Conn
	from net.Addr
}

func (p peer) RemoteAddr() net.Addr { return p.from }

var theProxy = &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 4000}

func v2(cmd, family byte, payload ...byte) string {
	b := append([]byte(nil), proxyproto.SIGV2...)
	b = append(b, cmd, family)
	b = binary.BigEndian.AppendUint16(b, uint16(len(payload)))
	return string(append(b, payload...))
}

var (
	tcp4 = []byte{198, 51, 100, 7, 192, 0, 2, 9, 0xC3, 0x50, 0x1F, 0x99}
	tlvs = []byte{0x04, 0, 3, 1, 2, 3} // of no meaning
	tcp6 = append(append(bytes.Repeat([]byte{0x20, 1, 0xd, 0xb8}, 4), bytes.Repeat([]byte{0}, 16)...), 0xC3, 0x50, 0x1F, 0x99)
)

func TestAccept(t *testing.T) {
	trusted := trust(t, "192.0.2.0/24")
	mapped := append(append(append(make([]byte, 10), 0xff, 0xff, 198, 51, 100, 7), make([]byte, 16)...), 0, 1, 0, 2)
	tests := []struct {
		name, header string
		addr         string // "" means an error
		err          string
	}{
		{"v1", "PROXY TCP4 198.51.100.7 192.0.2.9 50000 8089\r\n", "198.51.100.7:50000", ""},
		{"v1 IPv6", "PROXY TCP6 2001:db8::7 2001:db8::9 50000 8089\r\n", "[2001:db8::7]:50000", ""},
		{"v1 IPv4 in IPv6 is IPv4", "PROXY TCP6 ::ffff:198.51.100.7 ::1 1 2\r\n", "198.51.100.7:1", ""},
		{"v1 unknown", "PROXY UNKNOWN\r\n", "192.0.2.1:4000", ""},
		{"v1 unknown, longest", "PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n", "192.0.2.1:4000", ""},
		{"v2", v2(0x21, 0x11, tcp4...), "198.51.100.7:50000", ""},
		{"v2 with more", v2(0x21, 0x11, append(tcp4[:12:12], tlvs...)...), "198.51.100.7:50000", ""},
		{"v2 IPv6", v2(0x21, 0x21, tcp6...), "[2001:db8:2001:db8:2001:db8:2001:db8]:50000", ""},
		{"v2 IPv4 in IPv6 is IPv4", v2(0x21, 0x21, mapped...), "198.51.100.7:1", ""},
		{"v2 local", v2(0x20, 0), "192.0.2.1:4000", ""},
		{"v2 local with addresses", v2(0x20, 0x11, tcp4...), "192.0.2.1:4000", ""},

		{"TLS", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "", "no PROXY protocol header"},
		{"CoT", "<event version=", "", "no PROXY protocol header"},
		{"nearly v1", "PROXI TCP4 198.51.100.7", "", "no PROXY protocol header"},
		{"nearly v2", strings.Replace(v2(0x21, 0x11, tcp4...), "QUIT", "QUIP", 1), "", "no PROXY protocol header"},
		{"v1 without CR", "PROXY TCP4 198.51.100.7 192.0.2.9 50000 8089\n", "", `must end with \r\n`},
		{"v1 too long", "PROXY TCP4 " + strings.Repeat("1", 200), "", "no line end within 107"},
		{"v1 nonsense", "PROXY TCP4 a.b.c.d 192.0.2.9 50000 8089\r\n", "", "invalid address"},
		{"v1 IPv6 said to be IPv4", "PROXY TCP4 2001:db8::7 192.0.2.9 50000 8089\r\n", "", "invalid address"},
		{"v1 port", "PROXY TCP4 198.51.100.7 192.0.2.9 70000 8089\r\n", "", "invalid port"},
		{"v1 few fields", "PROXY TCP4 198.51.100.7\r\n", "", "address family"},
		{"v1 unspecified", "PROXY TCP4 0.0.0.0 192.0.2.9 1 8089\r\n", "", "no address of a client"},
		{"v2 command", v2(0x22, 0x11, tcp4...), "", "unsupported"},
		{"v2 version", v2(0x31, 0x11, tcp4...), "", "unsupported"},
		{"v2 too short", v2(0x21, 0x11, tcp4[:8]...), "", "invalid length"},
		{"v2 too long", v2(0x21, 0x11, make([]byte, 5000)...), "", "the limit is 4112"},
		{"v2 UDP", v2(0x21, 0x12, tcp4...), "", "not one of TCP"},
		{"v2 unix", v2(0x21, 0x31, make([]byte, 216)...), "", "not one of TCP"},
		{"v2 unspecified family", v2(0x21, 0), "", "unsupported"},
	}
	for _, tt := range tests {
		for _, step := range []int{1, 1 << 20} { // bytes a write
			t.Run(tt.name, func(t *testing.T) {
				const rest = "\x16\x03\x01 what follows"
				near, far := net.Pipe()
				defer near.Close()
				wrote := make(chan struct{})
				go func() {
					defer close(wrote)
					all := tt.header
					if tt.addr != "" {
						all += rest
					}
					for len(all) > 0 {
						n, err := far.Write([]byte(all[:min(step, len(all))]))
						if err != nil {
							return // the other side refused it
						}
						all = all[n:]
					}
				}()
				defer func() { far.Close(); <-wrote }()
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				c, err := Accept(ctx, peer{near, theProxy}, trusted)
				if tt.addr == "" {
					if err == nil || !strings.Contains(err.Error(), tt.err) {
						t.Fatalf("got error %v, want one with %q", err, tt.err)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				if got := c.RemoteAddr().String(); got != tt.addr {
					t.Errorf("got address %s, want %s", got, tt.addr)
				}
				got := make([]byte, len(rest))
				// From the socket beneath, as TLS and the stream's raw reads do.
				if _, err := io.ReadFull(c.(*Conn).NetConn(), got); err != nil || string(got) != rest {
					t.Errorf("after the header: got %q, %v, want %q", got, err, rest)
				}
			})
		}
	}
}

func TestAcceptRefusesOthers(t *testing.T) {
	for _, from := range []net.Addr{&net.TCPAddr{IP: net.IPv4(198, 51, 100, 1), Port: 1}, &net.UnixAddr{Name: "@"}} {
		near, far := net.Pipe()
		// Nothing is written: an untrusted peer is refused before a byte is read.
		if _, err := Accept(t.Context(), peer{near, from}, trust(t, "192.0.2.0/24")); !errors.Is(err, ErrUntrusted) {
			t.Errorf("%v: got error %v, want ErrUntrusted", from, err)
		}
		near.Close()
		far.Close()
	}
}

func TestAcceptInTime(t *testing.T) {
	for _, sent := range []string{"", "PROXY TCP4 198", "PROXY TCP4 198.51.100.7 19", v2(0x21, 0x11, tcp4...)[:20]} {
		synctest.Test(t, func(t *testing.T) {
			near, far := net.Pipe()
			defer far.Close()
			go far.Write([]byte(sent))
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
			defer cancel()
			start := time.Now()
			_, err := Accept(ctx, peer{near, theProxy}, trust(t, "192.0.2.0/24"))
			if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 5*time.Second {
				t.Errorf("%q: got error %v after %v, want that of the deadline after 5s", sent, err, time.Since(start))
			}
			near.Close()
		})
	}
	t.Run("cancelled", func(t *testing.T) {
		near, far := net.Pipe()
		defer far.Close()
		defer near.Close()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := Accept(ctx, peer{near, theProxy}, trust(t, "192.0.2.0/24")); !errors.Is(err, context.Canceled) {
			t.Errorf("got error %v", err)
		}
	})
	t.Run("ended", func(t *testing.T) {
		near, far := net.Pipe()
		go func() { far.Write([]byte("PROXY TCP4 198.51.100.7 ")); far.Close() }()
		if _, err := Accept(t.Context(), peer{near, theProxy}, trust(t, "192.0.2.0/24")); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Errorf("got error %v", err)
		}
		near.Close()
	})
}

// FuzzHeader: whatever comes, nothing panics, and no byte after the header is taken.
func FuzzHeader(f *testing.F) {
	f.Add([]byte("PROXY TCP4 198.51.100.7 192.0.2.9 50000 8089\r\nrest"))
	f.Add([]byte("PROXY UNKNOWN\r\n"))
	f.Add([]byte(v2(0x21, 0x11, tcp4...) + "rest"))
	f.Add([]byte(v2(0x21, 0x21, append(tcp6[:36:36], tlvs...)...)))
	f.Add([]byte(v2(0x20, 0)))
	f.Add([]byte("GET / HTTP/1.1\r\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		r := bytes.NewReader(data)
		h, err := readHeader(r)
		if err != nil {
			return
		}
		used := len(data) - r.Len()
		if _, err := source(h); err != nil {
			return
		}
		// The same header again, and nothing beyond it, must do.
		again := bytes.NewReader(data[:used])
		if _, err := readHeader(again); err != nil || again.Len() != 0 {
			t.Errorf("of %q %d bytes were taken; these alone give %v with %d left", data, used, err, again.Len())
		}
		if data[0] == 'P' && data[used-1] != '\n' {
			t.Errorf("%q: the line ends after %d bytes", data, used)
		}
	})
}
