package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/takhost/takhost/core/web"
	"github.com/takhost/takhost/hostapi/cot"
)

type eventsReplayCmd struct {
	sourceFlags
	filterFlags
	File    string  `arg:"" optional:"" name:"FILE" help:"File of events: XML one after the other, or lines of JSON as tail and query write them. - is the standard input. Without a file, events of the archive."`
	From    string  `placeholder:"TIME" help:"Archived events received at this time or later: RFC 3339, or how long ago, such as 15m, 2h or 7d."`
	To      string  `placeholder:"TIME" help:"Archived events received before this time."`
	Speed   float64 `default:"1" help:"How many times as fast as it happened; 0 is as fast as possible."`
	Restamp bool    `help:"Move the times in the events, so that each happens now. Otherwise every byte stays as it was."`
	SkipBad bool    `help:"Leave out what cannot be read in the file, and go on."`
}

// Run sends the events.
func (c *eventsReplayCmd) Run(ctx context.Context, std streams) error {
	if err := c.check(); err != nil {
		return err
	}
	filter, err := web.NewFilter(c.UID, c.Type, c.Box)
	if err != nil {
		return usagef("--%w", err)
	}
	a, err := c.admin()
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	// The file comes first: a stream without events makes no sense.
	var in io.ReadCloser
	switch c.File {
	case "":
	case "-":
		in = io.NopCloser(&interruptible{ctx.Done(), std.in})
	default:
		if in, err = os.Open(c.File); err != nil {
			return err
		}
		defer in.Close()
	}
	s, err := openSender(ctx, a)
	if err != nil {
		return err
	}
	defer s.close()
	r := &replay{
		to: s, now: time.Now, restamp: c.Restamp, filter: filter, speed: c.Speed,
		say: func(text string) { fmt.Fprintln(std.err, "takhost:", text) },
	}
	if in != nil {
		err = r.file(ctx, &captureReader{in: in}, c.SkipBad)
	} else {
		err = r.archive(ctx, a, c)
	}
	err = errors.Join(err, s.finish(ctx))
	fmt.Fprintln(std.out, r.summary())
	if ctx.Err() != nil {
		return errors.New("interrupted")
	}
	return err
}

func (c *eventsReplayCmd) check() error {
	switch {
	case c.File == "" && c.From == "" && c.To == "":
		return usagef("name a FILE to replay (- is the standard input), or --from and --to for events of the archive")
	case c.File != "" && (c.From != "" || c.To != ""):
		return usagef("--from and --to are for events of the archive: they do not go with a file")
	case !(c.Speed >= 0): // NaN too
		return usagef("--speed: %v is not 0 or more", c.Speed)
	}
	return nil
}

// sink takes what is replayed. send may keep it until flush.
type sink interface {
	send(ctx context.Context, xml string) error
	flush(ctx context.Context) error
	pause(ctx context.Context, d time.Duration) error
}

// replay sends events at their pace.
type replay struct {
	to      sink
	now     func() time.Time
	say     func(text string)
	filter  web.Filter
	restamp bool
	speed   float64

	began     time.Time
	due       time.Time // of the event before
	last      int64     // its own time, µs since 1970
	sent, bad int
	bytes     int64
}

func (r *replay) file(ctx context.Context, in *captureReader, skipBad bool) error {
	for {
		ev, err := in.next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if bad := (*badEvent)(nil); errors.As(err, &bad) && skipBad {
			r.bad++
			r.say("left out: " + err.Error())
			continue
		}
		if err != nil {
			if errors.As(err, new(*badEvent)) {
				return fmt.Errorf("%w (--skip-bad leaves such out)", err)
			}
			return err
		}
		if err := r.event(ctx, ev); err != nil {
			return err
		}
	}
}

// archive sends what is archived now: what comes in meanwhile, such as the
// replayed events themselves, is not a part of it.
func (r *replay) archive(ctx context.Context, a *admin, c *eventsReplayCmd) error {
	query := url.Values(c.query())
	query.Set("order", "asc")
	now := r.now()
	query.Set("to", now.Format(time.RFC3339Nano))
	for name, text := range map[string]string{"from": c.From, "to": c.To} {
		if text == "" {
			continue
		}
		at, err := web.ParseWhen(text, now)
		if err != nil {
			return usagef("--%s: %w", name, err)
		}
		query.Set(name, at.Format(time.RFC3339Nano))
	}
	return a.events(ctx, query, func() int { return maxPage }, func(e *web.Event) error {
		ev := &captured{xml: e.XML, at: e.Recv.UnixMicro()}
		if err := cot.Scan(e.XML, &ev.header); err != nil {
			return fmt.Errorf("archived event %s: %w", e.ID, err)
		}
		return r.event(ctx, ev)
	})
}

// event waits for the event's turn and sends it.
func (r *replay) event(ctx context.Context, ev *captured) error {
	if !r.filter.Pass(&ev.header) {
		return nil
	}
	if err := r.pace(ctx, ev.at); err != nil {
		return err
	}
	xml := ev.xml
	if r.restamp {
		xml = cot.Restamp(xml, &ev.header, r.now(), 0)
	}
	if err := r.to.send(ctx, xml); err != nil {
		return err
	}
	r.sent++
	r.bytes += int64(len(xml))
	return nil
}

// noticedWait is a pause that gets a word, so that nobody thinks that the
// command hangs.
const noticedWait = 10 * time.Second

// pace waits until it is time for an event of time at. Only steps forward
// count: a time before that of the last event, or none, is no wait.
func (r *replay) pace(ctx context.Context, at int64) error {
	if r.began.IsZero() {
		r.began = r.now()
		r.due, r.last = r.began, at
		return nil
	}
	if r.speed == 0 || at == 0 {
		return nil
	}
	if step := at - r.last; step > 0 && r.last != 0 {
		// The longest that fits, 292 years, is as good as for ever.
		r.due = r.due.Add(time.Duration(min(float64(step)*1000/r.speed, 1<<62)))
	}
	r.last = at
	wait := r.due.Sub(r.now())
	if wait <= 0 {
		return nil
	}
	if wait >= noticedWait {
		r.say(fmt.Sprintf("the next event comes in %s (--speed 0 sends without pauses)", span(wait)))
	}
	if err := r.to.flush(ctx); err != nil {
		return err
	}
	return r.to.pause(ctx, wait)
}

func (r *replay) summary() string {
	text := fmt.Sprintf("replayed %d events (%s)", r.sent, size(uint64(r.bytes)))
	if !r.began.IsZero() {
		text += fmt.Sprintf(" in %.1f s", r.now().Sub(r.began).Seconds())
	}
	if r.bad > 0 {
		text += fmt.Sprintf(", %d left out as they cannot be read", r.bad)
	}
	return text
}
