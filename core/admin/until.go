package admin

import (
	"strconv"
	"strings"
	"time"
)

// maxUntil keeps times far from where they cannot be written any more.
const maxUntil = 100 * 365 * 24 * time.Hour

// until reads a point in time to come: RFC 3339, or how long from now, such as
// 12h or 7d. An empty text is usual.
func until(text string, usual time.Duration, now time.Time) (time.Time, error) {
	at := now.Add(usual)
	if text != "" {
		d, err := span(text)
		if err == nil {
			at = now.Add(d)
		} else if at, err = time.Parse(time.RFC3339, text); err != nil {
			return at, invalidf("expires: %q is no time such as 2027-01-01T00:00:00Z, or from now such as 12h or 7d", clip(text))
		}
	}
	if !at.After(now) || at.After(now.Add(maxUntil)) {
		return at, invalidf("expires: %s is not ahead of now, or too far", clip(text))
	}
	return at.UTC().Truncate(time.Second), nil
}

// span reads a duration, which may be in days.
func span(text string) (time.Duration, error) {
	if days, ok := strings.CutSuffix(text, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 16)
		return time.Duration(n) * 24 * time.Hour, err
	}
	return time.ParseDuration(text)
}
