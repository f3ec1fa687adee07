// Command write puts the descriptions of a server with the default configuration
// into a folder.
//
//	write FOLDER FOLDER-OF-PLUGINS
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/takhost/takhost/core/server/apidoc"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "write:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 2 {
		return fmt.Errorf("usage: write FOLDER FOLDER-OF-PLUGINS")
	}
	files, err := apidoc.Committed(os.DirFS(args[1]))
	if err != nil {
		return err
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(args[0], name), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}
