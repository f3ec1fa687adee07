package stream

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

const (
	ping    = `<event version="2.0" uid="X-ping" type="t-x-c-t" time="2026-01-01T00:00:00Z" start="2026-01-01T00:00:00Z" stale="2026-01-01T00:00:10Z" how="m-g"><point lat="0" lon="0" hae="0" ce="0" le="0"/><detail/></event>`
	request = `<event version="2.0" uid="X" type="t-x-takp-q" time="2026-01-01T00:00:00Z" start="2026-01-01T00:00:00Z" stale="2026-01-01T00:01:00Z" how="m-g"><point lat="0" lon="0" hae="0" ce="0" le="0"/><detail><TakControl><TakRequest version="1"/></TakControl></detail></event>`
)

func TestBytesInAreBytesOut(t *testing.T) {
	b := newBed(t, nil)
	addr := b.listen(nil)
	x, y := b.dial(addr).greeted(), b.dial(addr).greeted()
	strange := strings.Replace(event("<unknown  b='1'   a=\"&amp;\"><!-- kept --></unknown >\n\t<remarks>a\r\nb</remarks>"), "uid=", "  opex='x'\n uid=", 1)
	x.write("<?xml version='1.0'?>\n" + strange + "\n\n")
	x.write(numbered(1))
	if got := y.event(); got != strange {
		t.Errorf("got  %q\nsent %q", got, strange)
	}
	if got := y.event(); got != numbered(1) {
		t.Errorf("got %q", got)
	}
}

func TestPingIsAnsweredBeforeAnyPosition(t *testing.T) {
	b := newBed(t, nil)
	addr := b.listen(nil)
	x, y := b.dial(addr).greeted(), b.dial(addr).greeted()
	x.write(ping + ping)
	for range 2 {
		if e := x.event(); !strings.Contains(e, `uid="takPong"`) || !strings.Contains(e, `type="t-x-c-t-r"`) || strings.Contains(e, "<detail") {
			t.Errorf("pong is %s", e)
		}
	}
	x.write(numbered(1))
	if e := y.event(); e != numbered(1) {
		t.Errorf("another client got %s", e)
	}
}

func TestNegotiation(t *testing.T) {
	b := newBed(t, nil)
	addr := b.listen(nil)
	x, y := b.dial(addr), b.dial(addr).greeted()
	offer := x.event()
	if !strings.Contains(offer, `<TakProtocolSupport version="1"/>`) || !strings.Contains(offer, `<TakServerVersionInfo serverVersion="test"`) {
		t.Errorf("the offer is %s", offer)
	}
	y.write(numbered(1))
	if e := x.event(); e != numbered(1) {
		t.Errorf("before the switch got %s", e)
	}
	x.write(request)
	if e := x.event(); !strings.Contains(e, `type="t-x-takp-r"`) || !strings.Contains(e, `<TakResponse status="true"/>`) {
		t.Fatalf("the answer is %s", e)
	}
	// From here on every byte is TAK protocol, both ways; pings are answered in it.
	y.write(numbered(2))
	if e := x.frame(); !strings.Contains(e, `<n v="2"/>`) {
		t.Errorf("after the switch got %s", e)
	}
	x.write(frameOf(t, ping))
	if e := x.frame(); !strings.Contains(e, "takPong") {
		t.Errorf("pong is %s", e)
	}
	x.write(frameOf(t, numbered(3)) + frameOf(t, numbered(4)))
	for n := 3; n <= 4; n++ {
		if e := y.event(); !strings.Contains(e, fmt.Sprintf(`<n v="%d"/>`, n)) {
			t.Errorf("the XML client got %s", e)
		}
	}
}

func TestSwitchUnderLoad(t *testing.T) {
	b := newBed(t, nil)
	addr := b.listen(nil)
	x, y := b.dial(addr).greeted(), b.dial(addr).greeted()
	const n = 300
	go func() {
		for i := range n {
			if _, err := y.Write([]byte(numbered(i))); err != nil {
				t.Error(err)
				return
			}
		}
	}()
	next := 0
	for ; next < 10; next++ {
		x.event()
	}
	x.write(request)
	for {
		e := x.event()
		if strings.Contains(e, "t-x-takp-r") {
			break
		}
		if e != numbered(next) {
			t.Fatalf("event %d is %s", next, e)
		}
		next++
	}
	for ; next < n; next++ {
		if e := x.frame(); !strings.Contains(e, fmt.Sprintf(`<n v="%d"/>`, next)) {
			t.Fatalf("frame %d is %s", next, e)
		}
	}
}

