package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/takhost/takhost/sdk"
	"github.com/takhost/takhost/sdk/plugintest"
)

var (
	alpha   = sdk.Client{UID: "ANDROID-1", Callsign: "ALPHA"}
	bravo   = sdk.Client{UID: "ANDROID-2", Callsign: "BRAVO"}
	charlie = sdk.Client{UID: "ANDROID-3", Callsign: "CHARLIE"}
)

func start(t *testing.T, config string) *plugintest.Kit {
	k := plugintest.Start(t, "plugin.json", plugintest.Config(config))
	for _, c := range []sdk.Client{alpha, bravo} {
		k.Connect(c)
	}
	k.Advance(time.Minute)
	return k
}

// toRoom is what ATAK sends to everybody, to a team or to a group.
func toRoom(from sdk.Client, id, room, text string) string {
	return geochat(from, "m-"+id, "TeamGroups", room, room, room, room, text)
}

// direct is what ATAK sends to one.
func direct(from, to sdk.Client, id, text string) string {
	return geochat(from, "m-"+id, "RootContactGroup", to.Callsign, to.UID, to.UID, to.UID, text)
}

func geochat(from sdk.Client, id, parent, name, room, uid1, group, text string) string {
	return fmt.Sprintf(`<event version="2.0" uid="GeoChat.%[1]s.%[5]s.%[2]s" type="b-t-f" how="h-g-i-g-o" time="2024-05-01T11:59:59Z" start="2024-05-01T11:59:59Z" stale="2024-05-02T11:59:59Z">`+
		`<point lat="50" lon="8" hae="0" ce="9999999" le="9999999"/><detail><__chat parent="%[3]s" groupOwner="false" messageId="%[2]s" chatroom="%[4]s" id="%[5]s" senderCallsign="%[9]s">`+
		`<chatgrp uid0="%[1]s" uid1="%[6]s" id="%[7]s"/></__chat><link uid="%[1]s" type="a-f-G-U-C" relation="p-p"/>`+
		`<remarks source="BAO.F.ATAK.%[1]s" to="%[5]s" time="2024-05-01T11:59:59Z">%[8]s</remarks></detail></event>`,
		from.UID, id, parent, name, room, uid1, group, text, from.Callsign)
}

// receipt is what ATAK answers: its uid is the message's id.
func receiptOf(typ string, by sdk.Client, id string) string {
	return fmt.Sprintf(`<event version="2.0" uid="m-%s" type="%s" how="h-g-i-g-o" time="2024-05-01T12:00:01Z" start="2024-05-01T12:00:01Z" stale="2024-05-02T12:00:01Z">`+
		`<point lat="0" lon="0" hae="0" ce="9999999" le="9999999"/><detail><__chatreceipt parent="RootContactGroup" groupOwner="false" chatroom="x" id="x" senderCallsign="%s"/>`+
		`<link uid="%s" relation="p-p"/></detail></event>`, id, typ, by.Callsign, by.UID)
}

type listed struct{ ID, Kind, Room, Name, Text string }

type msg struct {
	UID, From, Callsign, Text, Conversation string
	Sent, Received                          time.Time
	Receipts                                []struct{ UID, Kind string }
}

func conversations(k *plugintest.Kit) (list []listed) {
	var page struct{ Conversations []listed }
	k.JSON(k.Get("/api/v1/chat"), &page)
	return page.Conversations
}

func messages(k *plugintest.Kit, id, query string) (list []msg) {
	for after := ""; ; {
		var page struct {
			Messages []msg
			Next     string
		}
		k.JSON(k.Get("/api/v1/chat/"+id+"?"+query+"&after="+after), &page)
		list = append(list, page.Messages...)
		if after = page.Next; after == "" {
			return list
		}
	}
}

func texts(list []msg) (out []string) {
	for _, m := range list {
		out = append(out, m.Callsign+": "+m.Text)
	}
	return out
}

// sent tells what was emitted: text and audience of each.
func sent(k *plugintest.Kit) (out []string) {
	for _, e := range k.Emitted() {
		a := e.Audience
		out = append(out, fmt.Sprintf("%s set=%d to=%s", e.Event.Detail().Root().Child("remarks").Text(), a.Set, strings.Join(a.UIDs, ",")))
	}
	return out
}

func same[T any](t *testing.T, what string, want, got T) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

