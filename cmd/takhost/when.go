package main

import (
	"strconv"
	"strings"
	"time"
)

// Forms of the time for people, which name the zone.
const (
	toMinute = "2006-01-02 15:04 MST"
	toSecond = "2006-01-02 15:04:05 MST"
)

// local writes a time for people; one that is not there is empty.
func local(t *time.Time) string {
	if t == nil || t.IsZero() {
		return ""
	}
	return t.Local().Format(toMinute)
}

// ago writes how long ago something was.
func ago(t *time.Time, now time.Time) string {
	if t == nil || t.IsZero() {
		return "never"
	}
	return span(now.Sub(*t)) + " ago"
}

// ahead reads a time to come: how long from now, such as 12h or 30d, a day, or
// RFC 3339.
func ahead(flag, text string, now time.Time) (time.Time, error) {
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		at, err = time.ParseInLocation(time.DateOnly, text, time.Local)
	}
	if err != nil {
		d, ok := lasting(text)
		if !ok {
			return at, usagef("--%s: %q is no time such as 12h, 30d, 2027-01-31 or 2027-01-31T18:00:00Z", flag, text)
		}
		at = now.Add(d)
	}
	if !at.After(now) {
		return at, usagef("--%s: %s is over already", flag, text)
	}
	return at.UTC().Truncate(time.Second), nil
}

// lasting reads a duration, which may be in days or weeks.
func lasting(text string) (time.Duration, bool) {
	for unit, d := range map[string]time.Duration{"d": 24 * time.Hour, "w": 7 * 24 * time.Hour} {
		if n, ok := strings.CutSuffix(text, unit); ok {
			count, err := strconv.ParseUint(n, 10, 12)
			return time.Duration(count) * d, err == nil
		}
	}
	d, err := time.ParseDuration(text)
	return d, err == nil
}
