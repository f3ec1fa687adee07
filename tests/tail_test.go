package tests

import (
	"net/url"
	"testing"

	"github.com/takhost/takhost/tests/takclient"
	"github.com/takhost/takhost/tests/taktest"
)

func TestEventsShowLive(t *testing.T) {
	srv := taktest.Start(t)
	a, proto := srv.Client(t), srv.Client(t, takclient.WithProto())
	everything := srv.Watch(t, nil)
	markers := srv.Watch(t, url.Values{"type": {"b-m-*"}})
	boxed := srv.Watch(t, url.Values{"box": {"0,0,20,20"}})
	both := srv.Watch(t, url.Values{"box": {"0,0,20,20"}, "type": {"b-m-*", "b-t-f"}})
	mine := srv.Watch(t, url.Values{"uid": {a.UID()}})

	takclient.Must(t, a.SA(10, 10))
	inside, _ := takclient.NewMarker()
	inside.Lat, inside.Lon = 10, 10
	takclient.Must(t, a.Send(inside.XML()))
	outside, _ := takclient.NewMarker()
	outside.Lat, outside.Lon = -10, 10
	takclient.Must(t, a.Send(outside.XML()))
	takclient.Must(t, a.Ping())
	proto.ExpectUID(t, outside.UID)
	takclient.Must(t, proto.SA(11, 11))
	proto.Close()
	var uid string // of the server's own notice that proto left
	a.Expect(t, takclient.Where("notice of a leave", func(r *takclient.Received) bool {
		uid = r.Header.UID
		return r.Header.Type == "t-x-d-d"
	}))
	end := takclient.Event{UID: a.UID(), Type: "b-m-p-s-m", How: "m-g", Lat: 1, Lon: 1}
	takclient.Must(t, a.Send(end.XML()))

	tests := []struct {
		name string
		live *taktest.Live
		want []string
	}{
		{"everything", everything, []string{a.UID(), inside.UID, outside.UID, proto.UID(), uid, end.UID}},
		{"by type", markers, []string{inside.UID, outside.UID, end.UID}},
		{"in a box", boxed, []string{a.UID(), inside.UID, proto.UID(), uid, end.UID}},
		{"in a box and by type", both, []string{inside.UID, end.UID}},
		{"by uid", mine, []string{a.UID(), end.UID}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for i, want := range tt.want {
				tt.live.Expect(t, want)
				if n := len(tt.live.All()); n < i+1 {
					t.Fatalf("got %d events, want %d", n, i+1)
				}
			}
			if got := uids(tt.live.All()); len(got) != len(tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
	for _, e := range everything.All() {
		if e.UID == a.UID() && e.XML != "" && e.Client != a.UID() {
			t.Errorf("live event: got the client %q, want %q", e.Client, a.UID())
		}
	}
}
