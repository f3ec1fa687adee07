package tests

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/takhost/takhost/core/plugin"
	"github.com/takhost/takhost/tests/takclient"
	"github.com/takhost/takhost/tests/taktest"
)

// conversation is an entry of /api/v1/chat.
type conversation struct {
	ID, Kind, Room, Name, From, Text string
	Members                          []string
}

// chatMessage is an entry of /api/v1/chat/{conversation}, and what is told live.
type chatMessage struct {
	UID, ID, Conversation, Kind, Room, From, Callsign, Text string
	Receipts                                                []struct{ UID, Callsign, Kind string }
}

// said is what of it a reader sees first.
func (m *chatMessage) said() string {
	text := m.Callsign + ": " + m.Text
	for _, r := range m.Receipts {
		text += " [" + r.Kind + " " + r.Callsign + "]"
	}
	return text
}

func (r *rest) conversations() []conversation {
	r.t.Helper()
	var page struct{ Conversations []conversation }
	r.get("/api/v1/chat").is(200).into(&page)
	return page.Conversations
}

// room gives the id of a conversation, of a pair by what its members are.
func (r *rest) room(members ...string) string {
	r.t.Helper()
	for _, c := range r.conversations() {
		if len(members) == 1 && c.Room == members[0] {
			return c.ID
		}
		if len(members) == 2 && len(c.Members) == 2 && slices.Contains(c.Members, members[0]) && slices.Contains(c.Members, members[1]) {
			return c.ID
		}
	}
	return ""
}

// history gives a conversation, oldest first, by pages of that many messages.
func (r *rest) history(id string, page int) (list []chatMessage) {
	r.t.Helper()
	for after := ""; ; {
		var got struct {
			Messages []chatMessage
			Next     string
		}
		r.get(fmt.Sprintf("/api/v1/chat/%s?order=asc&limit=%d&after=%s", id, page, url.QueryEscape(after))).is(200).into(&got)
		list = append(list, got.Messages...)
		if after = got.Next; after == "" {
			return list
		}
	}
}

// historyOf waits until a conversation has n messages, and gives what they say.
func (r *rest) historyOf(n int, members ...string) (said []string) {
	r.t.Helper()
	var list []chatMessage
	eventually(r.t, fmt.Sprintf("%d messages of %v", n, members), func() bool {
		if id := r.room(members...); id != "" {
			list = r.history(id, 7)
		}
		return len(list) >= n
	})
	for i := range list {
		said = append(said, list[i].said())
	}
	return said
}

// messages reads live updates of the stream chat.
func messages(t *testing.T, list []update) (said []string) {
	t.Helper()
	for _, u := range list {
		var m chatMessage
		if err := json.Unmarshal(u.Data, &m); err != nil {
			t.Fatalf("live update: %v in %s", err, u.Data)
		}
		said = append(said, u.Type+" "+m.said())
	}
	return said
}

// receiptOf is what ATAK sends when its user has got or read a message; its uid is
// the message's id.
func receiptOf(c *takclient.Client, typ string, to *takclient.Client, message takclient.Event) takclient.Event {
	id := message.UID[strings.LastIndexByte(message.UID, '.')+1:]
	return takclient.Event{
		UID: id, Type: typ, How: "h-g-i-g-o", Stale: 24 * time.Hour,
		Detail: fmt.Sprintf(`<__chatreceipt parent="RootContactGroup" groupOwner="false" messageId="%s" chatroom="%s" id="%s" senderCallsign="%s"/><link uid="%s" type="a-f-G-U-C" relation="p-p"/>`,
			id, to.Callsign(), to.UID(), c.Callsign(), c.UID()) + takclient.Marti(takclient.Dest{Kind: "callsign", Value: to.Callsign()}),
	}
}

