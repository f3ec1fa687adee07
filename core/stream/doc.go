// Package stream is the connections of CoT clients: listeners, TLS, the cutting
// of bytes into events, the negotiation of the TAK protocol, pings, and the
// queue of what each client is still to get. It does not know who gets what;
// it hands events to a Router and is a route.Receiver to it in turn.
//
// Each connection has one goroutine that reads. There is no goroutine that
// writes: whoever published events flushes the queues they went to, without
// waiting for any socket (see hub). Only a connection whose socket is full gets
// a second goroutine until it has caught up. An idle connection so costs a
// small stack and a few hundred bytes; buffers come from pools when there are
// bytes to put in them.
package stream
