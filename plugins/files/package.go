package main

import (
	"strings"

	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/sdk"
)

// checkPackage refuses what is no data package. The host has looked for bombs,
// links and names that lead elsewhere when it lists the archive. The manifest lies
// in MANIFEST or, as some tools have it, above it all.
func checkPackage(c *sdk.Call, hash string) error {
	entries, err := c.Blobs().ZipList(hash)
	if err != nil {
		if sdk.Is(err, sdk.Invalid) {
			return sdk.Invalidf("this is no data package: %s", strings.TrimPrefix(err.Error(), hostapi.HostBlobZipList.String()+": "))
		}
		return err
	}
	for i := range entries {
		name := strings.ToLower(entries[i].Name)
		if name == "manifest/manifest.xml" || name == "manifest.xml" {
			return nil
		}
	}
	return sdk.Invalidf("this is no data package: it has no MANIFEST/manifest.xml")
}