func same(t *testing.T, what string, want, got any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// trio gives clients with callsigns that sort and read well, who see one another.
func trio(t *testing.T, srv clients) (a, b, c *takclient.Client) {
	t.Helper()
	a = srv.Client(t, takclient.WithCallsign("ALPHA"))
	b = srv.Client(t, takclient.WithCallsign("BRAVO"), takclient.WithProto())
	c = srv.Client(t, takclient.WithCallsign("CHARLIE"))
	present(t, a, b, c)
	return a, b, c
}

func TestChatIsKeptAndTold(t *testing.T) {
	srv, api := startFeatures(t, "")
	chatHistory(t, srv, api)
}

// chatHistory has three clients talk in rooms and pairs, and looks at it live and
// afterwards.
func chatHistory(t *testing.T, srv clients, api *rest) {
	t.Helper()
	a, b, c := trio(t, srv)
	watchers := []*updates{api.sse("/api/v1/live?stream=chat"), api.socket("/api/v1/live?stream=chat")}

	toAll := a.GeoChat("to all: <ready> & able 東京")
	takclient.Must(t, a.Send(toAll.XML()))
	b.ExpectUID(t, toAll.UID)
	takclient.Must(t, b.Chat("yes"))
	c.Expect(t, takclient.Contains(">yes<"))
	toB := a.GeoChat("only you", b.Peer())
	takclient.Must(t, a.Send(toB.XML()))
	b.ExpectUID(t, toB.UID)
	for _, typ := range []string{"b-t-f-d", "b-t-f-r", "b-t-f-r"} { // one is sent again
		takclient.Must(t, b.Send(receiptOf(b, typ, a, toB).XML()))
		a.ExpectType(t, typ)
	}
	takclient.Must(t, b.Chat("me too", a.Peer()))
	a.Expect(t, takclient.Contains("me too"))
	team := c.GeoChat("blue only")
	team.Detail = strings.NewReplacer("All Chat Rooms", "Blue", "RootContactGroup", "TeamGroups").Replace(team.Detail)
	takclient.Must(t, c.Send(team.XML()))
	b.ExpectUID(t, team.UID)

	same(t, "All Chat Rooms", []string{"ALPHA: to all: <ready> & able 東京", "BRAVO: yes"}, api.historyOf(2, "All Chat Rooms"))
	same(t, "the pair", []string{"ALPHA: only you [delivered BRAVO] [read BRAVO]", "BRAVO: me too"}, api.historyOf(2, a.UID(), b.UID()))
	same(t, "the team", []string{"CHARLIE: blue only"}, api.historyOf(1, "Blue"))
	var names []string
	for _, c := range api.conversations() {
		names = append(names, c.Kind+" "+c.Name+": "+c.Text)
	}
	same(t, "conversations, the latest first", []string{"room Blue: blue only", "pair ALPHA: me too", "room All Chat Rooms: yes"}, names)
	for _, w := range watchers {
		same(t, "live", []string{
			"message ALPHA: to all: <ready> & able 東京", "message BRAVO: yes", "message ALPHA: only you",
			"receipt ALPHA: only you [delivered BRAVO]", "receipt ALPHA: only you [delivered BRAVO] [read BRAVO]",
			"message BRAVO: me too", "message CHARLIE: blue only",
		}, messages(t, w.expect(t, 7)))
	}
	api.nobody().get("/api/v1/chat").is(401)
	api.get("/api/v1/chat/none").is(404)
}

// Many messages that come in one piece have their order everywhere.
func TestChatKeepsItsOrder(t *testing.T) {
	srv, api := startFeatures(t, "")
	a, b, _ := trio(t, srv)
	sse, socket := api.sse("/api/v1/live?stream=chat"), api.socket("/api/v1/live?stream=chat")
	events, sockets := api.sse("/api/v1/events/live?type=b-t-f"), api.socket("/api/v1/events/live?type=b-t-f")
	const n = 300
	var want, uids, xmls []string
	for i := range n {
		m := a.GeoChat(fmt.Sprint("number ", i))
		want, uids, xmls = append(want, fmt.Sprint("ALPHA: number ", i)), append(uids, m.UID), append(xmls, m.XML())
	}
	takclient.Must(t, a.SendAll(xmls...))
	b.ExpectUID(t, uids[n-1])
	same(t, "history", want, api.historyOf(n, "All Chat Rooms"))
	for _, w := range []*updates{sse, socket} {
		got := messages(t, w.expect(t, n))
		for i := range got {
			got[i] = strings.TrimPrefix(got[i], "message ")
		}
		same(t, "live updates", want, got)
	}
	for _, w := range []*updates{events, sockets} {
		var got []string
		for _, u := range w.expect(t, n) {
			var e struct{ UID string }
			if err := json.Unmarshal(u.Data, &e); err != nil {
				t.Fatal(err)
			}
			got = append(got, e.UID)
		}
		same(t, "live events", uids, got)
	}
}

func TestChatWaitsForWhoIsAway(t *testing.T) {
	srv, api := startFeatures(t, "")
	chatForward(t, srv, api)
}

// chatForward sends to one who is away, across a restart. Then he is back before
// the plugin is.
func chatForward(t *testing.T, srv *taktest.Server, api *rest) {
	t.Helper()
	a, b, _ := trio(t, srv)
	uid, peer := b.UID(), b.Peer()
	b.Close()
	a.Expect(t, takclient.Type("t-x-d-d").Both(takclient.Contains(uid)))
	var want []string
	var uids, xmls []string
	for i := range 5 {
		m := a.GeoChat(fmt.Sprint("while you were away ", i), peer)
		uids, xmls, want = append(uids, m.UID), append(xmls, m.XML()), append(want, fmt.Sprint("while you were away ", i))
	}
	takclient.Must(t, a.SendAll(xmls...))
	for _, uid := range uids {
		a.Expect(t, takclient.UID(uid).Both(takclient.Type("b-t-f-s")))
	}
	var posted struct{ UID string }
	api.historyOf(5, a.UID(), uid)
	api.post("/api/v1/chat", `{"text": "from the server", "sender": "HQ", "uid": "`+uid+`"}`).is(201).into(&posted)
	want = append(want, "from the server")
	srv.Restart(t)

	b = srv.Client(t, takclient.WithUID(uid), takclient.WithCallsign("BRAVO"), takclient.WithProto())
	takclient.Must(t, b.SA(1, 1))
	b.ExpectUID(t, posted.UID)
	var got []string
	for _, r := range b.All() {
		if r.Header.Type == "b-t-f" {
			got = append(got, remarksOf(t, r))
		}
	}
	same(t, "handed over", want, got)
	srv.Reaches(t, "chat", plugin.Active)

	// Once, and whoever sent them sees what becomes of them.
	a = srv.Client(t, takclient.WithUID(a.UID()), takclient.WithCallsign("ALPHA"))
	present(t, a, b)
	read := takclient.Event{UID: uids[0][strings.LastIndexByte(uids[0], '.')+1:], Type: "b-t-f-r", Detail: `<__chatreceipt senderCallsign="BRAVO"/>` +
		takclient.Marti(takclient.Dest{Kind: "callsign", Value: "ALPHA"})}
	takclient.Must(t, b.Send(read.XML()))
	a.ExpectType(t, "b-t-f-r")
	eventually(t, "the receipt is kept", func() bool {
		return api.historyOf(5, a.UID(), uid)[0] == "ALPHA: while you were away 0 [read BRAVO]"
	})
	b.Close()
	a.Expect(t, takclient.Type("t-x-d-d").Both(takclient.Contains(uid)))
	api.post("/api/v1/chat", `{"text": "later", "uid": "`+uid+`"}`).is(201)
	b = srv.Client(t, takclient.WithUID(uid), takclient.WithCallsign("BRAVO"))
	takclient.Must(t, b.SA(1, 1))
	b.Expect(t, takclient.Contains(">later<"))
	b.Quiet(t, a, takclient.Where("no chat", func(r *takclient.Received) bool { return r.Header.Type != "b-t-f" }))
}

// remarksOf gives the text of a message.
func remarksOf(t *testing.T, r *takclient.Received) string {
	t.Helper()
	_, rest, ok := strings.Cut(r.XML, "<remarks")
	_, rest, ok2 := strings.Cut(rest, ">")
	text, _, ok3 := strings.Cut(rest, "</remarks>")
	if !ok || !ok2 || !ok3 {
		t.Fatalf("no remarks in %s", r.XML)
	}
	return text
}

// Devices come back as soon as the server does, before its plugins are there.
func TestChatWaitsForWhoIsBackBeforeThePlugin(t *testing.T) {
	srv, api := startFeatures(t, "")
	a, b, _ := trio(t, srv)
	b.Close()
	a.Expect(t, takclient.Type("t-x-d-d").Both(takclient.Contains(b.UID())))
	takclient.Must(t, a.Chat("for later", b.Peer()))
	api.historyOf(1, a.UID(), b.UID())
	// A plugin that is off is one that is not there yet.
	srv.Must(t, "POST", "/api/v1/plugins/chat/disable", nil)
	again := srv.Client(t, takclient.WithUID(b.UID()), takclient.WithCallsign("BRAVO"))
	takclient.Must(t, again.SA(1, 1))
	again.Sync(t)
	srv.Must(t, "POST", "/api/v1/plugins/chat/enable", nil)
	again.Expect(t, takclient.Contains("for later"))
}

func TestChatByREST(t *testing.T) {
	srv, api := startFeatures(t, "")
	a, b, c := trio(t, srv)
	for _, p := range []struct {
		name, path, body string
		status           int
		want             string // in the answer
		callsign, text   string // that clients see
		to               []*takclient.Client
	}{
		{"to all", "/api/v1/chat", `{"text": "storm <soon>", "sender": "HQ"}`, 201, `"kind":"room"`, "HQ", "storm <soon>", []*takclient.Client{a, b, c}},
		{"in one's own name", "/api/v1/chat", `{"text": "it is me"}`, 201, `"from":"takhost"`, "Administrator", "it is me", []*takclient.Client{a, b, c}},
		{"to a callsign", "/api/v1/chat", `{"text": "one", "sender": "HQ", "callsign": "BRAVO"}`, 201, `"kind":"pair"`, "HQ", "one", []*takclient.Client{b}},
		{"to a uid", "/api/v1/chat", `{"text": "two", "sender": "HQ", "uid": "` + c.UID() + `"}`, 201, `"room":"` + c.UID() + `"`, "HQ", "two", []*takclient.Client{c}},
		{"FreeTAKServer's to all", "/ManageChat/postChatToAll", `{"message": "hello", "sender": "UI"}`, 200, `{"message":"success"}`, "UI", "hello", []*takclient.Client{a, b, c}},
		{"a tree", "/SendGeoChat", `{"detail": {"remarks": {"INTAG": "tree"}, "_chat": {"senderCallsign": "T"}, "marti": {"dest": {"callsign": "ALPHA"}}}}`, 200, `{"message":"geochat sent"}`, "T", "tree", []*takclient.Client{a}},
	} {
		t.Run(p.name, func(t *testing.T) {
			answer := api.in(t).post(p.path, p.body).is(p.status)
			if !strings.Contains(answer.body, p.want) {
				t.Errorf("answer: got %s, want %s in it", answer.body, p.want)
			}
			isIt := takclient.Type("b-t-f").Both(takclient.Contains(">" + takclient.Escape(p.text) + "</remarks>")).Both(takclient.Contains(`senderCallsign="` + p.callsign + `"`))
			for _, r := range p.to {
				r.Expect(t, isIt)
			}
			takclient.Fence(t, srv.Client(t), a, b, c)
			for _, r := range []*takclient.Client{a, b, c} {
				want := 0
				if slices.Contains(p.to, r) {
					want = 1
				}
				if n := r.Count(isIt); n != want {
					t.Errorf("%s got it %d times, want %d", r.Callsign(), n, want)
				}
			}
		})
	}
	for _, f := range []struct {
		path, body string
		status     int
		want       string
	}{
		{"/api/v1/chat", `{"text": ""}`, 400, "text"},
		{"/api/v1/chat", `{"sender": 7}`, 400, "sender"},
		{"/api/v1/chat", `{"text": "x", "callsign": "NOBODY"}`, 404, "NOBODY"},
		{"/ManageChat/postChatToAll", `{"message": 7}`, 400, "message"},
		{"/SendGeoChat", `{}`, 400, "INTAG"},
	} {
		if a := api.post(f.path, f.body).is(f.status); !strings.Contains(a.body, f.want) {
			t.Errorf("%s %s: got %s, want %q in it", f.path, f.body, a.body, f.want)
		}
	}

	// What clients answer to the server can be read, and waits for nobody.
	takclient.Must(t, b.Chat("understood", takclient.Peer{UID: "takhost", Callsign: "HQ"}))
	same(t, "the pair", []string{"HQ: one", "BRAVO: understood"}, api.historyOf(2, "takhost", b.UID()))
	same(t, "All Chat Rooms", []string{"HQ: storm <soon>", "Administrator: it is me", "UI: hello"}, api.historyOf(3, "All Chat Rooms"))
}

func TestFeaturesOnPostgres(t *testing.T) {
	srv, api := startFeatures(t, noRepeat, taktest.WithPostgres())
	t.Run("emergencies", func(t *testing.T) { emergencyREST(t, srv, api.in(t)) })
	t.Run("chat", func(t *testing.T) { chatHistory(t, srv, api.in(t)) })
	t.Run("store and forward", func(t *testing.T) { chatForward(t, srv, api.in(t)) })
}
