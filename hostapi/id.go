package hostapi

import (
	"errors"
	"strconv"
	"time"
)

// ID names one event for ever: 41 bits of milliseconds since 2020-01-01 UTC,
// 10 bits of node number, 12 bits of counter. Ids of one node rise strictly,
// in the order in which the core completed the events' frames. JSON carries an
// ID as a string, as JavaScript cannot hold all 63 bits. Zero is no event.
type ID int64

const (
	idCounterBits = 12
	idNodeBits    = 10

	// MaxNode is the highest node number that fits into an ID.
	MaxNode = 1<<idNodeBits - 1

	maxCounter = 1<<idCounterBits - 1
)

// idEpoch is 2020-01-01 UTC in milliseconds since 1970.
const idEpoch int64 = 1577836800000

// NewID puts an ID together. counter and node are cut to their bits; a time
// before 2020 counts as 2020.
func NewID(t time.Time, node, counter int) ID {
	ms := max(t.UnixMilli()-idEpoch, 0)
	return ID(ms<<(idNodeBits+idCounterBits) | int64(node&MaxNode)<<idCounterBits | int64(counter&maxCounter))
}

// Next gives the lowest ID of the same node above id: the next counter value,
// or the first one of the next millisecond.
func (id ID) Next() ID {
	if id.Counter() < maxCounter {
		return id + 1
	}
	return NewID(id.Time().Add(time.Millisecond), id.Node(), 0)
}

// Time gives the millisecond in which the event was completed, as far as the
// node's clock did not run backwards meanwhile.
func (id ID) Time() time.Time {
	return time.UnixMilli(int64(id)>>(idNodeBits+idCounterBits) + idEpoch).UTC()
}

// Node gives the number of the node where the event entered.
func (id ID) Node() int { return int(id>>idCounterBits) & MaxNode }

// Counter gives the event's number within its millisecond.
func (id ID) Counter() int { return int(id) & maxCounter }

func (id ID) String() string { return strconv.FormatInt(int64(id), 10) }

// ParseID reads what String wrote.
func ParseID(s string) (ID, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 0 {
		return 0, errors.New("event id " + quote(s) + ": not a number of up to 63 bits")
	}
	return ID(n), nil
}

// MarshalText makes JSON show the id as a string.
func (id ID) MarshalText() ([]byte, error) { return strconv.AppendInt(nil, int64(id), 10), nil }

// UnmarshalText reads the form that MarshalText writes.
func (id *ID) UnmarshalText(b []byte) error {
	v, err := ParseID(string(b))
	*id = v
	return err
}
