package marti

import (
	"context"
	"crypto/subtle"
	"io"
	"net/http"
	"strconv"

	"github.com/takhost/takhost/hostapi"
)

// exactEvent answers with the event of an id: what a notice in place of an event
// that is too long for a frame has the client fetch (spec/tak-streaming.md 3).
// The answer must be the very bytes that the notice has the hash of, and go out
// without a copy of them for each client.
func exactEvent(c *call, in *eventInput) (*reply, error) {
	id, err := hostapi.ParseID(in.Event)
	if err != nil {
		return nil, invalidf("Invalid Request: event is not the id of one")
	}
	e, found := c.Core.Kept(id)
	if !found {
		ctx, cancel := context.WithTimeout(c, searchTime)
		defer cancel()
		if e, found, err = c.Core.Archived(ctx, in.UID, id, c.setsSeen()); err != nil {
			return nil, archiveFault(err)
		}
	}
	if !found || e.UID != in.UID || !c.mayHave(&e, in.Key) {
		return empty(http.StatusNotFound), nil // a body would be taken for the event
	}
	rep := &reply{contentType: xmlType, stream: func(w io.Writer) error {
		_, err := e.Body.WriteTo(w)
		return err
	}}
	return rep.set("Content-Length", strconv.FormatInt(e.Len, 10)), nil
}

// mayHave says whether the caller may have e: by his groups, like any event, or
// because e was sent to him by name, which the key shows.
func (c *call) mayHave(e *Kept, key string) bool {
	return c.sees(e.Groups) || e.Key != "" && subtle.ConstantTimeCompare([]byte(e.Key), []byte(key)) == 1
}
