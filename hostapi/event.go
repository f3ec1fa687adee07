package hostapi

import (
	"sync"

	"github.com/takhost/takhost/hostapi/cot"
)

// Origin says where an event entered.
type Origin uint8

// The origins. Server marks what the core itself made, such as the notice of a
// client that left.
const (
	FromClient Origin = iota
	FromServer
	FromPlugin
	FromHTTP
	FromFederate
	FromPeer
)

var originNames = [...]string{"client", "server", "plugin", "http", "federate", "peer"}

func (o Origin) String() string {
	if int(o) < len(originNames) {
		return originNames[o]
	}
	return "unknown"
}

// Event is one CoT event on its way through the core: what the sender wrote,
// what a single scan found in it, and what the core knows of its coming. The
// parts that the core knows are set before the event is shared; from then on
// nothing in it changes, and it may be read from many goroutines at once.
type Event struct {
	cot.Header // of XML; its strings are parts of XML

	XML string // the event element, from <event to its end: the sender's own bytes

	ID     ID
	Recv   int64  // when the frame was complete, by the core's clock: µs since 1970 UTC
	Conn   uint64 // number of the connection it came by; 0 for none
	User   string // the sender's user name; empty for an anonymous one
	Client string // client uid of the connection; empty before its first position
	Groups SetID  // the sender's IN groups
	Origin Origin
	Via    string // name of the plugin that emitted it; empty for others
	Hops   uint8  // times it passed through a plugin or federate
	First  bool   // the client was not there before this event

	Fleeting bool // not for the archive

	frameOnce sync.Once
	frame     []byte
	frameErr  error
}

// Frame gives the event's TAK protocol form, made by encode at the first call
// and shared by all receivers afterwards. A sender who spoke that protocol has
// its own bytes there, set by SetFrame.
func (e *Event) Frame(encode func(*Event) ([]byte, error)) ([]byte, error) {
	e.frameOnce.Do(func() { e.frame, e.frameErr = encode(e) })
	return e.frame, e.frameErr
}

// SetFrame keeps frame as the TAK protocol form. It must be called before the
// event is shared.
func (e *Event) SetFrame(frame []byte) { e.frameOnce.Do(func() { e.frame = frame }) }