func TestConversations(t *testing.T) {
	k := start(t, `{}`)
	k.EventsFrom(alpha, toRoom(alpha, "1", "All Chat Rooms", "to all"))
	k.Advance(time.Second)
	k.EventsFrom(bravo, toRoom(bravo, "2", "Cyan", "to the team"))
	k.Advance(time.Second)
	k.EventsFrom(alpha, direct(alpha, bravo, "3", "to you"))
	k.Advance(time.Second)
	k.EventsFrom(bravo, direct(bravo, alpha, "4", "and back"))
	same(t, "sent by the plugin", nil, sent(k))

	list := conversations(k)
	var got []string
	for _, c := range list {
		got = append(got, c.Kind+" "+c.Name+" "+c.Text)
	}
	same(t, "conversations, the latest first", []string{"pair ALPHA and back", "room Cyan to the team", "room All Chat Rooms to all"}, got)
	same(t, "the pair", []string{"BRAVO: and back", "ALPHA: to you"}, texts(messages(k, list[0].ID, "")))
	same(t, "the pair from the first on", []string{"ALPHA: to you", "BRAVO: and back"}, texts(messages(k, list[0].ID, "order=asc")))
	if a := k.Get("/api/v1/chat/none"); a.Status != 404 {
		t.Errorf("an unknown conversation: %d", a.Status)
	}
}

func TestPages(t *testing.T) {
	k := start(t, `{}`)
	var want []string
	for i := range 7 {
		k.EventsFrom(alpha, toRoom(alpha, fmt.Sprint(i), "All Chat Rooms", fmt.Sprint(i)))
		want = append(want, fmt.Sprint("ALPHA: ", i))
		k.Advance(time.Second)
	}
	same(t, "pages of three", want, texts(messages(k, conversations(k)[0].ID, "limit=3&order=asc")))
	for _, q := range []string{"limit=0", "limit=1001", "limit=x", "order=up"} {
		if a := k.Get("/api/v1/chat/" + conversations(k)[0].ID + "?" + q); a.Status != 400 {
			t.Errorf("%s: %d %s, want 400", q, a.Status, a.Body)
		}
	}
}

func TestReceipts(t *testing.T) {
	k := start(t, `{}`)
	k.EventsFrom(alpha, direct(alpha, bravo, "1", "hi"))
	k.Published()
	k.EventsFrom(bravo, receiptOf("b-t-f-d", bravo, "1"), receiptOf("b-t-f-d", bravo, "1"), receiptOf("b-t-f-r", bravo, "1"))
	k.EventsFrom(alpha, receiptOf("b-t-f-r", alpha, "1")) // its own sender's: odd
	k.EventsFrom(bravo, receiptOf("b-t-f-r", bravo, "unknown"))
	m := messages(k, conversations(k)[0].ID, "")
	var got []string
	for _, r := range m[0].Receipts {
		got = append(got, r.UID+" "+r.Kind)
	}
	same(t, "receipts", []string{"ANDROID-2 delivered", "ANDROID-2 read"}, got)
	if n := len(k.Published()); n != 2 {
		t.Errorf("%d live updates of receipts, want 2", n)
	}
}

func TestLive(t *testing.T) {
	k := start(t, `{}`)
	k.EventsFrom(alpha, toRoom(alpha, "1", "All Chat Rooms", "all"), direct(alpha, bravo, "2", "pair"))
	list := k.Published()
	if len(list) != 2 || list[0].Stream != "chat" || list[0].Event != "message" || !strings.Contains(string(list[0].Data), `"text":"all"`) {
		t.Fatalf("published %+v", list)
	}
	same(t, "a room's audience", 1, list[0].Audience.Set)
	same(t, "a pair's audience", []string{"ANDROID-1", "ANDROID-2"}, list[1].Audience.UIDs)
}

