package store

import (
	"encoding/json"
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/takhost/takhost/core/store/storetest"
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/cot"
)

func TestRoundTrip(t *testing.T) {
	at := testTime.Add(123456 * time.Microsecond)
	id := hostapi.NewID(at, 1023, 4095)
	full := &hostapi.Event{
		XML: "<event uid='ü→\U0001F680\"\\' type=\"b-t-f\">\t\n\\N \\. '' $1 ?</event>",
		ID:  id, Recv: at.UnixMicro(), Conn: math.MaxUint64, User: "O'Brien", Client: "ANDROID-\\1", Groups: math.MaxInt32,
		Origin: hostapi.FromFederate, Hops: 255, Via: "ge'o",
	}
	full.Header = cot.Header{
		UID: "GeoChat.ANDROID-1.All Chat Rooms.x", Type: "b-t-f", How: "h-g-i-g-o",
		Time: -62135596800_000000, Start: 1, Stale: 253402300799_999999,
		Lat: -89.999999999999, Lon: 179.123456789012345, Hae: -12.5, CE: cot.Unknown, LE: 1e-300,
		Callsign: "Ænna \x7f", Team: "Dark Green", Role: "K9", Flags: cot.HasPoint,
	}
	want := Stored{
		ID: id, Recv: Micros(at.UnixMicro()), Origin: "federate", Hops: 255, Via: "ge'o", Conn: math.MaxUint64, User: "O'Brien",
		Client: "ANDROID-\\1", Groups: math.MaxInt32, Type: "b-t-f", How: "h-g-i-g-o", UID: "GeoChat.ANDROID-1.All Chat Rooms.x",
		Time: -62135596800_000000, Start: 1, Stale: 253402300799_999999, HasPoint: true,
		Lat: -89.999999999999, Lon: 179.123456789012345, Hae: -12.5, CE: cot.Unknown, LE: 1e-300,
		Callsign: "Ænna \x7f", Team: "Dark Green", Role: "K9", XML: full.XML,
	}
	bare := &hostapi.Event{ID: id.Next(), Recv: at.UnixMicro(), XML: "<event/>"}
	bare.Header = cot.Header{UID: "x", Type: "t-x-d-d", Lat: 1, Lon: 2, Hae: math.NaN(), CE: math.Inf(1), LE: math.Inf(-1)}
	wantBare := Stored{ID: bare.ID, Recv: want.Recv, Origin: "client", Type: "t-x-d-d", UID: "x", XML: "<event/>"}

	fleeting := newEvent(bare.ID.Next(), at, "fleeting", "b-a-o-tbl") // such as a repetition
	fleeting.Fleeting = true

	storetest.Each(t, func(t *testing.T, dsn string) {
		s := open(t, options(t, dsn))
		put(t, s, full, bare, fleeting)
		got := query(t, s, Query{Ascending: true})
		if diff := cmp.Diff(Page{Events: []Stored{want, wantBare}}, got); diff != "" {
			t.Errorf("stored events (-want +got):\n%s", diff)
		}
		text, err := json.Marshal(got)
		if err != nil {
			t.Fatalf("marshal: %v", err)
		}
		var back Page
		if err := json.Unmarshal(text, &back); err != nil {
			t.Fatalf("unmarshal %s: %v", text, err)
		}
		if diff := cmp.Diff(got, back); diff != "" {
			t.Errorf("through JSON (-want +got):\n%s", diff)
		}
	})
}
