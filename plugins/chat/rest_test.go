package main

import (
	"strings"
	"testing"

	"github.com/takhost/takhost/sdk/plugintest"
)

func TestPostToAll(t *testing.T) {
	k := start(t, `{}`)
	a := k.Post("/ManageChat/postChatToAll", `{"message": "storm <soon>", "sender": "HQ", "other": 1}`)
	if a.Status != 200 || a.Body != `{"message":"success"}` {
		t.Errorf("answer: %d %s", a.Status, a.Body)
	}
	list := k.Emitted()
	if len(list) != 1 || list[0].Audience.Set == 0 || list[0].Event.Type() != "b-t-f" {
		t.Fatalf("sent %v", list)
	}
	xml := list[0].Event.XML()
	id, _ := list[0].Event.Detail().Root().Child("__chat").Attr("messageId")
	for _, want := range []string{
		`uid="GeoChat.takhost.All Chat Rooms.` + id + `"`, `chatroom="All Chat Rooms" id="All Chat Rooms" senderCallsign="HQ"`,
		`<chatgrp uid0="takhost" uid1="All Chat Rooms" id="All Chat Rooms"/>`, `>storm &lt;soon&gt;</remarks>`, `parent="RootContactGroup"`,
	} {
		if !strings.Contains(xml, want) {
			t.Errorf("sent %s\nwithout %s", xml, want)
		}
	}
	same(t, "kept", []string{"HQ: storm <soon>"}, texts(messages(k, conversations(k)[0].ID, "")))
}

func TestSendGeoChat(t *testing.T) {
	k := start(t, `{}`)
	a := k.Post("/SendGeoChat", `{"detail": {"remarks": {"INTAG": "hi"}, "_chat": {"senderCallsign": "HQ"}, "marti": {"dest": {"callsign": "BRAVO"}}}}`)
	if a.Status != 200 || a.Body != `{"message":"geochat sent"}` {
		t.Errorf("answer: %d %s", a.Status, a.Body)
	}
	same(t, "sent", []string{"hi set=1 to=ANDROID-2"}, sent(k))
	k.Post("/SendGeoChat", `{"detail": {"remarks": {"INTAG": "all"}}}`)
	same(t, "without a destination", []string{"all set=1 to="}, sent(k))
	for body, status := range map[string]int{`{}`: 400, `{"detail": {"remarks": "hi"}}`: 400,
		`{"detail": {"remarks": {"INTAG": "hi"}, "marti": {"dest": {"callsign": "NOBODY"}}}}`: 404} {
		if a := k.Post("/SendGeoChat", body); a.Status != status {
			t.Errorf("%s: %d %s, want %d", body, a.Status, a.Body, status)
		}
	}
}

func TestAPI(t *testing.T) {
	k := start(t, `{}`)
	for body, want := range map[string]struct {
		status int
		sent   []string
	}{
		`{"text": "all"}`:                          {201, []string{"all set=1 to="}},
		`{"text": "one", "callsign": "BRAVO"}`:     {201, []string{"one set=1 to=ANDROID-2"}},
		`{"text": "uid", "uid": "ANDROID-2"}`:      {201, []string{"uid set=1 to=ANDROID-2"}},
		`{"text": "away", "uid": "ANDROID-3"}`:     {201, []string{"away set=1 to=ANDROID-3"}}, // reaches nobody; waits
		`{"text": "nobody", "callsign": "NOBODY"}`: {404, nil},
		`{"text": ""}`:                             {400, nil},
	} {
		if a := k.Post("/api/v1/chat", body); a.Status != want.status {
			t.Errorf("%s: %d %s, want %d", body, a.Status, a.Body, want.status)
		}
		same(t, body, want.sent, sent(k))
	}
	k.Connect(charlie)
	same(t, "when the one who was away comes", []string{"away set=1 to=ANDROID-3"}, sent(k))
}

func TestWithoutAGrant(t *testing.T) {
	k := plugintest.Start(t, "plugin.json", plugintest.Without("events.emit"))
	if a := k.Post("/ManageChat/postChatToAll", `{"message": "x", "sender": "HQ"}`); a.Status != 403 {
		t.Errorf("without the right to emit: %d %s, want 403", a.Status, a.Body)
	}
	if ids := k.Documents("messages"); len(ids) != 0 {
		t.Errorf("kept %v", ids)
	}
}
