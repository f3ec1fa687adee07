package call

import (
	"context"
	"strings"

	"github.com/takhost/takhost/core/store"
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/wire"
)

// topicName refuses names that are not within the plugin's prefixes.
func (c *Call) topicName(op hostapi.HostOp, name string) error {
	if name == "" {
		return invalid(op, "the topic has no name")
	}
	if have := c.p.grants[op].Prefixes; !hasPrefix(name, have) {
		return outside(op, "prefixes", name, strings.Join(have, ", "))
	}
	return nil
}

// topicMembers sets, joins or leaves.
func (c *Call) topicMembers(ctx context.Context, op hostapi.HostOp, in []byte) error {
	if err := c.stages(op); err != nil {
		return err
	}
	var m wire.Topic
	if err := decode(op, in, &m); err != nil {
		return err
	}
	if err := c.topicName(op, m.Name); err != nil {
		return err
	}
	members := make([]store.TopicMember, len(m.Members))
	for i, w := range m.Members {
		if w.User == "" && w.Client == "" {
			return invalid(op, "member %d has neither user nor client", i)
		}
		members[i] = store.TopicMember{User: w.User, Client: w.Client, MayPublish: w.MayPublish}
	}
	w := c.Work()
	switch op {
	case hostapi.HostTopicJoin:
		return w.JoinTopic(ctx, &c.p.owner, m.Name, members)
	case hostapi.HostTopicLeave:
		return w.LeaveTopic(ctx, &c.p.owner, m.Name, members)
	}
	return w.SetTopic(ctx, &c.p.owner, m.Name, members)
}

func (c *Call) topicDrop(ctx context.Context, in []byte) error {
	const op = hostapi.HostTopicDrop
	if err := c.stages(op); err != nil {
		return err
	}
	var m wire.TopicName
	if err := decode(op, in, &m); err != nil {
		return err
	}
	if err := c.topicName(op, m.Name); err != nil {
		return err
	}
	return c.Work().DropTopic(ctx, &c.p.owner, m.Name)
}

func (c *Call) topicGet(ctx context.Context, in, dst []byte) ([]byte, error) {
	const op = hostapi.HostTopicGet
	var m wire.TopicName
	if err := decode(op, in, &m); err != nil {
		return dst, err
	}
	if err := c.topicName(op, m.Name); err != nil {
		return dst, err
	}
	t, err := c.Work().Topic(ctx, &c.p.owner, m.Name)
	if err != nil {
		return dst, err
	}
	answer := wire.Topic{Name: t.Name, Members: make([]wire.TopicMember, len(t.Members))}
	for i, m := range t.Members {
		answer.Members[i] = wire.TopicMember{User: m.User, Client: m.Client, MayPublish: m.MayPublish}
	}
	return answer.Append(dst), nil
}

// topicAlias makes a name stand for topics of the plugin. The name itself is
// what senders write, such as a mission's, so no prefix binds it; the store gives
// each to one plugin alone.
func (c *Call) topicAlias(ctx context.Context, in []byte) error {
	const op = hostapi.HostTopicAlias
	if err := c.stages(op); err != nil {
		return err
	}
	var m wire.TopicAlias
	if err := decode(op, in, &m); err != nil {
		return err
	}
	if m.Alias == "" {
		return invalid(op, "the alias is empty")
	}
	for _, name := range m.Topics {
		if err := c.topicName(op, name); err != nil {
			return err
		}
	}
	return c.Work().SetAlias(ctx, &c.p.owner, m.Alias, m.Topics)
}
