package marti_test

import (
	"encoding/xml"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/takhost/takhost/hostapi"
)

const declaration = "<?xml version='1.0' encoding='UTF-8' standalone='yes'?>"

func sa(uid, callsign string, lat, lon float64) string {
	return fmt.Sprintf(`<event version="2.0" uid="%s" type="a-f-G-U-C" how="m-g" time="2026-01-01T00:00:00Z" start="2026-01-01T00:00:00Z" stale="2026-01-01T00:05:00Z">`+
		`<point lat="%v" lon="%v" hae="0" ce="1" le="1"/><detail><contact endpoint="*:-1:stcp" callsign="%s"/></detail></event>`, uid, lat, lon, callsign)
}

// events reads an answer as ATAK does: it looks for the text <events.
func (a *answer) events() (uids []string) {
	a.t.Helper()
	a.is(200, "application/xml")
	if !strings.HasPrefix(string(a.body), declaration+"<events>") {
		a.t.Fatalf("%s: got %.200q", a.what, a.body)
	}
	var doc struct {
		Event []struct {
			UID string `xml:"uid,attr"`
		} `xml:"event"`
	}
	if err := xml.Unmarshal(a.body, &doc); err != nil {
		a.t.Fatalf("%s: %v: %.200q", a.what, err, a.body)
	}
	for _, e := range doc.Event {
		uids = append(uids, e.UID)
	}
	return uids
}

