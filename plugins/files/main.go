// Command files is the plugin that keeps what clients share through the server:
// pictures, maps, data packages (spec/tak-marti.md 7, spec/fts-datapackage.md). The
// bytes stay with the host, uploads and downloads pass the plugin by; it keeps what
// is known of them and decides who may have them.
//
// Documents: files has one for each upload, by its number, also when several are of
// the same content. Each of them keeps the content. offers has what was announced of
// them, waiting who has yet to connect to get an offer, paces how fast users make
// offers, sequences the numbers that clients share.
package main

import (
	"strings"
	"time"

	"github.com/takhost/takhost/hostapi/wire"
	"github.com/takhost/takhost/sdk"
)

func init() { sdk.Register(newPlugin) }

func main() { sdk.Main() }

func newPlugin() *sdk.Plugin {
	p := &plugin{}
	return &sdk.Plugin{
		Name: "files", Version: "1.0.0",
		Init:        p.start,
		Reconfigure: p.start,
		Timers:      map[string]func(*sdk.Call, *sdk.Timer) error{"sweep": p.sweep, sweepOn: p.sweep, handTimer: p.hand},
		Batch:       p.events,
		Crowd:       p.arrive,
		Actions:     map[string]func(*sdk.Call, *sdk.Action) (sdk.ActionResult, error){"package-url": p.packageURL},
		Reindex:     reindex,
		HTTP: map[string]sdk.Handler{
			"sync-upload": p.syncUpload, "sync-upload-old": p.syncUpload, "sync-content-put": p.syncUpload, "sync-content-post": p.syncUpload,
			"sync-missionupload": p.missionUpload, "sync-missionupload-put": p.missionUpload, "sync-missionquery": p.missionQuery,
			"sync-content": p.content, "sync-content-old": p.content, "sync-search": p.search, "sync-delete": p.syncDelete,
			"sync-metadata": p.metadata, "sync-metadata-old": p.metadata, "sync-metadata-get": p.metadataField, "sync-metadata-put": p.setMetadata,
			"sync-api-search": p.apiSearch,
			"files-list":      p.filesList, "files-count": p.filesCount, "files-get": p.content, "files-delete": p.filesDelete, "files-change": p.filesChange,
			"list-files": p.list, "upload-file": p.upload, "show-file": p.show, "download-file": p.download, "delete-file": p.deleteOne, "send-file": p.send,
			"list-offers": p.offers, "create-package": p.createPackage, "sync-missioncreate": p.missionCreate, "sync-sequence": p.sequence,
			"fts-list-packages": p.ftsList, "fts-add-package": p.ftsAdd, "fts-change-packages": p.ftsChange, "fts-delete-packages": p.ftsDelete,
			"fts-broadcast-package": p.ftsBroadcast,
		},
	}
}

// plugin is one instance. It keeps nothing but its settings.
type plugin struct{ settings }

type settings struct {
	keep    time.Duration // of files that do not say themselves; 0: for ever
	perUser int64         // files that one user may have; 0: any number
	url     string        // where clients with a certificate get files from; empty: found out
	plain   string        // where clients of listen.tcp do
}

func (p *plugin) start(c *sdk.Call, s *sdk.Start) error {
	f := c.Config()
	next := settings{
		keep: f.DurationOr("keep", 0), perUser: f.IntOr("files_per_user", 0),
		url: strings.TrimSuffix(f.TextOr("url", ""), "/"), plain: strings.TrimSuffix(f.TextOr("plain_url", ""), "/"),
	}
	if err := f.Err(); err != nil {
		return err
	}
	p.settings = next
	if s.Role != wire.RoleMain {
		return nil
	}
	// Those who are waited for may have come while the plugin was not there.
	if ok, err := anyWaits(c); err != nil || !ok {
		return err
	}
	return handSoon(c)
}
