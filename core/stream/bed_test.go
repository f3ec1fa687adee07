package stream

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/cot"
	"github.com/takhost/takhost/hostapi/takproto"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// everyone is the simplest router: what one sends, all others get.
type everyone struct {
	mu     sync.Mutex
	member map[*member]struct{}
	routed []*hostapi.Event
	flush  func()
	refuse func(Peer) error // may be nil
}

type member struct {
	r *everyone
	Client
}

func (r *everyone) join(c Client, p Peer) (Session, error) {
	if r.refuse != nil {
		if err := r.refuse(p); err != nil {
			return nil, err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	m := &member{r, c}
	r.member[m] = struct{}{}
	return m, nil
}

func (m *member) Publish(evs []*hostapi.Event) (lagging, n int) {
	m.r.mu.Lock()
	defer m.r.mu.Unlock()
	m.r.routed = append(m.r.routed, evs...)
	for o := range m.r.member {
		if o != m {
			n++
			if o.Offer(evs) {
				lagging++
			}
		}
	}
	m.r.flush()
	return lagging, n
}

func (m *member) Leave() {
	m.r.mu.Lock()
	defer m.r.mu.Unlock()
	delete(m.r.member, m)
}

// bed is a server with that router.
type bed struct {
	testing.TB
	*Server
	router *everyone
	log    *lockedBuffer

	numListeners atomic.Int32
}

func newBed(t testing.TB, change func(*Options)) *bed {
	b := &bed{TB: t, router: &everyone{member: map[*member]struct{}{}}, log: &lockedBuffer{}}
	var last atomic.Int64
	opt := Options{
		Join:   b.router.join,
		NextID: func() (hostapi.ID, time.Time) { return hostapi.ID(last.Add(1)), time.Now() },
		Now:    time.Now, Log: slog.New(slog.NewTextHandler(b.log, &slog.HandlerOptions{Level: slog.LevelDebug})), Version: "test",
		Limits: Limits{
			Scan: cot.DefaultLimits, MaxEvent: 8 << 20, QueueEvents: 1000, QueueBytes: 1 << 20, Unfinished: 16 << 20,
			UnfinishedWait: 5 * time.Second, Handshake: 2 * time.Second, Gather: time.Millisecond, Stall: 2 * time.Second,
			Shutdown: time.Second, Connections: 100, PerAddress: 100,
		},
	}
	if change != nil {
		change(&opt)
	}
	b.Server = New(opt)
	b.router.flush = b.Flush
	t.Cleanup(b.Server.Close)
	return b
}

// listen opens a listener on a free port.
func (b *bed) listen(conf *tls.Config) string {
	b.Helper()
	return b.listenOn(ListenConfig{Name: fmt.Sprint("test", b.numListeners.Add(1)), TLS: conf})
}

func (b *bed) listenOn(conf ListenConfig) string {
	b.Helper()
	conf.Addr = "127.0.0.1:0"
	l, err := b.Listen(context.Background(), conf)
	if err != nil {
		b.Fatal(err)
	}
	return l.Addr().String()
}

// peer is the other end of a connection. It reads events or frames one by one.
type peer struct {
	net.Conn
	b   *bed
	buf []byte
}

func (b *bed) dial(addr string) *peer {
	b.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		b.Fatal(err)
	}
	return b.peer(c)
}

func (b *bed) peer(c net.Conn) *peer {
	b.Cleanup(func() { c.Close() })
	p := &peer{Conn: c, b: b}
	if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		b.Fatal(err)
	}
	return p
}

// greeted reads the offer of the TAK protocol that begins every connection.
func (p *peer) greeted() *peer {
	p.b.Helper()
	if e := p.event(); !strings.Contains(e, `"t-x-takp-v"`) {
		p.b.Fatalf("the first event is %s", e)
	}
	return p
}

func (p *peer) write(s string) {
	p.b.Helper()
	if _, err := io.WriteString(p, s); err != nil {
		p.b.Fatalf("write: %v", err)
	}
}

// event reads the next XML event.
func (p *peer) event() string {
	p.b.Helper()
	for {
		if i := bytes.Index(p.buf, []byte("</event>")); i >= 0 {
			e := string(p.buf[:i+8])
			p.buf = p.buf[i+8:]
			return e
		}
		p.fill()
	}
}

// frame reads the next TAK protocol frame as XML.
func (p *peer) frame() string {
	p.b.Helper()
	for {
		if len(p.buf) > 0 && p.buf[0] != 0xBF {
			p.b.Fatalf("not a frame: %q", p.buf)
		}
		if len(p.buf) > 1 {
			size, n := binary.Uvarint(p.buf[1:])
			if n > 0 && len(p.buf) >= 1+n+int(size) {
				msg := p.buf[1+n : 1+n+int(size)]
				p.buf = p.buf[1+n+int(size):]
				xml, err := takproto.AppendXML(nil, msg)
				if err != nil {
					p.b.Fatalf("frame: %v", err)
				}
				return string(xml)
			}
		}
		p.fill()
	}
}

func (p *peer) fill() {
	p.b.Helper()
	buf := make([]byte, 64<<10)
	n, err := p.Read(buf)
	if err != nil {
		p.b.Fatalf("read: %v, have %q; log:\n%s", err, p.buf, p.b.log)
	}
	p.buf = append(p.buf, buf[:n]...)
}

// closed waits for the server to close the connection.
func (p *peer) closed() {
	p.b.Helper()
	if _, err := io.Copy(io.Discard, p); err != nil && isTimeout(err) {
		p.b.Fatalf("the server keeps the connection; log:\n%s", p.b.log)
	}
}

func frameOf(t testing.TB, xml string) string {
	t.Helper()
	var h cot.Header
	if err := cot.Scan(xml, &h); err != nil {
		t.Fatal(err)
	}
	b, err := takproto.AppendFrame(nil, xml, &h)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// numbered makes an event that a test can tell from others.
func numbered(n int) string { return event(fmt.Sprintf(`<n v="%d"/>`, n)) }

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

// logged waits for a line with text in the log.
func (b *bed) logged(text string) {
	b.Helper()
	end := time.Now().Add(10 * time.Second)
	for !strings.Contains(b.log.String(), text) {
		if time.Now().After(end) {
			b.Fatalf("no %q in the log:\n%s", text, b.log)
		}
		time.Sleep(time.Millisecond)
	}
}
