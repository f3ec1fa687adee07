package plugin

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/takhost/takhost/core/plugin/call"
	"github.com/takhost/takhost/core/plugin/guest"
	"github.com/takhost/takhost/core/plugin/run"
	"github.com/takhost/takhost/core/store"
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/wire"
)

// indexer fills the indexes that are new in a version, by an instance of its own,
// before the version is active. Nil has nothing to do.
type indexer struct {
	r    *running
	work *store.Reindex
	mod  guest.Module
	inst guest.Instance
	host indexHost
}

// indexHost serves the operations of that instance.
type indexHost struct{ call atomic.Pointer[run.Call] }

// Serve implements guest.Host.
func (p *indexHost) Serve(ctx context.Context, op hostapi.HostOp, in, dst []byte) ([]byte, hostapi.Status) {
	c := p.call.Load()
	if c == nil {
		e := wire.Error{Message: "no call is in progress"}
		return e.Append(dst), hostapi.Failed
	}
	return (*c).Serve(ctx, op, in, dst)
}

// reindexPage is how many documents one call gets. Their bodies have to fit a
// guest's memory: at most 16 MiB.
const reindexPage = 64

// reindex fills the new indexes as far as there are documents now. While an older
// version goes on writing, more come up; finish is for them.
func (h *Host) reindex(ctx context.Context, e *entry, r *running) (x *indexer, err error) {
	work, err := h.db.Reindex(ctx, r.calls.Owner())
	if err != nil {
		return nil, fmt.Errorf("look for new indexes: %w", err)
	}
	if work == nil {
		return nil, nil
	}
	x = &indexer{r: r, work: work}
	defer func() {
		if err != nil {
			x.close(ctx)
			x = nil
		}
	}()
	h.log.Info("fills new indexes of a plugin", "plugin", e.name, "version", r.target.pkg.Manifest.Version)
	if x.mod, err = r.version.Code.Acquire(ctx); err != nil {
		return x, err
	}
	if x.inst, err = x.mod.New(ctx, &x.host); err != nil {
		return x, fmt.Errorf("make an instance: %w", err)
	}
	init := r.version.Init
	init.Role = wire.RoleTrial
	if _, err = x.ask(ctx, hostapi.OpInit, init.Append(nil), call.Options{Op: hostapi.OpInit, Trial: true}); err != nil {
		return x, err
	}
	return x, x.fill(ctx)
}

// ask makes one call. What it stages is thrown away.
func (x *indexer) ask(ctx context.Context, op hostapi.GuestOp, in []byte, o call.Options) ([]byte, error) {
	limit := x.r.version.Limits.Init
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	c := x.r.version.Calls.Begin(o)
	defer c.Discard()
	x.host.call.Store(&c)
	defer x.host.call.Store(nil)
	out, s, err := x.inst.Call(ctx, op, in, nil)
	if err != nil {
		return nil, err
	}
	if refused := call.Answered(s, out); refused != nil {
		return nil, fmt.Errorf("%s: %w", op, refused)
	}
	return out, nil
}

// fill sets the keys of the documents that have none.
func (x *indexer) fill(ctx context.Context) error {
	for {
		page, err := x.work.Next(ctx, reindexPage)
		if err != nil {
			return fmt.Errorf("read documents for a new index: %w", err)
		}
		if len(page.Documents) == 0 {
			return nil
		}
		keys, err := x.keys(ctx, page)
		if err != nil {
			return fmt.Errorf("fill the new indexes of %s: %w", page.Collection, err)
		}
		if err := x.work.Set(ctx, page, keys); err != nil {
			return fmt.Errorf("fill the new indexes of %s: %w", page.Collection, err)
		}
	}
}

func (x *indexer) keys(ctx context.Context, page store.ReindexPage) ([][]store.Key, error) {
	msg := wire.Reindex{Indexes: page.Indexes}
	for i := range page.Documents {
		d := &page.Documents[i]
		msg.Documents = append(msg.Documents, wire.Document{
			Collection: d.Collection, ID: d.ID, Body: d.Body, Data: d.Data, Revision: d.Revision, Set: int32(d.Set), Modified: d.Modified.UnixMicro(),
		})
	}
	out, err := x.ask(ctx, hostapi.OpReindex, msg.Append(nil), call.Options{Op: hostapi.OpReindex, ReadOnly: true})
	if err != nil {
		return nil, err
	}
	var answer wire.Reindexed
	if err := answer.Decode(out); err != nil {
		return nil, fmt.Errorf("%s: the answer cannot be read: %w", hostapi.OpReindex, err)
	}
	if len(answer.Documents) != len(page.Documents) {
		return nil, invalid("%s: it answered for %d documents of %d", hostapi.OpReindex, len(answer.Documents), len(page.Documents))
	}
	keys := make([][]store.Key, len(page.Documents))
	for i, d := range answer.Documents {
		for _, k := range d.Keys {
			keys[i] = append(keys[i], store.Key{Index: k.Index, Key: k.Key})
		}
	}
	return keys, nil
}

// finish fills what came up since, and notes that the indexes can be used. No
// version writes meanwhile.
func (x *indexer) finish(ctx context.Context) error {
	if x == nil {
		return nil
	}
	if err := x.fill(ctx); err != nil {
		return err
	}
	if err := x.work.Finish(ctx); err != nil {
		return fmt.Errorf("finish the new indexes: %w", err)
	}
	return nil
}

// close gives everything up.
func (x *indexer) close(ctx context.Context) {
	if x == nil {
		return
	}
	ctx = context.WithoutCancel(ctx)
	var errs []error
	if x.inst != nil {
		errs = append(errs, x.inst.Close(ctx))
	}
	if x.mod != nil {
		errs = append(errs, x.r.version.Code.Release(ctx))
	}
	x.work.Close()
	if err := errors.Join(errs...); err != nil {
		x.r.calls.Log().Debug("the instance that filled indexes did not close cleanly", "error", err)
	}
}
