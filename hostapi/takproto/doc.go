// Package takproto turns CoT events from XML into version 1 of the TAK
// protocol (protobuf) and back, and cuts a stream of it into frames. It is for
// the host, which speaks both to its clients; it knows neither connections nor
// the negotiation that leads to protobuf. Facts: spec/tak-streaming.md 3 and 5.
//
// The protocol holds less than XML does. What a way through protobuf loses:
//
//   - attributes of event other than version, uid, type, how, time, start,
//     stale, access, qos, opex, caveat and releasableTo;
//   - whatever is below event besides the first point and the first detail;
//   - attributes of detail, and text, comments and processing instructions
//     directly inside it;
//   - times below a millisecond;
//   - whether a point or a time was there: their absence comes back as 0.
//
// Everything else is kept. An element of detail becomes a typed message only
// when that message holds all of it (see elements); all others travel as XML,
// byte for byte and in their order.
//
// All are pure functions, safe for concurrent use. They read the wire by hand,
// without generated code or reflection, as each event that has both kinds of
// receivers passes here.
package takproto

import "errors"

// MaxFrame is the longest message, in bytes, that ATAK accepts in a frame of a
// stream; above it, ATAK refuses the frame and looks for a header inside it
// (spec/tak-streaming.md 3).
const MaxFrame = 65536

// magic starts every frame.
const magic = 0xBF

// What can be wrong; the errors returned may say more.
var (
	// ErrTooLong: the message would exceed MaxFrame.
	ErrTooLong = errors.New("tak message exceeds 65536 bytes")
	// ErrNoEvent: a good message that holds no event, such as a TakControl.
	ErrNoEvent = errors.New("tak message holds no event")
	// ErrWire: the bytes are no protobuf message. The sender is broken, or the
	// stream has lost its step.
	ErrWire = errors.New("not a protobuf message")
	// ErrInvalid: the content stands for no event: it lacks uid or type, has tags
	// in its detail that do not come in pairs, or a position or text that an
	// event cannot have.
	ErrInvalid = errors.New("tak message invalid")
	// ErrHeader: the header was not scanned from the text it came with.
	ErrHeader = errors.New("header does not belong to the event")
)
