package web

import (
	"context"
	"io"

	"github.com/takhost/takhost/core/plugin"
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/wire"
)

// Plugins is what the web side asks of the plugin host; *plugin.Host is one. All
// methods are called from many goroutines at once. Errors carry a code of
// package store, or are a *call.StatusError.
type Plugins interface {
	List() []plugin.Info
	Show(name string) (plugin.Info, error)

	Enable(ctx context.Context, name string) error
	// Disable refuses, without force, what others need.
	Disable(ctx context.Context, name string, force bool) error
	// Install takes a package in that is not there yet; with a digest only if it
	// is its SHA-256. Swap puts a package in the place of the version that runs.
	Install(ctx context.Context, pkg io.Reader, sha256 string) (plugin.Info, error)
	Swap(ctx context.Context, name string, pkg io.Reader, sha256 string) (plugin.Info, error)
	Remove(ctx context.Context, name string, force bool) error
	// Reset drops what was set at runtime: all, or one key.
	Reset(ctx context.Context, name, key string) error
	SetGrant(ctx context.Context, name string, grant hostapi.Grants) error
	SetLimits(ctx context.Context, name string, limits map[string]any) error
	SetConfig(ctx context.Context, name string, config map[string]any) error

	DeadLetters(ctx context.Context, name string, after int64, limit int) ([]plugin.DeadLetter, error)
	DeadLetter(ctx context.Context, name string, id int64) (plugin.DeadLetter, error)
	RetryDeadLetter(ctx context.Context, name string, id int64) error
	RemoveDeadLetter(ctx context.Context, name string, id int64) error

	// HTTP asks a plugin for the answer to a request to one of its routes.
	HTTP(ctx context.Context, name, route string, r *wire.HTTPRequest) (*plugin.Answer, error)
	// Action runs an action that the plugin's manifest marks public.
	Action(ctx context.Context, name, action string, a *wire.Action) (*wire.ActionResult, error)
}

var _ Plugins = (*plugin.Host)(nil)
