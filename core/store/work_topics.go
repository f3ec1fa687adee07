package store

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

const (
	maxMembers      = 20_000 // of a topic
	maxAliasTopics  = 1000
	maxMemberLength = 512
)

var (
	selectTopics  = onRows("SELECT name, plugin, revision", "topics", "name")
	selectMembers = onRows(`SELECT "user", client, may_publish`, "topic_members", "topic")
	selectAliases = onRows("SELECT name, plugin, revision, topics", "topic_aliases", "name")
)

// stagedTopic is a topic that was read, and what is staged of it.
type stagedTopic struct {
	base    Topic // as it is stored; Revision 0: it is not
	now     Topic
	there   bool // now is a topic
	changed bool
}

type stagedAlias struct {
	base    Alias
	now     Alias
	changed bool
}

// topic reads a topic at its first use.
func (w *Work) topic(ctx context.Context, o *Owner, name string) (*stagedTopic, error) {
	if err := w.check(o, "topic", name); err != nil {
		return nil, err
	}
	if t := w.topics[name]; t != nil {
		return t, nil
	}
	var base Topic
	err := w.p.snapshot(ctx, func(c sqlConn) error {
		base = Topic{Name: name}
		d := w.p.db
		rows, err := c.QueryContext(ctx, d.dialect(selectTopics.one), name)
		err = each(rows, err, func(rows *sql.Rows) error { return rows.Scan(&base.Name, &base.Plugin, &base.Revision) })
		if err != nil || base.Revision == 0 {
			return err
		}
		rows, err = c.QueryContext(ctx, d.dialect(selectMembers.one), name)
		return each(rows, err, func(rows *sql.Rows) error {
			var m TopicMember
			err := rows.Scan(&m.User, &m.Client, &m.MayPublish)
			base.Members = append(base.Members, m)
			return err
		})
	})
	if err != nil {
		return nil, err
	}
	slices.SortFunc(base.Members, compareMembers)
	t := &stagedTopic{base: base, now: base, there: base.Revision > 0}
	if w.topics == nil {
		w.topics = map[string]*stagedTopic{}
	}
	w.topics[name] = t // for good: what was read stays guarded
	return t, nil
}

func compareMembers(a, b TopicMember) int {
	return cmp.Or(strings.Compare(a.User, b.User), strings.Compare(a.Client, b.Client))
}

// ownTopic is topic for a step that changes it.
func (w *Work) ownTopic(ctx context.Context, o *Owner, name string) (*stagedTopic, error) {
	t, err := w.topic(ctx, o, name)
	if err != nil {
		return nil, err
	}
	if t.there && t.now.Plugin != o.Plugin {
		return nil, otherPlugin("topic", name, t.now.Plugin)
	}
	return t, nil
}

func otherPlugin(what, name, plugin string) error {
	return &Error{Code: Conflict, Msg: fmt.Sprintf("%s %q belongs to plugin %s", what, name, plugin)}
}

// stageTopic makes the topic what now and there say.
func (w *Work) stageTopic(t *stagedTopic, now Topic, there bool) {
	before := *t
	t.now, t.there, t.changed = now, there, true
	w.journal = append(w.journal, func() { *t = before })
}

// Topic gives a topic of the plugin. The code of the error is not_found when
// there is none, forbidden when it is another plugin's.
func (w *Work) Topic(ctx context.Context, o *Owner, name string) (Topic, error) {
	t, err := w.topic(ctx, o, name)
	switch {
	case err != nil:
	case !t.there:
		err = &Error{Code: NotFound, Msg: fmt.Sprintf("there is no topic %q", name)}
	case t.now.Plugin != o.Plugin:
		err = &Error{Code: Forbidden, Msg: fmt.Sprintf("topic %q belongs to another plugin", name)}
	default:
		got := t.now
		got.Members = slices.Clone(got.Members)
		return got, nil
	}
	return Topic{}, fmt.Errorf("read topic: %w", err)
}

// SetTopic stages that the topic has exactly these members. The error has the
// code conflict when the name is another plugin's, and so with the others.
func (w *Work) SetTopic(ctx context.Context, o *Owner, name string, members []TopicMember) error {
	return w.changeTopic(ctx, o, name, members, true, func([]TopicMember) []TopicMember { return nil })
}

// JoinTopic stages new members, or other rights of those that are there. A topic
// that is not there is made.
func (w *Work) JoinTopic(ctx context.Context, o *Owner, name string, members []TopicMember) error {
	return w.changeTopic(ctx, o, name, members, true, func(was []TopicMember) []TopicMember { return was })
}

// LeaveTopic stages that members go; MayPublish is not looked at. A topic that is
// not there is left so.
func (w *Work) LeaveTopic(ctx context.Context, o *Owner, name string, members []TopicMember) error {
	return w.changeTopic(ctx, o, name, members, false, nil)
}

