package main

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/takhost/takhost/sdk"
	"github.com/takhost/takhost/sdk/plugintest"
)

// shownOffer is an offer as /api/v1/files/{id}/offers shows it.
type shownOffer struct {
	Event, By, Name                  string
	Callsigns, UIDs, Groups, Waiting []string
	Received                         []struct {
		UID, Callsign, User, Reason, At string
		Success                         bool
	}
	More int
}

func (b *bed) offersShown(as *sdk.Caller, id string) []shownOffer {
	b.t.Helper()
	var got struct{ Offers []shownOffer }
	b.JSON(b.get(as, 200, "/api/v1/files/"+id+"/offers"), &got)
	return got.Offers
}

// send offers a file and gives the answer.
func (b *bed) send(as *sdk.Caller, status int, id, body string) (sent struct {
	Event            string
	Missing, Waiting []string
}) {
	b.t.Helper()
	a := b.ask(as, status, "POST", "/api/v1/files/"+id+"/send", "application/json", body)
	if status == 200 {
		b.JSON(a, &sent)
	}
	return sent
}

// ack is what ATAK answers when it has a file, or could not get it: its own uid as that
// of the event in newer versions.
func ack(uid, offer, callsign string, ok bool, reason string) string {
	return `<event version="2.0" uid="` + uid + `" type="b-f-t-a" how="m-g" time="2024-05-01T12:00:00Z" start="2024-05-01T12:00:00Z" stale="2024-05-01T12:00:10Z">` +
		`<point lat="1" lon="2" hae="3" ce="4" le="5"/><detail><contact callsign="` + callsign + `"/><ackresponse uid="` + offer + `" senderUid="CLAIMED" success="` +
		strconv.FormatBool(ok) + `" tag="t" reason="` + reason + `" sha256="" sizeInBytes="1"/></detail></event>`
}

