// Package plugin is the host of plugins: it knows which there are, brings them
// to life, keeps them within what they were granted, swaps their versions while
// events flow, and tells an operator why one does not run. What runs a guest's
// code lies below (core/plugin/wasm, core/plugin/process), one call of a guest
// in core/plugin/call, one plugin's queue and instances in core/plugin/run.
//
// Nothing that a package, a row of settings or the database holds may stop or
// panic the server: a plugin that cannot run is Failed with a reason, and all
// else goes on.
//
// The methods of Host may be called at any time from many goroutines. Routed,
// Filter, Changed and HTTP read one atomic pointer and take no lock of the host;
// all changes wait for one another, each at most for the compile of one plugin.
// A change is durable before its success is told.
package plugin
