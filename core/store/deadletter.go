package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/takhost/takhost/hostapi"
)

const (
	maxLetters     = 10_000    // of a plugin; the oldest go
	maxLetterBytes = 256 << 20 // of a plugin
	letterChunk    = 100       // looked at, to remove the oldest, at once
	letterText     = 64 << 10  // bytes of error, and of output; what is longer is cut
	letterPage     = 16 << 20
)

// DeadLetter is something that a plugin failed on for good.
type DeadLetter struct {
	ID      int64 // rises; 0 before it is stored
	Plugin  string
	Version string
	At      time.Time  // zero: now
	Op      string     // events, timer or clients
	Event   hostapi.ID // 0: not about an event
	XML     string
	Subject string
	Error   string
	Output  string
	Detail  json.RawMessage
}

// clean makes the letter fit for both databases.
func (d *DeadLetter) clean(now time.Time) {
	if d.At.IsZero() {
		d.At = now
	}
	d.At = d.At.UTC().Truncate(time.Microsecond)
	for _, s := range []*string{&d.Error, &d.Output} {
		*s = (*s)[:min(len(*s), letterText)]
	}
	for _, s := range []*string{&d.Version, &d.Op, &d.XML, &d.Subject, &d.Error, &d.Output} {
		if !validText(*s) {
			*s = strings.ReplaceAll(strings.ToValidUTF8(*s, "\uFFFD"), "\x00", "\uFFFD")
		}
	}
	if len(d.Detail) > 0 && (!json.Valid(d.Detail) || !validText(string(d.Detail))) {
		d.Detail = nil
	}
}

func (d *DeadLetter) size() int64 {
	return int64(200 + len(d.XML) + len(d.Subject) + len(d.Error) + len(d.Output) + len(d.Detail))
}

const letterColumns = "plugin, version, at, op, event, size, subject, error, output, detail, xml"

func (t *stateTx) addLetter(d *DeadLetter) (id int64, err error) {
	err = t.tx.QueryRowContext(context.Background(),
		t.p.db.dialect("INSERT INTO dead_letters ("+letterColumns+") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id"),
		d.Plugin, d.Version, d.At.UnixMicro(), d.Op, int64(d.Event), d.size(), d.Subject, d.Error, d.Output, string(d.Detail), d.XML).Scan(&id)
	return id, err
}

// writeLetters adds letters and removes the oldest when there are too many.
func (g *group) writeLetters() error {
	for _, d := range g.letters {
		if _, err := g.t.addLetter(d); err != nil {
			return err
		}
		u := g.usage[d.Plugin]
		u.Letters++
		u.letterBytes += d.size()
		u.changed = true
	}
	for plugin, u := range g.usage {
		if err := g.t.trimLetters(plugin, u); err != nil {
			return err
		}
	}
	return nil
}

func (t *stateTx) trimLetters(plugin string, u *usageRow) error {
	for t.tooMany(u) {
		var last int64
		seen := 0
		rows, err := t.tx.QueryContext(context.Background(), t.p.db.dialect("SELECT id, size FROM dead_letters WHERE plugin = ? ORDER BY id LIMIT ?"), plugin, letterChunk)
		err = each(rows, err, func(rows *sql.Rows) error {
			var id, size int64
			if err := rows.Scan(&id, &size); err != nil {
				return err
			}
			seen++
			if t.tooMany(u) {
				last = id
				u.Letters--
				u.letterBytes -= size
			}
			return nil
		})
		if err != nil {
			return err
		}
		if seen == 0 { // the sums were wrong
			u.Letters, u.letterBytes = 0, 0
		}
		u.changed = true
		if _, err := t.run("DELETE FROM dead_letters WHERE plugin = ? AND id <= ?", plugin, last); err != nil {
			return err
		}
	}
	return nil
}

func (t *stateTx) tooMany(u *usageRow) bool {
	return u.Letters > t.p.maxLetters || u.letterBytes > t.p.maxLetterBytes && u.Letters > 1
}

// AddDeadLetter stores a dead letter by itself. Of a plugin's, the newest 10,000
// and 256 MiB are kept.
func (p *Plugins) AddDeadLetter(ctx context.Context, d DeadLetter) (id int64, err error) {
	if err := checkOwner(&Owner{Plugin: d.Plugin}); err != nil {
		return 0, fmt.Errorf("add dead letter: %w", err)
	}
	d.clean(p.now())
	err = p.change(ctx, "add dead letter", func(t *stateTx) error {
		u, err := t.usage(d.Plugin)
		if err != nil {
			return err
		}
		if id, err = t.addLetter(&d); err != nil {
			return err
		}
		u.Letters++
		u.letterBytes += d.size()
		if err := t.trimLetters(d.Plugin, u); err != nil {
			return err
		}
		return t.putUsage(d.Plugin, u)
	})
	return id, err
}

