package main

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// fakeSink writes down what it is asked to do; time passes only in pauses and
// as much as work says with each event.
type fakeSink struct {
	now  time.Time
	work time.Duration
	log  []string
}

func (s *fakeSink) send(_ context.Context, xml string) error {
	s.log = append(s.log, xml[len(`<event uid="`):][:1])
	s.now = s.now.Add(s.work)
	return nil
}

func (s *fakeSink) flush(context.Context) error { return nil }

func (s *fakeSink) pause(_ context.Context, d time.Duration) error {
	s.log = append(s.log, d.String())
	s.now = s.now.Add(d)
	return nil
}

func TestPace(t *testing.T) {
	for _, c := range []struct {
		name  string
		times []string // minutes and seconds; empty: none
		speed float64
		work  time.Duration
		want  string
		said  string
	}{
		{"as it was", []string{"00:00", "00:01", "00:01", "00:03"}, 1, 0, "0 1s 1 2 2s 3", ""},
		{"twice as fast", []string{"00:00", "00:01", "00:04"}, 2, 0, "0 500ms 1 1.5s 2", ""},
		{"half as fast", []string{"00:00", "00:01"}, 0.5, 0, "0 2s 1", ""},
		{"as fast as possible", []string{"00:00", "10:00", "20:00"}, 0, 0, "0 1 2", ""},
		{"backwards is no wait", []string{"00:10", "00:00", "00:02"}, 1, 0, "0 1 2s 2", ""},
		{"without times", []string{"00:10", "", "00:12"}, 1, 0, "0 1 2s 2", ""},
		{"the first without a time", []string{"", "00:10", "00:12"}, 1, 0, "0 1 2s 2", ""},
		{"time for work counts", []string{"00:00", "00:01", "00:02"}, 1, 300 * time.Millisecond, "0 700ms 1 700ms 2", ""},
		{"late is caught up", []string{"00:00", "00:01", "00:05"}, 1, 1500 * time.Millisecond, "0 1 2s 2", ""},
		{"long pauses are told", []string{"00:00", "30:00"}, 1, 0, "0 30m0s 1", "the next event comes in 30m0s (--speed 0 sends without pauses)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var in strings.Builder
			for i, at := range c.times {
				if at != "" {
					at = fmt.Sprintf(` time="2026-11-21T18:%sZ"`, at)
				}
				fmt.Fprintf(&in, `<event uid="%d" type="a"%s/>`, i, at)
			}
			sink := &fakeSink{now: time.Unix(1e9, 0), work: c.work}
			said := ""
			r := &replay{to: sink, now: func() time.Time { return sink.now }, speed: c.speed, say: func(s string) { said += s }}
			if err := r.file(t.Context(), &captureReader{in: strings.NewReader(in.String())}, false); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, strings.Join(sink.log, " ")); diff != "" {
				t.Errorf("steps (-want +got):\n%s", diff)
			}
			if said != c.said {
				t.Errorf("said %q, want %q", said, c.said)
			}
			if r.sent != len(c.times) {
				t.Errorf("sent %d, want %d", r.sent, len(c.times))
			}
		})
	}
}

// TestPaceExtremes shows that no distance of times makes a wait overflow into
// none.
func TestPaceExtremes(t *testing.T) {
	sink := &fakeSink{now: time.Unix(1e9, 0)}
	r := &replay{to: sink, now: func() time.Time { return sink.now }, speed: 1e-300, say: func(string) {}}
	in := `<event uid="0" type="a" time="0001-01-01T00:00:00Z"/><event uid="1" type="a" time="9999-12-31T23:59:59Z"/>`
	if err := r.file(t.Context(), &captureReader{in: strings.NewReader(in)}, false); err != nil {
		t.Fatal(err)
	}
	if len(sink.log) != 3 {
		t.Fatalf("got steps %q", sink.log)
	}
	if d, err := time.ParseDuration(sink.log[1]); err != nil || d < 100*365*24*time.Hour {
		t.Errorf("got a pause of %s", sink.log[1])
	}
}
