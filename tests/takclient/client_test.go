package takclient

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestTwoClients(t *testing.T) {
	r := newRelay(t)
	a := r.joined(t, WithUID("UID-A"), WithCallsign("ÄLPHA & <1>"), WithTeam("Dark Green", "HQ"))
	b := r.joined(t, WithProlog())

	Must(t, a.SA(52.5, -13.25, `<x y="z"/>`))
	got := b.ExpectUID(t, "UID-A")
	h := got.Header
	if !h.IsSA() || h.Callsign != "ÄLPHA & <1>" || h.Team != "Dark Green" || h.Role != "HQ" || h.Lat != 52.5 || h.Lon != -13.25 {
		t.Errorf("got header %+v, want the SA that was sent", h)
	}
	if got.Raw != got.XML || got.Proto {
		t.Errorf("got raw %q, proto %v; want the element itself, XML", got.Raw, got.Proto)
	}

	Must(t, b.Chat("hello <all>\nof you"))
	Must(t, b.Chat("only you", a.Peer()))
	Must(t, b.Chat("you two", a.Peer(), Peer{UID: "OTHER"}))
	all := a.Expect(t, Type("b-t-f").Both(Contains("hello &lt;all&gt;")))
	if n := all.Header.NumDests(); n != 0 {
		t.Errorf("got %d dests for a message to all, want none", n)
	}
	if !strings.HasPrefix(all.Raw, "<?xml") || !strings.HasPrefix(all.XML, "<event ") {
		t.Errorf("got raw %q, xml %q; want the prolog in raw only", clip(all.Raw, 60), clip(all.XML, 60))
	}
	one := a.Expect(t, Contains("only you"))
	if n := one.Header.NumDests(); n != 1 || one.Header.Dest(0).Value != a.Callsign() {
		t.Errorf("got %d dests, first %+v; want the callsign of a", n, one.Header.Dest(0))
	}
	two := a.Expect(t, Contains("you two"))
	if n := two.Header.NumDests(); n != 2 || two.Header.Dest(1).Value != "OTHER" {
		t.Errorf("got %d dests, second %+v; want two, the second uid OTHER", n, two.Header.Dest(1))
	}
	if all.Seq >= one.Seq || one.Seq >= two.Seq {
		t.Errorf("got places %d, %d, %d; want the order of sending", all.Seq, one.Seq, two.Seq)
	}
	b.Never(t, UID(b.UID()), a)
	a.Quiet(t, b)
}

func TestSendAllInOneWrite(t *testing.T) {
	conn := script(t, func(conn net.Conn) error {
		buf := make([]byte, 4096)
		n, err := conn.Read(buf)
		if err != nil {
			return err
		}
		if got, want := string(buf[:n]), simple("1")+simple("2"); len(got) != len(want) {
			return fmt.Errorf("got %q in one read, want two events", got)
		}
		_, err = conn.Write(buf[:n])
		return err
	})
	c := Attach(t, conn)
	Must(t, c.SendAll(simple("1"), simple("2")))
	c.ExpectUID(t, "1")
	c.ExpectUID(t, "2")
}

func TestBytesOnTheWire(t *testing.T) {
	r := newRelay(t)
	raw := Dial(t, r.addr(), WithRaw())
	Must(t, raw.Ping())
	raw.ExpectBytes(t, `uid="takPong"`) // the relay knows it
	c := r.joined(t)
	Must(t, c.SendRaw([]byte("<event uid='half")))
	raw.ExpectBytes(t, "uid='half")
	Must(t, c.SendRaw([]byte("'/>")))
	end := raw.ExpectBytes(t, "<event uid='half'/>")
	if got := raw.Bytes(); end > len(got) {
		t.Errorf("got %d bytes, want at least %d", len(got), end)
	}
}

func TestFaultsFailTheTest(t *testing.T) {
	for _, tc := range []struct {
		name, sends, want string
	}{
		{"malformed", `<event uid="a"><b></event></c></event>`, "malformed event"},
		{"two offers", control("n", typeOffer, offerDetail) + control("n", typeOffer, offerDetail), "offered more than once"},
		{"stray bytes", "rubbish" + simple("a"), "7 bytes that belong to no event"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			conn := script(t, func(conn net.Conn) error {
				_, err := io.WriteString(conn, tc.sends+simple("z"))
				return err
			})
			got := failure(t, func(t testing.TB) { Attach(t, conn).ExpectUID(t, "z") })
			wantTexts(t, got, "the server broke the protocol", tc.want)
		})
	}
}

