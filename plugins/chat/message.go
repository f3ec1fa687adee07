package main

import (
	"hash/fnv"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/takhost/takhost/sdk"
)

// allRooms is the room of everybody, in all TAK clients.
const allRooms = "All Chat Rooms"

// Kinds of conversations.
const (
	kindRoom = "room"
	kindPair = "pair"
)

// message is one chat message: a document of the collection messages, in JSON, in
// the form in which /api/v1/chat gives it.
type message struct {
	uid      string // of the event
	id       string // messageId, by which receipts name it
	kind     string
	room     string   // its id: of a pair the addressee's uid
	name     string   // of the room for people: of a pair the addressee's callsign
	to       []string // uids of those whom the sender meant, if it named them
	from     string   // uid of the sender
	callsign string   // of the sender
	user     string
	text     string
	sent     time.Time // by the sender's clock
	received time.Time // the order of messages, to the microsecond
	set      int32     // groups that may see it; kept by the document
	readers  []string  // users of addressees whom it has reached, see private.go
	receipts []mark
}

// mark is that somebody got or read a message.
type mark struct {
	uid, callsign, kind string // kind: delivered or read
	at                  time.Time
}

// Bounds of what is kept of a message, in bytes.
const (
	maxText     = 64 << 10
	maxName     = 256
	maxReceipts = 500
	maxMembers  = 100
)

// read takes a b-t-f event apart. ok is false when it is no chat message.
func read(c *sdk.Call, e sdk.Event) (m *message, ok bool) {
	root := e.Detail().Root()
	chat, remarks := root.Child("__chat"), root.Child("remarks")
	if !chat.Exists() || e.UID() == "" {
		return nil, false
	}
	group := chat.Child("chatgrp")
	m = &message{
		uid: clip(e.UID(), hostIDs), kind: kindRoom, room: attr(chat, "id"), name: attr(chat, "chatroom"),
		from: e.Client(), callsign: attr(chat, "senderCallsign"), user: clip(e.User(), maxName),
		text: clip(remarks.Text(), maxText), received: sdk.TimeOf(e.Recv()), sent: sdk.TimeOf(e.Time()), set: int32(e.Groups()),
	}
	if m.room == "" {
		m.room = m.name
	}
	if m.name == "" {
		m.name = m.room
	}
	if m.from == "" { // a feed or a machine: it says itself for whom it speaks
		if m.from = attr(group, "uid0"); m.from == "" {
			m.from = attr(root.Child("link"), "uid")
		}
	}
	m.from = clip(m.from, maxName)
	if m.id = attr(chat, "messageId"); m.id == "" {
		m.id = clip(m.uid[strings.LastIndexByte(m.uid, '.')+1:], maxName)
	}
	// ATAK writes the peer into uid1 and the id of the room. A room has more members
	// than one; teams and groups have a parent of their own.
	_, third := group.Attr("uid2")
	parent := attr(chat, "parent")
	if peer := attr(group, "uid1"); peer != "" && !third && parent != "TeamGroups" && parent != "UserGroups" &&
		peer != allRooms && m.room != allRooms && (peer == m.room || attr(group, "id") == peer) {
		m.kind, m.room, m.to = kindPair, peer, []string{peer}
		return m, true
	}
	if m.room == "" {
		m.room, m.name = allRooms, allRooms
	}
	if m.room != allRooms {
		m.to = members(group, m)
	}
	return m, true
}

// members gives the other members of a group as its chatgrp names them, uid1 and
// on. Of a team there is its name in the place of a uid.
func members(group sdk.Node, m *message) (list []string) {
	for i := 1; i <= maxMembers; i++ {
		uid := attr(group, "uid"+strconv.Itoa(i))
		if uid == "" {
			break
		}
		if uid != m.room && uid != m.name && uid != m.from && !slices.Contains(list, uid) {
			list = append(list, uid)
		}
	}
	return list
}

// hostIDs is how long the id of a document may be.
const hostIDs = 512

func attr(n sdk.Node, name string) string {
	v, _ := n.Attr(name)
	return clip(v, maxName)
}

func clip(s string, n int) string {
	if len(s) > n {
		s = strings.ToValidUTF8(s[:n], "")
	}
	return strings.Clone(s)
}

// conversation is the id of the conversation that m belongs to: of a pair in both
// directions the same, of a room one for each set of groups that use its name.
func (m *message) conversation() string {
	if m.kind == kindPair {
		return digest(m.kind, min(m.from, m.room), max(m.from, m.room))
	}
	return digest(m.kind, m.room, strconv.Itoa(int(m.set)))
}

// digest makes an id of several texts.
func digest(parts ...string) string {
	h := fnv.New128a()
	for _, s := range parts {
		h.Write([]byte(strconv.Itoa(len(s)) + ":" + s))
	}
	const digits = "0123456789abcdef"
	var out []byte
	for _, b := range h.Sum(nil) {
		out = append(out, digits[b>>4], digits[b&15])
	}
	return string(out)
}

