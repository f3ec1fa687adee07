package process

import (
	"encoding/hex"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/takhost/takhost/core/plugin/guest"
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/cot"
	"github.com/takhost/takhost/hostapi/index"
	"github.com/takhost/takhost/hostapi/tree"
	"github.com/takhost/takhost/hostapi/wire"
)

// testPythonHost has the sample ask everything of the host, once.
func testPythonHost(t *testing.T, i guest.Instance, h *recorder) {
	answer := func(m message) string { return string(m.Append(nil)) }
	var w hostapi.BatchWriter
	e := &hostapi.Event{XML: pythonEvent}
	if err := cot.Scan(pythonEvent, &e.Header); err != nil {
		t.Fatal(err)
	}
	w.Add(e, hostapi.DetailWant{}, 0)
	h.answers = map[hostapi.HostOp]string{
		hostapi.HostClock:       answer(&wire.Clock{Now: 1_500_000}),
		hostapi.HostNextCounter: answer(&wire.CounterValue{Value: 12}),
		hostapi.HostDelete:      answer(&wire.Deleted{Existed: true}),
		hostapi.HostGet:         answer(&wire.Documents{Documents: []wire.Document{{ID: "x", Body: []byte(`{"a":1}`)}}}),
		hostapi.HostQuery:       answer(&wire.Documents{Documents: []wire.Document{{ID: "p"}, {ID: "q"}}, Count: 42}),
		hostapi.HostQueryEvents: answer(&wire.EventPage{Views: w.Bytes(0, 0, 0)}),
		hostapi.HostClients:     answer(&wire.Clients{Clients: []wire.Client{{UID: "A-1"}}}),
		hostapi.HostFetch:       answer(&wire.Fetched{Status: 204}),
		hostapi.HostCall:        answer(&wire.ActionResult{Body: []byte("sent")}),
	}
	h.asked = nil
	const want = `["1970-01-01T00:00:01.500000+00:00", "72727272", 12, true, ["p", "q"], 42, {"a": 1}, true, ` +
		`["ANDROID-1"], ["A-1"], 204, "sent", ["conflict", "exists", "it is there", {"id": "taken"}]]`
	if got := get(t, i, "ask"); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	key := func(values ...index.Value) []byte {
		k, err := index.AppendTuple(nil, values...)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	const xml = `<event version="2.0" uid="u&lt;1&gt;" type="a-f-G" how="m-g" time="1970-01-01T00:00:01.000Z" start="1970-01-01T00:00:01.000Z" ` +
		`stale="1970-01-01T00:05:01.000Z"><point lat="48.5000000" lon="-11.2500000" hae="9999999.0" ce="9999999.0" le="9999999.0"/>` +
		`<detail><contact callsign='"A"'/><x/></detail></event>`
	var header cot.Header
	if err := cot.Scan(xml, &header); err != nil || header.UID != "u<1>" || header.Callsign != `"A"` {
		t.Errorf("the event that it writes: %v, uid %q, callsign %q", err, header.UID, header.Callsign)
	}
	var asked []string
	for _, o := range []struct {
		op hostapi.HostOp
		m  message
	}{
		{hostapi.HostLog, &wire.Log{Level: wire.LevelWarn, Message: "a line", Attributes: []wire.Pair{{Name: "n", Value: "1"}}}},
		{hostapi.HostMetric, &wire.Metrics{Metrics: []wire.Metric{{Name: "laps", Kind: wire.MetricKindGauge, Value: 2.5, Labels: []wire.Pair{{Name: "team", Value: "red"}}}}}},
		{hostapi.HostEmit, &wire.Emit{Events: []wire.Emission{{XML: xml, Audience: &wire.Audience{Groups: []string{"Blue"}, Except: []string{"me"}}, Fleeting: true}}}},
		{hostapi.HostTimerSet, &wire.TimerSet{Name: "t", At: 7, Every: 30_000_000, Data: []byte("d")}},
		{hostapi.HostPublish, &wire.Publish{Stream: "s", Data: []byte(`{"a": 1}`), Audience: &wire.Audience{All: true}, Key: "k"}},
		{hostapi.HostClock, nil},
		{hostapi.HostNextCounter, &wire.Counter{Name: "n"}},
		{hostapi.HostDelete, &wire.Delete{Collection: "seen", ID: "x"}},
		{hostapi.HostQuery, &wire.Query{Collection: "seen", Index: "by-time", From: key(index.String("a")), To: key(index.String("b")), Descending: true}},
		{hostapi.HostQuery, &wire.Query{Collection: "seen", Count: true}},
		{hostapi.HostGet, &wire.Get{Collection: "seen", IDs: []string{"x"}}},
		{hostapi.HostGet, &wire.Get{Collection: "seen", IDs: []string{"none"}}},
		{hostapi.HostQueryEvents, &wire.EventQuery{Types: []string{"a-*"}, From: 3, Limit: 1}},
		{hostapi.HostClients, &wire.ClientQuery{Callsigns: []string{"A"}}},
		{hostapi.HostFetch, &wire.Fetch{Method: "POST", URL: "https://h/", Headers: []wire.Pair{{Name: "a", Value: "b"}}, Body: []byte("x"), Timeout: 1_000_000}},
		{hostapi.HostCall, &wire.Action{Name: "chat.send", Version: 2, Body: []byte(`{"a": 1}`)}},
	} {
		text := ""
		if o.m != nil {
			text = hex.EncodeToString(o.m.Append(nil))
		}
		asked = append(asked, o.op.String()+" "+text)
	}
	if diff := cmp.Diff(asked, h.asked); diff != "" {
		t.Error(diff)
	}
}

// testPythonOthers asks the operations that need a line each.
func testPythonOthers(t *testing.T, i guest.Instance, h *recorder) {
	h.puts = nil
	mustCall(t, i, hostapi.OpTimer, &wire.Timer{Name: "tick-7", Due: 9, Missed: 2, Data: []byte("d")}, nil)
	mustCall(t, i, hostapi.OpClients, &wire.ClientChanges{Changes: []wire.ClientChange{{Kind: 2, At: 5, Client: &wire.Client{UID: "A-1"}}}}, nil)
	mustCall(t, i, hostapi.OpRestore, &wire.Snapshot{Version: "1.0.0", Entries: []wire.SnapshotEntry{{Key: []byte("k"), Value: []byte("v")}}}, nil)
	var puts []string
	for _, p := range h.puts {
		puts = append(puts, p.Collection+" "+p.ID+" "+string(p.Body))
	}
	want := []string{`ticks tick-7 [9, 2, "d"]`, `clients A-1 {"kind": 2, "at": 5}`, `restored 1.0.0 {"k": "v"}`}
	if diff := cmp.Diff(want, puts); diff != "" {
		t.Error(diff)
	}

	var snapshot wire.Snapshot
	mustCall(t, i, hostapi.OpSnapshot, nil, &snapshot)
	if diff := cmp.Diff(wire.Snapshot{Version: "1.2.3", Entries: []wire.SnapshotEntry{{Key: []byte("a"), Value: []byte("1")}, {Key: []byte("b"), Value: []byte("2")}}}, snapshot); diff != "" {
		t.Error(diff)
	}

	var keys wire.Reindexed
	mustCall(t, i, hostapi.OpReindex, &wire.Reindex{Documents: []wire.Document{{ID: "x"}}, Indexes: []string{"by-id"}}, &keys)
	key, err := index.AppendTuple(nil, index.String("x"))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(wire.Reindexed{Documents: []wire.DocumentKeys{{Keys: []wire.IndexKey{{Index: "by-id", Key: key}}}}}, keys); diff != "" {
		t.Error(diff)
	}

	body, err := tree.AppendJSON(nil, []byte("[1, 2]"))
	if err != nil {
		t.Fatal(err)
	}
	var result wire.ActionResult
	mustCall(t, i, hostapi.OpAction, &wire.Action{Name: "add", Tree: body, Caller: &wire.Caller{User: "linde"}}, &result)
	if got := string(result.Body); got != `{"sum": 3, "by": "linde"}` {
		t.Errorf("action: got %s", got)
	}
	for op, m := range map[hostapi.GuestOp]message{
		hostapi.OpHTTP: &wire.HTTPRequest{Route: "none"}, hostapi.OpTimer: &wire.Timer{Name: "none"},
		hostapi.OpAction: &wire.Action{Name: "none"}, hostapi.OpFilter: nil,
	} {
		if _, s, err := tryCall(i, op, m); s != hostapi.Unsupported || err != nil {
			t.Errorf("%s of none: got %s, %v, want unsupported", op, s, err)
		}
	}
	mustCall(t, i, hostapi.OpHealth, nil, nil)
	mustCall(t, i, hostapi.OpStop, nil, nil)
}
