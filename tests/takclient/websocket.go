package takclient

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// WithProtoFromStart speaks TAK protocol version 1 at once, as a WebSocket does:
// nothing is negotiated there (spec/tak-streaming.md 3).
func WithProtoFromStart() Option { return func(o *options) { o.protoNow = true } }

// DialWebSocket connects by the WebSocket at a URL such as
// wss://host:8443/takproto/1, with what header has for credentials. conf may be
// nil. The client is as that of Dial.
func DialWebSocket(t testing.TB, url string, conf *tls.Config, header http.Header, opts ...Option) *Client {
	t.Helper()
	conn, _, err := OpenWebSocket(t.Context(), url, conf, header)
	if err != nil {
		t.Fatal(err)
	}
	return Attach(t, conn, append(opts, WithProtoFromStart())...)
}

// OpenWebSocket opens one. The error of a refusal comes with its status.
func OpenWebSocket(ctx context.Context, url string, conf *tls.Config, header http.Header) (net.Conn, int, error) {
	ctx, cancel := context.WithTimeout(ctx, DefaultWait)
	defer cancel()
	tr := &http.Transport{TLSClientConfig: conf}
	defer tr.CloseIdleConnections()
	ws, resp, err := websocket.Dial(ctx, url, &websocket.DialOptions{HTTPClient: &http.Client{Transport: tr}, HTTPHeader: header})
	status := 0
	if resp != nil {
		status = resp.StatusCode
	}
	if err != nil {
		return nil, status, fmt.Errorf("open %s: %w", url, err)
	}
	ws.SetReadLimit(bufMax)
	return patient{websocket.NetConn(context.Background(), ws, websocket.MessageBinary)}, status, nil
}

// patient has no deadlines: the first one that passes would end a WebSocket.
type patient struct{ net.Conn }

func (patient) SetDeadline(time.Time) error      { return nil }
func (patient) SetReadDeadline(time.Time) error  { return nil }
func (patient) SetWriteDeadline(time.Time) error { return nil }