func TestEndsOfConnections(t *testing.T) {
	read := func(conn net.Conn) error {
		_, err := io.Copy(io.Discard, conn)
		return err
	}
	t.Run("server closes", func(t *testing.T) {
		near, far := tcpPair(t)
		c := Attach(t, near)
		far.Close()
		if err := c.WaitClosed(t); !errors.Is(err, io.EOF) {
			t.Errorf("got %v, want EOF", err)
		}
		text := failure(t, func(t testing.TB) { c.ExpectUID(t, "a") })
		wantTexts(t, text, `uid "a"`, "connection ended", "EOF")
	})
	t.Run("server resets", func(t *testing.T) {
		near, far := tcpPair(t)
		c := Attach(t, near)
		if err := far.SetLinger(0); err != nil {
			t.Fatal(err)
		}
		far.Close()
		if err := c.WaitClosed(t); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("got %v, want a reset", err)
		}
	})
	t.Run("close", func(t *testing.T) {
		near, far := tcpPair(t)
		c := Attach(t, near)
		c.Close()
		c.Close()
		if err := read(far); err != nil {
			t.Errorf("server side got %v, want an orderly end", err)
		}
		text := failure(t, func(t testing.TB) {
			if err := c.WaitClosed(t); err != nil {
				t.Errorf("WaitClosed returned %v", err)
			}
		})
		wantTexts(t, text, "closed by this side")
		if err := c.SA(1, 2); !errors.Is(err, net.ErrClosed) {
			t.Errorf("send after close: got %v, want net.ErrClosed", err)
		}
	})
	t.Run("abort", func(t *testing.T) {
		near, far := tcpPair(t)
		c := Attach(t, near)
		Must(t, c.Abort())
		if err := read(far); !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("server side got %v, want a reset", err)
		}
	})
	t.Run("half closed", func(t *testing.T) {
		near, far := tcpPair(t)
		c := Attach(t, near)
		Must(t, c.CloseWrite())
		if err := read(far); err != nil {
			t.Errorf("server side got %v, want an orderly end", err)
		}
		if _, err := io.WriteString(far, simple("late")); err != nil {
			t.Fatal(err)
		}
		c.ExpectUID(t, "late")
	})
	t.Run("what a pipe cannot do", func(t *testing.T) {
		c := Attach(t, script(t, func(net.Conn) error { return nil }))
		if err := c.Abort(); err == nil {
			t.Error("abort: got no error, want one")
		}
		if err := c.CloseWrite(); err == nil {
			t.Error("close for writing: got no error, want one")
		}
	})
}

func TestConnectErrors(t *testing.T) {
	near, _ := tcpPair(t)
	gone := near.LocalAddr().String() // no listener there
	if _, err := Connect(context.Background(), gone); err == nil || !strings.Contains(err.Error(), "connect") {
		t.Errorf("got %v, want a connect error", err)
	}
	if _, err := Connect(context.Background(), "no port"); err == nil {
		t.Error("got no error for a bad address, want one")
	}
	pipe, other := net.Pipe()
	defer other.Close()
	if _, err := New(context.Background(), pipe, WithReadBuffer(4096)); err == nil {
		t.Error("got no error for the receive buffer of a pipe, want one")
	}
}

func TestStopReading(t *testing.T) {
	near, far := tcpPair(t)
	c := Attach(t, near, WithReadBuffer(8192))
	send := func(uid string) {
		t.Helper()
		if _, err := io.WriteString(far, simple(uid)); err != nil {
			t.Fatal(err)
		}
	}
	send("before")
	c.ExpectUID(t, "before")
	for range 3 {
		Must(t, c.StopReading())
		Must(t, c.StopReading()) // twice is once
		have := c.CountUID("while")
		send("while")
		if got := c.CountUID("while"); got != have {
			t.Errorf("got %d events while stopped, want %d", got, have)
		}
		Must(t, c.ResumeReading())
		Must(t, c.ResumeReading())
		c.ExpectUID(t, "while")
		if got := c.CountUID("while"); got != have+1 {
			t.Errorf("got %d events after resuming, want %d", got, have+1)
		}
	}
	Must(t, c.StopReading())
	far.Close()
	select {
	case <-c.Done():
		t.Error("a client that does not read saw the end of the connection")
	default:
	}
	c.Close()
}

// A server that writes to a client which has stopped reading is blocked in the
// end; that is what the option and the method are for.
func TestStopReadingBlocksTheServer(t *testing.T) {
	near, far := tcpPair(t)
	if err := far.SetWriteBuffer(8192); err != nil {
		t.Fatal(err)
	}
	c := Attach(t, near, WithReadBuffer(4096), WithoutLog())
	Must(t, c.StopReading())
	if err := far.SetWriteDeadline(time.Now().Add(200 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	sent, err := far.Write([]byte(strings.Repeat(simple("e"), 50_000)))
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("server wrote %d bytes to a client that does not read, error %v; want it blocked", sent, err)
	}
	whole := sent / len(simple("e"))
	Must(t, c.ResumeReading())
	c.ExpectCounts(t, "all that was written", func(n Counts) bool { return n.Events == whole })
}

func TestWithoutLog(t *testing.T) {
	r := newRelay(t)
	seen := make(chan string, 10)
	a := r.joined(t)
	b := r.joined(t, WithoutLog(), WithWatch(func(e *Received) { seen <- e.Header.UID }))
	for _, uid := range []string{"x", "y", "x"} {
		Must(t, a.Send(simple(uid)))
	}
	b.ExpectCounts(t, "two uids and the pong", func(c Counts) bool { return c.Events == 4 && c.UIDs == 3 })
	if b.CountUID("x") != 2 || b.CountUID("y") != 1 || b.CountUID("none") != 0 {
		t.Errorf("got x %d, y %d; want 2, 1", b.CountUID("x"), b.CountUID("y"))
	}
	got := []string{<-seen, <-seen, <-seen, <-seen}
	if want := []string{"takPong", "x", "y", "x"}; !slices.Equal(got, want) {
		t.Errorf("watched %q, want %q", got, want)
	}
	if len(b.All()) != 0 {
		t.Error("a client without a log has one")
	}
	wantTexts(t, failure(t, func(t testing.TB) { b.ExpectUID(t, "x") }), "no log")
}
