package web

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// ParseWhen reads a point in time: RFC 3339, now, or how long before now it
// was, such as 15m, 2h30m ago or 7d.
func ParseWhen(s string, now time.Time) (time.Time, error) {
	s = strings.TrimSpace(s)
	if s == "now" {
		return now, nil
	}
	if t, err := time.Parse(time.RFC3339Nano, s); err == nil {
		return t, nil
	}
	ago := strings.TrimSpace(strings.TrimSuffix(s, "ago"))
	var total time.Duration
	if days, rest, ok := strings.Cut(ago, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 16)
		if err != nil {
			return time.Time{}, badWhen(s)
		}
		total, ago = time.Duration(n)*24*time.Hour, rest
		if ago == "" {
			return now.Add(-total), nil
		}
	}
	d, err := time.ParseDuration(ago)
	if err != nil || d < 0 || total+d < 0 {
		return time.Time{}, badWhen(s)
	}
	return now.Add(-total - d), nil
}

func badWhen(s string) error {
	return fmt.Errorf("%q is no time: write one such as 2026-11-21T18:00:00Z, or how long ago, such as 15m, 2h or 7d", clip(s))
}

// clip cuts what is repeated in an error.
func clip(s string) string {
	const most = 60
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
