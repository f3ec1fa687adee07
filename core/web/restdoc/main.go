// Command restdoc writes openapi/rest.json: the description of what a server
// with the default configuration serves, which is the core and the plugins that
// ship with it, whose manifests it reads from their folders.
//
//	restdoc FILE FOLDER-OF-PLUGINS
package main

import (
	"fmt"
	"os"

	"github.com/takhost/takhost/core/web"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "restdoc:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 2 {
		return fmt.Errorf("usage: restdoc FILE FOLDER-OF-PLUGINS")
	}
	sets, err := web.ShippedRoutes(os.DirFS(args[1]))
	if err != nil {
		return err
	}
	doc, err := web.Document(web.DescribedVersion, sets)
	if err != nil {
		return err
	}
	text, err := doc.Indented()
	if err != nil {
		return err
	}
	return os.WriteFile(args[0], text, 0o644)
}
