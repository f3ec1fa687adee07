package conformance

import (
	"slices"

	"github.com/google/go-cmp/cmp"

	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/index"
	"github.com/takhost/takhost/hostapi/wire"
)

var lifeCases = []conformanceCase{
	{name: "describes itself", run: describesItself},
	{name: "begins with its config", run: beginsWithConfig},
	{name: "refuses a config", run: refusesConfig},
	{name: "takes over a changed config", run: reconfigures},
	{name: "says that it is unwell", run: saysUnwell},
	{name: "stops", run: func(p *plugin) { p.must(hostapi.OpStop, nil, nil) }},
	{name: "does not know all operations", run: knowsNotAllOperations},
	{name: "hands its memory over", run: handsOver},
	{name: "gives keys for new indexes", run: reindexes},
}

const someConfig = `{"unit":"m","radius":500.5,"list":[1,"two",null]}`

// begin calls init with a config, the usual one if it is empty.
func (p *plugin) begin(config string) {
	p.Helper()
	if config == "" {
		config = someConfig
	}
	p.host.Config = p.json(config)
	p.must(hostapi.OpInit, p.initOf(config), nil)
}

func (p *plugin) initOf(config string) *wire.Init {
	return &wire.Init{
		Name: "conform-é", Version: "2.1.0", Config: p.json(config), Role: wire.RolePool, Node: 7, FromVersion: "2.0.0",
		Grants:   []wire.Grant{{Capability: "events.emit", Types: []string{"a-*", "b-t-f"}}, {Capability: "store"}},
		BaseURLs: []string{"https://tak.example:8443", "http://localhost"}, BaseListeners: []string{"https", "http"}, NodeID: "node-é",
	}
}

const begun = "conform-é|2.1.0|m|500.5|3|1|7|2.0.0|events.emit|a-*|b-t-f|store|https://tak.example:8443|http://localhost|https|http|node-é|"

func describesItself(p *plugin) {
	var d wire.Description
	p.must(hostapi.OpDescribe, nil, &d)
	ops := d.Ops
	d.Ops = nil
	want := wire.Description{Name: "conform", Version: "1.0.0", ABI: hostapi.ABIVersion, SDK: p.subject.sdk}
	if diff := cmp.Diff(want, d); diff != "" {
		p.Error(diff)
	}
	if p.lacks(listsItsOps) {
		return
	}
	wantOps := []uint32{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14}
	if p.lacks(filters) {
		wantOps = slices.DeleteFunc(wantOps, func(n uint32) bool { return n == uint32(hostapi.OpFilter) })
	}
	if !slices.Equal(ops, wantOps) {
		p.Errorf("operations: got %v, want %v", ops, wantOps)
	}
}

func beginsWithConfig(p *plugin) {
	p.same("what init said", p.host.Documents("state")["config"], begun)
	p.same("the config later", p.route("config", ""), "m|500.5|")
	p.begin(`{"unit":"ü","radius":-1.5,"list":[]}`)
	p.same("the second config", p.route("config", ""), "ü|-1.5|")
}

func refusesConfig(p *plugin) {
	for _, op := range []hostapi.GuestOp{hostapi.OpInit, hostapi.OpReconfigure} {
		e := p.refused(op, p.initOf(`{"refuse":"because ü"}`).Append(nil), hostapi.Invalid)
		p.same("message", e.Message, "config.refuse: because ü")
		if !p.lacks(errorCodes) {
			p.same("code", e.Code, "config")
		}
	}
	p.same("the config after a refusal", p.route("config", ""), "m|500.5|")
}

func reconfigures(p *plugin) {
	p.handles(3)
	config := `{"unit":"km","radius":2,"list":[]}`
	p.host.Config = p.json(config)
	p.must(hostapi.OpReconfigure, p.initOf(config), nil)
	p.same("what reconfigure said", p.host.Documents("state")["config"],
		"conform-é|2.1.0|km|2|0|1|7|2.0.0|events.emit|a-*|b-t-f|store|https://tak.example:8443|http://localhost|https|http|node-é|")
	p.same("the config later", p.route("config", ""), "km|2|")
	p.same("its memory", p.handled(), "3|")
}

