package large

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"sync"
	"time"
	"unsafe"

	"github.com/takhost/takhost/hostapi"
)

// Event is one that clients may fetch.
type Event struct {
	ID     hostapi.ID
	UID    string
	Groups hostapi.SetID // who has one of them may fetch it
	Body   Body

	// Key is in the address that a notice tells, where Groups are none: the event
	// was sent to some by name, and that they know the key shows who they are.
	Key string

	holder string // whose share of the room it takes
	size   int64
	put    time.Time
	used   time.Time // under the lock of the store

	sum  sync.Once
	hash string
}

// cost is what an event takes beside its text, in bytes.
const cost = 1 << 10

// Of makes one of an event that was routed.
func Of(e *hostapi.Event) *Event {
	k := &Event{ID: e.ID, UID: e.UID, Groups: e.Groups, Body: bodyOf(e.XML, &e.Header), size: int64(len(e.XML)) + cost}
	switch {
	case e.User != "":
		k.holder = "user " + e.User
	case e.Conn != 0:
		k.holder = "connection " + strconv.FormatUint(e.Conn, 10)
	default:
		k.holder = "server " + e.Via
	}
	if e.Groups == 0 {
		k.Key = rand.Text()
	}
	return k
}

// Read makes one of an event of the archive.
func Read(id hostapi.ID, uid string, groups hostapi.SetID, xml string) (*Event, error) {
	h, err := scan(xml)
	if err != nil {
		return nil, err
	}
	return &Event{ID: id, UID: uid, Groups: groups, Body: bodyOf(xml, &h), size: int64(len(xml)) + cost, holder: "archive"}, nil
}

// Hash gives the SHA-256 of the body, in hex. It is worked out at the first call,
// in half a millisecond for each megabyte.
func (e *Event) Hash() string {
	e.sum.Do(func() {
		h := sha256.New()
		for _, part := range e.Body {
			h.Write(unsafe.Slice(unsafe.StringData(part), len(part))) // a hash never fails, and only reads
		}
		e.hash = hex.EncodeToString(h.Sum(nil))
	})
	return e.hash
}