func TestStoreAndForward(t *testing.T) {
	for name, between := range map[string]func(k *plugintest.Kit){
		"at once":         func(*plugintest.Kit) {},
		"after a restart": func(k *plugintest.Kit) { k.Restart(time.Hour) },
		"after a crash":   func(k *plugintest.Kit) { k.Trap(3) },
		"after conflicts": func(k *plugintest.Kit) { k.Conflict(2) },
	} {
		t.Run(name, func(t *testing.T) {
			k := start(t, `{}`)
			for i := range 3 {
				k.EventsFrom(alpha, direct(alpha, charlie, fmt.Sprint(i), fmt.Sprint("hi ", i)))
				k.Advance(time.Second)
			}
			k.EventsFrom(alpha, direct(alpha, bravo, "b", "who is there")) // the core has delivered it
			between(k)
			same(t, "before he comes", nil, sent(k))
			k.Connect(charlie)
			same(t, "when he comes", []string{"hi 0 set=1 to=ANDROID-3", "hi 1 set=1 to=ANDROID-3", "hi 2 set=1 to=ANDROID-3"}, sent(k))
			k.Disconnect("ANDROID-3")
			k.Connect(charlie)
			same(t, "when he comes again", nil, sent(k))
		})
	}
}

func TestForwardedIsTheSameMessage(t *testing.T) {
	k := start(t, `{}`)
	k.EventsFrom(alpha, direct(alpha, charlie, "1", "hi"))
	k.Advance(48 * time.Hour)
	k.Connect(charlie)
	list := k.Emitted()
	if len(list) != 1 {
		t.Fatalf("%d sent, want 1", len(list))
	}
	e := list[0].Event
	if e.UID() != "GeoChat.ANDROID-1.ANDROID-3.m-1" || !strings.Contains(e.XML(), `time="2024-05-01T11:59:59Z">hi</remarks>`) || e.Stale() <= k.Now().UnixMicro() {
		t.Errorf("sent %s", e.XML())
	}
}

func TestForwardEnds(t *testing.T) {
	k := start(t, `{"forward": "1h", "waiting": 2}`)
	for i := range 3 {
		k.EventsFrom(alpha, direct(alpha, charlie, fmt.Sprint(i), fmt.Sprint(i)))
		k.Advance(time.Second)
	}
	k.Connect(charlie)
	same(t, "the last two", []string{"1 set=1 to=ANDROID-3", "2 set=1 to=ANDROID-3"}, sent(k))
	k.Disconnect("ANDROID-3")
	k.EventsFrom(alpha, direct(alpha, charlie, "9", "late"))
	k.Advance(61 * time.Minute)
	k.Connect(charlie)
	same(t, "too late", nil, sent(k))

	off := start(t, `{"forward": "0s"}`)
	off.EventsFrom(alpha, direct(alpha, charlie, "1", "hi"))
	off.Connect(charlie)
	same(t, "switched off", nil, sent(off))
}

func TestManyWait(t *testing.T) {
	k := start(t, `{}`)
	for i := range 250 {
		k.EventsFrom(alpha, direct(alpha, charlie, fmt.Sprint(i), fmt.Sprint(i)))
		k.Advance(time.Millisecond)
	}
	k.Connect(charlie)
	k.Advance(5 * time.Second)
	got := sent(k)
	if len(got) != 250 {
		t.Fatalf("%d sent, want 250", len(got))
	}
	for i, s := range got {
		if want := fmt.Sprintf("%d set=1 to=ANDROID-3", i); s != want {
			t.Fatalf("number %d is %q, want %q", i, s, want)
		}
	}
}

func TestOneWhoHasJustConnectedGetsItTwiceRatherThanNever(t *testing.T) {
	k := start(t, `{}`)
	c := charlie
	c.Connected = k.Now().UnixMicro()
	k.Connect(c)
	k.EventsFrom(alpha, direct(alpha, charlie, "1", "hi"))
	same(t, "sent", []string{"hi set=1 to=ANDROID-3"}, sent(k))
}

// What the core has delivered comes once, also to one who came a moment before.
func TestOneWhoCameBeforeTheMessageGetsItOnce(t *testing.T) {
	k := start(t, `{}`)
	k.Connect(charlie)
	k.Advance(time.Second)
	k.EventsFrom(alpha, direct(alpha, charlie, "1", "hi"))
	same(t, "sent again", nil, sent(k))
	k.Post("/api/v1/chat", `{"text": "hello", "uid": "ANDROID-3"}`)
	same(t, "sent by REST", []string{"hello set=1 to=ANDROID-3"}, sent(k))
	k.Disconnect("ANDROID-3")
	k.Connect(charlie)
	same(t, "when he comes again", nil, sent(k))
	k.Post("/api/v1/chat", `{"text": "again", "uid": "ANDROID-3"}`)
	same(t, "sent by REST at once", []string{"again set=1 to=ANDROID-3"}, sent(k))
}

