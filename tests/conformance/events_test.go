package conformance

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"

	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/cot"
	"github.com/takhost/takhost/hostapi/wire"
)

var eventCases = []conformanceCase{
	{name: "reads all of a view", run: readsViews},
	{name: "reads what is not there", run: readsAbsence},
	{name: "reads nothing outside of a view", run: readsNothingOutside},
	{name: "reads large views", run: readsLargeViews},
	{name: "handles batches of many", run: handlesMany},
	{name: "handles a batch of none", run: handlesNone},
	{name: "refuses single events", run: refusesEvents},
	{name: "refuses a batch after an effect", run: refusesBatch},
	{name: "filters", run: filtersEvents},
	{name: "hears of clients", run: hearsOfClients},
	{name: "hears its timers", run: hearsTimers},
	{name: "does its actions", run: doesActions},
}

// raw is an input that is no message of protobuf.
type raw []byte

func (r raw) Append(dst []byte) []byte { return append(dst, r...) }
func (raw) Decode([]byte) error        { return nil }

const (
	fullDetail = `<contact endpoint="*:-1:stcp" callsign="LINDE &amp; CO é"/><__group role="Team Lead" name="Cyan"/>` +
		`<track course="142.5" speed="1.25"/><marti><dest callsign="A"/><dest mission="M ü"/></marti>` +
		`<remarks empty="" name="&lt;日&gt;">along the &lt;ridge&gt;<b><c/></b></remarks>`
	fullXML = `<event version="2.0" uid="ANDROID-1" type="a-f-G-U-C" time="2026-08-20T10:11:12.5Z" start="2026-08-20T10:11:12Z" ` +
		`stale="2026-08-20T10:17:27.25Z" how="m-g"><point lat="-48.125" lon="11.5" hae="519.25" ce="9.9" le="9999999.0"/><detail>` +
		fullDetail + `</detail></event>`
)

// scan makes an event.
func (p *plugin) scan(xml string, e *hostapi.Event) *hostapi.Event {
	p.Helper()
	e.XML = xml
	if err := cot.Scan(xml, &e.Header); err != nil {
		p.Fatal(err)
	}
	return e
}

// facts is what the guests write of an event.
func facts(attempt int, missed, delivery uint64, e *hostapi.Event, matched uint32, tail string) string {
	o := fmt.Sprintf("%d|%d|%d|%d|%d|%d|%d|%d|", attempt, missed, delivery, int64(e.ID), e.Recv, e.Time, e.Start, e.Stale)
	for _, v := range []float64{e.Lat, e.Lon, e.Hae, e.CE, e.LE, e.Speed, e.Course} {
		o += fmt.Sprint(math.Float64bits(v), "|")
	}
	o += fmt.Sprintf("%d|%d|%d|%d|%d|%d|%d|", e.Conn, int32(e.Groups), e.Flags, e.ID.Node(), e.Origin, e.Hops, matched)
	for _, s := range []string{e.UID, e.Type, e.How, e.Callsign, e.Endpoint, e.Team, e.Role, e.User, e.Client} {
		o += s + "|"
	}
	for i := range e.NumDests() {
		o += fmt.Sprintf("%d|%s|", e.Dest(i).Kind, e.Dest(i).Value)
	}
	return o + tail
}

const fullTree = "1:detail{}[1:contact{callsign=LINDE & CO é,}][1:__group{name=Cyan,role=Team Lead,}][1:track{}]" +
	"[1:marti{}[1:dest{callsign=A,}][1:dest{}]][1:remarks{name=<日>,empty=,}along the <ridge>[1:b{}[1:c{}]]]|" +
	`<remarks empty="" name="&lt;日&gt;">along the &lt;ridge&gt;<b><c/></b></remarks>|`

func readsViews(p *plugin) {
	e := p.scan(fullXML, &hostapi.Event{
		ID: 5<<22 | 9<<12 | 7, Recv: 1787220672345678, Conn: 1<<63 + 5, User: "linde", Client: "ANDROID-2", Groups: 9,
		Origin: hostapi.FromFederate, Hops: 3,
	})
	if e.NumDests() != 2 || e.ID.Node() == 0 || e.Flags == 0 || e.Speed != 1.25 {
		p.Fatalf("the event shows too little: %+v", e)
	}
	var w hostapi.BatchWriter
	w.Add(e, hostapi.DetailWant{All: true, XML: true}, 1<<31|1<<5|1)
	p.must(hostapi.OpEvents, raw(w.Bytes(1<<40+3, 1<<33, 1)), &wire.BatchResult{})
	want := facts(1, 1<<33, 1<<40+3, e, 1<<31|1<<5|1, fullTree+fullXML+"|")
	p.same("the view", p.host.Documents("seen")["ANDROID-1"], want)
	if got := p.host.document("seen", "ANDROID-1").Set; got != 9 {
		p.Errorf("set of the document: got %d, want 9", got)
	}
}

