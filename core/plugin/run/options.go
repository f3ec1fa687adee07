package run

import (
	"context"
	"log/slog"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/takhost/takhost/core/store"
)

// Options are what an actor works with.
type Options struct {
	Name    string  // under which the plugin is installed
	Store   Store   // *store.Plugins
	Archive Archive // *store.Archive; nil: durable subscriptions get nothing

	Report  func(Change)         // each step of the plugin's life, in order; may be nil
	Reach   *Reach               // one for all actors of a server; nil: nobody reaches it
	Idle    func() time.Duration // as Tuning.IdleAfter, where it can change; nil, or 0: that holds
	Waits   *Waits               // one for all actors of a server
	Metrics *Metrics             // one for all actors of a server
	Tracer  trace.TracerProvider // gets a span for each call of the guest; may be nil
	Log     *slog.Logger         // narrowed to the plugin
	Now     func() time.Time
	Tuning  Tuning
}

// Archive is what durable subscriptions read: see store.Archive.
type Archive interface {
	After(ctx context.Context, c store.Cursor, limit int) ([]store.Stored, store.Cursor, error)
	End(ctx context.Context) (store.Cursor, error)
	Committed() (c <-chan struct{}, stop func())
}

// Store keeps what the actor itself writes and reads: see store.Plugins.
type Store interface {
	Cursor(ctx context.Context, plugin string) (store.Cursor, error)
	AddDeadLetter(ctx context.Context, d store.DeadLetter) (int64, error)

	// DataVersion: an older version of the plugin does not come back when
	// documents of a higher data version than its own are stored.
	DataVersion(ctx context.Context, plugin string) (uint32, error)
}
