// Command runner runs one archive for plugintest, as `takhost plugin test` does. The tests
// build it without the race detector, with which compiling a module takes minutes.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"

	"github.com/takhost/takhost/core/plugin/scaffold"
)

func main() {
	opt := scaffold.ServeOptions{CacheDir: os.Args[1], Log: slog.New(slog.NewTextHandler(os.Stderr, nil))}
	if err := scaffold.ServeFile(context.Background(), os.Args[2], opt, os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
