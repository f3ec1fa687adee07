package conformance

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/takhost/takhost/core/plugin/guest"
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/cot"
	"github.com/takhost/takhost/hostapi/manifest"
	"github.com/takhost/takhost/hostapi/wire"
)

// The examples that count events, each in the language of a header-sized SDK.
var counters = []struct {
	example string
	build   func(testing.TB, string) []byte
}{
	{"c-counter", BuildC},
	{"rust-counter", BuildRust},
}

func TestCounters(t *testing.T) {
	for _, c := range counters {
		t.Run(c.example, func(t *testing.T) {
			text, err := os.ReadFile(filepath.Join(Root(t), "examples", c.example, manifest.FileName))
			if err != nil {
				t.Fatal(err)
			}
			m, err := manifest.Parse(text)
			if err != nil {
				t.Fatal(err)
			}
			module := load(t, guest.Code{Name: m.Name, Module: c.build(t, "examples/"+c.example), Memory: int64(m.Limits.Memory)})
			for _, tt := range counterCases {
				t.Run(tt.name, func(t *testing.T) {
					p := start(t, module)
					p.manifest = m
					tt.run(p)
				})
			}
		})
	}
}

var counterCases = []struct {
	name string
	run  func(*plugin)
}{
	{"describes itself", describes},
	{"does not know all operations", knowsNotAll},
	{"counts", counts},
	{"counts many types of a batch", countsManyTypes},
	{"answers with pages of documents", answersPages},
	{"takes long answers", takesLongAnswers},
	{"passes on what the host refuses", passesOn},
	{"knows its routes", knowsItsRoutes},
	{"goes on with a damaged count", goesOn},
	{"is not broken by any input", isNotBroken},
	{"does not grow", doesNotGrow},
}

func (p *plugin) init() {
	p.Helper()
	in := (&wire.Init{Name: p.manifest.Name, Version: p.manifest.Version, Node: 1}).Append(nil)
	if out, status := p.call(hostapi.OpInit, in); status != hostapi.OK {
		p.Fatalf("init: got %v %q, want ok", status, out)
	}
}

// events sends a batch with an event of each type.
func (p *plugin) events(types ...string) hostapi.Status {
	p.Helper()
	_, status := p.call(hostapi.OpEvents, batch(p, types...))
	return status
}

func batch(t testing.TB, types ...string) []byte {
	t.Helper()
	var w hostapi.BatchWriter
	for i, typ := range types {
		var escaped strings.Builder
		for _, c := range typ {
			fmt.Fprintf(&escaped, "&#%d;", c)
		}
		e := &hostapi.Event{ID: hostapi.ID(i + 1), XML: `<event version="2.0" uid="u` + strconv.Itoa(i) + `" type="` + escaped.String() +
			`" time="2026-08-20T10:11:12Z" start="2026-08-20T10:11:12Z" stale="2026-08-20T10:17:12Z" how="m-g">` +
			`<point lat="1" lon="2" hae="3" ce="4" le="5"/><detail><contact callsign="LINDE"/></detail></event>`}
		if err := cot.Scan(e.XML, &e.Header); err != nil {
			t.Fatal(err)
		}
		w.Add(e, hostapi.DetailWant{All: true}, 1)
	}
	return w.Bytes(1, 0, 0)
}

// counts asks the route.
func (p *plugin) counts() map[string]int {
	p.Helper()
	in := (&wire.HTTPRequest{Route: "counts", Method: "GET", Path: p.manifest.Routes[0].Path}).Append(nil)
	out, status := p.call(hostapi.OpHTTP, in)
	var response wire.HTTPResponse
	if err := response.Decode(out); status != hostapi.OK || err != nil || len(response.Parts) != 1 {
		p.Fatalf("counts: got %v, error %v, %q", status, err, out)
	}
	if got := response.Status; got != 0 && got != 200 {
		p.Errorf("counts: got HTTP status %d, want 200", got)
	}
	var body struct{ Counts map[string]int }
	if err := json.Unmarshal(response.Parts[0].Data, &body); err != nil {
		p.Fatalf("counts: %v in %s", err, response.Parts[0].Data)
	}
	return body.Counts
}

func describes(p *plugin) {
	out, status := p.call(hostapi.OpDescribe, nil)
	var d wire.Description
	if err := d.Decode(out); status != hostapi.OK || err != nil {
		p.Fatalf("got %v, error %v", status, err)
	}
	if d.Name != p.manifest.Name || d.Version != p.manifest.Version || d.ABI != hostapi.ABIVersion || d.SDK == "" {
		p.Errorf("got %+v, want what the manifest says", d)
	}
}

func knowsNotAll(p *plugin) {
	p.init()
	for _, op := range []hostapi.GuestOp{hostapi.OpSnapshot, hostapi.OpStream, 0, 999, 1<<32 - 1} {
		if _, status := p.call(op, []byte("in")); status != hostapi.Unsupported {
			p.Errorf("%v: got %v, want unsupported", op, status)
		}
	}
}

