package sdk

import (
	"time"

	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/wire"
)

// Event is one event as a plugin sees it; Batch several. They are read in place.
type (
	Event = hostapi.View
	Batch = hostapi.Batch
	Tree  = hostapi.Tree
	Node  = hostapi.Node
	SetID = hostapi.SetID
)

// Call is one call of the plugin and the only way to the host. It is good until
// the function that was given it returns.
type Call struct {
	inst   *Instance
	host   Host
	op     hostapi.GuestOp
	batch  Batch
	caller *Caller
	now    int64 // µs since 1970; 0: not asked yet
	staged int   // operations that staged something
}

// Message is one of the contract, for Ask.
type Message interface {
	Append([]byte) []byte
	Decode([]byte) error
}

// Ask asks any operation of the host: the way to operations for which Call has no
// method. in and out may be nil. Bytes in out are good as long as the call.
func (c *Call) Ask(op hostapi.HostOp, in, out Message) error {
	var write func([]byte) []byte
	if in != nil {
		write = in.Append
	}
	answer, err := c.ask(op, write)
	if err == nil && out != nil {
		err = badAnswer(op, out.Decode(answer))
	}
	return err
}

// ask is given the Append of the request, or nil: as an interface, each message would
// keep code in the module that is never used.
func (c *Call) ask(op hostapi.HostOp, write func([]byte) []byte) ([]byte, error) {
	if c.host == nil {
		return nil, &Error{Status: Failed, Message: op.String() + ": the call is over: a Call must not be kept"}
	}
	var request []byte
	if write != nil {
		c.inst.request = write(c.inst.request[:0])
		request = c.inst.request
	}
	if stages(op) {
		c.staged++
	}
	out, s := c.host.Call(op, request, c.room())
	if s != hostapi.OK {
		return nil, hostError(op, s, out)
	}
	c.keep(out)
	return out, nil
}

// tell is ask where the answer is empty.
func (c *Call) tell(op hostapi.HostOp, write func([]byte) []byte) error {
	_, err := c.ask(op, write)
	return err
}

// badAnswer says that an answer could not be read.
func badAnswer(op hostapi.HostOp, err error) error {
	if err == nil {
		return nil
	}
	return &Error{Status: Failed, Message: "read the answer of " + op.String() + ": " + err.Error()}
}

// stages says whether an operation may have an effect that is committed with the
// call. An action of another plugin may.
func stages(op hostapi.HostOp) bool {
	switch op {
	case hostapi.HostLog, hostapi.HostConfig, hostapi.HostClock, hostapi.HostRandom, hostapi.HostMetric,
		hostapi.HostQueryEvents, hostapi.HostGet, hostapi.HostQuery, hostapi.HostClients, hostapi.HostIdentity,
		hostapi.HostTopicGet, hostapi.HostFetch, hostapi.HostBlobRead, hostapi.HostBlobStat,
		hostapi.HostBlobList, hostapi.HostBlobZipList, hostapi.HostBlobPut, hostapi.HostBlobZipEntry, hostapi.HostBlobPack:
		return false
	}
	return true
}

// Sizes of the memory for answers, in bytes.
const (
	answerChunk = 32 << 10
	answerRoom  = 4 << 10 // free at least, so that most answers fit at once
)

// room gives memory for an answer. All answers of a call are kept, one behind the
// other, since documents are read in place; the next call uses the memory again.
func (c *Call) room() []byte {
	a := c.inst.answers
	if cap(a)-len(a) < answerRoom {
		a = make([]byte, 0, answerChunk)
		c.inst.answers = a
	}
	return a[len(a):len(a):cap(a)]
}

// keep guards an answer from the next one.
func (c *Call) keep(out []byte) {
	a := c.inst.answers
	if len(out) > 0 && len(out) <= cap(a)-len(a) && &out[0] == &a[:len(a)+1][len(a)] {
		c.inst.answers = a[:len(a)+len(out)]
	}
}

// Name is that under which the plugin is installed, empty before Init.
func (c *Call) Name() string { return c.inst.start.Name }

// Start is what the instance was begun with: name, version, grants, role, node,
// identity and URLs of the server. It must not be changed. URLs are up to date when a
// call begins: Start().BaseURL("https") is where clients with certificates come.
func (c *Call) Start() *Start { return &c.inst.start }

// Config is the plugin's section of the server's config, checked by the manifest's
// schema and with its defaults. Take what is needed in Init and ask its Err.
func (c *Call) Config() Fields { return FieldsOf(Tree(c.inst.start.Config).Root()) }

// Caller is who a request or an action is made for. In other calls, which the
// plugin makes for itself, it is empty but never nil.
func (c *Call) Caller() *Caller {
	if c.caller == nil {
		c.caller = &Caller{}
	}
	return c.caller
}

// HasRole says whether the caller has one of the roles.
func (c *Call) HasRole(roles ...string) bool {
	for _, have := range c.Caller().Roles {
		for _, r := range roles {
			if have == r {
				return true
			}
		}
	}
	return false
}

// Attempt is 0 for events that come for the first time, 1 for the second.
func (c *Call) Attempt() int { return c.batch.Attempt() }

// Missed counts the events that a full queue dropped since the batch before.
func (c *Call) Missed() uint64 { return c.batch.Missed() }

// Delivery is the number of the delivery of events, which rises, also over a
// restart, and is the same at a second attempt: with Fetch a good part of an
// idempotency key.
func (c *Call) Delivery() uint64 { return c.batch.Delivery() }

// Now is the host's clock, to the microsecond, in UTC. It is asked once in a call
// and stands still from then on, so that all the call writes agrees.
func (c *Call) Now() time.Time {
	if c.now == 0 {
		var clock wire.Clock
		answer, err := c.ask(hostapi.HostClock, nil)
		if err == nil {
			err = clock.Decode(answer)
		}
		if err != nil {
			// Every host has a clock: a call that is over, or a bug.
			panic(err)
		}
		c.now = clock.Now
	}
	return TimeOf(c.now)
}

// TimeOf gives a time of the contract, in microseconds since 1970, as a time in UTC.
func TimeOf(micros int64) time.Time { return time.UnixMicro(micros).UTC() }

// Random gives n random bytes from a cryptographic source, 1,024 at most.
func (c *Call) Random(n int) ([]byte, error) {
	b, err := c.ask(hostapi.HostRandom, (&wire.RandomRequest{N: uint32(n)}).Append)
	if err == nil && len(b) != n {
		return nil, &Error{Status: Failed, Message: "random: the host gave another number of bytes"}
	}
	return b, err
}

// NewUID gives a random UUID (version 4), such as serves for a uid or a document's id.
func (c *Call) NewUID() (string, error) {
	b, err := c.Random(16)
	if err != nil {
		return "", err
	}
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	out := make([]byte, 0, 36)
	for i, n := range [...]int{4, 2, 2, 2, 6} {
		if i > 0 {
			out = append(out, '-')
		}
		out = appendHex(out, string(b[:n]))
		b = b[n:]
	}
	return string(out), nil
}
