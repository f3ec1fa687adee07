package stream

import (
	"crypto/tls"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The kernel must not end a connection before the limit does that is in force.
func TestLimitOfStallReachesTheKernel(t *testing.T) {
	for _, tt := range []struct {
		name string
		conf *tls.Config
	}{
		{"plain", nil},
		{"TLS", selfSigned(t)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBed(t, nil)
			x := b.dial(b.listen(tt.conf))
			if tt.conf != nil {
				x = b.peer(tls.Client(x, &tls.Config{InsecureSkipVerify: true}))
			}
			x.greeted()
			b.change(func(l *Limits) { l.Stall = 40 * time.Second })
			b.mu.Lock()
			defer b.mu.Unlock()
			for _, c := range b.open {
				raw, err := tcpOf(c.sock).SyscallConn()
				if err != nil {
					t.Fatal(err)
				}
				var ms int
				var get error
				err = raw.Control(func(fd uintptr) { ms, get = unix.GetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT) })
				if err != nil || get != nil {
					t.Fatal(err, get)
				}
				if want := 45_000; ms != want {
					t.Errorf("the kernel waits %d ms, want %d", ms, want)
				}
			}
		})
	}
}