func TestUnknownProtocolVersionIsRefused(t *testing.T) {
	b := newBed(t, nil)
	addr := b.listen(nil)
	x, y := b.dial(addr).greeted(), b.dial(addr).greeted()
	x.write(strings.Replace(request, `TakRequest version="1"`, `TakRequest version="2"`, 1))
	if e := x.event(); !strings.Contains(e, `<TakResponse status="false"/>`) {
		t.Errorf("the answer is %s", e)
	}
	x.write(numbered(1))
	if e := y.event(); e != numbered(1) {
		t.Errorf("got %s", e)
	}
}

func TestBadInputCostsOneEvent(t *testing.T) {
	for _, c := range []struct{ name, bad string }{
		{"malformed", strings.Replace(event(""), "<detail>", "<detail><a>", 1)},
		{"too deep", event(strings.Repeat("<a>", 100) + strings.Repeat("</a>", 100))},
		{"too many attributes", event("<a " + func() (s string) {
			for i := range 100 {
				s += fmt.Sprintf(`a%d="" `, i)
			}
			return s
		}() + "/>")},
		{"no uid", strings.Replace(event(""), `uid="u"`, "", 1)},
		{"document type", `<!DOCTYPE e [<!ENTITY lol "lol">]>` + event("")},
		{"wrong encoding", event("\xe4\xf6")},
		{"UTF-16", "\xff\xfe<\x00e\x00v\x00e\x00n\x00t\x00>\x00"},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := newBed(t, nil)
			addr := b.listen(nil)
			x, y := b.dial(addr).greeted(), b.dial(addr).greeted()
			x.write(c.bad + numbered(1))
			if c.name == "document type" {
				y.event() // what follows the refused declaration is an event like others
			}
			if e := y.event(); e != numbered(1) {
				t.Errorf("got %s", e)
			}
			b.logged("bad input dropped")
		})
	}
}

func TestBadFramesCostOneEvent(t *testing.T) {
	b := newBed(t, nil)
	addr := b.listen(nil)
	x, y := b.dial(addr).greeted(), b.dial(addr).greeted()
	x.write(request)
	x.event()
	for i, bad := range []string{
		"\xbf\x03\xff\xff\xff",             // no message
		"junk between frames",              // no magic byte
		"\xbf\xff\xff\xff\xff\x7f",         // a length of 32 GiB
		"\xbf\x00",                         // an empty message
		"\xbf\x04\x0a\x02\x08\x01",         // only takControl
		"\xbf\x06\x12\x04\x0a\x02\xff\xfe", // a type that is no UTF-8
		"\xbf\x40\x12\x04\x0a\x02\xff\xfe", // a length that reaches into the next frame
	} {
		x.write(bad + frameOf(t, numbered(i)))
		if e := y.event(); !strings.Contains(e, fmt.Sprintf(`<n v="%d"/>`, i)) {
			t.Errorf("behind %q got %s", bad, e)
		}
	}
}

func TestOversizedEvent(t *testing.T) {
	b := newBed(t, func(o *Options) { o.MaxEvent = 100 << 10 })
	addr := b.listen(nil)
	x, y := b.dial(addr).greeted(), b.dial(addr).greeted()
	large := event("<remarks>" + strings.Repeat("x", 99<<10) + "</remarks>")
	x.write(large)
	if e := y.event(); e != large {
		t.Errorf("got %d bytes, sent %d", len(e), len(large))
	}
	x.write(event("<remarks>"+strings.Repeat("x", 300<<10)+"</remarks>") + numbered(1))
	if e := y.event(); e != numbered(1) {
		t.Errorf("got %.100s", e)
	}
	b.logged("longer than")
	if n := b.unfinished.Load(); n != 0 {
		t.Errorf("%d unfinished bytes are still counted", n)
	}
}