// A read from a connection may bring many messages, received at one moment.
func TestMessagesOfOneMomentKeepTheirOrder(t *testing.T) {
	k := start(t, `{}`)
	var room, pair, want []string
	for i := range 20 {
		id, text := fmt.Sprint("z", 99-i), fmt.Sprint("number ", i)
		room, pair = append(room, toRoom(alpha, id, "All Chat Rooms", text)), append(pair, direct(alpha, charlie, id, text))
		want = append(want, "ALPHA: "+text)
	}
	k.EventsFrom(alpha, room...)
	id := conversations(k)[0].ID
	same(t, "history", want, texts(messages(k, id, "order=asc&limit=7")))
	k.EventsFrom(bravo, receiptOf("b-t-f-r", bravo, "z90"), receiptOf("b-t-f-r", bravo, "z95"))
	same(t, "history after receipts", want, texts(messages(k, id, "order=asc&limit=7")))
	k.EventsFrom(alpha, pair...)
	k.Connect(charlie)
	for i, s := range sent(k) {
		if want := fmt.Sprintf("number %d set=1 to=ANDROID-3", i); s != want {
			t.Fatalf("handed over: number %d is %q, want %q", i, s, want)
		}
	}
}

func TestNothingWaitsForTheServer(t *testing.T) {
	k := start(t, `{}`)
	k.EventsFrom(bravo, direct(bravo, sdk.Client{UID: serverUID, Callsign: "HQ"}, "1", "understood"))
	if ids := k.Documents("waiting"); len(ids) != 0 {
		t.Errorf("waiting: %v", ids)
	}
	same(t, "kept", []string{"BRAVO: understood"}, texts(messages(k, conversations(k)[0].ID, "")))
}

// group is what ATAK sends to a group of contacts: its members are in chatgrp.
func group(from sdk.Client, id, text string, to ...sdk.Client) string {
	xml := geochat(from, "m-"+id, "UserGroups", "Patrol", "group-1", to[0].UID, "group-1", text)
	for i, c := range to[1:] {
		xml = strings.Replace(xml, `" id="group-1"/></__chat>`, fmt.Sprintf(`" uid%d="%s" id="group-1"/></__chat>`, i+2, c.UID), 1)
	}
	return xml
}

func TestGroupMembersWhoAreAway(t *testing.T) {
	k := start(t, `{}`)
	delta := sdk.Client{UID: "ANDROID-4", Callsign: "DELTA"}
	k.EventsFrom(alpha, group(alpha, "1", "to the patrol", bravo, charlie, delta), toRoom(alpha, "2", "Cyan", "to a team"))
	k.Advance(time.Second)
	k.EventsFrom(bravo, group(bravo, "2", "yes", alpha, charlie, delta))
	same(t, "to those who are there", nil, sent(k))
	k.Connect(charlie)
	same(t, "to the first who comes", []string{"to the patrol set=1 to=ANDROID-3", "yes set=1 to=ANDROID-3"}, sent(k))
	k.Connect(delta)
	same(t, "to the second", []string{"to the patrol set=1 to=ANDROID-4", "yes set=1 to=ANDROID-4"}, sent(k))
	if ids := k.Documents("waiting"); len(ids) != 0 {
		t.Errorf("waiting: %v", ids)
	}
	same(t, "conversations", []string{"room Patrol", "room Cyan"}, kindsAndNames(k))
	for _, u := range k.Published() {
		if strings.Contains(string(u.Data), "patrol") {
			same(t, "live audience of a group", []string{"ANDROID-1", "ANDROID-2", "ANDROID-3", "ANDROID-4"}, u.Audience.UIDs)
		}
	}
}

func kindsAndNames(k *plugintest.Kit) (out []string) {
	for _, c := range conversations(k) {
		out = append(out, c.Kind+" "+c.Name)
	}
	return out
}

func TestForged(t *testing.T) {
	k := start(t, `{}`)
	k.EventsFrom(bravo, direct(alpha, charlie, "1", "I am ALPHA")) // says so
	m := messages(k, conversations(k)[0].ID, "")
	if len(m) != 1 || m[0].From != "ANDROID-2" {
		t.Errorf("kept as sent by %+v, want by ANDROID-2, whose connection it was", m)
	}
	k.EventsFrom(alpha, direct(alpha, charlie, "1", "other text")) // the uid is taken
	if m := messages(k, conversations(k)[0].ID, ""); len(m) != 1 || m[0].Text != "I am ALPHA" {
		t.Errorf("kept %+v", m)
	}
}

