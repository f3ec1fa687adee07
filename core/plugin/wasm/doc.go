// Package wasm runs plugins that are WebAssembly core modules, on wazero. It
// implements guest.Runtime by the ABI of package hostapi (abi.go there) and
// knows nothing of what the bytes mean.
//
// What a guest gets: one linear memory up to its limit, the imports of module
// tak1, and of wasi_snapshot_preview1 the clocks, randomness, sleep, exit and a
// standard output that goes to the log. No files, arguments, environment or
// sockets. This WASI is our own and small: in wazero's, a guest can make the host
// work or allocate without end inside one call (descriptor tables, lists of
// buffers), where no deadline reaches it.
//
// A guest never runs without a termination check: wazero's own is always
// compiled in, so that a guest's endless loop ends with the context of the call.
// An instance whose call failed is never used again: wazero would go on calling
// it and give plausible answers.
//
// Modules are compiled one at a time. With Options.CacheDir the machine code is
// kept there; the folder must be the server's alone. Each module has an engine
// of its own, so that Close gives back all that it took.
//
// Runtime and modules may be used at once by many goroutines. An instance
// serves one call at a time; Close may be called at any time, and the memory is
// given back by whoever is last, the call or Close.
package wasm