func TestCot(t *testing.T) {
	c := newCrowd(t)
	start := c.clock
	marked := strings.Replace(sa("S/1 ä", "SLASH", 1, 2), "</detail>", `<marti><dest callsign="BRAVO"/></marti><remarks>a</remarks></detail>`, 1)
	c.event("alice", "ANDROID-A", c.blue, sa("ANDROID-A", "ALPHA", 1, 1))
	c.event("alice", "ANDROID-A", c.blue, sa("ANDROID-A", "ALPHA", 2, 2))
	c.event("bob", "ANDROID-B", c.red, sa("ANDROID-A", "ALPHA", 9, 9)) // the same uid in another group
	c.event("bob", "ANDROID-B", c.red, sa("ANDROID-B", "BRAVO", 3, 3))
	c.event("alice", "ANDROID-A", c.blue, marked)

	t.Run("latest", func(t *testing.T) {
		c.alice.get("/Marti/api/cot/xml/ANDROID-A").is(200, "application/xml").text(declaration + sa("ANDROID-A", "ALPHA", 2, 2))
		c.bob.get("/Marti/api/cot/xml/ANDROID-A").is(200, "application/xml").text(declaration + sa("ANDROID-A", "ALPHA", 9, 9))
		c.boss.get("/Marti/api/cot/xml/ANDROID-A").is(200, "application/xml").text(declaration + sa("ANDROID-A", "ALPHA", 9, 9))
		// node-tak goes by the body and not by the status.
		for _, d := range []*device{c.bob, c.at("http")} {
			d.get("/Marti/api/cot/xml/S%2F1%20%C3%A4").is(404, "").text("")
		}
		c.alice.get("/Marti/api/cot/xml/nobody").is(404, "").text("")
		// Whom it was sent to is not told.
		want := declaration + strings.Replace(marked, `<marti><dest callsign="BRAVO"/></marti>`, "", 1)
		c.alice.get("/Marti/api/cot/xml/S%2F1%20%C3%A4").is(200, "application/xml").text(want)
		c.alice.get("/Marti/api/cot/xml/"+strings.Repeat("u", 5000)).refused(400, "uid")
	})
	t.Run("not archived yet", func(t *testing.T) {
		fresh := &hostapi.Event{XML: sa("ANDROID-A", "ALPHA", 5, 5), Groups: c.blue, Recv: c.clock.Add(time.Hour).UnixMicro()}
		fresh.UID = "ANDROID-A"
		c.core.latest = []*hostapi.Event{fresh}
		defer func() { c.core.latest = nil }()
		c.alice.get("/Marti/api/cot/xml/ANDROID-A").is(200, "application/xml").text(declaration + fresh.XML)
		c.bob.get("/Marti/api/cot/xml/ANDROID-A").is(200, "application/xml").text(declaration + sa("ANDROID-A", "ALPHA", 9, 9))
		fresh.Recv = c.clock.Add(-time.Hour).UnixMicro() // the archive knows better
		c.alice.get("/Marti/api/cot/xml/ANDROID-A").is(200, "application/xml").text(declaration + sa("ANDROID-A", "ALPHA", 2, 2))
	})
	t.Run("all", func(t *testing.T) {
		a := c.alice.get("/Marti/api/cot/xml/ANDROID-A/all")
		a.text(declaration + "<events>" + sa("ANDROID-A", "ALPHA", 1, 1) + "\n" + sa("ANDROID-A", "ALPHA", 2, 2) + "\n</events>")
		if got := len(c.boss.get("/Marti/api/cot/xml/ANDROID-A/all").events()); got != 3 {
			t.Errorf("an administrator got %d events, want 3", got)
		}
		at := func(ms int) string {
			return start.Add(time.Duration(ms) * time.Millisecond).Format("2006-01-02T15:04:05.000Z")
		}
		for query, want := range map[string]int{
			"?start=" + at(2):                   1,
			"?end=" + at(2):                     1,
			"?start=" + at(1) + "&end=" + at(9): 2,
			"?secago=60":                        2,
		} {
			if got := len(c.alice.get("/Marti/api/cot/xml/ANDROID-A/all" + query).events()); got != want {
				t.Errorf("%s: got %d events, want %d", query, got, want)
			}
		}
		c.alice.get("/Marti/api/cot/xml/ANDROID-A/all?start="+at(1000)).is(404, "").text("")
		c.alice.get("/Marti/api/cot/xml/ANDROID-B/all").is(404, "").text("")
		c.alice.get("/Marti/api/cot/xml/ANDROID-A/all?secago=x").refused(400, "secago")
		c.alice.get("/Marti/api/cot/xml/ANDROID-A/all?secago=-5").refused(400, "secago")
		c.alice.get("/Marti/api/cot/xml/ANDROID-A/all?start=yesterday").refused(400, "start")
		c.alice.get("/Marti/api/cot/xml/ANDROID-A/all?start="+at(5)+"&end="+at(1)).refused(400, "before")
	})
	t.Run("list", func(t *testing.T) {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			got := c.alice.do(method, "/Marti/api/cot", `["ANDROID-A","ANDROID-B","ANDROID-A"]`, "Content-Type", "text/plain").events()
			if fmt.Sprint(got) != "[ANDROID-A]" {
				t.Errorf("%s: got %v, want ANDROID-A", method, got)
			}
		}
		c.alice.do(http.MethodPost, "/Marti/api/cot", `["nobody"]`).is(200, "application/xml").text(declaration + "<events></events>")
		c.alice.do(http.MethodPost, "/Marti/api/cot", `[]`).refused(400, "list")
		c.alice.do(http.MethodPost, "/Marti/api/cot", `{"a"`).refused(400, "Body")
		c.alice.do(http.MethodPost, "/Marti/api/cot", "").refused(400, "Body")
		c.alice.do(http.MethodPost, "/Marti/api/cot", `["`+strings.Repeat("x", 2<<20)+`"]`).refused(413, "larger")
	})
	t.Run("sa", func(t *testing.T) {
		day := "start=" + start.Add(-time.Hour).Format(time.RFC3339) + "&end=" + start.Add(time.Hour).Format(time.RFC3339)
		tests := []struct {
			name, query string
			d           *device
			want        string
		}{
			{"own group", day, c.alice, "[S/1 ä ANDROID-A]"},
			{"all of them", day + "&isFiltered=false", c.alice, "[S/1 ä ANDROID-A ANDROID-A]"},
			{"another group", day, c.bob, "[ANDROID-B ANDROID-A]"},
			{"in a box", day + "&left=1.5&bottom=1.5&right=8&top=8", c.alice, "[ANDROID-A]"},
		}
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				if got := fmt.Sprint(tt.d.get("/Marti/api/cot/sa?" + tt.query).events()); got != tt.want {
					t.Errorf("got %v, want %v", got, tt.want)
				}
			})
		}
		c.at("http").get("/Marti/api/cot/sa?"+day).is(404, "").text("")
		c.alice.get("/Marti/api/cot/sa").refused(400, "start and end")
		c.alice.get("/Marti/api/cot/sa?start=2026-01-01T00:00:00Z&end=2026-01-03T00:00:00Z").refused(400, "24 hours")
		c.alice.get("/Marti/api/cot/sa?"+day+"&left=1").refused(400, "box")
		c.alice.get("/Marti/api/cot/sa?"+day+"&left=a&bottom=1&right=2&top=3").refused(400, "degrees")
		c.alice.get("/Marti/api/cot/sa?"+day+"&left=1&bottom=5&right=2&top=3").refused(400, "box")
		c.alice.get("/Marti/api/cot/sa?"+day+"&left=NaN&bottom=5&right=2&top=3").refused(400, "box")
	})
	t.Run("match", func(t *testing.T) {
		c.alice.get("/Marti/api/cot/matchUid?search=alph").json().text(`["ANDROID-A"]`)
		c.alice.get("/Marti/api/cot/matchUid?search=S%2F1%20%C3%A4").json().text(`["S/1 ä"]`)
		c.alice.get("/Marti/api/cot/matchUid?search=bravo").is(404, "").text("")
		c.alice.get("/Marti/api/cot/matchUid").is(404, "").text("")
		c.boss.get("/Marti/api/cot/matchUid?search=android").json().text(`["ANDROID-C","ANDROID-A","ANDROID-B"]`)
	})
}

// An archive of which the caller sees little is read page by page.
func TestHistoryOverManyPages(t *testing.T) {
	c := newCrowd(t)
	var evs []*hostapi.Event
	for i := range 1100 {
		set := c.red
		if i >= 540 && i%2 == 0 {
			set = c.blue
		}
		evs = append(evs, c.scan("x", "X", set, sa("X", "XRAY", 1, float64(i)/100)))
	}
	c.store.Archive().Routed(evs)
	c.must(c.store.Archive().Flush(t.Context()))
	if got := len(c.alice.get("/Marti/api/cot/xml/X/all").events()); got != 280 {
		t.Errorf("got %d events, want 280", got)
	}
	if got := len(c.boss.get("/Marti/api/cot/xml/X/all").events()); got != 1100 {
		t.Errorf("an administrator got %d events, want 1100", got)
	}
}
