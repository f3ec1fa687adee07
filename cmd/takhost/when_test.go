package main

import (
	"errors"
	"testing"
	"time"
)

func TestAhead(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.Local)
	tests := []struct {
		text string
		want time.Time // zero: refused
	}{
		{"12h", now.Add(12 * time.Hour)},
		{"30d", now.Add(30 * 24 * time.Hour)},
		{"2w", now.Add(14 * 24 * time.Hour)},
		{"1h30m", now.Add(90 * time.Minute)},
		{"2026-03-02", time.Date(2026, 3, 2, 0, 0, 0, 0, time.Local)},
		{"2026-03-05T18:00:00+02:00", time.Date(2026, 3, 5, 16, 0, 0, 0, time.UTC)},
		{"2026-02-28", time.Time{}},
		{"-1h", time.Time{}},
		{"0d", time.Time{}},
		{"99999999999999999999d", time.Time{}},
		{"4096w", time.Time{}},
		{"tomorrow", time.Time{}},
		{"d", time.Time{}},
		{"", time.Time{}},
	}
	for _, tt := range tests {
		t.Run(tt.text, func(t *testing.T) {
			got, err := ahead("expires", tt.text, now)
			usage := (*usageError)(nil)
			switch {
			case tt.want.IsZero() && !errors.As(err, &usage):
				t.Errorf("got %v, %v; want a usage error", got, err)
			case !tt.want.IsZero() && (err != nil || !got.Equal(tt.want)):
				t.Errorf("got %v, %v; want %v", got, err, tt.want)
			case err == nil && got.Location() != time.UTC:
				t.Errorf("got %v, want it in UTC", got)
			}
		})
	}
}

func TestTimesForPeople(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	before := now.Add(-90 * time.Minute)
	for _, tt := range []struct{ name, got, want string }{
		{"ago", ago(&before, now), "1h30m ago"},
		{"never", ago(nil, now), "never"},
		{"zero", ago(new(time.Time), now), "never"},
		{"nothing", local(nil), ""},
		{"local", local(&now), now.Local().Format("2006-01-02 15:04 MST")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.got != tt.want {
				t.Errorf("got %q, want %q", tt.got, tt.want)
			}
		})
	}
}
