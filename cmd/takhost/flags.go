package main

import (
	"os"
	"os/exec"
	"path/filepath"

	"github.com/takhost/takhost/core/config"
)

// sourceFlags say where the configuration comes from. All commands that need
// one have them, so that they find the same data folder as serve.
type sourceFlags struct {
	Config string   `placeholder:"FILE" help:"Configuration file. Without it, takhost.yaml in the working directory, if there is one."`
	Data   string   `placeholder:"DIR" help:"Data folder (the key data)."`
	Set    []string `placeholder:"KEY=VALUE" sep:"none" help:"Set a key of the configuration, such as log.level=debug."`
}

// load reads the configuration. further are flags of single commands.
func (f *sourceFlags) load(further ...config.Flag) (*config.Loaded, error) {
	src := config.Sources{File: f.Config, Environ: os.Environ(), Set: f.Set}
	for _, flag := range append(further, config.Flag{Name: "--data", Key: "data", Value: f.Data}) {
		if flag.Value != "" {
			src.Flags = append(src.Flags, flag)
		}
	}
	loaded, err := config.Load(src)
	if err != nil {
		return nil, &usageError{err}
	}
	return loaded, nil
}

// again gives the flags with which another command finds the same server.
func (f *sourceFlags) again() string {
	text := ""
	if f.Config != "" {
		text += " --config " + f.Config
	}
	if f.Data != "" {
		text += " --data " + f.Data
	}
	return text
}

// program gives how to call this program again: as it was called, when a shell
// does not find it by its name alone.
func program() string {
	name := os.Args[0]
	found, err := exec.LookPath(filepath.Base(name))
	if err != nil {
		return name
	}
	same, err := os.Stat(found)
	if err != nil {
		return name
	}
	own, err := os.Stat(name)
	if err == nil && !os.SameFile(own, same) {
		return name
	}
	return filepath.Base(name)
}

// absolute is for messages; a working directory that is gone leaves dir as it
// is.
func absolute(dir string) string {
	if abs, err := filepath.Abs(dir); err == nil {
		return abs
	}
	return dir
}