// changeTopic adds members to what keep gives of the ones before, or takes them
// away.
func (w *Work) changeTopic(ctx context.Context, o *Owner, name string, members []TopicMember, add bool, keep func([]TopicMember) []TopicMember) error {
	t, err := w.ownTopic(ctx, o, name)
	if err == nil {
		err = checkMembers(members)
	}
	if err != nil {
		return fmt.Errorf("change topic: %w", err)
	}
	if !add && !t.there {
		return nil
	}
	all := map[TopicMember]bool{} // without MayPublish → MayPublish
	var was []TopicMember
	if t.there {
		was = t.now.Members
	}
	if add {
		was = keep(was)
	}
	for _, m := range was {
		all[TopicMember{User: m.User, Client: m.Client}] = m.MayPublish
	}
	for _, m := range members {
		if add {
			all[TopicMember{User: m.User, Client: m.Client}] = m.MayPublish
		} else {
			delete(all, TopicMember{User: m.User, Client: m.Client})
		}
	}
	if len(all) > maxMembers {
		return &Error{Code: Limit, Msg: fmt.Sprintf("change topic: %q would have %d members: at most %d", name, len(all), maxMembers)}
	}
	now := Topic{Plugin: o.Plugin, Name: name, Revision: t.now.Revision, Members: make([]TopicMember, 0, len(all))}
	for m, may := range all {
		m.MayPublish = may
		now.Members = append(now.Members, m)
	}
	slices.SortFunc(now.Members, compareMembers)
	if t.there && slices.Equal(now.Members, t.now.Members) {
		return nil
	}
	w.stageTopic(t, now, true)
	return nil
}

func checkMembers(members []TopicMember) error {
	for _, m := range members {
		switch {
		case m.User == "" && m.Client == "":
			return invalidf("topic member: needs a user or a client")
		case len(m.User) > maxMemberLength || len(m.Client) > maxMemberLength:
			return invalidf("topic member: user or client is longer than %d bytes", maxMemberLength)
		case !validText(m.User) || !validText(m.Client):
			return invalidf("topic member: is not valid text")
		}
	}
	return nil
}

// DropTopic stages that a topic goes, if there is one.
func (w *Work) DropTopic(ctx context.Context, o *Owner, name string) error {
	t, err := w.ownTopic(ctx, o, name)
	if err != nil {
		return fmt.Errorf("drop topic: %w", err)
	}
	if t.there {
		w.stageTopic(t, Topic{Plugin: o.Plugin, Name: name, Revision: t.now.Revision, Dropped: true}, false)
	}
	return nil
}

// SetAlias stages what a name stands for; without topics it is removed.
func (w *Work) SetAlias(ctx context.Context, o *Owner, name string, topics []string) error {
	if err := w.setAlias(ctx, o, name, topics); err != nil {
		return fmt.Errorf("set alias: %w", err)
	}
	return nil
}

func (w *Work) setAlias(ctx context.Context, o *Owner, name string, topics []string) error {
	if err := w.check(o, "alias", name); err != nil {
		return err
	}
	if len(topics) > maxAliasTopics {
		return &Error{Code: Limit, Msg: fmt.Sprintf("%d topics: at most %d", len(topics), maxAliasTopics)}
	}
	for _, t := range topics {
		if err := checkName("topic", t); err != nil {
			return err
		}
	}
	a := w.aliases[name]
	if a == nil {
		a = &stagedAlias{}
		err := w.p.find(ctx, &selectAliases, 1, func(_ int, to []any) []any { return append(to, name) }, func(rows *sql.Rows) (err error) {
			a.base, err = scanAlias(rows)
			return err
		})
		if err != nil {
			return err
		}
		a.now = a.base
		if w.aliases == nil {
			w.aliases = map[string]*stagedAlias{}
		}
		w.aliases[name] = a
	}
	there := len(a.now.Topics) > 0
	if there && a.now.Plugin != o.Plugin {
		return otherPlugin("alias", name, a.now.Plugin)
	}
	if !there && len(topics) == 0 || there && slices.Equal(a.now.Topics, topics) {
		return nil
	}
	before := *a
	a.now, a.changed = Alias{Plugin: o.Plugin, Name: name, Topics: slices.Clone(topics)}, true
	w.journal = append(w.journal, func() { *a = before })
	return nil
}

func scanAlias(rows *sql.Rows) (a Alias, err error) {
	var topics string
	if err := rows.Scan(&a.Name, &a.Plugin, &a.Revision, &topics); err != nil {
		return a, err
	}
	if err := json.Unmarshal([]byte(topics), &a.Topics); err != nil {
		return a, fmt.Errorf("alias %q: %w", a.Name, err)
	}
	return a, nil
}

// Topics gives all topics, in the order of their names.
func (p *Plugins) Topics(ctx context.Context) ([]Topic, error) {
	var topics []Topic
	err := p.snapshot(ctx, func(c sqlConn) error {
		topics = nil
		rows, err := c.QueryContext(ctx, "SELECT name, plugin, revision FROM topics ORDER BY name")
		err = each(rows, err, func(rows *sql.Rows) error {
			var t Topic
			err := rows.Scan(&t.Name, &t.Plugin, &t.Revision)
			topics = append(topics, t)
			return err
		})
		if err != nil {
			return err
		}
		i := 0
		rows, err = c.QueryContext(ctx, `SELECT topic, "user", client, may_publish FROM topic_members ORDER BY topic, "user", client`)
		return each(rows, err, func(rows *sql.Rows) error {
			var name string
			var m TopicMember
			if err := rows.Scan(&name, &m.User, &m.Client, &m.MayPublish); err != nil {
				return err
			}
			for i < len(topics) && topics[i].Name < name {
				i++
			}
			if i < len(topics) && topics[i].Name == name {
				topics[i].Members = append(topics[i].Members, m)
			}
			return nil
		})
	})
	if err != nil {
		return nil, fmt.Errorf("read topics: %w", err)
	}
	return topics, nil
}

// Aliases gives all aliases, in the order of their names.
func (p *Plugins) Aliases(ctx context.Context) ([]Alias, error) {
	var aliases []Alias
	err := p.list(ctx, func() { aliases = nil }, "SELECT name, plugin, revision, topics FROM topic_aliases ORDER BY name", nil, func(rows *sql.Rows) error {
		a, err := scanAlias(rows)
		aliases = append(aliases, a)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read aliases: %w", err)
	}
	return aliases, nil
}
