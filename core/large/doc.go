// Package large keeps events that are too long for a frame of the TAK protocol
// until the clients that speak it have fetched them, and writes the notices that
// tell them where (spec/tak-streaming.md 3 and 11). It is not an archive: it
// holds little, for some minutes, and forgets all of it at the end of the
// process. It knows neither sockets nor HTTP; who may have an event is for its
// caller to say.
//
// All methods are safe for concurrent use. An Event is not changed once it is
// kept; its text is shared with the event that came, not copied.
package large
