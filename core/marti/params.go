package marti

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// maxBody bounds the bodies that these operations read whole.
const maxBody = 1 << 20

// read takes the body of the request.
func (c *call) read(most int64) ([]byte, error) {
	b, err := io.ReadAll(http.MaxBytesReader(c.w, c.r.Body, most))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return nil, faultf(http.StatusRequestEntityTooLarge, "the body is larger than %d bytes", most)
	case err != nil:
		return nil, invalidf("the body did not come whole")
	}
	return b, nil
}

// readJSON takes the body of the request, whatever its content type.
func (c *call) readJSON(to any) error {
	b, err := c.read(maxBody)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(b, to); err != nil {
		return invalidf("Invalid Request Body")
	}
	return nil
}

// truth reads a flag as the official server does: nothing but true is true.
func truth(s string) bool { return strings.EqualFold(s, "true") }

// flag reads a flag that is on unless it says otherwise.
func flag(s string) bool { return s == "" || truth(s) }

func number(name, s string, otherwise int64) (int64, error) {
	if s == "" {
		return otherwise, nil
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 0, invalidf("Invalid Request: %s is not a number", name)
	}
	return n, nil
}

// span is a time span that a request asks for; zero times are open.
type span struct{ from, to time.Time }

// maxAgo bounds secago, far above what any archive keeps.
const maxAgo = 100 * 365 * 24 * 60 * 60

// spanOf reads secago, start and end; secago wins.
func (c *call) spanOf(secago, start, end string) (s span, err error) {
	ago, err := number("secago", secago, 0)
	if err != nil {
		return s, err
	}
	if ago < 0 || ago > maxAgo {
		return s, invalidf("Invalid Request: secago is out of range")
	}
	if ago > 0 {
		return span{from: c.Now().Add(-time.Duration(ago) * time.Second)}, nil
	}
	for _, t := range []struct {
		name, text string
		to         *time.Time
	}{{"start", start, &s.from}, {"end", end, &s.to}} {
		if t.text == "" {
			continue
		}
		if *t.to, err = parseTime(t.name, t.text); err != nil {
			return s, err
		}
	}
	if !s.from.IsZero() && !s.to.IsZero() && !s.from.Before(s.to) {
		return s, invalidf("Invalid Request: start is not before end")
	}
	return s, nil
}

// parseTime reads ISO 8601 with or without fraction and zone; without one it is
// UTC. A plus sign that was sent as it is has become a blank.
func parseTime(name, s string) (time.Time, error) {
	for _, text := range []string{s, strings.Replace(s, " ", "+", 1)} {
		for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02T15:04:05.999999999Z0700", "2006-01-02"} {
			if t, err := time.Parse(layout, text); err == nil {
				return t.UTC(), nil
			}
		}
	}
	return time.Time{}, invalidf("Invalid Request: %s is no time such as 2026-01-01T00:00:00.000Z", name)
}
