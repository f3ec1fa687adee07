// Package stream is the connections of CoT clients: listeners, PROXY headers,
// TLS, <auth> messages, the cutting of bytes into events, the negotiation of the
// TAK protocol, pings, and the queue of what each client is still to get. It
// does not know who may come in and who gets what: it hands each client to
// Options.Join, its events to the Session that comes back, and is a
// route.Receiver to the router in turn.
//
// Each connection has one goroutine that reads. There is no goroutine that
// writes: whoever published events flushes the queues they went to, without
// waiting for any socket (see hub). Only a connection whose socket is full gets
// a second goroutine until it has caught up. An idle connection so costs a
// small stack and a few hundred bytes; buffers come from pools when there are
// bytes to put in them.
package stream
