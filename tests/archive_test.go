package tests

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/takhost/takhost/core/web"
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/tests/takclient"
	"github.com/takhost/takhost/tests/taktest"
)

// eachDatabase runs do on SQLite and, where there is one, on PostgreSQL.
func eachDatabase(t *testing.T, do func(t *testing.T, opts ...taktest.Option)) {
	t.Run("SQLite", func(t *testing.T) { do(t) })
	t.Run("PostgreSQL", func(t *testing.T) { do(t, taktest.WithPostgres()) })
}

func TestArchiveQueries(t *testing.T) {
	eachDatabase(t, func(t *testing.T, opts ...taktest.Option) {
		srv := taktest.Start(t, opts...)
		a, b := srv.Client(t), srv.Client(t)
		begin := time.Now()
		takclient.Must(t, a.SA(10, 20))
		marker, _ := takclient.NewMarker()
		marker.Lat, marker.Lon = -10, 179
		takclient.Must(t, a.Send(marker.XML()))
		chat := a.GeoChat("in the archive")
		takclient.Must(t, a.Send(chat.XML()))
		unkept, _ := takclient.NewMarker()
		unkept.Detail += `<marti archive="false"/>`
		takclient.Must(t, a.Send(unkept.XML()))
		b.ExpectUID(t, unkept.UID)
		middle := srv.Archived(t, 3, nil)[0].Recv.Add(time.Millisecond)
		eventually(t, "time goes on", func() bool { return time.Now().After(middle.Add(time.Millisecond)) })
		takclient.Must(t, b.SA(50, 60))
		all := srv.Archived(t, 4, nil)

		rfc := func(at time.Time) string { return at.UTC().Format(time.RFC3339Nano) }
		tests := []struct {
			name  string
			query url.Values
			want  []string // uids, newest first
		}{
			{"everything", nil, []string{b.UID(), chat.UID, marker.UID, a.UID()}},
			{"oldest first", url.Values{"order": {"asc"}}, []string{a.UID(), marker.UID, chat.UID, b.UID()}},
			{"by uid", url.Values{"uid": {a.UID()}}, []string{a.UID()}},
			{"by type", url.Values{"type": {"b-t-f"}}, []string{chat.UID}},
			{"by a type with a star", url.Values{"type": {"a-f-*"}}, []string{b.UID(), a.UID()}},
			{"by two types", url.Values{"type": {"a-f-*", "b-m-*"}}, []string{b.UID(), marker.UID, a.UID()}},
			{"since a time", url.Values{"from": {rfc(middle)}}, []string{b.UID()}},
			{"before a time", url.Values{"to": {rfc(middle)}}, []string{chat.UID, marker.UID, a.UID()}},
			{"since a while", url.Values{"from": {"1h"}, "to": {rfc(begin)}}, nil},
			{"in a box", url.Values{"box": {"5,15,15,25"}}, []string{a.UID()}},
			{"in a box across the 180th meridian", url.Values{"box": {"-20,170,0,-170"}}, []string{marker.UID}},
			{"of everybody's group", url.Values{"group": {"__ANON__"}}, []string{b.UID(), chat.UID, marker.UID, a.UID()}},
			{"of all together", url.Values{"group": {"__ANON__"}, "box": {"40,50,60,70"}, "type": {"a-*"}, "uid": {b.UID()}, "from": {rfc(middle)}}, []string{b.UID()}},
		}
		for _, tt := range tests {
			t.Run(tt.name, func(t *testing.T) {
				for _, limit := range []string{"1000", "1", "2"} {
					q := url.Values{"limit": {limit}}
					for k, v := range tt.query {
						q[k] = v
					}
					if got := uids(srv.Events(t, q)); !slices.Equal(got, tt.want) {
						t.Errorf("in pages of %s: got %q, want %q", limit, got, tt.want)
					}
				}
			})
		}

		e := all[len(all)-1]
		if e.Client != a.UID() || e.Callsign != a.Callsign() || e.Origin != "client" || e.Type != "a-f-G-U-C" || e.How != "m-g" ||
			e.Lat == nil || *e.Lat != 10 || e.Lon == nil || *e.Lon != 20 || e.Team != "Cyan" || e.XML != got(t, b, a.UID()) {
			t.Errorf("archived position: got %+v, want what was sent", e)
		}
		if c := all[1]; c.Client != a.UID() || c.Conn != e.Conn || c.Recv.Before(begin.Truncate(time.Microsecond)) {
			t.Errorf("archived chat: got %+v, want the sender and the time of its coming", c)
		}
	})
}

