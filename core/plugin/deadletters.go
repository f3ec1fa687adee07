package plugin

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/takhost/takhost/core/plugin/run"
	"github.com/takhost/takhost/core/store"
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/cot"
)

// DeadLetters gives what a plugin failed on for good, newest first. after is the
// id of the last one of the page before; 0 begins.
func (h *Host) DeadLetters(ctx context.Context, name string, after int64, limit int) ([]DeadLetter, error) {
	if _, err := h.known(name); err != nil {
		return nil, err
	}
	stored, err := h.db.DeadLetters(ctx, name, after, limit)
	if err != nil {
		return nil, err
	}
	list := make([]DeadLetter, len(stored))
	for i := range stored {
		list[i] = letterOf(stored[i])
	}
	return list, nil
}

func letterOf(d store.DeadLetter) DeadLetter {
	l := DeadLetter{
		ID: d.ID, Plugin: d.Plugin, Version: d.Version, At: d.At.UTC(), Op: d.Op, XML: d.XML, Subject: d.Subject, Error: d.Error,
		Output: d.Output, Detail: d.Detail,
	}
	if d.Event != 0 {
		l.Event = d.Event.String()
	}
	return l
}

// DeadLetter gives one.
func (h *Host) DeadLetter(ctx context.Context, name string, id int64) (DeadLetter, error) {
	d, err := h.letter(ctx, name, id)
	return letterOf(d), err
}

func (h *Host) letter(ctx context.Context, name string, id int64) (store.DeadLetter, error) {
	d, err := h.db.DeadLetter(ctx, id)
	if err != nil {
		return store.DeadLetter{}, err
	}
	if d.Plugin != name {
		return store.DeadLetter{}, notFound("there is no dead letter %d of plugin %s", id, name)
	}
	return d, nil
}

// RemoveDeadLetter drops one.
func (h *Host) RemoveDeadLetter(ctx context.Context, name string, id int64) error {
	if _, err := h.letter(ctx, name, id); err != nil {
		return err
	}
	return h.db.RemoveDeadLetter(ctx, id)
}

// RetryDeadLetter gives the plugin once more what it failed on, and drops the dead
// letter when it succeeds. The error says why it failed again.
func (h *Host) RetryDeadLetter(ctx context.Context, name string, id int64) error {
	d, err := h.letter(ctx, name, id)
	if err != nil {
		return err
	}
	r := h.view.Load().byName[name]
	if r == nil {
		return conflict("the plugin %s is not active: enable it first", name)
	}
	if _, busy := h.retrying.LoadOrStore(id, true); busy {
		return conflict("dead letter %d is being given to the plugin at the moment", id)
	}
	defer h.retrying.Delete(id)
	// Whoever asked may go away: what succeeded must not be there to be tried again.
	ctx = context.WithoutCancel(ctx)
	switch d.Op {
	case hostapi.OpEvents.String():
		e, err := h.letterEvent(ctx, d)
		if err != nil {
			return err
		}
		if err := r.actor.Redeliver(ctx, e); err != nil {
			return fmt.Errorf("give the plugin event %s once more: %w", d.Event, err)
		}
	case hostapi.OpTimer.String():
		t, err := timerOf(d)
		if err != nil {
			return err
		}
		if err := r.actor.RedeliverTimer(ctx, t); err != nil {
			return fmt.Errorf("call the plugin for timer %s once more: %w", d.Subject, err)
		}
	default:
		return conflict("a dead letter of %s is about a moment that has passed: it can only be removed", d.Op)
	}
	return h.db.RemoveDeadLetter(ctx, id)
}

// letterEvent gives the event of a dead letter: the archive's, with all that the core
// knew of it, or what the letter says when it is not there any more.
func (h *Host) letterEvent(ctx context.Context, d store.DeadLetter) (*hostapi.Event, error) {
	at := d.Event.Time()
	e := &hostapi.Event{ID: d.Event, XML: d.XML, Recv: at.UnixMicro(), Groups: hostapi.AnonSet}
	if len(d.Detail) > 0 {
		var known run.EventDetail
		if err := json.Unmarshal(d.Detail, &known); err != nil {
			return nil, invalid("the event of the dead letter cannot be read: %v", err)
		}
		e.Recv = cmp.Or(known.Recv, e.Recv)
		e.Conn, e.User, e.Client, e.Groups, e.Via, e.Hops = known.Conn, known.User, known.Client, known.Groups, known.Via, known.Hops
		e.Origin = originOf(known.Origin)
	}
	if err := cot.Scan(d.XML, &e.Header); err != nil {
		return nil, invalid("the event of the dead letter cannot be read: %v", err)
	}
	// Events are found by the time that is in their ids.
	q := store.Query{UID: e.UID, From: at.Add(-time.Second), To: at.Add(time.Second), Limit: hostapi.MaxPage}
	page, err := h.opt.Store.Archive().Query(ctx, q)
	if err != nil {
		return nil, err
	}
	for i := range page.Events {
		if page.Events[i].ID == d.Event {
			return eventOf(&page.Events[i])
		}
	}
	return e, nil
}

func originOf(name string) hostapi.Origin {
	for o := hostapi.FromClient; o <= hostapi.FromPeer; o++ {
		if o.String() == name {
			return o
		}
	}
	return hostapi.FromClient
}

// eventOf makes an event of a stored one.
func eventOf(s *store.Stored) (*hostapi.Event, error) {
	e := &hostapi.Event{
		XML: s.XML, ID: s.ID, Recv: int64(s.Recv), Conn: s.Conn, User: s.User, Client: s.Client, Groups: s.Groups, Hops: s.Hops, Via: s.Via,
		Origin: originOf(s.Origin),
	}
	if err := cot.Scan(s.XML, &e.Header); err != nil {
		return nil, fmt.Errorf("read stored event %s: %w", s.ID, err)
	}
	return e, nil
}

// timerOf gives the timer of a dead letter. Its detail has what the plugin gave
// the timer, if anything.
func timerOf(d store.DeadLetter) (store.Timer, error) {
	t := store.Timer{Plugin: d.Plugin, Name: d.Subject, Due: d.At.Truncate(time.Microsecond)}
	if len(d.Detail) == 0 {
		return t, nil
	}
	var detail struct {
		Due  int64  `json:"due"` // µs since 1970
		Data []byte `json:"data"`
	}
	if err := json.Unmarshal(d.Detail, &detail); err != nil {
		return t, invalid("the timer of the dead letter cannot be read: %v", err)
	}
	if detail.Due != 0 {
		t.Due = time.UnixMicro(detail.Due)
	}
	t.Data = detail.Data
	return t, nil
}
