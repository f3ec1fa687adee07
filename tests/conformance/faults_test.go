package conformance

import (
	"context"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/takhost/takhost/core/plugin/guest"
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/wire"
)

var faultCases = []conformanceCase{
	{name: "refuses with any status", run: refusesWithStatus},
	{name: "passes on what the host refuses", run: passesOnRefusals},
	{name: "is not broken by any input", run: isNotBrokenByInput},
	{name: "panics", run: panics, ends: true},
	{name: "loops", run: loops, ends: true},
	{name: "ends itself", run: endsItself, ends: true},
}

func refusesWithStatus(p *plugin) {
	for s := hostapi.Retry; s <= hostapi.Gone; s++ {
		e := p.routeRefused("fail", `"status":`+strconv.Itoa(int(s))+`,"message":"not é \"now\"","code":"word"`, s)
		p.same(s.String()+" message", e.Message, `not é "now"`)
		if p.lacks(errorCodes) {
			continue
		}
		p.same(s.String()+" code", e.Code, "word")
	}
	long := strings.Repeat("é", 100000)
	p.same("a long message", p.routeRefused("fail", `"status":3,"message":"`+long+`"`, hostapi.Invalid).Message, long)
}

// passesOnRefusals: what a guest asks for and does not get.
func passesOnRefusals(p *plugin) {
	for _, tt := range []struct {
		op             hostapi.HostOp
		route, members string
		step           string
	}{
		{hostapi.HostPut, "put", `"collection":"c","id":"x"`, "put"},
		{hostapi.HostGet, "get", `"collection":"c","id":"x"`, "get"},
		{hostapi.HostDelete, "delete", `"collection":"c","id":"x"`, "delete"},
		{hostapi.HostQuery, "query", `"collection":"c"`, "query"},
		{hostapi.HostNextCounter, "counter", `"name":"n"`, "counter"},
		{hostapi.HostEmit, "emit", `"xml":"<e/>","all":true`, "emit"},
		{hostapi.HostTimerSet, "timer.set", `"name":"t","every":1`, "timer"},
		{hostapi.HostTimerCancel, "timer.cancel", `"name":"t"`, "timer"},
		{hostapi.HostClients, "clients", ``, "clients"},
		{hostapi.HostIdentity, "identity", `"user":"x"`, "identity"},
		{hostapi.HostCall, "call", `"name":"a.b"`, "call"},
		{hostapi.HostRandom, "random", `"n":4`, "random"},
		{hostapi.HostBlobPut, "blob.put", `"data":"x"`, "file"},
		{hostapi.HostBlobRead, "blob.read", `"hash":"x","length":1`, "file"},
		{hostapi.HostBlobStat, "blob.stat", `"hash":"x"`, "file"},
		{hostapi.HostBlobList, "blob.kept", `"owner":"x"`, "file"},
		{hostapi.HostBlobZipList, "zip.list", `"hash":"x"`, "file"},
		{hostapi.HostBlobZipEntry, "zip.entry", `"hash":"x","name":"a"`, "file"},
		{hostapi.HostBlobPack, "pack", `"entries":[{"name":"a","data":"b"}]`, "file"},
		{hostapi.HostBlobKeep, "blob.keep", `"hash":"x","owner":"o"`, "file"},
		{hostapi.HostBlobRelease, "blob.release", `"hash":"x","owner":"o"`, "file"},
	} {
		for s := hostapi.Retry; s <= hostapi.Gone; s++ {
			p.host.Fail = map[hostapi.HostOp]hostapi.Status{tt.op: s}
			e := p.routeRefused(tt.route, tt.members, s)
			p.same(tt.op.String()+" "+s.String(), e.Message, tt.step+": the test wants it so")
		}
	}
	p.host.Fail = nil
	p.same("afterwards", p.route("put", `"collection":"c","id":"x"`), "")
}

