package run

import "time"

// State is where a plugin is in its life, as far as its running goes.
type State string

// The states. Their texts are those of package plugin.
const (
	Found    State = "found"    // New has been called
	Compiled State = "compiled" // the code is ready
	Warm     State = "warm"     // an instance has been initialised
	Active   State = "active"   // it gets events and requests
	Idle     State = "idle"     // active; instance and code are given up until they are needed
	Draining State = "draining" // its last calls end
	Stopped  State = "stopped"
	Failed   State = "failed" // it did not start
	Broken   State = "broken" // it crashed too often; it is tried again at Retry
)

// Change is one step of a plugin's life.
type Change struct {
	At      time.Time
	State   State
	Version string
	Reason  string    // empty when it goes without saying
	Retry   time.Time // of Broken: when it is tried again
}

// Counts are what a plugin did since its actor was made.
type Counts struct {
	Events      uint64 // handled
	Calls       uint64 // of all kinds
	Requests    uint64
	Missed      uint64 // events that its full queue dropped, or that passed by while it was broken
	DeadLetters uint64
	Crashes     uint64
	Conflicts   uint64 // calls that were repeated because somebody else committed first
	Queued      int
	QueuedBytes int64
	Memory      int64 // bytes of its instances
	Code        int64 // bytes of its prepared code, about
	Instances   int
	Lagging     bool      // its queue was full in the last minute
	Busy        float64   // share of one core that its calls took in the last ten seconds
	Used        time.Time // when the last call ended
}
