// Package wire writes and reads the messages of plugin.proto, in both directions
// and on both sides. The structs are generated; the format is protobuf's, so that
// any protobuf library can be the other end.
//
// A message is written by Append and read by Decode. What is zero or empty is not
// written. Decode skips fields that it does not know and checks that texts are
// UTF-8; an error is one of this package, and the message is then of no use.
// Fields of bytes are parts of what was decoded: they are good as long as that
// is, in a plugin until the call is answered. Texts are copies.
//
// Append writes a text that is not UTF-8 with U+FFFD for each run of other bytes,
// since no reader would take it.
//
// Everything here is a pure function of its arguments.
package wire

//go:generate go run ../internal/gen -o messages.gen.go ../plugin.proto
