package web

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/coder/websocket"
)

// socketProtocol is the subprotocol that a browser offers beside its token, so
// that there is one to choose that is no secret.
const socketProtocol = "takhost"

// serveSocket answers with a WebSocket. The client sends nothing on it.
func serveSocket(w http.ResponseWriter, r *http.Request, from source, cut <-chan struct{}) {
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{
		// The guard has looked at the origin, and knows what the login was.
		InsecureSkipVerify: true,
		Subprotocols:       offered(r),
		CompressionMode:    websocket.CompressionDisabled,
	})
	if err != nil {
		return // it has answered
	}
	defer conn.CloseNow()
	s := &socket{conn: conn}
	s.ctx, s.cancel = context.WithCancel(context.WithoutCancel(r.Context()))
	// Reading sees that the client leaves, and its answers to pings. A write that was
	// under way ends with a client that has left; one that talks has still to be told why.
	over, stop := context.WithCancel(s.ctx)
	var reading sync.WaitGroup
	var talks atomic.Bool
	reading.Go(func() {
		defer stop()
		_, _, err := conn.Reader(s.ctx)
		if talks.Store(err == nil); err != nil {
			s.cancel()
		}
	})
	defer reading.Wait()
	defer s.cancel()
	pump(over, s, from, cut)
	if s.late != nil {
		s.late.Stop()
	}
	switch {
	case talks.Load():
		s.close(websocket.StatusPolicyViolation, "nothing is read here")
	case isClosed(from.ended()):
		s.close(websocket.StatusGoingAway, "the server stops")
	case isClosed(cut):
		s.close(websocket.StatusPolicyViolation, "the login is not what it was")
	case isClosed(endingOf(s.ctx)):
		s.close(websocket.StatusGoingAway, "the listener is closed")
	}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// close says goodbye, and waits for the client's answer, but not for long.
func (s *socket) close(code websocket.StatusCode, reason string) {
	late := time.AfterFunc(pushEndWait, func() { s.conn.CloseNow() })
	defer late.Stop()
	s.conn.Close(code, reason) // an error means that the client is gone
}

// offered gives the subprotocols that are chosen from: a client that offers its
// token alone expects to get it back.
func offered(r *http.Request) []string {
	list := []string{socketProtocol}
	for _, h := range r.Header.Values("Sec-WebSocket-Protocol") {
		for p := range strings.SplitSeq(h, ",") {
			if p = strings.TrimSpace(p); strings.HasPrefix(p, socketToken) {
				list = append(list, p)
			}
		}
	}
	return list
}

// socket writes messages to a WebSocket. Its methods but hurry are called by one
// goroutine.
type socket struct {
	conn   *websocket.Conn
	ctx    context.Context //nolint:containedctx // it is the connection's life
	cancel context.CancelFunc
	late   *time.Timer // set by hurry, which has ended when pump has
}

var _ sink = (*socket)(nil)

// socketMessage is what a message is on the wire.
type socketMessage struct {
	Type   string          `json:"type"`
	Stream string          `json:"stream,omitempty"`
	ID     string          `json:"id,omitempty"`
	Data   json.RawMessage `json:"data,omitempty"`
}

func (s *socket) begin() error { return s.send(push{kind: "watching"}) }

func (s *socket) send(p push) error {
	b, err := json.Marshal(socketMessage{Type: p.kind, Stream: p.stream, ID: p.id, Data: p.data})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(s.ctx, pushWait)
	defer cancel()
	return s.conn.Write(ctx, websocket.MessageText, b)
}

func (s *socket) flush() error { return nil }

// alive waits for the client's answer: one that gives none is gone.
func (s *socket) alive() error {
	ctx, cancel := context.WithTimeout(s.ctx, pushWait)
	defer cancel()
	return s.conn.Ping(ctx)
}

// hurry lets the write under way go on for a moment: it may be one that succeeds.
func (s *socket) hurry() { s.late = time.AfterFunc(pushEndWait, s.cancel) }
