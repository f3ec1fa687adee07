package web

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/coder/websocket"
	"github.com/danielgtaylor/huma/v2"

	"github.com/takhost/takhost/hostapi/takproto"
	"github.com/takhost/takhost/openapi"
)

// takprotoOperation declares the stream of CoT over a WebSocket
// (spec/tak-streaming.md 3).
func takprotoOperation(api huma.API, core Core, log *slog.Logger) {
	op := huma.Operation{
		OperationID: "takproto", Method: http.MethodGet, Path: "/takproto/1", Tags: []string{"stream"},
		Summary: "CoT over a WebSocket",
		Description: "TAK protocol 1 both ways from the first message: each binary message is one message of the protocol with the framing " +
			"of streams in front of it (0xBF and the length as a varint). Messages of text close the connection. " +
			"A browser, which cannot set a header there, brings its token as the subprotocol bearer.TOKEN beside takhost, or its cookie.",
		Responses: map[string]*huma.Response{"101": {Description: "The stream begins"}},
	}
	op.DefaultStatus = http.StatusSwitchingProtocols // for the description alone
	op = openapi.Anyone(openapi.Refuse(openapi.On(op, httpsListener, webListener), "marti"))
	huma.Register(api, op, func(context.Context, *struct{}) (*huma.StreamResponse, error) {
		return &huma.StreamResponse{Body: func(ctx huma.Context) {
			r, w := unwrap(ctx)
			serveTAKProto(w, r, core, log)
		}}, nil
	})
}

// serveTAKProto answers a request with a stream of CoT. It returns when that has
// ended.
func serveTAKProto(w http.ResponseWriter, r *http.Request, core Core, log *slog.Logger) {
	if r.Method != http.MethodGet || !isWebSocket(r) {
		w.Header().Set("Upgrade", "websocket")
		w.Header().Set("Connection", "Upgrade")
		refuse(w, "marti", newProblem(http.StatusUpgradeRequired, "this is a WebSocket"))
		return
	}
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{
		InsecureSkipVerify: true, // the guard has looked at the origin
		Subprotocols:       offered(r),
		CompressionMode:    websocket.CompressionDisabled,
	})
	if err != nil {
		return // it has answered
	}
	defer conn.CloseNow()
	conn.SetReadLimit(-1) // the core bounds what is unfinished
	ctx, cancel := context.WithCancel(context.WithoutCancel(r.Context()))
	defer cancel()

	// The core gets the one end of a pipe, which has the deadlines of a socket:
	// with those of a WebSocket the first that passes would end the connection.
	near, far := net.Pipe()
	var pumps sync.WaitGroup
	pumps.Go(func() {
		defer near.Close()
		if err := receive(ctx, near, conn); err != nil {
			log.Debug("WebSocket stream ended", slog.String("addr", AddrOf(r.Context())), slog.Any("err", err))
		}
	})
	sent := make(chan error, 1)
	pumps.Go(func() { sent <- send(ctx, conn, near) })
	// A stream by a token or a cookie ends with it. Of other changes the core
	// knows by itself: they change what the stream may do, and need not end it.
	cut, end := beginStream(r.Context())
	defer end()
	defer onEnd(cut, func() { near.Close() })()
	addr := fullAddr(r)
	core.StreamAs(&pipeConn{Conn: far, remote: textAddr(addr)}, CallerOf(r.Context()), addr, ListenerOf(r.Context()))
	far.Close()
	// What the core wrote last is on its way.
	late := time.AfterFunc(pushEndWait, func() { cancel(); conn.CloseNow() })
	defer late.Stop()
	if err := <-sent; err == nil {
		conn.Close(websocket.StatusNormalClosure, "") // an error means that the client is gone
	}
	cancel()
	conn.CloseNow()
	pumps.Wait()
}

// receive passes the client's messages on until it leaves. A message of text is
// refused (spec/tak-streaming.md 3).
func receive(ctx context.Context, to io.Writer, conn *websocket.Conn) error {
	buf := make([]byte, 4<<10)
	for {
		kind, msg, err := conn.Reader(ctx)
		if err != nil {
			return err
		}
		if kind != websocket.MessageBinary {
			return conn.Close(websocket.StatusUnsupportedData, "binary messages only")
		}
		if _, err := io.CopyBuffer(writeOnly{to}, readOnly{msg}, buf); err != nil {
			return err
		}
	}
}

// They keep io.CopyBuffer from using another buffer than its own.
type (
	writeOnly struct{ io.Writer }
	readOnly  struct{ io.Reader }
)

// mostFrame bounds what is held of a frame; those of the core have 64 KiB at most
// (spec/tak-streaming.md 3).
const mostFrame = 16 << 20

var errFraming = errors.New("the stream is not cut into frames of TAK protocol")

// send passes on what the core writes, each frame of it as a message of its own.
// It returns nil when the core has closed the stream.
func send(ctx context.Context, conn *websocket.Conn, from io.Reader) error {
	var held []byte
	buf := make([]byte, 16<<10)
	for {
		n, err := from.Read(buf)
		data := buf[:n]
		if len(held) > 0 {
			held = append(held, data...)
			data = held
		}
		for {
			f := takproto.Split(data, mostFrame)
			if f.Skip > 0 {
				return errFraming
			}
			if !f.Complete() {
				break
			}
			if err := conn.Write(ctx, websocket.MessageBinary, data[:f.Size]); err != nil {
				return err
			}
			data = data[f.Size:]
		}
		switch {
		case len(data) == 0:
			held = nil // an idle connection keeps nothing
		case len(held) > 0:
			held = held[:copy(held, data)]
		default:
			held = append(held, data...)
		}
		switch {
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrClosedPipe):
			return nil
		case err != nil:
			return err
		}
	}
}

// pipeConn is the core's end of a pipe, with the address of the client.
type pipeConn struct {
	net.Conn
	remote net.Addr
}

// RemoteAddr implements net.Conn.
func (c *pipeConn) RemoteAddr() net.Addr { return c.remote }

// fullAddr gives the client's address, with its port unless only a proxy knows it.
func fullAddr(r *http.Request) string {
	if addr := AddrOf(r.Context()); addr != hostOf(r.RemoteAddr) {
		return addr
	}
	return r.RemoteAddr
}

type textAddr string

func (textAddr) Network() string  { return "tcp" }
func (a textAddr) String() string { return string(a) }
