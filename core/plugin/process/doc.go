// Package process runs process plugins: executables in any language that speak
// the plugin contract over gRPC, started and guarded by hashicorp/go-plugin. It
// implements guest.Runtime and knows nothing of what the operations mean.
//
// A process gets a private folder (its home, its temporary files, the socket), an
// environment of nothing but that, a process group of its own, and limits. The
// connection is a Unix socket with TLS in both directions, by certificates made
// for this one start. All calls of both sides travel on one stream of frames
// (service Plugin of hostapi/plugin.proto).
//
// What is contained: a process that crashes, hangs, eats memory, floods its
// output, or answers garbage is killed with its whole group, and its instance is
// dead. What is not: the process has the rights of the server's user. Only what
// the operator trusts may be installed as a process plugin.
//
// Nothing outlives the server: a process ends when the thread that started it
// does (Linux), and an SDK ends it when the stream breaks.
//
// The calls of one instance come one after the other, as guest.Instance says;
// everything else may be used by many goroutines.
package process
