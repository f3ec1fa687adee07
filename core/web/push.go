package web

import (
	"context"
	"net/http"
	"time"

	"github.com/danielgtaylor/huma/v2"
)

const (
	pushAlive   = 15 * time.Second // between two signs of life
	pushWait    = 30 * time.Second // how long a reader may take nothing
	pushEndWait = time.Second      // the same while the server stops
)

// push is one message to somebody who watches.
type push struct {
	kind   string // event, lagging, or the name of an update
	stream string // of an update
	id     string // of an event
	data   []byte // JSON in one line
}

// source is where such messages come from.
type source interface {
	// woken gives a signal when there is something to drain.
	woken() <-chan struct{}
	// ended is closed when there will be no more.
	ended() <-chan struct{}
	// drain hands over what has come, oldest first. An error is out's.
	drain(out func(push) error) error
}

// sink is where they go: server-sent events or a WebSocket. An error means that
// the client is gone or stuck.
type sink interface {
	// begin tells the client that it misses nothing from now on.
	begin() error
	send(push) error
	// flush ends a batch of messages.
	flush() error
	alive() error
	// hurry makes the write under way, and all later ones, end soon: a client
	// that does not read must not hold up a stop.
	hurry()
}

// pump passes messages on until the source, the client, the listener, the login or
// the server ends.
func pump(ctx context.Context, to sink, from source, cut <-chan struct{}) {
	defer onEnd(from.ended(), to.hurry)()
	if to.begin() != nil {
		return
	}
	alive := time.NewTicker(pushAlive)
	defer alive.Stop()
	ending := endingOf(ctx)
	for {
		select {
		case <-ctx.Done():
			return
		case <-ending:
			return
		case <-cut:
			return
		case <-from.ended():
			return
		case <-alive.C:
			if to.alive() != nil {
				return
			}
			continue
		case <-from.woken():
		}
		if from.drain(to.send) != nil || to.flush() != nil {
			return
		}
		alive.Reset(pushAlive)
	}
}

// onEnd runs do once end is closed. The function that it gives ends the
// watching, and waits for it.
func onEnd(end <-chan struct{}, do func()) (stop func()) {
	finished, over := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(over)
		select {
		case <-finished:
		case <-end:
			do()
		}
	}()
	return func() { close(finished); <-over }
}

// aboutSocket is part of the description of operations that stream.
const aboutSocket = "A request to become a WebSocket gets the same as messages in JSON: {\"type\": …, \"id\": …, \"data\": …}. " +
	"A browser, which cannot set a header there, brings its token as the subprotocol bearer.TOKEN beside takhost."

// serveStream answers with server-sent events, or with a WebSocket if that is
// what the client asks for.
func serveStream(ctx huma.Context, from source) {
	r, w := unwrap(ctx)
	if r.Method == http.MethodHead {
		w.Header().Set("Content-Type", "text/event-stream")
		return // the answer has no body, so there is nothing to wait for
	}
	cut, end := beginWatch(r.Context())
	defer end()
	if isWebSocket(r) {
		serveSocket(w, r, from, cut)
		return
	}
	servePushes(r.Context(), w, from, cut)
}

// servePushes answers with server-sent events.
func servePushes(ctx context.Context, w http.ResponseWriter, from source, cut <-chan struct{}) {
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // nginx would collect them
	w.WriteHeader(http.StatusOK)
	pump(ctx, newSSE(w), from, cut)
}
