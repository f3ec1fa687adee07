package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/takhost/takhost/sdk"
	"github.com/takhost/takhost/sdk/plugintest"
)

// of makes a client one of a user's.
func of(user string, c sdk.Client) sdk.Client { c.User = user; return c }

// reads gives the texts that a user reads by REST, in all conversations that are
// listed for him. A conversation that is not, he cannot open either.
func reads(t *testing.T, k *plugintest.Kit, user string, roles ...string) (out []string) {
	t.Helper()
	caller := plugintest.Admin()
	caller.User, caller.Roles = user, roles
	get := func(path string, v any) int {
		a := k.Do(plugintest.Request{Path: path, Caller: caller})
		if a.Status == 200 {
			k.JSON(a, v)
		}
		return a.Status
	}
	listed := map[string]bool{}
	for after, first := "", true; first || after != ""; first = false {
		var page struct {
			Conversations []struct{ ID string }
			Next          string
		}
		get("/api/v1/chat?limit=2&after="+after, &page)
		for _, c := range page.Conversations {
			listed[c.ID] = true
		}
		after = page.Next
	}
	for _, c := range conversations(k) { // all, as the administrator sees them
		var page struct{ Messages []msg }
		if status := get("/api/v1/chat/"+c.ID+"?order=asc", &page); (status == 200) != listed[c.ID] {
			t.Errorf("%s opens %s: %d, though listed is %v", user, c.Name, status, listed[c.ID])
		}
		for _, m := range page.Messages {
			out = append(out, m.Text)
		}
	}
	return out
}

func TestPrivate(t *testing.T) {
	anna, ben, cleo, dan := of("anna", alpha), of("ben", bravo), of("cleo", charlie), of("dan", sdk.Client{UID: "ANDROID-4", Callsign: "DELTA"})
	tests := []struct {
		name string
		do   func(k *plugintest.Kit)
		read map[string][]string
	}{
		{"a room is for all", func(k *plugintest.Kit) { k.EventsFrom(anna, toRoom(anna, "1", allRooms, "all")) },
			map[string][]string{"anna": {"all"}, "ben": {"all"}, "cleo": {"all"}, "": {"all"}}},
		{"a pair's is for the two", func(k *plugintest.Kit) {
			k.EventsFrom(anna, direct(anna, ben, "1", "for ben"))
			k.Advance(time.Second)
			k.EventsFrom(ben, direct(ben, anna, "2", "for anna"))
		}, map[string][]string{"anna": {"for ben", "for anna"}, "ben": {"for ben", "for anna"}, "cleo": nil, "": nil}},
		{"who is away reads it when it has reached him", func(k *plugintest.Kit) {
			k.EventsFrom(anna, direct(anna, cleo, "1", "for cleo"))
		}, map[string][]string{"anna": {"for cleo"}, "cleo": nil, "dan": nil}},
		{"and then he does", func(k *plugintest.Kit) {
			k.EventsFrom(anna, direct(anna, cleo, "1", "for cleo"), direct(anna, cleo, "2", "more"))
			k.Connect(cleo)
		}, map[string][]string{"anna": {"for cleo", "more"}, "cleo": {"for cleo", "more"}, "dan": nil}},
		{"a uid that somebody else takes later opens nothing", func(k *plugintest.Kit) {
			k.EventsFrom(anna, direct(anna, ben, "1", "for ben"))
			k.Disconnect(ben.UID)
			k.Connect(of("dan", bravo))
			k.EventsFrom(of("dan", bravo), direct(bravo, anna, "2", "from dan"))
		}, map[string][]string{"anna": {"for ben", "from dan"}, "ben": {"for ben"}, "dan": {"from dan"}}},
		{"a group's is for its members", func(k *plugintest.Kit) {
			k.Connect(cleo)
			k.EventsFrom(anna, group(anna, "1", "patrol", ben, cleo))
		}, map[string][]string{"anna": {"patrol"}, "ben": {"patrol"}, "cleo": {"patrol"}, "dan": nil}},
		{"a client without a login opens nothing to those who have none", func(k *plugintest.Kit) {
			k.Connect(dan)
			k.EventsFrom(of("", charlie), direct(charlie, dan, "1", "for dan"))
		}, map[string][]string{"dan": {"for dan"}, "": nil}},
		{"by REST", func(k *plugintest.Kit) {
			as := plugintest.Admin()
			as.User, as.Roles = "dan", []string{"user"}
			k.Do(plugintest.Request{Method: "POST", Path: "/api/v1/chat", Body: `{"text": "status?", "uid": "ANDROID-2"}`, Caller: as})
			k.Advance(time.Second)
			k.EventsFrom(ben, direct(ben, sdk.Client{UID: serverUID, Callsign: "HQ"}, "1", "fine"))
		}, map[string][]string{"dan": {"status?", "fine"}, "ben": {"status?", "fine"}, "anna": nil}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k := plugintest.Start(t, "plugin.json")
			k.Connect(anna, ben)
			k.Advance(time.Minute)
			tt.do(k)
			all := reads(t, k, "root", "admin")
			same(t, "an operator", all, reads(t, k, "op", "operator"))
			for user, want := range tt.read {
				same(t, "what "+user+" reads", want, reads(t, k, user, "user"))
			}
			if len(all) < len(tt.read["anna"]) {
				t.Errorf("the administrator reads %v", all)
			}
		})
	}
}