// usage reads the sums of one plugin.
func (t *stateTx) usage(plugin string) (*usageRow, error) {
	u := &usageRow{}
	err := t.find(&selectUsage, 1, nameArgs([]string{plugin}), func(rows *sql.Rows) error {
		return u.scan(rows, new(string))
	})
	return u, err
}

func (t *stateTx) putUsage(plugin string, u *usageRow) error {
	return t.exec(&putUsage, 1, func(_ int, to []any) []any {
		return u.row(plugin, to)
	})
}

// DeadLetters gives those of a plugin, or of all when plugin is empty, newest
// first; after is the last id of the page before, 0 for the first page; a limit
// of 0 is hostapi.DefaultPage. A page ends at 16 MiB, so it may be short: it is
// the last one when it is empty.
func (p *Plugins) DeadLetters(ctx context.Context, plugin string, after int64, limit int) ([]DeadLetter, error) {
	if limit < 0 || limit > hostapi.MaxPage {
		return nil, fmt.Errorf("read dead letters: %w", invalidf("limit %d: must be 1 to %d", limit, hostapi.MaxPage))
	}
	if limit == 0 {
		limit = hostapi.DefaultPage
	}
	where, args := "1 = 1", []any{}
	if plugin != "" {
		where, args = where+" AND plugin = ?", append(args, plugin)
	}
	if after != 0 {
		where, args = where+" AND id < ?", append(args, after)
	}
	var lowest int64
	n, size := 0, int64(0)
	err := p.list(ctx, func() { n, size = 0, 0 }, "SELECT id, size FROM dead_letters WHERE "+where+" ORDER BY id DESC LIMIT ?", append(args, limit), func(rows *sql.Rows) error {
		var id, bytes int64
		if err := rows.Scan(&id, &bytes); err != nil {
			return err
		}
		if size += bytes; n == 0 || size <= letterPage {
			lowest = id
			n++
		} else {
			size = letterPage // no smaller one behind it either
		}
		return nil
	})
	letters := []DeadLetter{}
	if err == nil && n > 0 {
		err = p.list(ctx, func() { letters = letters[:0] }, "SELECT id, "+letterColumns+" FROM dead_letters WHERE "+where+" AND id >= ? ORDER BY id DESC", append(args, lowest), func(rows *sql.Rows) error {
			d, err := scanLetter(rows)
			letters = append(letters, d)
			return err
		})
	}
	if err != nil {
		return nil, fmt.Errorf("read dead letters: %w", err)
	}
	return letters, nil
}

func scanLetter(rows *sql.Rows) (d DeadLetter, err error) {
	var at, size int64
	var detail string
	err = rows.Scan(&d.ID, &d.Plugin, &d.Version, &at, &d.Op, &d.Event, &size, &d.Subject, &d.Error, &d.Output, &detail, &d.XML)
	d.At = time.UnixMicro(at).UTC()
	if detail != "" {
		d.Detail = json.RawMessage(detail)
	}
	return d, err
}

// DeadLetter gives one.
func (p *Plugins) DeadLetter(ctx context.Context, id int64) (DeadLetter, error) {
	var d DeadLetter
	err := p.list(ctx, func() { d = DeadLetter{} }, "SELECT id, "+letterColumns+" FROM dead_letters WHERE id = ?", []any{id}, func(rows *sql.Rows) (err error) {
		d, err = scanLetter(rows)
		return err
	})
	if err == nil && d.ID == 0 {
		err = &Error{Code: NotFound, Msg: "there is none"}
	}
	if err != nil {
		return DeadLetter{}, fmt.Errorf("read dead letter %d: %w", id, err)
	}
	return d, nil
}

// RemoveDeadLetter removes one.
func (p *Plugins) RemoveDeadLetter(ctx context.Context, id int64) error {
	return p.change(ctx, fmt.Sprintf("remove dead letter %d", id), func(t *stateTx) error {
		var plugin string
		var size int64
		err := t.tx.QueryRowContext(context.Background(), t.p.db.dialect("DELETE FROM dead_letters WHERE id = ? RETURNING plugin, size"), id).Scan(&plugin, &size)
		if errors.Is(err, sql.ErrNoRows) {
			return &Error{Code: NotFound, Msg: "there is none"}
		}
		if err != nil {
			return err
		}
		u, err := t.usage(plugin)
		if err != nil {
			return err
		}
		u.Letters--
		u.letterBytes -= size
		return t.putUsage(plugin, u)
	})
}
