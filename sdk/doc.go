// Package sdk is what the author of a plugin in Go imports. A plugin is a
// package main that registers how it is made and answers in small functions:
//
//	func init() { sdk.Register(newPlugin) }
//
//	func newPlugin() *sdk.Plugin {
//		return &sdk.Plugin{
//			Events: func(c *sdk.Call, e sdk.Event) error {
//				return c.Collection("seen").Put(e.UID(), nil, sdk.NewKey("by-time", sdk.AtMicros(e.Recv())))
//			},
//			HTTP: map[string]sdk.Handler{"count": count},
//		}
//	}
//
//	func count(c *sdk.Call, r *sdk.Request, w *sdk.Response) error {
//		n, err := c.Collection("seen").Query().Count()
//		if err != nil {
//			return err
//		}
//		w.JSON().Object().Key("count").Int(n)
//		return nil
//	}
//
//	func main() { sdk.Main() }
//
// Beside it stands plugin.json, the manifest: which events, routes, collections
// and rights it wants. Nothing in a plugin opens files or sockets: all it does
// goes through the [Call] that each function is given.
//
// # Calls
//
// A plugin gets one call at a time: events, requests, timers. What a call does
// (documents, emitted events, timers, topics, live updates) is staged and takes
// effect when the function returns nil, all of it or nothing. An error, a panic or
// a crash leaves no trace but that of Fetch. Errors have a status: [NotFoundf] and
// its likes make one, errors of host operations have theirs, so that returning them
// is mostly right; any other error is [Failed].
//
// A call may be made more than once for the same event or request, when somebody
// else wrote the same documents meanwhile or an instance crashed. With the default
// "state": "store" of the manifest the plugin's memory is a cache that may vanish
// between two calls; what must last is in documents.
//
// # Memory
//
// Events, trees, bodies of requests and documents are read in place and are good
// until the function returns. What is kept longer must be copied (strings.Clone):
// the key of a map each time it is set, as Go then keeps the new one, though equal.
// Fields, headers and parameters are copies already. plugintest overwrites the
// memory after each call to show what was not copied.
//
// # Two builds
//
//	GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared -o plugin.wasm .
//
// makes a WASM plugin. A process plugin is the same source with one more import,
// sdk/native, in a file of its own:
//
//	//go:build !wasip1
//
//	package main
//
//	import _ "github.com/takhost/takhost/sdk/native"
//
// # Size
//
// The package keeps fmt, reflect, encoding/… and net out of a module, which a
// plugin that imports none of these keeps below 2.2 MB: hence [Format], the writers
// [JSON] and [XML], and [Fields] for reading. A test in Go against a host in memory
// is written with sdk/plugintest.
//
// A Call and what is made from it serve one goroutine. All else says so.
package sdk
