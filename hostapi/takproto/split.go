package takproto

import (
	"bytes"

	"google.golang.org/protobuf/encoding/protowire"
)

// Frame is what Split found at the start of the bytes that it was given.
type Frame struct {
	// Skip counts the bytes before the frame that belong to none. They can be
	// dropped even when the frame is not complete; they are then never looked
	// at again.
	Skip int
	// Refused counts the headers among them that declared too long a message.
	Refused int
	// Size is the length of header and message, behind the skipped bytes; 0
	// while the header is not complete. It tells how much is still to come.
	Size int
	// Message is the TakMessage, a part of the bytes given; nil until the frame
	// is complete. A complete frame may hold an empty message, which is not nil.
	Message []byte
}

// Complete says whether the whole frame is there.
func (f Frame) Complete() bool { return f.Message != nil }

// Split finds the first frame of b, the unread bytes of a stream: 0xBF, the
// length as varint, the message (spec/tak-streaming.md 3). It keeps no state:
// call it again with more bytes after those not skipped. However the stream is
// cut, the frames are the same.
//
// What does not begin with 0xBF is skipped up to the next one, as ATAK does. A
// length above limit, or one that is no varint of 64 bits, is refused: its magic
// byte is skipped, and the search goes on behind it.
func Split(b []byte, limit int) Frame {
	var f Frame
	for {
		i := bytes.IndexByte(b[f.Skip:], magic)
		if i < 0 {
			f.Skip = len(b)
			return f
		}
		f.Skip += i
		rest := b[f.Skip+1:]
		length, n := protowire.ConsumeVarint(rest)
		if n < 0 && len(rest) < maxVarint && unfinished(rest) {
			return f
		}
		if n < 0 || limit < 0 || length > uint64(limit) {
			f.Refused++
			f.Skip++
			continue
		}
		rest = rest[n:]
		f.Size = 1 + n + int(length)
		if length <= uint64(len(rest)) {
			f.Message = rest[:length:length]
		}
		return f
	}
}

// maxVarint is the most bytes that a varint of 64 bits takes.
const maxVarint = 10

// unfinished says whether all bytes of b announce a further one.
func unfinished(b []byte) bool {
	for _, c := range b {
		if c < 0x80 {
			return false
		}
	}
	return true
}
