package main

import (
	"strconv"
	"time"

	"github.com/takhost/takhost/sdk"
)

// sendTimer runs as long as something is in the outbox. Its data is how often the first
// event in there was tried.
const sendTimer = "send"

// longest is how long the pause between two tries becomes.
const longest = 10 * time.Minute

func (h *hook) wind(c *sdk.Call, tries int64, in time.Duration) error {
	// A moment later than now, which this timer may itself be due at.
	return c.SetTimer(sendTimer, c.Now().Add(in+time.Millisecond), 0, strconv.AppendInt(nil, tries, 10))
}

// send sends the first event of the outbox: one in a call, so that a call is short and
// what was sent is soon committed as sent.
func (h *hook) send(c *sdk.Call, t *sdk.Timer) error {
	d, ok, err := first(c)
	if err != nil || !ok {
		return err
	}
	tries, err := strconv.ParseInt(string(t.Data), 10, 64)
	if err != nil {
		return sdk.Failedf("data of the timer: %v", err)
	}
	tries++
	again, fault := h.post(c, &d)
	switch {
	case fault == "":
		c.Count("sent", 1)
	case again && tries < h.tries:
		pause := h.pauseAfter(tries)
		h.fault, h.next = fault, c.Now().Add(pause)
		c.Count("failed", 1)
		c.Log().Warn("receiver failed, the event is sent again", "event", d.ID, "try", tries, "pause", pause, "error", fault)
		return h.wind(c, tries, pause)
	default:
		c.Count("given_up", 1)
		c.Log().Error("event given up", "event", d.ID, "try", tries, "error", fault)
	}
	h.fault = ""
	if _, err := c.Collection("outbox").Delete(d.ID); err != nil {
		return err
	}
	return h.wind(c, 0, 0) // for the next one; if there is none, for the last time
}

// pauseAfter doubles with each try.
func (h *hook) pauseAfter(tries int64) time.Duration {
	pause := h.pause
	for range tries - 1 {
		if pause *= 2; pause >= longest {
			return longest
		}
	}
	return pause
}

// post makes the request. again says whether it may succeed later.
func (h *hook) post(c *sdk.Call, d *sdk.Document) (again bool, fault string) {
	f := &sdk.Fetch{
		Method: "POST", URL: h.url, Body: d.Body, Timeout: h.timeout.Microseconds(),
		Headers: []sdk.Pair{{Name: "Content-Type", Value: "application/json"}},
		// The same at each try, also of a call that was made again after a crash.
		IdempotencyKey: "takhost-" + d.ID,
	}
	if h.authorization != "" {
		f.Headers = append(f.Headers, sdk.Pair{Name: "Authorization", Value: h.authorization})
	}
	answer, err := c.Fetch(f)
	switch {
	case err != nil:
		// A host that is not granted may be granted tomorrow. The outbox waits.
		return true, err.Error()
	case answer.Status >= 200 && answer.Status < 300:
		return false, ""
	case answer.Status == 408, answer.Status == 425, answer.Status == 429, answer.Status >= 500:
		return true, sdk.Format("it answered %d", answer.Status)
	}
	return false, sdk.Format("it answered %d", answer.Status) // and would do so again
}
