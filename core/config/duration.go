package config

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Duration is a time span in nanoseconds, never negative. Beside Go's units it
// knows days: 30d, 1d12h.
type Duration time.Duration

const day = 24 * time.Hour

// Std gives the span as the standard library's type.
func (d Duration) Std() time.Duration { return time.Duration(d) }

// String gives the shortest form that ParseDuration reads back to the same.
func (d Duration) String() string {
	if d != 0 && time.Duration(d)%day == 0 {
		return strconv.FormatInt(int64(time.Duration(d)/day), 10) + "d"
	}
	s := time.Duration(d).String()
	if d == 0 {
		return "0"
	}
	// The standard form of an hour is 1h0m0s.
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// ParseDuration reads spans such as 4ms, 1h30m, 30d, 1d12h and 0.
func ParseDuration(s string) (Duration, error) {
	if s == "0" {
		return 0, nil
	}
	var total time.Duration
	rest := s
	if days, after, ok := strings.Cut(s, "d"); ok {
		n, err := strconv.ParseUint(days, 10, 64)
		if err != nil || n > uint64(math.MaxInt64/day) {
			return 0, badDuration(s)
		}
		total, rest = time.Duration(n)*day, after
	}
	if rest != "" {
		// A sign is legal for the standard library, but a span in a
		// configuration has none.
		d, err := time.ParseDuration(rest)
		if err != nil || d < 0 || strings.ContainsAny(rest, "+-") || d > math.MaxInt64-total {
			return 0, badDuration(s)
		}
		total += d
	} else if total == 0 && s == "" {
		return 0, badDuration(s)
	}
	return Duration(total), nil
}

func badDuration(s string) error {
	return fmt.Errorf("%s is not a time span: write a number and a unit (ms, s, m, h, d), such as 30s, 12h or 30d", quote(s))
}