// What a caller may not read is passed over, without an end of the pages before the end.
func TestPrivatePages(t *testing.T) {
	k := plugintest.Start(t, "plugin.json")
	k.Connect(of("anna", alpha), of("x", bravo))
	for i := range 60 {
		other := of("o", sdk.Client{UID: fmt.Sprint("OTHER-", i), Callsign: "O"})
		k.EventsFrom(of("x", bravo), direct(bravo, other, fmt.Sprint(i), "not for anna"))
		if i%20 == 0 {
			k.EventsFrom(of("anna", alpha), direct(alpha, other, fmt.Sprint("a", i), fmt.Sprint("anna ", i)))
		}
		k.Advance(time.Second)
	}
	got := reads(t, k, "anna", "user")
	same(t, "what anna reads", []string{"anna 40", "anna 20", "anna 0"}, got)
}

func TestReceiptsOfOthers(t *testing.T) {
	ben := of("ben", bravo)
	tests := []struct {
		name string
		by   sdk.Client // whose connection it is
		says sdk.Client // whom it names
		want string
	}{
		{"the addressee", ben, ben, "ANDROID-2"},
		{"another client", of("cleo", charlie), charlie, ""},
		{"another client in his name", of("cleo", charlie), bravo, ""},
		{"another user under his uid", of("cleo", bravo), bravo, ""},
		{"a machine in his name", of("feed", sdk.Client{}), bravo, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k := plugintest.Start(t, "plugin.json")
			k.Connect(of("anna", alpha), ben)
			k.Advance(time.Minute)
			k.EventsFrom(of("anna", alpha), direct(alpha, bravo, "1", "hi"))
			if tt.by.UID != "" {
				k.Connect(tt.by)
			}
			k.EventsFrom(tt.by, receiptOf("b-t-f-r", tt.says, "1"))
			var by []string
			for _, r := range messages(k, conversations(k)[0].ID, "")[0].Receipts {
				by = append(by, r.UID)
			}
			if got := strings.Join(by, " "); got != tt.want {
				t.Errorf("read by %q, want %q", got, tt.want)
			}
		})
	}
}

// A crowd that comes together gets what waits for each of them; who has gone again
// gets it another time.
func TestCrowd(t *testing.T) {
	k := start(t, `{}`)
	var crowd []sdk.Client
	for i := range 200 {
		c := sdk.Client{UID: fmt.Sprint("CROWD-", i), Callsign: fmt.Sprint("C", i)}
		crowd = append(crowd, c)
		if i%2 == 0 {
			k.EventsFrom(alpha, direct(alpha, c, fmt.Sprint("x", i), c.UID))
		}
	}
	k.Connect(crowd...)
	k.Advance(5 * time.Second)
	got := map[string]int{}
	for _, s := range sent(k) {
		got[s]++
	}
	want := map[string]int{}
	for i := 0; i < 200; i += 2 {
		want[fmt.Sprintf("CROWD-%d set=1 to=CROWD-%d", i, i)] = 1
	}
	same(t, "handed over", want, got)
}