func saysUnwell(p *plugin) {
	p.must(hostapi.OpHealth, nil, nil)
	p.same("sick", p.route("sick", ""), "")
	e := p.refused(hostapi.OpHealth, nil, hostapi.Retry)
	p.same("message", e.Message, "sick since the request")
	p.begin("")
	p.must(hostapi.OpHealth, nil, nil)
}

func knowsNotAllOperations(p *plugin) {
	for _, op := range []hostapi.GuestOp{hostapi.OpStream, 0, 16, 999, 1<<32 - 1} {
		p.refused(op, []byte("in"), hostapi.Unsupported)
	}
}

// handles gives the guest a number of events.
func (p *plugin) handles(n int) {
	p.Helper()
	types := slices.Repeat([]string{"a-f-G"}, n)
	p.must(hostapi.OpEvents, raw(batch(p, types...)), &wire.BatchResult{})
}

// handled asks how many events the instance had.
func (p *plugin) handled() string {
	p.Helper()
	var s wire.Snapshot
	p.must(hostapi.OpSnapshot, nil, &s)
	if len(s.Entries) != 2 {
		p.Fatalf("snapshot: got %d entries, want 2", len(s.Entries))
	}
	return string(s.Entries[0].Value)
}

func handsOver(p *plugin) {
	p.handles(12)
	var s wire.Snapshot
	p.must(hostapi.OpSnapshot, nil, &s)
	want := wire.Snapshot{Version: "2.1.0", Entries: []wire.SnapshotEntry{
		{Key: []byte("handled"), Value: []byte("12|")}, {Key: []byte{0, 0xff}, Value: []byte{0, 1}},
	}}
	if diff := cmp.Diff(want, s); diff != "" {
		p.Fatalf("snapshot (-want +got):\n%s", diff)
	}
	p.begin("")
	p.same("a new one", p.handled(), "0|")
	p.must(hostapi.OpRestore, &s, nil)
	p.same("what restore said", p.host.Documents("state")["restored"], "2.1.0|68616e646c6564|31327c|00ff|0001|")
	p.handles(1)
	p.same("the one that took over", p.handled(), "13|")
}

func reindexes(p *plugin) {
	key := func(v index.Value) []byte {
		b, err := index.AppendTuple(nil, v)
		if err != nil {
			p.Fatal(err)
		}
		return b
	}
	m := &wire.Reindex{Indexes: []string{"by-size"}, Documents: []wire.Document{{ID: "a", Body: []byte("12345")}, {ID: "b\x00"}}}
	var got wire.Reindexed
	p.must(hostapi.OpReindex, m, &got)
	want := wire.Reindexed{Documents: []wire.DocumentKeys{
		{Keys: []wire.IndexKey{{Index: "by-size", Key: key(index.Int(5))}}}, {Keys: []wire.IndexKey{{Index: "by-size", Key: key(index.Int(0))}}},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		p.Errorf("one index (-want +got):\n%s", diff)
	}
	m.Indexes, m.Documents = []string{"by-id", "by-size"}, m.Documents[1:]
	got = wire.Reindexed{}
	p.must(hostapi.OpReindex, m, &got)
	want = wire.Reindexed{Documents: []wire.DocumentKeys{{Keys: []wire.IndexKey{
		{Index: "by-id", Key: key(index.String("b\x00"))}, {Index: "by-size", Key: key(index.Int(0))},
	}}}}
	if diff := cmp.Diff(want, got); diff != "" {
		p.Errorf("both indexes (-want +got):\n%s", diff)
	}
	p.must(hostapi.OpReindex, &wire.Reindex{}, &wire.Reindexed{})
}