func TestBudgetOfUnfinishedEvents(t *testing.T) {
	b := newBed(t, func(o *Options) { o.Unfinished = 100 << 10 })
	addr := b.listen(nil)
	y := b.dial(addr).greeted()
	for range 3 {
		x := b.dial(addr).greeted()
		x.write(head + strings.Repeat("x", 60<<10))
	}
	b.logged("too many bytes of unfinished events")
	x := b.dial(addr).greeted()
	x.write(numbered(1))
	if e := y.event(); e != numbered(1) {
		t.Errorf("got %.100s", e)
	}
}

// Time passes at once in these: the connection is a pipe.
func TestUnfinishedEvents(t *testing.T) {
	for _, c := range []struct{ name, sent, more, log string }{
		{"half an event, then silence", event("")[:120], "", "nothing more came"},
		{"comment that swallows events", event("<!-- oops"), event("<x/>"), "does not end before the next event"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBed(t, nil)
				var peers []*peer
				for range 2 {
					ours, theirs := net.Pipe()
					go b.ServeClient(theirs, Peer{Listener: "pipe"}, false)
					peers = append(peers, b.peer(ours).greeted())
				}
				x, y := peers[0], peers[1]
				x.SetDeadline(time.Time{})
				y.SetDeadline(time.Time{})
				x.write(c.sent + c.more)
				if c.more != "" {
					if e := y.event(); e != c.more {
						t.Errorf("got %s", e)
					}
				}
				time.Sleep(6 * time.Second)
				synctest.Wait()
				if !strings.Contains(b.log.String(), c.log) {
					t.Errorf("no %q in the log:\n%s", c.log, b.log)
				}
				x.write(numbered(2))
				if e := y.event(); e != numbered(2) {
					t.Errorf("got %s", e)
				}
				if n := b.unfinished.Load(); n != 0 {
					t.Errorf("%d unfinished bytes are still counted", n)
				}
				x.Close()
				y.Close()
				b.Server.Close()
			})
		})
	}
}

func TestStalledClientIsCutAndOthersAreServed(t *testing.T) {
	b := newBed(t, func(o *Options) { o.Stall = 300 * time.Millisecond; o.QueueBytes = 64 << 20; o.QueueEvents = 100_000 })
	addr := b.listen(nil)
	x, y, z := b.dial(addr).greeted(), b.dial(addr).greeted(), b.dial(addr).greeted()
	_ = z // never reads again
	large := event("<remarks>" + strings.Repeat("x", 50<<10) + "</remarks>")
	for range 200 { // more than any socket buffers take
		x.write(large)
		if e := y.event(); e != large {
			t.Fatalf("got %.100s", e)
		}
	}
	b.logged("it took nothing for")
	z.closed()
}

func TestOverflowOfWhatMustNotBeDroppedCuts(t *testing.T) {
	b := newBed(t, func(o *Options) { o.QueueBytes = 1 << 20 })
	addr := b.listen(nil)
	x, y, z := b.dial(addr).greeted(), b.dial(addr).greeted(), b.dial(addr).greeted()
	chat := strings.Replace(event("<remarks>"+strings.Repeat("x", 50<<10)+"</remarks>"), `"a-f-G"`, `"b-t-f"`, 1)
	for range 300 {
		x.write(chat)
		y.event()
	}
	b.logged("its queue is full")
	z.closed()
}

func TestTooLargeForTAKProtocol(t *testing.T) {
	b := newBed(t, nil)
	addr := b.listen(nil)
	x, y := b.dial(addr).greeted(), b.dial(addr).greeted()
	y.write(request)
	y.event()
	x.write(event("<remarks>"+strings.Repeat("x", 70<<10)+"</remarks>") + numbered(1))
	if e := y.frame(); !strings.Contains(e, `<n v="1"/>`) {
		t.Errorf("got %.200s", e)
	}
	b.logged("event too large for a TAK protocol client")
	if n := b.met.tooLong.Load(); n != 1 {
		t.Errorf("counted %d", n)
	}
}