func (m *message) write(j *sdk.JSON) {
	j.Object().Key("uid").Text(m.uid).Key("id").Text(m.id).Key("conversation").Text(m.conversation()).
		Key("kind").Text(m.kind).Key("room").Text(m.room).Key("name").Text(m.name).
		Key("from").Text(m.from).Key("callsign").Text(m.callsign)
	if m.kind == kindRoom && len(m.to) > 0 {
		j.Key("to").Texts(m.to)
	}
	if m.user != "" {
		j.Key("user").Text(m.user)
	}
	if len(m.readers) > 0 {
		j.Key("readers").Texts(m.readers)
	}
	j.Key("text").Text(m.text).Key("sent").Time(m.sent).Key("received").Time(m.received).
		Key("order").Int(m.received.UnixMicro()).Key("receipts").Array()
	for _, r := range m.receipts {
		j.Object().Key("uid").Text(r.uid).Key("callsign").Text(r.callsign).Key("kind").Text(r.kind).Key("at").Time(r.at).End()
	}
	j.End().End()
}

func parse(d *sdk.Document) (*message, error) {
	f, err := sdk.ParseJSON(d.Body)
	if err != nil {
		return nil, err
	}
	m := &message{
		uid: d.ID, id: f.TextOr("id", ""), kind: f.Text("kind"), room: f.TextOr("room", ""), name: f.TextOr("name", ""),
		from: f.TextOr("from", ""), callsign: f.TextOr("callsign", ""), user: f.TextOr("user", ""), text: f.TextOr("text", ""),
		sent: f.TimeOr("sent", time.Time{}), received: f.Time("received"), set: d.Set,
	}
	if order := f.IntOr("order", 0); order > 0 { // received is in milliseconds
		m.received = sdk.TimeOf(order)
	}
	if m.kind == kindPair {
		m.to = []string{m.room}
	} else if f.Has("to") {
		m.to = f.Texts("to")
	}
	if f.Has("readers") {
		m.readers = f.Texts("readers")
	}
	for _, r := range f.Objects("receipts") {
		m.receipts = append(m.receipts, mark{r.TextOr("uid", ""), r.TextOr("callsign", ""), r.TextOr("kind", ""), r.TimeOr("at", time.Time{})})
	}
	return m, f.Err()
}

// save keeps m.
func (m *message) save(c *sdk.Call) error {
	var j sdk.JSON
	m.write(&j)
	if err := j.Err(); err != nil {
		return err
	}
	return c.Collection("messages").For(m.set).Put(m.uid, j.Bytes(),
		sdk.NewKey("by-conversation", sdk.Text(m.conversation()), sdk.At(m.received)),
		sdk.NewKey("by-message", sdk.Text(m.id)),
		sdk.NewKey("by-time", sdk.At(m.received)))
}

// add keeps a new message and brings its conversation up to date.
func (m *message) add(c *sdk.Call) error {
	v := conversation{
		id: m.conversation(), kind: m.kind, name: m.name, last: m.received, from: m.callsign, text: clip(m.text, 200), set: m.set,
	}
	if m.kind == kindRoom {
		v.room = m.room
	}
	if m.private() {
		d, ok, err := c.Collection("conversations").Find(v.id)
		if err != nil {
			return err
		}
		if ok {
			f, err := sdk.ParseJSON(d.Body)
			if err != nil {
				return err
			}
			v.users = usersOf(&f)
		}
		if slices.Contains(m.to, serverUID) { // an answer to those who wrote by REST
			m.readers = together(m.readers, v.users)
		}
		v.members, v.users = m.members(), together(v.users, m.users())
	}
	if err := m.save(c); err != nil {
		return err
	}
	if err := v.save(c); err != nil {
		return err
	}
	return m.publish(c, "message")
}

// conversation is a room or a pair with its latest message: a document of the
// collection conversations, in JSON, in the form in which /api/v1/chat gives it.
type conversation struct {
	id, kind, room, name string
	members              []string // uids, when it is private
	users                []string // who may read something of it, when it is private
	last                 time.Time
	from, text           string // of the latest message
	set                  int32
}

func (v *conversation) save(c *sdk.Call) error {
	var j sdk.JSON
	j.Object().Key("id").Text(v.id).Key("kind").Text(v.kind)
	if len(v.members) > 0 {
		j.Key("members").Texts(v.members).Key("users").Texts(v.users)
	}
	if v.room != "" {
		j.Key("room").Text(v.room)
	}
	j.Key("name").Text(v.name).Key("last").Time(v.last).Key("order").Int(v.last.UnixMicro()).
		Key("from").Text(v.from).Key("text").Text(v.text).End()
	if err := j.Err(); err != nil {
		return err
	}
	return c.Collection("conversations").For(v.set).Put(v.id, j.Bytes(), sdk.NewKey("by-last", sdk.At(v.last), sdk.Text(v.id)))
}

// members gives those between whom a message is that names its receivers.
func (m *message) members() []string { return append([]string{m.from}, m.to...) }

// publish tells browsers.
func (m *message) publish(c *sdk.Call, what string) error {
	var j sdk.JSON
	m.write(&j)
	to := sdk.ToSet(m.set)
	if len(m.to) > 0 {
		to = sdk.Within(m.set, sdk.ToUIDs(m.members()...))
	}
	return c.Publish(sdk.Update{Stream: "chat", Event: what, Data: j.Bytes(), Audience: to})
}