func TestReceipts(t *testing.T) {
	b := start(t)
	f := b.raw(b.anna, "name=f.txt", "text/plain", "content")
	alpha := sdk.Client{UID: "A", Callsign: "ALPHA", User: "bert", Listener: "tls", InSet: b.bert.InSet}
	bravo := sdk.Client{UID: "B", Callsign: "BRAVO", User: "carl", Listener: "tls", InSet: b.carl.InSet}
	b.Connect(alpha, bravo)
	one := b.send(b.anna, 200, f.PrimaryKey, `{"callsigns": ["ALPHA"]}`)
	b.Advance(time.Second)
	two := b.send(b.carl, 200, f.PrimaryKey, `{"all": true}`)
	b.Published()

	if n := b.EventsFrom(alpha, ack("A", one.Event, "ALPHA", false, "no&#10;room"), ack(one.Event, one.Event, "ALPHA", true, "")); n != 2 {
		t.Fatalf("the plugin got %d events, want 2", n)
	}
	b.EventsFrom(alpha, ack("A", two.Event, "ALPHA", true, ""), ack("A", one.Event, "ALPHA", false, "late"))
	b.EventsFrom(bravo, ack("B", two.Event, "BRAVO", false, "no\troom"), ack("B", "of another client", "BRAVO", true, ""), ack("B", strings.Repeat("x", 10_000), "BRAVO", true, ""))
	b.EventsFrom(sdk.Client{}, ack("C", two.Event, "C", true, ""), `<event version="2.0" uid="x" type="b-f-t-a" how="m-g" time="2024-05-01T12:00:00Z" start="2024-05-01T12:00:00Z" stale="2024-05-01T12:00:10Z"><point lat="1" lon="2" hae="3" ce="4" le="5"/></event>`)

	got := b.offersShown(b.anna, f.PrimaryKey)
	if len(got) != 2 || got[0].Event != two.Event || got[1].Event != one.Event || got[0].By != "carl" || got[0].Name != "CARL" || !cmp.Equal(got[1].Callsigns, []string{"ALPHA"}) {
		t.Fatalf("offers: got %+v", got)
	}
	said := func(o shownOffer) (list []string) {
		for _, r := range o.Received {
			list = append(list, r.UID+" "+r.Callsign+" "+r.User+" "+strconv.FormatBool(r.Success)+" "+r.Reason)
		}
		return list
	}
	if diff := cmp.Diff([]string{"A ALPHA bert true "}, said(got[1])); diff != "" {
		t.Errorf("receipts of the first (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"A ALPHA bert true ", "B BRAVO carl false no room", "CLAIMED C  true "}, said(got[0])); diff != "" {
		t.Errorf("receipts of the second (-want +got):\n%s", diff)
	}
	if own := b.offersShown(b.carl, f.PrimaryKey); len(own) != 1 || own[0].Event != two.Event {
		t.Errorf("carl sees %+v, want his own offer", own)
	}
	if none := b.offersShown(b.bert, f.PrimaryKey); len(none) != 0 {
		t.Errorf("bert sees %+v", none)
	}
	if all := b.offersShown(b.otto, f.PrimaryKey); len(all) != 2 {
		t.Errorf("an operator sees %d offers, want 2", len(all))
	}
	b.get(b.nobody, 404, "/api/v1/files/"+f.PrimaryKey+"/offers")

	live := b.Published()
	if len(live) != 5 || live[0].Stream != "files" || live[0].Event != "received" || !cmp.Equal(live[0].Audience.Groups, []string{"Blue", "Red"}) ||
		!strings.Contains(string(live[1].Data), `"uid":"A","callsign":"ALPHA","success":true`) || strings.Contains(string(live[1].Data), one.Event) {
		t.Errorf("live updates: got %d, %+v", len(live), live)
	}

	b.ask(b.anna, 200, "DELETE", "/api/v1/files/"+f.PrimaryKey, "", "")
	if left := b.Documents("offers"); len(left) != 0 {
		t.Errorf("after the file is gone there are offers %v", left)
	}
	b.EventsFrom(alpha, ack("A", one.Event, "ALPHA", true, ""))
}

// What a receipt tells of a private file is for those who sent and offered it.
func TestReceiptsOfPrivateFiles(t *testing.T) {
	b := start(t)
	f := b.raw(b.anna, "name=f.txt&tool=private", "text/plain", "content")
	sent := b.send(b.anna, 200, f.PrimaryKey, `{"all": true}`)
	b.EventsFrom(sdk.Client{UID: "A", InSet: b.anna.InSet}, ack("A", sent.Event, "ALPHA", true, ""))
	live := b.Published()
	if len(live) != 1 || !cmp.Equal(live[0].Audience.UIDs, []string{"EUD-anna"}) {
		t.Errorf("live updates: got %+v", live)
	}
}

func TestOffersAreBounded(t *testing.T) {
	b := start(t)
	f := b.raw(b.anna, "name=f.txt", "text/plain", "content")
	var last string
	for range mostOffers + 3 {
		b.Advance(time.Second)
		last = b.send(b.anna, 200, f.PrimaryKey, `{"all": true}`).Event
	}
	if got := b.offersShown(b.anna, f.PrimaryKey); len(got) != mostOffers || got[0].Event != last {
		t.Errorf("got %d offers, the first %s, want %d and %s", len(got), got[0].Event, mostOffers, last)
	}
	// Of receipts that are more than a document holds the oldest go, and are counted.
	quotes := strings.Repeat("\\\"", 240)
	var names []string
	for i := range mostWaitNames {
		names = append(names, `"`+strconv.Itoa(i)+quotes+`"`)
	}
	last = b.send(b.anna, 200, f.PrimaryKey, `{"wait": true, "callsigns": [`+strings.Join(names, ",")+`]}`).Event
	var acks []string
	for i := range mostReceipts + 20 { // by a connection that has no uid
		long := strings.Repeat("\u2028&quot;", 60)
		acks = append(acks, strings.Replace(ack("A", last, long, true, long), "CLAIMED", strconv.Itoa(i)+long, 1))
	}
	b.EventsFrom(sdk.Client{InSet: b.anna.InSet}, acks...)
	got := b.offersShown(b.anna, f.PrimaryKey)[0]
	if n := len(got.Received); n+got.More != mostReceipts+20 || n < 50 || n >= mostReceipts || !strings.HasPrefix(got.Received[n-1].UID, strconv.Itoa(mostReceipts+19)) {
		t.Errorf("got %d receipts and %d more, want %d together and the latest kept", n, got.More, mostReceipts+20)
	}
}

func TestOffersThatWait(t *testing.T) {
	b := start(t, plain)
	f := b.raw(b.anna, "name=f.txt", "text/plain", "content")
	b.Connect(sdk.Client{UID: "HERE", Callsign: "HERE", Listener: "tls", InSet: b.anna.InSet})
	sent := b.send(b.anna, 200, f.PrimaryKey, `{"uids": ["HERE", "LATER"], "callsigns": ["TANGO"], "wait": true}`)
	if !cmp.Equal(sent.Missing, []string{"LATER", "TANGO"}) || !cmp.Equal(sent.Waiting, sent.Missing) {
		t.Errorf("send: got %+v", sent)
	}
	const path = "/Marti/sync/content?hash="
	safe, unsafe := "https://tak.example.org:8443"+path+f.Hash, "http://plain:8080"+path+f.Hash
	b.offered("Blue,Red uids HERE callsigns  except  " + safe)

	b.Connect(sdk.Client{UID: "OTHER", Callsign: "OTHER", InSet: b.anna.InSet})
	b.offered()
	b.Connect(sdk.Client{UID: "X", Callsign: "TANGO", Listener: "tls", InSet: b.Set("Ops")}) // may not have it
	b.offered()
	b.Connect(sdk.Client{UID: "LATER", Callsign: "L", Listener: "tcp", InSet: b.bert.InSet})
	b.offered("Blue,Red uids LATER callsigns  except  " + unsafe)
	if got := b.offersShown(b.anna, f.PrimaryKey)[0].Waiting; !cmp.Equal(got, []string{"TANGO"}) {
		t.Errorf("waiting: got %v", got)
	}
	b.Connect(sdk.Client{UID: "LATER", Callsign: "L", Listener: "tcp", InSet: b.bert.InSet})
	b.offered()
	b.Connect(sdk.Client{UID: "Y", Callsign: "TANGO", Listener: "tls", InSet: b.bert.InSet})
	b.offered("Blue,Red uids Y callsigns  except  https://tak.example.org:8443" + path + f.Hash)
	if got := b.offersShown(b.anna, f.PrimaryKey)[0].Waiting; len(got) != 0 || len(b.Documents("waiting")) != 0 {
		t.Errorf("waiting: got %v, %v", got, b.Documents("waiting"))
	}
}

// plain gives the addresses that a server tells.
var plain = plugintest.Config(`{"url": "https://tak.example.org:8443", "plain_url": "http://plain:8080/"}`)

// offered compares what was sent.
func (b *bed) offered(want ...string) {
	b.t.Helper()
	if diff := cmp.Diff(want, b.offers()); diff != "" {
		b.t.Errorf("offers (-want +got):\n%s", diff)
	}
}

func TestWaitingEnds(t *testing.T) {
	later := sdk.Client{UID: "LATER", Callsign: "L", InSet: 0}
	for name, c := range map[string]struct {
		query string
		then  func(b *bed, id string)
	}{
		"with the file":         {"", func(b *bed, id string) { b.ask(b.anna, 200, "DELETE", "/api/v1/files/"+id, "", "") }},
		"when the file is over": {"&expiration=" + unix(time.Date(2024, 5, 1, 12, 5, 0, 0, time.UTC)), func(b *bed, _ string) { b.Advance(6 * time.Minute) }},
		"after a day":           {"", func(b *bed, _ string) { b.Advance(25 * time.Hour) }},
	} {
		t.Run(name, func(t *testing.T) {
			b := start(t)
			f := b.raw(b.anna, "name=f.txt"+c.query, "text/plain", "content")
			b.send(b.anna, 200, f.PrimaryKey, `{"uids": ["LATER"], "wait": true}`)
			c.then(b, f.PrimaryKey)
			cl := later
			cl.InSet = b.anna.InSet
			b.Connect(cl)
			b.offered()
			b.Advance(25 * time.Hour)
			if left := b.Documents("waiting"); len(left) != 0 {
				t.Errorf("somebody waits: %v", left)
			}
		})
	}
}

// Who connects while the plugin is not there gets the offer when it is back.
func TestWaitingOverAnAbsence(t *testing.T) {
	b := start(t)
	f := b.raw(b.anna, "name=f.txt", "text/plain", "content")
	b.send(b.anna, 200, f.PrimaryKey, `{"uids": ["LATER"], "wait": true}`)
	b.Advance(time.Minute)
	b.Conflict(100) // nothing that it does holds
	b.Connect(sdk.Client{UID: "LATER", InSet: b.anna.InSet})
	if got := len(b.DeadLetters()); got != 1 {
		t.Fatalf("got %d dead letters, want that the client came", got)
	}
	b.Conflict(0)
	b.offered()
	b.Advance(time.Minute)
	b.offered()
	if err := b.Reconfigure(`{"keep": "1d"}`); err != nil {
		t.Fatal(err)
	}
	b.Advance(2 * time.Second)
	if got := len(b.Emitted()); got != 1 {
		t.Errorf("got %d offers, want 1", got)
	}
}

func TestWaitingIsBounded(t *testing.T) {
	b := start(t)
	f := b.raw(b.anna, "name=f.txt", "text/plain", "content")
	names := func(from, n int) string {
		var list []string
		for i := range n {
			list = append(list, `"N`+strconv.Itoa(from+i)+`"`)
		}
		return `{"wait": true, "uids": [` + strings.Join(list, ",") + `]}`
	}
	b.send(b.anna, 429, f.PrimaryKey, names(0, 101))
	b.send(b.anna, 200, f.PrimaryKey, names(0, 100))
	b.send(b.anna, 200, f.PrimaryKey, names(100, 100))
	b.send(b.anna, 429, f.PrimaryKey, names(200, 1))
	b.send(b.carl, 200, f.PrimaryKey, names(0, 100))
	// A crowd comes together: all are found, some a little later.
	var crowd []sdk.Client
	for i := range 200 {
		crowd = append(crowd, sdk.Client{UID: "N" + strconv.Itoa(i), Callsign: "C" + strconv.Itoa(i), Listener: "tls", InSet: b.anna.InSet})
	}
	b.Connect(crowd...)
	b.Advance(30 * time.Second)
	if got := len(b.Emitted()); got != 300 {
		t.Errorf("got %d offers, want 300", got)
	}
	if left := b.Documents("waiting"); len(left) != 0 {
		t.Errorf("%d wait still", len(left))
	}
}