func TestLimitsOnConnections(t *testing.T) {
	b := newBed(t, func(o *Options) { o.PerAddress = 2 })
	addr := b.listen(nil)
	x, y := b.dial(addr).greeted(), b.dial(addr).greeted()
	b.dial(addr).closed()
	b.logged("limits.connections_per_address")
	x.Close()
	b.logged("connection ended")
	z := b.dial(addr).greeted()
	z.write(numbered(1))
	if e := y.event(); e != numbered(1) {
		t.Errorf("got %s", e)
	}
}

func TestCloseWritesWhatIsQueued(t *testing.T) {
	b := newBed(t, nil)
	addr := b.listen(nil)
	x, y := b.dial(addr).greeted(), b.dial(addr).greeted()
	b.hub.mu.Lock()
	b.hub.long, b.hub.short = time.Hour, time.Hour // from here on nothing goes out by itself
	b.hub.mu.Unlock()
	x.write(numbered(1))
	for {
		b.router.mu.Lock()
		n := len(b.router.routed)
		b.router.mu.Unlock()
		if n == 1 {
			break
		}
		time.Sleep(time.Millisecond)
	}
	b.Server.Close()
	if e := y.event(); e != numbered(1) {
		t.Errorf("got %s", e)
	}
	y.closed()
}

func TestRateLimitSlowsTheSenderAndLosesNothing(t *testing.T) {
	b := newBed(t, func(o *Options) { o.SenderRate = 100 })
	addr := b.listen(nil)
	x, y := b.dial(addr).greeted(), b.dial(addr).greeted()
	const n = 250 // the burst is 200
	began := time.Now()
	var all strings.Builder
	for i := range n {
		all.WriteString(numbered(i))
	}
	go x.write(all.String())
	for i := range n {
		if e := y.event(); e != numbered(i) {
			t.Fatalf("event %d is %s", i, e)
		}
	}
	x.write(numbered(n))
	y.event()
	if d := time.Since(began); d < 400*time.Millisecond {
		t.Errorf("%d events took %v", n, d)
	}
}

func TestTLS(t *testing.T) {
	b := newBed(t, func(o *Options) { o.QueueBytes = 8 << 20 })
	conf := selfSigned(t)
	addr := b.listen(conf)
	client := &tls.Config{InsecureSkipVerify: true}
	dial := func() *peer {
		c, err := tls.Dial("tcp", addr, client)
		if err != nil {
			t.Fatal(err)
		}
		return b.peer(c).greeted()
	}
	x, y := dial(), dial()
	large := event("<remarks>" + strings.Repeat("x", 3<<20) + "</remarks>")
	go x.write(large + numbered(1))
	if e := y.event(); e != large {
		t.Errorf("got %d bytes, sent %d", len(e), len(large))
	}
	if e := y.event(); e != numbered(1) {
		t.Errorf("got %s", e)
	}
	x.write(ping)
	if e := x.event(); !strings.Contains(e, "takPong") {
		t.Errorf("pong is %s", e)
	}
}

func TestTLSHandshakeThatNeverEnds(t *testing.T) {
	b := newBed(t, func(o *Options) { o.Handshake = 100 * time.Millisecond })
	addr := b.listen(selfSigned(t))
	b.dial(addr).closed()
	b.logged("TLS handshake failed")
	plain := b.dial(addr)
	plain.write(numbered(1))
	plain.closed()
	b.logged("does not look like a TLS handshake")
}

func TestStopCutsAHandshake(t *testing.T) {
	b := newBed(t, func(o *Options) { o.Handshake = time.Hour })
	p := b.dial(b.listen(selfSigned(t)))
	for {
		b.mu.Lock()
		n := len(b.early)
		b.mu.Unlock()
		if n == 1 {
			break
		}
		time.Sleep(time.Millisecond)
	}
	b.Server.Close()
	p.closed()
}

func TestPortTaken(t *testing.T) {
	b := newBed(t, nil)
	addr := b.listen(nil)
	_, err := b.Listen(t.Context(), ListenConfig{Name: "tcp", Addr: addr})
	if err == nil || !strings.Contains(err.Error(), "listen.tcp") || !strings.Contains(err.Error(), "address already in use") {
		t.Errorf("error is %v", err)
	}
}

func selfSigned(t *testing.T) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	cert := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, cert, cert, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
}

var _ Client = (*conn)(nil)
