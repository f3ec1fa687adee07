package main

import (
	"encoding/json"
	"fmt"
	"runtime"
	"runtime/debug"
)

type versionCmd struct {
	JSON bool `help:"Write JSON."`
}

// Run tells the version.
func (c *versionCmd) Run(std streams) error {
	v := thisVersion()
	if c.JSON {
		return json.NewEncoder(std.out).Encode(v)
	}
	_, err := fmt.Fprintf(std.out, "takhost %s (%s, %s)\n", v.Version, v.Go, v.Platform)
	return err
}

type versionInfo struct {
	Version  string `json:"version"`
	Commit   string `json:"commit,omitempty"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

// thisVersion takes the linker's word, or what the Go tool noted.
func thisVersion() versionInfo {
	v := versionInfo{Version: version, Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	if info, ok := debug.ReadBuildInfo(); ok {
		if v.Version == "" && info.Main.Version != "(devel)" {
			v.Version = info.Main.Version
		}
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				v.Commit = s.Value
			}
		}
	}
	if v.Version == "" {
		v.Version = "dev"
	}
	return v
}
