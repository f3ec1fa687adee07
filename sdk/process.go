//go:build !wasip1

package sdk

import "os"

// transport carries calls to a plugin that is a process; see Transport.
var transport func() error

// Transport says how Main serves. Package sdk/native calls it from its init
// function; it makes its instances with NewInstance.
func Transport(serve func() error) { transport = serve }

// Main is what main calls: it serves until the server ends the process. A program
// without the transport of sdk/native says how a plugin is built, and fails.
func Main() {
	err := error(&Error{Status: Failed, Message: "this is a plugin without a transport:\n" +
		"as WASM plugin, build it with GOOS=wasip1 GOARCH=wasm go build -buildmode=c-shared\n" +
		"as process plugin, import github.com/takhost/takhost/sdk/native"})
	switch {
	case registered == nil:
		err = &Error{Status: Failed, Message: "there is no plugin: call sdk.Register in an init function"}
	case transport != nil:
		err = transport()
	}
	if err != nil {
		os.Stderr.WriteString(err.Error() + "\n")
		os.Exit(1)
	}
}