// got gives the XML that c received of that uid.
func got(t *testing.T, c *takclient.Client, uid string) string {
	t.Helper()
	for _, r := range c.All() {
		if r.Header.UID == uid {
			return r.XML
		}
	}
	t.Fatalf("%s did not get %s", c.Callsign(), uid)
	return ""
}

func uids(evs []web.Event) []string {
	var list []string
	for _, e := range evs {
		list = append(list, e.UID)
	}
	return list
}

func TestArchiveQueryThatIsWrongSaysWhatToWrite(t *testing.T) {
	srv := taktest.Start(t)
	tests := []struct {
		name   string
		query  url.Values
		status int
		want   string
	}{
		{"type", url.Values{"type": {"a f"}}, http.StatusBadRequest, "such as a-f-*"},
		{"box", url.Values{"box": {"1,2,3"}}, http.StatusBadRequest, "write south,west,north,east in degrees"},
		{"box upside down", url.Values{"box": {"10,0,0,10"}}, http.StatusBadRequest, "the order is south,west,north,east"},
		{"time", url.Values{"from": {"yesterday"}}, http.StatusBadRequest, "from"},
		{"limit", url.Values{"limit": {"1001"}}, http.StatusBadRequest, "1000"},
		{"cursor", url.Values{"after": {"x"}}, http.StatusBadRequest, "after"},
		{"unknown parameter", url.Values{"sort": {"up"}}, http.StatusBadRequest, "sort"},
		{"unknown group", url.Values{"group": {"nobody"}}, http.StatusNotFound, `there is no group "nobody"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := srv.Refused(t, tt.status, "/api/v1/events", tt.query); !strings.Contains(got, tt.want) {
				t.Errorf("got %q, want a text with %q", got, tt.want)
			}
		})
	}
}

// What a receiver has got was accepted, and so must be there after a stop.
func TestStopLosesNoAcceptedEvent(t *testing.T) {
	eachDatabase(t, func(t *testing.T, opts ...taktest.Option) {
		srv := taktest.Start(t, opts...)
		const senders, each = 5, 2000
		receiver := srv.Client(t, takclient.WithoutLog())
		sent := make(chan error, senders)
		for i := range senders {
			c := srv.Client(t, takclient.WithoutLog())
			go func() {
				var err error
				for k := range each {
					if err == nil {
						err = c.Send(takclient.Event{UID: fmt.Sprintf("stop-%d-%d", i, k), Type: "b-m-p-s-m", How: "m-g"}.XML())
					}
				}
				sent <- err
			}()
		}
		for range senders {
			takclient.Must(t, <-sent)
		}
		receiver.ExpectCounts(t, "all events", func(n takclient.Counts) bool { return n.Events >= senders*each+1 })
		srv.Restart(t)
		seen := map[string]int{}
		for _, e := range srv.Events(t, url.Values{"type": {"b-m-p-s-m"}}) {
			seen[e.UID]++
		}
		for i := range senders {
			for k := range each {
				if n := seen[fmt.Sprintf("stop-%d-%d", i, k)]; n != 1 {
					t.Fatalf("event %d of sender %d is %d times in the archive, want once; it has %d of %d", k, i, n, len(seen), senders*each)
				}
			}
		}
	})
}

func TestIDsRiseOverRestarts(t *testing.T) {
	eachDatabase(t, func(t *testing.T, opts ...taktest.Option) {
		srv := taktest.Start(t, opts...)
		var last hostapi.ID
		for range 4 {
			live := srv.Watch(t, nil)
			a := srv.Client(t)
			for range 100 {
				e, _ := takclient.NewMarker()
				e.Detail += `<marti archive="false"/>` // ids of what is not stored count too
				takclient.Must(t, a.Send(e.XML()))
				next := live.Expect(t, e.UID).ID
				if next <= last {
					t.Fatalf("id %s follows %s, want it above", next, last)
				}
				last = next
			}
			srv.Restart(t)
		}
	})
}
