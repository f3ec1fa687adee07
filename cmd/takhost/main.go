// Command takhost is a TAK server and the tool to look after it. The commands
// that ask a running server do so over the admin socket in its data folder.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/alecthomas/kong"
)

// version is set by the linker: -X main.version=v1.2.3.
var version string

// Exit codes beside 0.
const (
	exitFailed = 1
	exitUsage  = 2 // the command line or the configuration is wrong
)

// cli is the command line.
type cli struct {
	Serve   serveCmd   `cmd:"" help:"Run the server."`
	Status  statusCmd  `cmd:"" help:"Tell how the running server is doing."`
	Events  eventsCmd  `cmd:"" help:"Watch, look up and replay events."`
	Plugin  pluginCmd  `cmd:"" help:"Look after plugins, and write them."`
	Config  configCmd  `cmd:"" help:"Write, check, show and reload the configuration."`
	OpenAPI openapiCmd `cmd:"" name:"openapi" help:"Write the description of the REST API."`
	Version versionCmd `cmd:"" help:"Tell the version of this program."`
}

// streams are where a command reads and writes.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

func main() {
	os.Exit(run(context.Background(), os.Args[1:], streams{os.Stdin, os.Stdout, os.Stderr}))
}

// run does what args ask for and gives the exit code.
func run(ctx context.Context, args []string, std streams) int {
	fail := func(err error, code int) int {
		// It may hold what a plugin printed.
		fmt.Fprintf(std.err, "takhost: %s\n", cleanLines(err.Error()))
		return code
	}
	var c cli
	parser, err := kong.New(&c,
		kong.Name("takhost"),
		kong.Description("A TAK server."),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.WithHyphenPrefixedParameters(true), // --box -10,20,-5,30
		kong.Writers(std.out, std.err),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(std),
	)
	if err != nil {
		return fail(err, exitFailed)
	}
	command, err := parser.Parse(args)
	if err != nil {
		return fail(fmt.Errorf("%w (see takhost --help)", err), exitUsage)
	}
	err = command.Run()
	if usage := (*usageError)(nil); errors.As(err, &usage) {
		return fail(err, exitUsage)
	}
	if err != nil {
		return fail(err, exitFailed)
	}
	return 0
}

// usageError says that the command line or the configuration is wrong.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }

func (e *usageError) Unwrap() error { return e.err }

func usagef(format string, args ...any) error { return &usageError{fmt.Errorf(format, args...)} }