// readsAbsence: what the subscription did not ask for, and what the sender did not say.
func readsAbsence(p *plugin) {
	bare := `<event version="2.0" uid="u" type="t-x-c" time="1969-12-31T23:59:59Z" start="1969-12-31T23:59:59Z" stale="1969-12-31T23:59:59Z" how=""/>`
	e := p.scan(bare, &hostapi.Event{Groups: -2, ID: 1<<62 + 1})
	full := p.scan(fullXML, &hostapi.Event{})
	var w hostapi.BatchWriter
	w.Add(e, hostapi.DetailWant{All: true}, 0)
	w.Add(full, hostapi.DetailWant{Names: []string{"__group"}}, 2)
	p.must(hostapi.OpEvents, raw(w.Bytes(1, 0, 0)), &wire.BatchResult{})
	p.same("a bare event", p.host.Documents("seen")["u"], facts(0, 0, 1, e, 0, "0:{}|||"))
	p.same("a part of the detail", p.host.Documents("seen")["ANDROID-1"],
		facts(0, 0, 1, full, 2, "1:detail{}[1:__group{name=Cyan,role=Team Lead,}]|||"))
}

// readsNothingOutside: what points behind the view, or behind the tree in it, is empty.
func readsNothingOutside(p *plugin) {
	var w hostapi.BatchWriter
	w.Add(p.scan(fullXML, &hostapi.Event{}), hostapi.DetailWant{All: true}, 0)
	good := w.Bytes(1, 0, 0)
	const atCallsign, atRole, atDetail = 32 + 152, 32 + 176, 32 + 208 // in the batch: behind its header
	detail := 32 + binary.LittleEndian.Uint32(good[atDetail:])
	contact := detail + 16 + 36 // the second node
	group := contact + 36
	for _, n := range []uint32{1 << 12, 1 << 31, 1<<32 - 1} {
		in := slices.Clone(good)
		for _, pair := range []uint32{atCallsign, contact} { // begins inside
			binary.LittleEndian.PutUint32(in[pair+4:], n)
		}
		for _, pair := range []uint32{atRole, group} { // begins outside
			binary.LittleEndian.PutUint32(in[pair:], n)
		}
		p.must(hostapi.OpEvents, raw(in), &wire.BatchResult{})
		got := p.host.Documents("seen")["ANDROID-1"]
		if want := "|ANDROID-1|a-f-G-U-C|m-g||*:-1:stcp|Cyan||||"; !strings.Contains(got, want) {
			p.Errorf("%d: got the view %q, want %q in it", n, got, want)
		}
		if want := "1:detail{}[1:{callsign=LINDE & CO é,}][1:{name=Cyan,role=Team Lead,}][1:track{}]"; !strings.Contains(got, want) {
			p.Errorf("%d: got the tree %q, want %q in it", n, got, want)
		}
	}
}

func readsLargeViews(p *plugin) {
	var w hostapi.BatchWriter
	want := map[string]string{}
	for i, n := range []int{300 << 10, 1, 60 << 10} {
		text := strings.Repeat("é日", n/5+1)
		elements := strings.Repeat("<b/>", n/1000)
		xml := fmt.Sprintf(`<event version="2.0" uid="large-%d" type="a-f" time="2026-08-20T10:11:12Z" start="2026-08-20T10:11:12Z" `+
			`stale="2026-08-20T10:17:27Z" how="m-g"><point lat="1" lon="2" hae="3" ce="4" le="5"/><detail><remarks>%s%s</remarks></detail></event>`, i, text, elements)
		e := p.scan(xml, &hostapi.Event{ID: hostapi.ID(i)})
		w.Add(e, hostapi.DetailWant{All: true, XML: true}, 1)
		want[e.UID] = facts(0, 0, 4, e, 1, "1:detail{}[1:remarks{}"+text+strings.Repeat("[1:b{}]", n/1000)+"]|<remarks>"+text+elements+"</remarks>|"+xml+"|")
	}
	p.must(hostapi.OpEvents, raw(w.Bytes(4, 0, 0)), &wire.BatchResult{})
	for uid, got := range p.host.Documents("seen") {
		p.same(uid, got, want[uid])
	}
	p.must(hostapi.OpEvents, raw(batch(p, "a-f-G")), &wire.BatchResult{}) // a small one afterwards
	if got := len(p.host.Documents("seen")); got != 4 {
		p.Errorf("got %d documents, want 4", got)
	}
}

func handlesMany(p *plugin) {
	types := make([]string, 500)
	for i := range types {
		types[i] = fmt.Sprint("a-f-", i)
	}
	p.must(hostapi.OpEvents, raw(batch(p, types...)), &wire.BatchResult{})
	docs := p.host.Documents("seen")
	for i, typ := range types {
		if got := docs[fmt.Sprint("u", i)]; !strings.Contains(got, fmt.Sprintf("|u%d|%s|m-g|LINDE|", i, typ)) {
			p.Errorf("event %d: got %q", i, got)
		}
	}
	p.same("handled", p.handled(), "500|")
	asked := p.host.did().asked
	if got := len(slices.DeleteFunc(asked, func(op hostapi.HostOp) bool { return op != hostapi.HostPut })); got != 501 {
		p.Errorf("got %d writes, want one of init and one for each event", got)
	}
}

