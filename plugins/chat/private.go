package main

import (
	"slices"

	"github.com/takhost/takhost/sdk"
)

// Who may read what. A message that names its addressees, of a pair or a group, is for
// them and its sender: for users, since a uid is what a client says of itself. Of an
// addressee its user is noted when the message reaches it: whoever is away learns of
// it by REST when his client has got it. Rooms are for all who may see their groups.

// maxReaders bounds the users that are noted of a message and of a conversation.
const maxReaders = 200

// private says whether m is for certain users.
func (m *message) private() bool { return len(m.to) > 0 }

// noteReaders notes the users of those addressees who are there, and says whether
// there was anything to note. An empty name is a client without a login.
func (m *message) noteReaders(there []sdk.Client) (changed bool) {
	for i := range there {
		if slices.Contains(m.to, there[i].UID) && !slices.Contains(m.readers, there[i].User) && len(m.readers) < maxReaders {
			m.readers, changed = append(m.readers, clip(there[i].User, maxName)), true
		}
	}
	return changed
}

// users are those who may read m.
func (m *message) users() []string { return append([]string{m.user}, m.readers...) }

// seesAll says whether the caller may read what is for others.
func seesAll(c *sdk.Call) bool { return c.HasRole("admin", "operator") }

// mayRead says whether the caller may read what is for these users.
func mayRead(c *sdk.Call, users []string) bool {
	user := c.Caller().User
	return user != "" && slices.Contains(users, user) || seesAll(c)
}

// choice says which documents of a list the caller may read; nil: all.
type choice func(d *sdk.Document) (bool, error)

// chooseConversations leaves out those of which the caller may read nothing.
func chooseConversations(c *sdk.Call) choice {
	if seesAll(c) {
		return nil
	}
	return func(d *sdk.Document) (bool, error) {
		f, err := sdk.ParseJSON(d.Body)
		if err != nil {
			return false, err
		}
		return !f.Has("members") || mayRead(c, usersOf(&f)), nil
	}
}

// chooseMessages leaves out messages of a conversation that are not for the caller.
func chooseMessages(c *sdk.Call, conversation *sdk.Document) (choice, error) {
	if seesAll(c) {
		return nil, nil
	}
	f, err := sdk.ParseJSON(conversation.Body)
	if err != nil || !f.Has("members") {
		return nil, err
	}
	return func(d *sdk.Document) (bool, error) {
		m, err := parse(d)
		return err == nil && (!m.private() || mayRead(c, m.users())), err
	}, nil
}

func usersOf(conversation *sdk.Fields) []string {
	if !conversation.Has("users") {
		return nil
	}
	return conversation.Texts("users")
}

// has says whether somebody who says that a message reached him can be believed: its
// addressee, by client and user. Anybody who sees a room can say so of its messages.
func (m *message) has(client, user string) bool {
	if !m.private() {
		return true
	}
	return slices.Contains(m.to, client) && (len(m.readers) == 0 || slices.Contains(m.readers, user))
}

// reached notes that a message has been handed to a client that was away.
func reached(c *sdk.Call, uid string, who sdk.Client) error {
	d, ok, err := c.Collection("messages").Find(clip(uid, hostIDs))
	if err != nil || !ok {
		return err // it has been deleted for its age, and waited longer
	}
	m, err := parse(&d)
	if err != nil {
		return err
	}
	if !m.noteReaders([]sdk.Client{who}) {
		return nil
	}
	if err := m.save(c); err != nil {
		return err
	}
	return m.admit(c)
}

// admit lets the users of m read its conversation.
func (m *message) admit(c *sdk.Call) error {
	id := m.conversation()
	d, ok, err := c.Collection("conversations").Find(id)
	if err != nil || !ok {
		return err
	}
	f, err := sdk.ParseJSON(d.Body)
	if err != nil {
		return err
	}
	users := together(usersOf(&f), m.users())
	if len(users) == len(usersOf(&f)) {
		return nil
	}
	v := conversation{
		id: id, kind: f.Text("kind"), room: f.TextOr("room", ""), name: f.TextOr("name", ""), users: users,
		last: f.Time("last"), from: f.TextOr("from", ""), text: f.TextOr("text", ""), set: d.Set,
	}
	if f.Has("members") {
		v.members = f.Texts("members")
	}
	if order := f.IntOr("order", 0); order > 0 {
		v.last = sdk.TimeOf(order)
	}
	if err := f.Err(); err != nil {
		return err
	}
	return v.save(c)
}

// together joins lists of users; those without a login stand for nobody.
func together(a, b []string) []string {
	out := slices.Clone(a)
	for _, u := range b {
		if u != "" && !slices.Contains(out, u) && len(out) < maxReaders {
			out = append(out, u)
		}
	}
	return out
}
