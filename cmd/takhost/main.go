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

// cli is the command line, in the order of takhost --help.
type cli struct {
	Init    initCmd    `cmd:"" group:"server" help:"Set a server up: asks a few questions and writes the configuration."`
	Serve   serveCmd   `cmd:"" group:"server" help:"Run the server."`
	Status  statusCmd  `cmd:"" group:"server" help:"Tell how the running server is doing, and who is connected."`
	Doctor  doctorCmd  `cmd:"" group:"server" help:"Say what is wrong with this installation, and what to do."`
	Service serviceCmd `cmd:"" group:"server" help:"Have systemd run the server."`

	Enrol   enrolCmd   `cmd:"" group:"people" help:"Bring a phone on: takhost enrol NAME --new shows a QR code."`
	User    userCmd    `cmd:"" group:"people" help:"Add, change and remove users, one by one or from a list."`
	Group   groupCmd   `cmd:"" group:"people" help:"Add and remove groups: who shares none sees nothing of each other."`
	Package packageCmd `cmd:"" group:"people" help:"Make a package that a client imports to connect."`
	Profile profileCmd `cmd:"" group:"people" help:"Settings and files that clients take when they enrol or connect."`

	Cert  certCmd  `cmd:"" group:"access" help:"List, issue and revoke certificates; the authority that signs them."`
	Token tokenCmd `cmd:"" group:"access" help:"Tokens for the REST API."`
	Audit auditCmd `cmd:"" group:"access" help:"Tell who did what, who logged in, and who was refused."`
	Admin adminCmd `cmd:"" group:"access" help:"Get back in as administrator after a lost password."`

	Events   eventsCmd   `cmd:"" group:"run" help:"Watch, look up and replay events."`
	Files    filesCmd    `cmd:"" group:"run" help:"Share files and data packages with clients."`
	Listener listenerCmd `cmd:"" group:"run" help:"Open, close and move listeners while the server runs."`
	Config   configCmd   `cmd:"" group:"run" help:"Write, check, show and reload the configuration."`

	Plugin  pluginCmd  `cmd:"" group:"build" help:"Switch plugins on and off, install them, and write them."`
	OpenAPI openapiCmd `cmd:"" group:"build" name:"openapi" help:"Write the description of the REST API."`
	Version versionCmd `cmd:"" group:"build" help:"Tell the version of this program."`
}

// groups are the headings of takhost --help.
func groups() kong.Option {
	return kong.ExplicitGroups([]kong.Group{
		{Key: "server", Title: "The server:"},
		{Key: "people", Title: "People and their devices:"},
		{Key: "access", Title: "Who may come in, and who did:"},
		{Key: "run", Title: "While it runs:"},
		{Key: "build", Title: "Plugins and programs:"},
	})
}

// help writes the help. That of the program has its commands alone, in groups;
// that of a command has all below it.
func help(options kong.HelpOptions, ctx *kong.Context) error {
	options.NoExpandSubcommands = ctx.Selected() == nil
	if !options.NoExpandSubcommands {
		for _, command := range ctx.Model.Children {
			command.Group = nil // or its heading would stand over what is below it
		}
	}
	return kong.DefaultHelpPrinter(options, ctx)
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
		kong.Description("A TAK server, and the tool to look after it. New here: run takhost serve, and in a second terminal takhost enrol NAME --new."),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, FlagsLast: true}),
		kong.Help(help),
		groups(),
		kong.WithHyphenPrefixedParameters(true), // --box -10,20,-5,30
		kong.Writers(std.out, std.err),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(std),
	)
	if err != nil {
		return fail(err, exitFailed)
	}
	command, err := parser.Parse(args)
	if wrong := (*kong.ParseError)(nil); errors.As(err, &wrong) && len(args) == 0 {
		parser.Stdout = std.err
		if err := wrong.Context.PrintUsage(false); err != nil {
			return fail(err, exitFailed)
		}
		return exitUsage
	}
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
