package takclient

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/takhost/takhost/hostapi/cot"
	"github.com/takhost/takhost/hostapi/takproto"
)

const offerDetail = `<TakControl><TakProtocolSupport version='1'/><TakServerVersionInfo serverVersion='0.1' apiVersion='3'/></TakControl>`

func control(uid, typ, detail string) string {
	return Event{UID: uid, Type: typ, How: "m-g", Detail: detail}.XML()
}

func frame(t testing.TB, xml string) []byte {
	t.Helper()
	var h cot.Header
	if err := cot.Scan(xml, &h); err != nil {
		t.Fatal(err)
	}
	b, err := takproto.AppendFrame(nil, xml, &h)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// grantor is the server's part of a negotiation: it offers, checks the
// question, and answers with status; after it what then is written at once.
func grantor(status string, then []byte) func(net.Conn) error {
	return func(conn net.Conn) error {
		uid := rand.Text()
		if _, err := io.WriteString(conn, simple("early")+control(uid, typeOffer, offerDetail)); err != nil {
			return err
		}
		buf := make([]byte, 4096)
		n, err := conn.Read(buf)
		if err != nil {
			return err
		}
		ask := string(buf[:n])
		for _, want := range []string{`type="t-x-takp-q"`, `uid="` + uid + `"`, `<TakRequest version="1"/>`} {
			if !strings.Contains(ask, want) {
				return fmt.Errorf("question %q lacks %q", ask, want)
			}
		}
		answer := simple("last") + control(uid, typeAnswer, `<TakControl><TakResponse status='`+status+`'/></TakControl>`)
		if _, err := conn.Write(append([]byte(answer), then...)); err != nil {
			return err
		}
		return nil
	}
}

func TestNegotiate(t *testing.T) {
	first := frame(t, simple("first"))
	back := make(chan []byte, 1)
	conn := script(t, func(conn net.Conn) error {
		if err := grantor("true", first)(conn); err != nil {
			return err
		}
		buf := make([]byte, 64<<10)
		n, err := conn.Read(buf)
		if err != nil {
			return err
		}
		back <- buf[:n]
		if _, err := conn.Write(buf[:n]); err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, conn)
		return err
	})
	c := Attach(t, conn, WithProto(), WithUID("ME"))
	if !c.Proto() {
		t.Error("the client does not say that it speaks TAK protocol")
	}
	for _, want := range []struct {
		uid   string
		proto bool
	}{{"early", false}, {"last", false}, {"first", true}} {
		if got := c.ExpectUID(t, want.uid); got.Proto != want.proto {
			t.Errorf("event %s: got proto %v, want %v", want.uid, got.Proto, want.proto)
		}
	}
	Must(t, c.SA(1.5, 2.5))
	sent := <-back
	if sent[0] != protoMagic {
		t.Errorf("got %q after the switch, want a frame", sent)
	}
	echo := c.ExpectUID(t, "ME")
	if echo.Raw != string(sent) || echo.Header.Callsign != "ME" || echo.Header.Lat != 1.5 {
		t.Errorf("got %+v, want the SA that was sent", echo)
	}
	neg := c.Negotiation()
	if neg.Offers != 1 || neg.Offer == nil || neg.Answer == nil || !neg.Granted || neg.XMLAfter {
		t.Errorf("got %+v, want one offer, granted, no XML after it", neg)
	}
	if !strings.Contains(neg.Offer.XML, "TakServerVersionInfo") {
		t.Errorf("offer is %q", neg.Offer.XML)
	}
	if err := c.Send("<event>"); err == nil {
		t.Error("got no error for a malformed event in TAK protocol, want one")
	}
	if err := c.Negotiate(context.Background()); err == nil {
		t.Error("got no error for a second negotiation, want one")
	}
}

func TestLargeFramesGoOut(t *testing.T) {
	got := make(chan int, 1)
	conn := script(t, func(conn net.Conn) error {
		if err := grantor("true", nil)(conn); err != nil {
			return err
		}
		buf, err := io.ReadAll(conn)
		got <- len(buf)
		return err
	})
	c := Attach(t, conn, WithProto())
	e := Event{UID: "big", Type: "u-d-f", How: "h-e", Detail: "<remarks>" + strings.Repeat("x", 100_000) + "</remarks>"}
	Must(t, c.Send(e.XML()))
	c.Close()
	if n := <-got; n < 100_000 {
		t.Errorf("server got %d bytes, want the whole event", n)
	}
}

func TestNegotiateFails(t *testing.T) {
	for _, tc := range []struct {
		name  string
		serve func(net.Conn) error
		want  error
	}{
		{"refused", grantor("false", nil), ErrRefused},
		{"other version", func(conn net.Conn) error {
			_, err := io.WriteString(conn, control("n", typeOffer, `<TakControl><TakProtocolSupport version='2'/></TakControl>`))
			return err
		}, ErrNotOffered},
		{"closed", func(conn net.Conn) error { return conn.Close() }, io.EOF},
		{"no offer", func(conn net.Conn) error {
			_, err := io.Copy(io.Discard, conn)
			return err
		}, context.DeadlineExceeded},
	} {
		t.Run(tc.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
			defer cancel()
			_, err := New(ctx, script(t, tc.serve), WithProto())
			if !errors.Is(err, tc.want) {
				t.Errorf("got %v, want %v", err, tc.want)
			}
		})
	}
}

// A refused client goes on in XML.
func TestNegotiateLater(t *testing.T) {
	c := Attach(t, script(t, func(conn net.Conn) error {
		if err := grantor("false", []byte(simple("after")))(conn); err != nil {
			return err
		}
		_, err := io.Copy(conn, conn)
		return err
	}))
	c.ExpectUID(t, "early")
	ctx, cancel := context.WithTimeout(context.Background(), DefaultWait)
	defer cancel()
	if err := c.Negotiate(ctx); !errors.Is(err, ErrRefused) {
		t.Fatalf("got %v, want %v", err, ErrRefused)
	}
	c.ExpectUID(t, "after")
	Must(t, c.Send(simple("echo")))
	if got := c.ExpectUID(t, "echo"); got.Proto {
		t.Error("got the event in TAK protocol, want XML")
	}
}

func TestProtoFaults(t *testing.T) {
	for _, tc := range []struct {
		name  string
		then  []byte
		after bool
		want  string
	}{
		{"xml after the switch", []byte(simple("xml")), true, "belong to no frame"},
		{"no message", appendProto(nil, []byte{0xFF, 0xFF}), false, "convert from protobuf"},
		{"too large", appendProto(nil, make([]byte, protoMax+1)), false, "a client takes at most 65536"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			conn := script(t, func(conn net.Conn) error {
				if err := grantor("true", tc.then)(conn); err != nil {
					return err
				}
				return conn.Close()
			})
			c := Attach(t, conn, WithProto(), WithFaults())
			if err := c.WaitClosed(t); err == nil {
				t.Error("got no reason for the end of the connection")
			}
			if got := c.Negotiation().XMLAfter; got != tc.after {
				t.Errorf("XML after the switch: got %v, want %v", got, tc.after)
			}
			wantTexts(t, fmt.Sprint(c.Faults()), tc.want)
		})
	}
}