func TestOddMessages(t *testing.T) {
	k := start(t, `{}`)
	k.EventsFrom(alpha,
		`<event uid="a" type="b-t-f"/>`,
		`<event uid="b" type="b-t-f"><detail><__chat/></detail></event>`,
		`<event uid="c" type="b-t-f"><detail><__chat id="" chatroom=""><chatgrp/></__chat><remarks/></detail></event>`,
		`<event uid="d" type="b-t-f-r"/>`,
		toRoom(alpha, "long", "All Chat Rooms", strings.Repeat("ä", 100_000)),
		direct(alpha, charlie, "long2", strings.Repeat("x", 300_000)),
		toRoom(alpha, "quotes", "Rock &amp; Roll", "&lt;b&gt; &quot;ok&quot; \u2028"))
	for _, c := range conversations(k) {
		for _, m := range messages(k, c.ID, "") {
			if len(m.Text) > 64<<10 {
				t.Errorf("%s has %d bytes of text", m.UID, len(m.Text))
			}
		}
	}
	if n := len(k.Documents("messages")); n != 5 {
		t.Errorf("%d messages kept, want 5: %v", n, k.Documents("messages"))
	}
	if ids := k.Documents("waiting"); len(ids) != 0 {
		t.Errorf("waiting: %v", ids)
	}
}

func TestGroups(t *testing.T) {
	k := start(t, `{}`)
	red, blue := k.Set("Red"), k.Set("Blue")
	in := func(c sdk.Client, set int32) sdk.Client { c.InSet, c.OutSet = set, set; return c }
	k.Connect(in(alpha, red))
	k.Connect(in(bravo, blue))
	k.EventsFrom(in(alpha, red), toRoom(alpha, "1", "All Chat Rooms", "red"), direct(alpha, charlie, "3", "for charlie"))
	k.EventsFrom(in(bravo, blue), toRoom(bravo, "2", "All Chat Rooms", "blue"))
	for set, want := range map[int32]int{red: 1, blue: 1} {
		var page struct{ Conversations []listed }
		k.JSON(k.Do(plugintest.Request{Path: "/api/v1/chat", Caller: &sdk.Caller{User: "u", InSet: set, OutSet: set}}), &page)
		if len(page.Conversations) != want {
			t.Errorf("set %d sees %+v, want %d", set, page.Conversations, want)
		}
		for _, c := range page.Conversations {
			if a := k.Do(plugintest.Request{Path: "/api/v1/chat/" + c.ID, Caller: &sdk.Caller{User: "u", InSet: red + blue - set, OutSet: red + blue - set}}); a.Status != 404 {
				t.Errorf("others read %s: %d", c.Name, a.Status)
			}
		}
	}
	k.Connect(charlie)
	same(t, "forwarded within its groups", []string{fmt.Sprintf("for charlie set=%d to=ANDROID-3", red)}, sent(k))
}

func TestRetention(t *testing.T) {
	k := start(t, `{"keep": "2h", "per_conversation": 5}`)
	for i := range 8 {
		k.EventsFrom(alpha, toRoom(alpha, fmt.Sprint(i), "All Chat Rooms", fmt.Sprint(i)))
		k.Advance(time.Second)
	}
	id := conversations(k)[0].ID
	k.Advance(time.Hour)
	same(t, "the last five", []string{"ALPHA: 3", "ALPHA: 4", "ALPHA: 5", "ALPHA: 6", "ALPHA: 7"}, texts(messages(k, id, "order=asc")))
	k.Advance(3 * time.Hour)
	if n := len(k.Documents("messages")) + len(k.Documents("conversations")); n != 0 {
		t.Errorf("%d documents left of old messages", n)
	}
}

func TestRetentionOfMany(t *testing.T) {
	k := start(t, `{"keep": "30m"}`)
	for i := range 700 {
		k.EventsFrom(alpha, toRoom(alpha, fmt.Sprint(i), "All Chat Rooms", fmt.Sprint(i)))
	}
	k.Advance(time.Hour)
	k.Advance(time.Minute)
	if n := len(k.Documents("messages")); n != 0 {
		t.Errorf("%d messages left", n)
	}
}
