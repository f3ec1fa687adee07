// Package native makes a plugin a process: the side of hashicorp/go-plugin that a
// plugin in Go needs. A plugin has it in a file of its own, so that the WASM build
// of the same source knows nothing of it:
//
//	//go:build !wasip1
//
//	package main
//
//	import _ "github.com/takhost/takhost/sdk/native"
//
// and is built by
//
//	CGO_ENABLED=0 go build -o plugin .
//
// with "runtime": "process" and "entry": "plugin" in its manifest. [sdk.Main] then
// serves: the server starts the program, both make certificates for this one start,
// and all calls travel on one stream of frames (service Plugin of
// hostapi/plugin.proto).
//
// What differs from a WASM plugin: the process may use whatever the operating system
// lets its user do, it may keep goroutines running between calls, and a panic in one of
// those ends it. The server then starts it again. What a call asks of the server
// counts while that call is under way; later it is refused with Gone.
//
// What is printed, to standard output or standard error, reaches the server's log.
// Nothing may be printed before main runs [sdk.Main]: the standard output carries the
// handshake until then.
package native