// isNotBrokenByInput: bytes that no host sends give some status, and never a crash.
func isNotBrokenByInput(p *plugin) {
	random := rand.New(rand.NewPCG(1, 2))
	var w hostapi.BatchWriter
	w.Add(p.scan(fullXML, &hostapi.Event{User: "linde"}), hostapi.DetailWant{All: true, XML: true}, 1)
	w.Add(p.scan(fullXML, &hostapi.Event{}), hostapi.DetailWant{}, 1)
	inputs := []struct {
		op hostapi.GuestOp
		in []byte
	}{
		{hostapi.OpEvents, w.Bytes(1, 0, 0)},
		{hostapi.OpFilter, w.Bytes(1, 0, 0)},
		{hostapi.OpHTTP, (&wire.HTTPRequest{Route: "request", Query: []wire.Pair{{Name: "q", Value: "b"}}, Caller: &wire.Caller{User: "x"},
			Tree: p.json(`{"a":[1,{"b":"c"}],"d":null}`)}).Append(nil)},
		{hostapi.OpHTTP, p.tree("put", `{"collection":"c","id":"d","keys":{"by":[{"text":"a"},{"int":"1"}]}}`).Append(nil)},
		{hostapi.OpHTTP, p.tree("pack", `{"name":"z","entries":[{"name":"a","hash":"b"},{"name":"c","data":"d"}]}`).Append(nil)},
		{hostapi.OpHTTP, (&wire.HTTPRequest{Route: "upload", Form: []wire.Pair{{Name: "note", Value: "x"}}, Blobs: refs(2), ReadOnly: true}).Append(nil)},
		{hostapi.OpHTTP, (&wire.HTTPRequest{Route: "download", Query: []wire.Pair{{Name: "hash", Value: "x"}}}).Append(nil)},
		{hostapi.OpInit, p.initOf(someConfig).Append(nil)},
		{hostapi.OpTimer, (&wire.Timer{Name: "tick", Data: []byte("x")}).Append(nil)},
		{hostapi.OpAction, (&wire.Action{Name: "add", Body: []byte("x"), Caller: &wire.Caller{Via: []string{"a"}}}).Append(nil)},
		{hostapi.OpClients, (&wire.ClientChanges{Changes: []wire.ClientChange{{Client: &wire.Client{UID: "a", Callsign: "b"}}}}).Append(nil)},
		{hostapi.OpRestore, (&wire.Snapshot{Version: "1", Entries: []wire.SnapshotEntry{{Key: []byte("handled"), Value: []byte("5|")}}}).Append(nil)},
		{hostapi.OpReindex, (&wire.Reindex{Indexes: []string{"by-id"}, Documents: []wire.Document{{ID: "x"}}}).Append(nil)},
	}
	for range p.subject.mutations / len(inputs) {
		for _, input := range inputs {
			in := append([]byte(nil), input.in...)
			for range 1 + random.IntN(4) {
				switch at := random.IntN(len(in)); random.IntN(3) {
				case 0:
					in[at] = byte(random.Uint32())
				case 1:
					in[at] = 0xff
				default:
					in = in[:at+1]
				}
			}
			p.call(input.op, in)
		}
	}
	for op := hostapi.OpDescribe; op <= hostapi.OpStream; op++ {
		p.call(op, nil)
		p.call(op, []byte{0xff})
	}
	p.host.Reset()
	p.begin("")
	p.handles(2)
	p.same("afterwards", p.handled(), "2|")
}

// crash makes a call that ends the instance.
func (p *plugin) crash(route string) ([]byte, error) {
	p.Helper()
	ctx, cancel := context.WithTimeout(p.Context(), callLimit)
	defer cancel()
	out, status, err := p.instance.Call(ctx, hostapi.OpHTTP, (&wire.HTTPRequest{Route: route}).Append(nil), nil)
	if err == nil {
		p.Fatalf("%s: got %v %q, want a crash", route, status, out)
	}
	return out, err
}

// panics: what the language can catch is an answer, and the instance goes on; the
// rest is a trap, and the next instance is fine.
func panics(p *plugin) {
	if p.subject.panics == "" {
		p.dies("panic", guest.Trapped)
		// A trap says nothing, but Rust has a hook that can.
		if logs := p.host.Logs(); p.subject.name == "rust" && (len(logs) != 1 || !strings.Contains(logs[0], "an author's mistake")) {
			p.Errorf("got the log %q, want the panic", logs)
		}
		return
	}
	e := p.refused(hostapi.OpHTTP, (&wire.HTTPRequest{Route: "panic"}).Append(nil), hostapi.Failed)
	p.same("code", e.Code, p.subject.panics)
	if !strings.Contains(e.Message, "an author's mistake") || len(e.Details) == 0 || e.Details[0].Name != "stack" || e.Details[0].Value == "" {
		p.Errorf("got %+v, want the panic and its stack", e)
	}
	p.same("afterwards", p.route("counter", `"name":"n"`), "1|")
}

func loops(p *plugin) {
	ctx, cancel := context.WithTimeout(p.Context(), 150*time.Millisecond)
	defer cancel()
	_, _, err := p.instance.Call(ctx, hostapi.OpHTTP, (&wire.HTTPRequest{Route: "spin"}).Append(nil), nil)
	if got := guest.ReasonOf(err); got != guest.Deadline {
		p.Errorf("got %q (%v), want deadline", got, err)
	}
	p.next()
}

func endsItself(p *plugin) {
	if p.lacks(exits) {
		p.refused(hostapi.OpHTTP, (&wire.HTTPRequest{Route: "exit"}).Append(nil), hostapi.Unsupported)
		return
	}
	p.dies("exit", guest.Exited)
}
