//go:build !wasip1

package native

import (
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/wire"
)

// session is the one stream of a process.
type session struct {
	stream grpc.ServerStream

	sending sync.Mutex // a stream takes one message at a time

	mu      sync.Mutex
	calls   uint64 // number of the last call of the server that this side made
	waiting map[uint64]chan *wire.Frame
}

// session serves the stream until the server is gone, and then ends the process:
// whatever else it does, nobody would hear of it.
func (s *service) session(stream grpc.ServerStream) error {
	first := false
	s.once.Do(func() {
		first = true
		close(s.opened)
	})
	if !first {
		return status.Error(codes.FailedPrecondition, "there is a session already")
	}
	defer s.exit(0)
	x := &session{stream: stream, waiting: map[uint64]chan *wire.Frame{}}
	work := make(chan *wire.Frame, 1) // the server makes one call at a time
	defer close(work)
	go x.work(s.handler, work)
	for {
		f := new(wire.Frame)
		if err := stream.RecvMsg(f); err != nil {
			return err
		}
		if f.Answer {
			x.answered(f)
		} else {
			work <- f
		}
	}
}

// work answers the calls of the server.
func (x *session) work(h Handler, frames <-chan *wire.Frame) {
	var out []byte
	for f := range frames {
		var s hostapi.Status
		out, s = h.Serve(&host{session: x, within: f.Call}, hostapi.GuestOp(f.Op), f.Payload, out[:0])
		if x.send(&wire.Frame{Call: f.Call, Answer: true, Status: uint32(s), Payload: out}) != nil {
			return
		}
		if cap(out) > keptAnswer {
			out = nil
		}
	}
}

// keptAnswer is how large the memory for answers may be to be used again, in bytes.
const keptAnswer = 1 << 20

func (x *session) send(f *wire.Frame) error {
	x.sending.Lock()
	defer x.sending.Unlock()
	return x.stream.SendMsg(f)
}

// answered hands an answer to who waits for it.
func (x *session) answered(f *wire.Frame) {
	x.mu.Lock()
	ch := x.waiting[f.Call]
	delete(x.waiting, f.Call)
	x.mu.Unlock()
	if ch != nil {
		ch <- f
	}
}

// host is the server to one call. Many goroutines may use it at once.
type host struct {
	session *session
	within  uint64
}

// Call asks an operation of the server and waits for its answer.
func (h *host) Call(op hostapi.HostOp, in, dst []byte) ([]byte, hostapi.Status) {
	x := h.session
	ch := make(chan *wire.Frame, 1)
	x.mu.Lock()
	x.calls++
	id := x.calls
	x.waiting[id] = ch
	x.mu.Unlock()
	if err := x.send(&wire.Frame{Call: id, Op: uint32(op), Payload: in, Within: h.within}); err != nil {
		m := wire.Error{Code: "closed", Message: "the server is gone: " + err.Error()}
		return m.Append(dst), hostapi.Retry
	}
	// The answer comes, or the session ends and the process with it.
	f := <-ch
	return append(dst, f.Payload...), hostapi.Status(min(f.Status, 0xff))
}