func handlesNone(p *plugin) {
	var w hostapi.BatchWriter
	p.must(hostapi.OpEvents, raw(w.Bytes(1, 0, 0)), &wire.BatchResult{})
	p.same("handled", p.handled(), "0|")
}

func refusesEvents(p *plugin) {
	var got wire.BatchResult
	p.must(hostapi.OpEvents, raw(batch(p, "a-f", "x-refuse", "a-f", "x-retry", "x-refuse", "a-f")), &got)
	want := wire.BatchResult{Results: []wire.EventResult{
		{Event: 1, Status: uint32(hostapi.Invalid), Message: "not this one"},
		{Event: 3, Status: uint32(hostapi.Retry), Message: "not now"},
		{Event: 4, Status: uint32(hostapi.Invalid), Message: "not this one"},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		p.Errorf("results (-want +got):\n%s", diff)
	}
	if docs := p.host.Documents("seen"); len(docs) != 3 || docs["u0"] == "" || docs["u2"] == "" || docs["u5"] == "" {
		p.Errorf("documents: got %v, want those of the others", docs)
	}
}

// refusesBatch: half of an event's effects must not be committed with the others.
func refusesBatch(p *plugin) {
	e := p.refused(hostapi.OpEvents, batch(p, "a-f", "x-refuse", "x-late", "a-f"), hostapi.Retry)
	p.same("message", e.Message, "after an effect")
	if docs := p.host.Documents("seen"); docs["u3"] != "" {
		p.Error("the events behind were handled all the same")
	}
	p.host.Fail = map[hostapi.HostOp]hostapi.Status{hostapi.HostPut: hostapi.Limit}
	e = p.refused(hostapi.OpEvents, batch(p, "a-f"), hostapi.Limit)
	if !strings.Contains(e.Message, "the test wants it so") {
		p.Errorf("message: got %q, want what the host said", e.Message)
	}
}

func filtersEvents(p *plugin) {
	if p.lacks(filters) {
		p.refused(hostapi.OpFilter, batch(p, "x-drop"), hostapi.Unsupported)
		return
	}
	for typ, want := range map[string]wire.FilterVerdict{
		"a-f-G":     {},
		"x-drop":    {Verdict: wire.VerdictDrop, Reason: "dropped"},
		"x-replace": {Verdict: wire.VerdictReplace, XML: "<event/>", Reason: "changed"},
	} {
		var got wire.FilterVerdict
		p.must(hostapi.OpFilter, raw(batch(p, typ)), &got)
		if diff := cmp.Diff(want, got); diff != "" {
			p.Errorf("%s (-want +got):\n%s", typ, diff)
		}
	}
	p.same("message", p.refused(hostapi.OpFilter, batch(p, "x-refuse"), hostapi.Failed).Message, "not this one")
}

func hearsOfClients(p *plugin) {
	p.must(hostapi.OpClients, &wire.ClientChanges{Changes: []wire.ClientChange{
		{Kind: wire.ClientChangeKindConnected, At: 1787220672345678, Client: &wire.Client{UID: "A", Callsign: "LINDE é", OutSet: -4}},
		{Kind: wire.ClientChangeKindDisconnected, At: -1, Client: &wire.Client{UID: "B"}},
	}}, nil)
	// A message that is empty is absent: nobody must stumble over that.
	p.refused(hostapi.OpClients, (&wire.ClientChanges{Changes: []wire.ClientChange{{At: 1}}}).Append(nil), hostapi.Invalid)
	want := map[string]string{"A": "0|1787220672345678|LINDE é|-4|", "B": "2|-1||0|"}
	if diff := cmp.Diff(want, p.host.Documents("clients")); diff != "" {
		p.Errorf("documents (-want +got):\n%s", diff)
	}
}

func hearsTimers(p *plugin) {
	p.must(hostapi.OpTimer, &wire.Timer{Name: "tick", Due: 1787220672345678, Missed: 3, Data: []byte("dé")}, nil)
	p.same("tick", p.host.Documents("ticks")["tick"], "1787220672345678|3|dé|")
	p.must(hostapi.OpTimer, &wire.Timer{Name: "tick"}, nil)
	p.same("an empty one", p.host.Documents("ticks")["tick"], "0|0||")
	p.refused(hostapi.OpTimer, (&wire.Timer{Name: "tock"}).Append(nil), hostapi.Unsupported)
}

func doesActions(p *plugin) {
	var got wire.ActionResult
	p.must(hostapi.OpAction, &wire.Action{
		Name: "add", Version: 3, Body: []byte{1, 255, 0, 4}, Caller: &wire.Caller{User: "linde", Via: []string{"chat", "é"}},
	}, &got)
	p.same("the sum", string(got.Body), "260|3|linde|chat|é|")
	p.must(hostapi.OpAction, &wire.Action{Name: "add"}, &got)
	p.same("nobody's", string(got.Body), "0|0||")
	p.refused(hostapi.OpAction, (&wire.Action{Name: "none"}).Append(nil), hostapi.Unsupported)
}
