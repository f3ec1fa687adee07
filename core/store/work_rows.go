package store

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// maxNote bounds the data of a timer.
const maxNote = 64 << 10

var (
	selectCounters = onRows("SELECT plugin, name, value", "counters", "plugin", "name")
	selectTimers   = onRows("SELECT plugin, name, revision, due, every, data", "timers", "plugin")
)

// stagedCounter is a counter as it was first read and as it will be.
type stagedCounter struct{ base, now int64 }

// Next gives the next value of a counter of the plugin, 1 first. Of two Works
// that take from the same counter, the second one's commit is a conflict.
func (w *Work) Next(ctx context.Context, o *Owner, counter string) (int64, error) {
	if err := w.check(o, "counter", counter); err != nil {
		return 0, fmt.Errorf("next value: %w", err)
	}
	k := ownedName{o.Plugin, counter}
	c := w.counters[k]
	if c == nil {
		c = &stagedCounter{}
		err := w.p.find(ctx, &selectCounters, 1, func(_ int, to []any) []any { return append(to, k.plugin, k.name) },
			func(rows *sql.Rows) error { return rows.Scan(new(string), new(string), &c.base) })
		if err != nil {
			return 0, fmt.Errorf("next value: %w", err)
		}
		c.now = c.base
		if w.counters == nil {
			w.counters = map[ownedName]*stagedCounter{}
		}
		w.counters[k] = c
	}
	if c.now == math.MaxInt64 {
		return 0, &Error{Code: Limit, Msg: fmt.Sprintf("next value: counter %q is at its end", counter)}
	}
	c.now++
	w.journal = append(w.journal, func() { c.now-- })
	return c.now, nil
}

// SetTimer stages a timer, or another time for it. Plugin is the owner's, the
// revision that of the commit.
func (w *Work) SetTimer(o *Owner, t Timer) error {
	if err := w.check(o, "timer", t.Name); err != nil {
		return fmt.Errorf("set timer: %w", err)
	}
	switch {
	case t.Every < 0:
		return fmt.Errorf("set timer: %w", invalidf("%s: its span is negative", t.Name))
	case t.Every > 0 && t.Every < time.Microsecond:
		return fmt.Errorf("set timer: %w", invalidf("%s: its span is shorter than a microsecond", t.Name))
	case t.Due.Year() < 1970 || t.Due.Year() > 9999:
		return fmt.Errorf("set timer: %w", invalidf("%s: is due in the year %d", t.Name, t.Due.Year()))
	case len(t.Data) > maxNote:
		return fmt.Errorf("set timer: %w", &Error{Code: Limit, Msg: fmt.Sprintf("%s: its data has %d bytes: at most %d", t.Name, len(t.Data), maxNote)})
	}
	t.Plugin, t.Revision, t.Cancelled = o.Plugin, 0, false
	t.Due, t.Every, t.Data = t.Due.UTC().Truncate(time.Microsecond), t.Every.Truncate(time.Microsecond), append([]byte{}, t.Data...)
	stage(w, &w.timers, ownedName{o.Plugin, t.Name}, &t)
	return nil
}

// CancelTimer stages that a timer goes, if there is one.
func (w *Work) CancelTimer(o *Owner, name string) error {
	if err := w.check(o, "timer", name); err != nil {
		return fmt.Errorf("cancel timer: %w", err)
	}
	stage(w, &w.timers, ownedName{o.Plugin, name}, &Timer{Plugin: o.Plugin, Name: name, Cancelled: true})
	return nil
}

// Timers gives the plugin's timers in the order of their names. They are not
// guarded.
func (w *Work) Timers(ctx context.Context, o *Owner) ([]Timer, error) {
	if err := w.check(o, "timers", "all"); err != nil {
		return nil, fmt.Errorf("read timers: %w", err)
	}
	all := map[string]*Timer{}
	err := w.p.find(ctx, &selectTimers, 1, func(_ int, to []any) []any { return append(to, o.Plugin) }, func(rows *sql.Rows) error {
		t, err := scanTimer(rows)
		all[t.Name] = &t
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read timers: %w", err)
	}
	for k, t := range w.timers {
		if k.plugin == o.Plugin {
			all[k.name] = t
		}
	}
	timers := make([]Timer, 0, len(all))
	for _, t := range all {
		if !t.Cancelled {
			c := *t
			c.Data = bytes.Clone(t.Data)
			timers = append(timers, c)
		}
	}
	slices.SortFunc(timers, compareTimers)
	return timers, nil
}

func compareTimers(a, b Timer) int {
	return cmp.Or(strings.Compare(a.Plugin, b.Plugin), strings.Compare(a.Name, b.Name))
}

func scanTimer(rows *sql.Rows) (t Timer, err error) {
	var due, every int64
	err = rows.Scan(&t.Plugin, &t.Name, &t.Revision, &due, &every, &t.Data)
	t.Due, t.Every = time.UnixMicro(due).UTC(), time.Duration(every)*time.Microsecond
	return t, err
}

// Timers gives the timers of all plugins, by plugin and name.
func (p *Plugins) Timers(ctx context.Context) ([]Timer, error) {
	var timers []Timer
	err := p.list(ctx, func() { timers = nil }, "SELECT plugin, name, revision, due, every, data FROM timers", nil, func(rows *sql.Rows) error {
		t, err := scanTimer(rows)
		timers = append(timers, t)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read timers: %w", err)
	}
	slices.SortFunc(timers, compareTimers)
	return timers, nil
}

// Cursor gives the place in the archive that SetCursor kept; the error has the
// code not_found when there is none.
func (p *Plugins) Cursor(ctx context.Context, plugin string) (Cursor, error) {
	var c Cursor
	found := false
	err := p.list(ctx, func() { found = false }, "SELECT id, late FROM archive_cursors WHERE plugin = ?", []any{plugin}, func(rows *sql.Rows) error {
		found = true
		return rows.Scan(&c.ID, &c.Late)
	})
	if err == nil && !found {
		err = &Error{Code: NotFound, Msg: "plugin " + plugin + " has none"}
	}
	if err != nil {
		return Cursor{}, fmt.Errorf("read archive cursor: %w", err)
	}
	return c, nil
}

// State gives what SetState kept; the error has the code not_found when there is
// nothing.
func (p *Plugins) State(ctx context.Context, plugin, key string) ([]byte, error) {
	var v []byte
	found := false
	err := p.list(ctx, func() { found = false }, "SELECT value FROM plugin_state WHERE plugin = ? AND key = ?", []any{plugin, key}, func(rows *sql.Rows) error {
		found = true
		return rows.Scan(&v)
	})
	if err == nil && !found {
		err = &Error{Code: NotFound, Msg: "there is none"}
	}
	if err != nil {
		return nil, fmt.Errorf("read note %q about plugin %s: %w", key, plugin, err)
	}
	return v, nil
}
