package web

import (
	"errors"
	"io"
	"net/http"
	"time"
)

// bodyWait is how long the body of a request may take.
const bodyWait = 30 * time.Second

// timed bounds how long the body of a request may take, whoever reads it, and
// also when nobody does: net/http reads what is left of a body before it sends
// the answer, and would wait for it without end. A body that has come whole has
// no bound any more, since the same connection tells that the client is gone.
func timed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Body == nil || r.Body == http.NoBody {
			next.ServeHTTP(w, r)
			return
		}
		rc := http.NewResponseController(w)
		if err := rc.SetReadDeadline(time.Now().Add(bodyWait)); err == nil {
			// A copy, as net/http looks at the body of its own request afterwards.
			r = r.WithContext(r.Context())
			r.Body = &timedBody{ReadCloser: r.Body, rc: rc}
		}
		next.ServeHTTP(w, r)
	})
}

// refusedWait is how long the body of a request that is refused may take.
const refusedWait = time.Second

// hangUp ends the connection with the answer. What somebody sends whom we do not
// serve is not worth waiting for: the answer goes out before the body has come,
// and net/http reads on for a moment only.
func hangUp(w http.ResponseWriter) {
	w.Header().Set("Connection", "close")
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(refusedWait)) // the connection has the same error
}

// What is read on of a body that is too large, at most.
const (
	lingerBytes = 16 << 20
	lingerWait  = 2 * time.Second
)

// linger reads on in a body that is refused for its size: most clients send all of
// it before they read, and would see a connection that is reset in the place of the
// answer. Who waits to be told to go on is not told so.
func linger(w http.ResponseWriter, r *http.Request) {
	if b, ok := r.Body.(*timedBody); ok && !b.begun && r.Header.Get("Expect") != "" {
		return
	}
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(lingerWait)) // the connection has the same error
	_, _ = io.CopyN(io.Discard, r.Body, lingerBytes)                              // what does not come is no loss
}

type timedBody struct {
	io.ReadCloser
	rc    *http.ResponseController
	begun bool // somebody has read: whoever waits for 100 Continue has it
}

func (b *timedBody) Read(p []byte) (int, error) {
	b.begun = true
	n, err := b.ReadCloser.Read(p)
	if errors.Is(err, io.EOF) {
		_ = b.rc.SetReadDeadline(time.Time{}) // the connection has the same error
	}
	return n, err
}