func counts(p *plugin) {
	p.init()
	if got := p.counts(); len(got) != 0 {
		p.Errorf("at first: got %v, want nothing", got)
	}
	odd := `b-"\` + "é"
	for _, types := range [][]string{{"a-f-G", "b-t-f", "a-f-G"}, {"a-f-G"}, {}, {odd}} {
		if got := p.events(types...); got != hostapi.OK {
			p.Fatalf("%q: got %v, want ok", types, got)
		}
	}
	want := map[string]int{"a-f-G": 3, "b-t-f": 1, odd: 1}
	if diff := cmp.Diff(want, p.counts()); diff != "" {
		p.Errorf("counts (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]string{"a-f-G": "3", "b-t-f": "1", odd: "1"}, p.host.Documents("counts")); diff != "" {
		p.Errorf("documents (-want +got):\n%s", diff)
	}
	if logs := p.host.Logs(); len(logs) != 0 {
		p.Errorf("got the log %q, want none", logs)
	}
}

func countsManyTypes(p *plugin) {
	p.init()
	var types []string
	want := map[string]int{}
	for i := range 100 {
		typ := "a-" + strconv.Itoa(i%70)
		types = append(types, typ)
		want[typ]++
	}
	if got := p.events(types...); got != hostapi.OK {
		p.Fatalf("got %v, want ok", got)
	}
	if diff := cmp.Diff(want, p.counts()); diff != "" {
		p.Errorf("counts (-want +got):\n%s", diff)
	}
}

func answersPages(p *plugin) {
	p.init()
	p.host.Page = 3
	want := map[string]int{}
	for i := range 10 {
		typ := "a-" + strconv.Itoa(i)
		p.host.Put("counts", typ, strconv.Itoa(i+1))
		want[typ] = i + 1
	}
	if diff := cmp.Diff(want, p.counts()); diff != "" {
		p.Errorf("counts (-want +got):\n%s", diff)
	}
}

// takesLongAnswers: an answer that no SDK has room for at first.
func takesLongAnswers(p *plugin) {
	p.init()
	want := map[string]int{}
	for i := range 90 {
		typ := "a-" + strings.Repeat("x", 400) + strconv.Itoa(i)
		p.host.Put("counts", typ, "1")
		want[typ] = 1
	}
	if diff := cmp.Diff(want, p.counts()); diff != "" {
		p.Errorf("counts (-want +got):\n%s", diff)
	}
}

func passesOn(p *plugin) {
	p.init()
	for _, want := range []hostapi.Status{hostapi.Conflict, hostapi.Forbidden, hostapi.Limit} {
		for _, op := range []hostapi.HostOp{hostapi.HostGet, hostapi.HostPut} {
			p.host.Fail = map[hostapi.HostOp]hostapi.Status{op: want}
			if got := p.events("a-f-G"); got != want {
				p.Errorf("%v answers %v: got %v", op, want, got)
			}
		}
	}
	p.host.Fail = nil
	if got := p.events("a-f-G"); got != hostapi.OK {
		p.Errorf("afterwards: got %v, want ok", got)
	}
}

func knowsItsRoutes(p *plugin) {
	p.init()
	out, status := p.call(hostapi.OpHTTP, (&wire.HTTPRequest{Route: "other", Method: "GET"}).Append(nil))
	var e wire.Error
	if err := e.Decode(out); err != nil || status != hostapi.NotFound || e.Message != "there is no such route" {
		p.Errorf("got %v, %+v, error %v, want not_found", status, e, err)
	}
}

func goesOn(p *plugin) {
	p.init()
	for _, body := range []string{"", "many", "-1", "99999999999999999999999999"} {
		p.host.Put("counts", "a-f-G", body)
		before := len(p.host.Logs())
		if got := p.events("a-f-G"); got != hostapi.OK {
			p.Fatalf("%q: got %v, want ok", body, got)
		}
		if got := p.host.Documents("counts")["a-f-G"]; got != "1" {
			p.Errorf("%q: got %s, want that it starts again with 1", body, got)
		}
		if got := len(p.host.Logs()) - before; got != 1 {
			p.Errorf("%q: got %d lines in the log, want 1", body, got)
		}
	}
}

// isNotBroken: bytes that no host sends give some status, and never a crash.
func isNotBroken(p *plugin) {
	p.init()
	random := rand.New(rand.NewPCG(1, 2))
	good := map[hostapi.GuestOp][]byte{
		hostapi.OpEvents: batch(p, "a-f-G", "b-t-f"),
		hostapi.OpHTTP: (&wire.HTTPRequest{Route: "counts", Method: "GET", Path: "/x",
			Query: []wire.Pair{{Name: "a", Value: "b"}}, Tree: []byte("tree")}).Append(nil),
		hostapi.OpInit: (&wire.Init{Name: "x", Version: "1"}).Append(nil),
	}
	for op, message := range good {
		for range 2000 {
			in := append([]byte(nil), message...)
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
			p.call(op, in)
		}
		p.call(op, nil)
	}
	p.init()
	p.host.docs = nil
	if p.events("a-f-G") != hostapi.OK || !maps.Equal(p.counts(), map[string]int{"a-f-G": 1}) {
		p.Errorf("afterwards: got %v, want one a-f-G", p.counts())
	}
}

func doesNotGrow(p *plugin) {
	p.init()
	in := batch(p, "a-f-G", "b-t-f", "a-f-A", "a-h-G")
	p.call(hostapi.OpEvents, in)
	p.counts()
	before := p.instance.Memory()
	for range 5000 {
		p.call(hostapi.OpEvents, in)
		p.counts()
	}
	if got := p.instance.Memory(); got > before+128<<10 {
		p.Errorf("got %d bytes of memory after 5000 calls, want about %d", got, before)
	}
	if got := p.counts()["a-h-G"]; got != 5001 {
		p.Errorf("got %d, want 5001", got)
	}
}
