package web

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/takhost/takhost/hostapi/cot"
	"github.com/takhost/takhost/hostapi/takproto"
	"github.com/takhost/takhost/hostapi/wire"
)

// frameOf gives an event in TAK protocol.
func frameOf(t *testing.T, uid string) []byte {
	t.Helper()
	e := event(t, 1, uid, "a-f-G", 1, 2)
	f, err := takproto.AppendFrame(nil, e.XML, &e.Header)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// uidOf reads the one frame that a message holds.
func uidOf(t *testing.T, msg []byte) string {
	t.Helper()
	f := takproto.Split(msg, takproto.MaxFrame)
	if !f.Complete() || f.Skip > 0 || f.Size != len(msg) {
		t.Fatalf("a message of %d bytes is not one frame: %+v", len(msg), f)
	}
	xml, err := takproto.AppendXML(nil, f.Message)
	if err != nil {
		t.Fatal(err)
	}
	var h cot.Header
	if err := cot.Scan(string(xml), &h); err != nil {
		t.Fatal(err)
	}
	return h.UID
}

func (e *estate) dialTAK(t *testing.T, listener string, cert *tls.Certificate, headers ...string) (*websocket.Conn, *http.Response, error) {
	t.Helper()
	conf := &tls.Config{RootCAs: e.ca.pool(), ServerName: "tak.example"}
	if cert != nil {
		conf.Certificates = []tls.Certificate{*cert}
	}
	transport := &http.Transport{TLSClientConfig: conf}
	t.Cleanup(transport.CloseIdleConnections)
	opt := &websocket.DialOptions{HTTPClient: &http.Client{Transport: transport}, HTTPHeader: http.Header{}}
	for i := 0; i+1 < len(headers); i += 2 {
		if headers[i] == "Sec-WebSocket-Protocol" {
			opt.Subprotocols = strings.Split(headers[i+1], ", ")
			continue
		}
		opt.HTTPHeader.Add(headers[i], headers[i+1])
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	conn, resp, err := websocket.Dial(ctx, "wss://"+e.Addr(listener).String()+"/takproto/1", opt)
	if err == nil {
		t.Cleanup(func() { conn.CloseNow() })
	}
	return conn, resp, err
}

// TestTAKProto has a client of protobuf by WebSocket: what the core writes comes
// as one message for each frame, however it was written, and the other way round.
func TestTAKProto(t *testing.T) {
	e := newEstate(t, Options{})
	frames := [][]byte{frameOf(t, "A"), frameOf(t, strings.Repeat("b", 300)), frameOf(t, "C"), frameOf(t, strings.Repeat("d", 40_000))}
	all := bytes.Join(frames, nil)
	for _, size := range []int{1, 7, 1000, len(all)} {
		type client struct {
			caller         *wire.Caller
			addr, listener string
			remote         string
		}
		came, got := make(chan client, 1), make(chan []byte, 1)
		e.core.as = func(nc net.Conn, caller *wire.Caller, addr, listener string) {
			defer nc.Close()
			came <- client{caller, addr, listener, nc.RemoteAddr().String()}
			// The deadline of a read that passes ends nothing.
			if err := nc.SetReadDeadline(time.Unix(1, 0)); err != nil {
				t.Error(err)
			}
			if _, err := nc.Read(make([]byte, 1)); err == nil {
				t.Error("a read after its deadline gives something")
			}
			if err := nc.SetReadDeadline(time.Time{}); err != nil {
				t.Error(err)
			}
			in := make([]byte, len(all))
			if _, err := io.ReadFull(nc, in); err != nil {
				t.Error(err)
			}
			got <- in
			for data := all; len(data) > 0; {
				n := min(size, len(data))
				if _, err := nc.Write(data[:n]); err != nil {
					t.Error(err)
					return
				}
				data = data[n:]
			}
		}
		conn, _, err := e.dialTAK(t, httpsListener, e.ca.client(t, "eve-user"))
		if err != nil {
			t.Fatal(err)
		}
		conn.SetReadLimit(1 << 20)
		for _, f := range frames {
			if err := conn.Write(t.Context(), websocket.MessageBinary, f); err != nil {
				t.Fatal(err)
			}
		}
		c := <-came
		if c.caller.User != "eve" || c.caller.Listener != httpsListener || c.listener != httpsListener || !strings.HasPrefix(c.addr, "127.0.0.1:") || c.remote != c.addr {
			t.Errorf("the core got %+v with %+v", c, c.caller)
		}
		if in := <-got; !bytes.Equal(in, all) {
			t.Error("what the client sent came otherwise")
		}
		for _, f := range frames {
			kind, msg, err := conn.Read(t.Context())
			if err != nil || kind != websocket.MessageBinary {
				t.Fatalf("got %v, %v", kind, err)
			}
			if uidOf(t, msg) != uidOf(t, f) {
				t.Errorf("got the event %q", uidOf(t, msg))
			}
		}
		if _, _, err := conn.Read(t.Context()); websocket.CloseStatus(err) != websocket.StatusNormalClosure {
			t.Errorf("the end is %v", err)
		}
	}
}

func TestTAKProtoCredentials(t *testing.T) {
	e := newEstate(t, Options{})
	e.core.as = func(nc net.Conn, _ *wire.Caller, _, _ string) { nc.Close() }
	eve := e.ca.client(t, "eve-user")
	own := "https://" + e.Addr(webListener).String()
	for _, c := range []struct {
		name, on string
		cert     *tls.Certificate
		headers  []string
		status   int
	}{
		{"certificate", httpsListener, eve, nil, 101},
		{"certificate, other origin", httpsListener, eve, []string{"Origin", "https://evil.example"}, 403},
		{"nothing", httpsListener, nil, nil, 401},
		{"token", webListener, nil, bearer("eve-user"), 101},
		{"token, other origin", webListener, nil, append(bearer("eve-user"), "Origin", "https://evil.example"), 101},
		{"token as a browser brings it", webListener, nil, []string{"Sec-WebSocket-Protocol", "takhost, bearer.eve-user"}, 101},
		{"cookie, own origin", webListener, nil, cookie("eve-user", "Origin", own), 101},
		{"cookie, other origin", webListener, nil, cookie("eve-user", "Origin", "https://evil.example"), 403},
		{"wrong token", webListener, nil, bearer("x"), 401},
	} {
		t.Run(c.name, func(t *testing.T) {
			conn, resp, err := e.dialTAK(t, c.on, c.cert, c.headers...)
			if resp == nil || resp.StatusCode != c.status || (err == nil) != (c.status == 101) {
				t.Fatalf("got %v, %v, want %d", resp, err, c.status)
			}
			if err == nil {
				conn.CloseNow()
			}
		})
	}
	for _, on := range []string{httpListener, restListener} {
		if resp, _ := e.ask(t, on, query{path: "/takproto/1", headers: bearer(testToken)}); resp.StatusCode != 404 {
			t.Errorf("%s has it: %s", on, resp.Status)
		}
	}
	if resp, _ := e.ask(t, webListener, query{path: "/takproto/1", headers: bearer("eve-user")}); resp.StatusCode != 426 {
		t.Errorf("no WebSocket: got %s", resp.Status)
	}
	if resp, _ := e.ask(t, webListener, query{path: "/takproto/1", method: "HEAD", headers: bearer("eve-user")}); resp.StatusCode != 426 {
		t.Errorf("HEAD: got %s", resp.Status)
	}
}

// TestTAKProtoEnds shows the ends of a stream: by text, by the client, by a core
// that gives up a client that takes nothing.
func TestTAKProtoEnds(t *testing.T) {
	e := newEstate(t, Options{})
	ended := make(chan error, 1)
	e.core.as = func(nc net.Conn, _ *wire.Caller, _, _ string) {
		defer nc.Close()
		_, err := io.Copy(io.Discard, nc)
		ended <- err
	}
	t.Run("text", func(t *testing.T) {
		conn, _, err := e.dialTAK(t, webListener, nil, bearer("eve-user")...)
		if err != nil {
			t.Fatal(err)
		}
		if err := conn.Write(t.Context(), websocket.MessageText, []byte("<event/>")); err != nil {
			t.Fatal(err)
		}
		if _, _, err := conn.Read(t.Context()); websocket.CloseStatus(err) != websocket.StatusUnsupportedData {
			t.Errorf("got %v", err)
		}
		if err := <-ended; err != nil {
			t.Errorf("the core sees %v", err)
		}
	})
	t.Run("client leaves", func(t *testing.T) {
		conn, _, err := e.dialTAK(t, webListener, nil, bearer("eve-user")...)
		if err != nil {
			t.Fatal(err)
		}
		conn.Close(websocket.StatusNormalClosure, "")
		if err := <-ended; err != nil {
			t.Errorf("the core sees %v", err)
		}
	})
	t.Run("no frames", func(t *testing.T) {
		e.core.as = func(nc net.Conn, _ *wire.Caller, _, _ string) {
			defer nc.Close()
			_, err := io.WriteString(nc, "<event/>")
			ended <- err
		}
		conn, _, err := e.dialTAK(t, webListener, nil, bearer("eve-user")...)
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := conn.Read(t.Context()); err == nil {
			t.Error("XML came through")
		}
		<-ended
	})
	t.Run("client takes nothing", func(t *testing.T) {
		e.core.as = func(nc net.Conn, _ *wire.Caller, _, _ string) {
			defer nc.Close()
			frame := frameOf(t, strings.Repeat("x", 60_000))
			for {
				if err := nc.SetWriteDeadline(time.Now().Add(200 * time.Millisecond)); err != nil {
					t.Error(err)
				}
				if _, err := nc.Write(frame); err != nil {
					ended <- err
					return
				}
			}
		}
		if _, _, err := e.dialTAK(t, webListener, nil, bearer("eve-user")...); err != nil {
			t.Fatal(err)
		}
		var timeout net.Error
		if err := <-ended; !errors.As(err, &timeout) || !timeout.Timeout() {
			t.Errorf("the core sees %v", err)
		}
	})
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := e.Close(ctx); err != nil {
		t.Errorf("something is left: %v", err)
	}
}
