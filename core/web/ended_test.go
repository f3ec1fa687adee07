package web

import (
	"context"
	"io"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/takhost/takhost/core/identity"
	"github.com/takhost/takhost/hostapi/wire"
)

// endable are logins of which one token can end.
type endable struct {
	fakeLogins
	ended atomic.Value // of string
}

func (l *endable) ByToken(ctx context.Context, secret, addr string) (*wire.Caller, error) {
	if secret == l.ended.Load() {
		return nil, identity.ErrBadCredentials
	}
	return l.fakeLogins.ByToken(ctx, secret, addr)
}

// What goes on by a token ends with the token: watching, and a stream of CoT.
// What goes on by another one of the same user does not.
func TestEndOfLogin(t *testing.T) {
	logins := &endable{}
	e := newEstate(t, Options{Logins: logins, Updates: NewUpdates(nil, nil)})
	e.core.as = func(nc net.Conn, _ *wire.Caller, _, _ string) {
		_, _ = io.Copy(io.Discard, nc) // until it is closed
		nc.Close()
	}
	const gone, other = "eve-user", "eve-user-readonly"
	stream, _, err := e.dialTAK(t, webListener, nil, "Authorization", "Bearer "+gone)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	ended := stream.CloseRead(ctx)
	e.Changed(identity.Change{Users: []string{"eve"}}) // his channels, say: the core sees to that
	if err := stream.Ping(ended); err != nil {
		t.Errorf("the stream was cut by a change of its user: %v", err)
	}
	watching, going := e.open(t, "/api/v1/live", with(gone)), e.open(t, "/api/v1/live", with(other))
	logins.ended.Store(gone)
	e.Changed(identity.Change{Logins: []string{"eve"}})
	if _, _, err := watching.Read(ctx); websocket.CloseStatus(err) != websocket.StatusPolicyViolation {
		t.Errorf("who watches got %v", err)
	}
	<-ended.Done()
	if ctx.Err() != nil {
		t.Error("the stream goes on")
	}
	if err := going.Ping(going.CloseRead(ctx)); err != nil {
		t.Errorf("what goes on by another token was cut: %v", err)
	}
}
