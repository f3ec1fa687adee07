package sdk

import (
	"time"

	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/wire"
)

// SetTimer sets a timer of the plugin's, or sets it anew: due at a time, and with
// every above zero again after that span. data comes back with it. It fires once for
// each time it is due, late if the server was down.
func (c *Call) SetTimer(name string, at time.Time, every time.Duration, data []byte) error {
	m := wire.TimerSet{Name: name, Every: every.Microseconds(), Data: data}
	if !at.IsZero() {
		m.At = at.UnixMicro()
	}
	return c.tell(hostapi.HostTimerSet, m.Append)
}

// CancelTimer takes a timer away. One that is not there is no error.
func (c *Call) CancelTimer(name string) error {
	return c.tell(hostapi.HostTimerCancel, (&wire.TimerName{Name: name}).Append)
}

// Member is a member of a topic: a user, a client uid, or both together.
type Member = wire.TopicMember

// Topic is a set of members whom events can be sent to, and who may send to one
// another by its aliases.
type Topic struct {
	call *Call
	name string
}

// Topic gives a topic. Its name begins with a prefix that the plugin was granted.
func (c *Call) Topic(name string) Topic { return Topic{c, name} }

// Set makes these the members, and no others.
func (t Topic) Set(members ...Member) error { return t.ask(hostapi.HostTopicSet, members) }

// Join adds members, or changes them.
func (t Topic) Join(members ...Member) error { return t.ask(hostapi.HostTopicJoin, members) }

// Leave takes members away.
func (t Topic) Leave(members ...Member) error { return t.ask(hostapi.HostTopicLeave, members) }

// Drop ends the topic.
func (t Topic) Drop() error {
	return t.call.tell(hostapi.HostTopicDrop, (&wire.TopicName{Name: t.name}).Append)
}

// Members reads the members.
func (t Topic) Members() ([]Member, error) {
	answer, err := t.call.ask(hostapi.HostTopicGet, (&wire.TopicName{Name: t.name}).Append)
	if err != nil {
		return nil, err
	}
	var m wire.Topic
	err = badAnswer(hostapi.HostTopicGet, m.Decode(answer))
	return m.Members, err
}

func (t Topic) ask(op hostapi.HostOp, members []Member) error {
	return t.call.tell(op, (&wire.Topic{Name: t.name, Members: members}).Append)
}

// Alias makes a name that senders write, such as a mission's, stand for topics;
// without topics it is removed.
func (c *Call) Alias(alias string, topics ...string) error {
	return c.tell(hostapi.HostTopicAlias, (&wire.TopicAlias{Alias: alias, Topics: topics}).Append)
}

// Update is a live update to browsers; Data is JSON.
type Update = wire.Publish

// Publish sends a live update when the call is committed.
func (c *Call) Publish(u Update) error { return c.tell(hostapi.HostPublish, u.Append) }

// Request to another server, and its answer.
type (
	Fetch   = wire.Fetch
	Fetched = wire.Fetched
)

// How the body of an answer comes.
const (
	FetchAsBytes = wire.FetchAsBytes
	FetchAsTree  = wire.FetchAsTree
	FetchAsBlob  = wire.FetchAsBlob
)

// Fetch sends a request to another server, at once: a call that is made again sends
// it again, so give an IdempotencyKey. An answer of any status is no error.
func (c *Call) Fetch(f *Fetch) (*Fetched, error) {
	answer, err := c.ask(hostapi.HostFetch, f.Append)
	if err != nil {
		return nil, err
	}
	m := &Fetched{}
	if err := badAnswer(hostapi.HostFetch, m.Decode(answer)); err != nil {
		return nil, err
	}
	return m, nil
}

// CallAction asks an action of another plugin, plugin.action, of the version that
// the caller was written for. It is part of this call: its effects are committed
// with those of this one. The answer is good until the function returns.
func (c *Call) CallAction(name string, version int, body []byte) ([]byte, error) {
	answer, err := c.ask(hostapi.HostCall, (&Action{Name: name, Version: uint32(version), Body: body}).Append)
	if err != nil {
		return nil, err
	}
	var m ActionResult
	err = badAnswer(hostapi.HostCall, m.Decode(answer))
	return m.Body, err
}
