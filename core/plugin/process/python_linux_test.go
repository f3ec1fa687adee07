package process

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/takhost/takhost/core/plugin/guest"
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/cot"
	"github.com/takhost/takhost/hostapi/index"
	"github.com/takhost/takhost/hostapi/tree"
	"github.com/takhost/takhost/hostapi/wire"
)

// python gives a Python that has what sdk/python needs.
func python(t testing.TB) string {
	t.Helper()
	path := os.Getenv("TAKHOST_PYTHON")
	if path == "" {
		path = "../../../.tools/venv/bin/python"
	}
	path, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(path, "-c", "import grpc, cryptography").CombinedOutput(); err != nil {
		t.Skipf("left out: Python with grpcio and cryptography (make tools installs them): %v %q", err, out)
	}
	return path
}

// pack makes one executable file of sources and sdk/python, as README there says.
func pack(t testing.TB, sources ...string) guest.Code {
	t.Helper()
	py, dir := python(t), t.TempDir()
	for _, from := range append(sources, "../../../sdk/python/takhost.py") {
		b, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Base(from)
		if from == sources[0] {
			name = "__main__.py"
		}
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	c := code(t, "")
	c.Args = nil
	c.Program = filepath.Join(t.TempDir(), "plugin")
	if out, err := exec.Command(py, "-m", "zipapp", dir, "-p", py, "-o", c.Program).CombinedOutput(); err != nil {
		t.Fatalf("zipapp: %v\n%s", err, out)
	}
	c.Digest = digest(c.Program)
	return c
}

// message is one of hostapi/wire.
type message interface {
	Append([]byte) []byte
	Decode([]byte) error
}

// mustCall makes a call that must succeed.
func mustCall(t testing.TB, i guest.Instance, op hostapi.GuestOp, in message, out message) {
	t.Helper()
	answer, s, err := tryCall(i, op, in)
	if err != nil || s != hostapi.OK {
		t.Fatalf("%s: got %s %q, %v", op, s, answer, err)
	}
	if out != nil {
		if err := out.Decode(answer); err != nil {
			t.Fatalf("%s: %v", op, err)
		}
	}
}

func tryCall(i guest.Instance, op hostapi.GuestOp, in message) ([]byte, hostapi.Status, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	var payload []byte
	if in != nil {
		payload = in.Append(nil)
	}
	return i.Call(ctx, op, payload, nil)
}

// get makes a request and gives the body of its answer.
func get(t testing.TB, i guest.Instance, route string) string {
	t.Helper()
	var res wire.HTTPResponse
	mustCall(t, i, hostapi.OpHTTP, &wire.HTTPRequest{Route: route}, &res)
	if len(res.Parts) != 1 {
		t.Fatalf("%s: got %d parts, want 1", route, len(res.Parts))
	}
	return string(res.Parts[0].Data)
}

// recorder is a host that answers what it was told to, and keeps what it was asked.
type recorder struct {
	answers map[hostapi.HostOp]string
	asked   []string
	puts    []wire.Put
}

func (r *recorder) Serve(_ context.Context, op hostapi.HostOp, in, dst []byte) ([]byte, hostapi.Status) {
	if op == hostapi.HostPut {
		var m wire.Put
		if err := m.Decode(append([]byte(nil), in...)); err != nil {
			return append(dst, err.Error()...), hostapi.Invalid
		}
		if m.MustBeNew {
			e := wire.Error{Code: "exists", Message: "it is there", Details: []wire.Pair{{Name: "id", Value: m.ID}}}
			return e.Append(dst), hostapi.Conflict
		}
		r.puts = append(r.puts, m)
		return dst, hostapi.OK
	}
	if op == hostapi.HostRandom {
		var m wire.RandomRequest
		if err := m.Decode(in); err != nil {
			return append(dst, err.Error()...), hostapi.Invalid
		}
		return append(dst, strings.Repeat("r", int(m.N))...), hostapi.OK
	}
	r.asked = append(r.asked, fmt.Sprintf("%s %x", op, in))
	return append(dst, r.answers[op]...), hostapi.OK
}

// The Python SDK reads and writes what the Go code of the contract does.
func TestPython(t *testing.T) {
	h := &recorder{answers: map[hostapi.HostOp]string{}}
	c := pack(t, "testdata/sample.py")
	log := newLogged()
	c.Log = log.logger()
	i := start(t, c, h)
	config, err := tree.AppendJSON(nil, []byte(`{"period": 30, "name": "x", "list": [1.5, true, null]}`))
	if err != nil {
		t.Fatal(err)
	}

	t.Run("describe", func(t *testing.T) {
		var d wire.Description
		mustCall(t, i, hostapi.OpDescribe, nil, &d)
		want := wire.Description{Name: "sample", Version: "1.2.3", ABI: hostapi.ABIVersion, SDK: "python sdk 1.0", Ops: []uint32{1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 13, 14}}
		if diff := cmp.Diff(want, d); diff != "" {
			t.Error(diff)
		}
		log.await(t, `msg="plugin printed" stream=stderr line="this is no handshake"`)
	})
	t.Run("init", func(t *testing.T) {
		bad, err := tree.AppendJSON(nil, []byte(`{"refuse": "because"}`))
		if err != nil {
			t.Fatal(err)
		}
		out, s, _ := tryCall(i, hostapi.OpInit, &wire.Init{Name: "other", Config: bad})
		var m wire.Error
		if err := m.Decode(out); err != nil || s != hostapi.Invalid || m.Code != "config" || m.Message != "config.refuse: because" {
			t.Errorf("got %s %+v, %v", s, m, err)
		}
		mustCall(t, i, hostapi.OpInit, &wire.Init{
			Name: "sample", Version: "1.2.3", Config: config, NodeID: "node ",
			BaseURLs: []string{"https://b", "http://a"}, BaseListeners: []string{"https", "http"},
		}, nil)
		if _, s, _ := tryCall(i, hostapi.OpReconfigure, &wire.Init{}); s != hostapi.Unsupported {
			t.Errorf("reconfigure: got %s, want unsupported", s)
		}
	})
	t.Run("events", func(t *testing.T) { testPythonEvents(t, i, h) })
	t.Run("request", func(t *testing.T) {
		body, err := tree.AppendJSON(nil, []byte(`[1, {"a": "ä"}]`))
		if err != nil {
			t.Fatal(err)
		}
		pair := func(v string) []wire.Pair { return []wire.Pair{{Name: "p", Value: v}} }
		var res wire.HTTPResponse
		mustCall(t, i, hostapi.OpHTTP, &wire.HTTPRequest{
			Route: "show", Method: "PUT", Path: "/x", Params: pair("1"), Query: pair("2"), Headers: pair("3"), Form: pair("4"),
			Body: []byte("raw"), Tree: body, Caller: &wire.Caller{User: "linde", Roles: []string{"a", "b"}, InSet: -1},
		}, &res)
		var got any
		if err := json.Unmarshal(res.Parts[0].Data, &got); err != nil {
			t.Fatal(err)
		}
		want := map[string]any{
			"method": "PUT", "path": "/x", "params": map[string]any{"p": "1"}, "query": map[string]any{"p": "2"},
			"headers": map[string]any{"p": "3"}, "form": map[string]any{"p": "4"}, "body": "raw",
			"json": []any{1.0, map[string]any{"a": "ä"}}, "caller": "linde", "roles": []any{"a", "b"}, "name": "sample",
			"config": map[string]any{"period": 30.0, "name": "x", "list": []any{1.5, true, nil}},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("answer", func(t *testing.T) {
		var res wire.HTTPResponse
		mustCall(t, i, hostapi.OpHTTP, &wire.HTTPRequest{Route: "answer"}, &res)
		key, err := index.AppendTuple(nil, index.Micros(5))
		if err != nil {
			t.Fatal(err)
		}
		want := wire.HTTPResponse{Status: 201, ContentType: "text/x", Headers: []wire.Pair{{Name: "x-a", Value: "b"}}, Parts: []wire.Part{
			{Data: []byte("[")},
			{Range: &wire.RangePart{Query: &wire.Query{Collection: "seen", Index: "by-time", From: key, To: index.After(nil, key)}, Separator: ","}},
			{Document: &wire.DocumentPart{Collection: "seen", ID: "x"}},
			{Data: []byte("]")},
		}}
		if diff := cmp.Diff(want, res); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("keys", func(t *testing.T) {
		var got []string
		if err := json.Unmarshal([]byte(get(t, i, "keys")), &got); err != nil {
			t.Fatal(err)
		}
		moment := time.Date(2026, 1, 2, 3, 4, 5, 678901000, time.UTC)
		var want []string
		for _, tuple := range [][]index.Value{
			{index.Bool(true), index.Bool(false)},
			{index.Int(0), index.Int(1), index.Int(-1)},
			{index.Int(1<<63 - 1), index.Int(-1 << 63)},
			{index.Float(0), index.Float(0), index.Float(1.5), index.Float(-2.5e300)},
			{index.String("a\x00b"), index.Bytes([]byte{0, 0xff}), index.String("")},
			{index.Time(moment), index.Micros(-1)},
		} {
			key, err := index.AppendTuple(nil, tuple...)
			if err != nil {
				t.Fatal(err)
			}
			want = append(want, hex.EncodeToString(key))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("host operations", func(t *testing.T) { testPythonHost(t, i, h) })
	t.Run("files", func(t *testing.T) { testPythonFiles(t, i, h) })
	t.Run("the others", func(t *testing.T) { testPythonOthers(t, i, h) })
	t.Run("threads", func(t *testing.T) {
		if got := get(t, i, "threads"); got != "50" {
			t.Errorf("got %s right answers, want 50", got)
		}
	})
	t.Run("late", func(t *testing.T) {
		mustCall(t, i, hostapi.OpHTTP, &wire.HTTPRequest{Route: "late"}, nil)
		if got := get(t, i, "result"); got != `["gone late"]` {
			t.Errorf("got %s", got)
		}
	})
	t.Run("raises", func(t *testing.T) {
		out, s, err := tryCall(i, hostapi.OpHTTP, &wire.HTTPRequest{Route: "raise"})
		var m wire.Error
		if derr := m.Decode(out); derr != nil || s != hostapi.Failed || err != nil {
			t.Fatalf("got %s, %v, %v", s, err, derr)
		}
		if m.Code != "exception" || m.Message != "the plugin raised KeyError: 'no such key'" || !strings.Contains(m.Details[0].Value, `return {}["no such key"]`) {
			t.Errorf("got %+v", m)
		}
	})
	t.Run("environment", func(t *testing.T) {
		if got := get(t, i, "env"); strings.Contains(got, `"PATH"`) {
			t.Errorf("got %s, want no PATH", got)
		}
	})
	t.Run("exits", func(t *testing.T) {
		_, _, err := tryCall(i, hostapi.OpHTTP, &wire.HTTPRequest{Route: "exit"})
		crash, ok := err.(*guest.Crash)
		if !ok || crash.Reason != guest.Exited || !strings.Contains(crash.Error(), "exit status 4") || !strings.HasSuffix(crash.Output, "last words\n") {
			t.Errorf("got %v %q", err, crash.Output)
		}
	})
}

const pythonEvent = `<event version="2.0" uid="ANDROID-1" type="a-f-G-U-C" time="2026-08-20T10:11:12.345Z" start="2026-08-20T10:11:12.345Z" ` +
	`stale="2026-08-20T10:17:27.345Z" how="m-g"><point lat="48.1373930" lon="-11.5754850" hae="519.28" ce="9.9" le="9999999.0"/><detail>` +
	`<contact endpoint="*:-1:stcp" callsign="LINDE-ä"/><__group role="Team Member" name="Cyan"/><track course="142.66" speed="1.27"/>` +
	`<marti><dest callsign="A"/><dest mission="M"/></marti><remarks source="x">moving &amp; resting<b>in</b></remarks></detail></event>`

func testPythonEvents(t *testing.T, i guest.Instance, h *recorder) {
	event := func(xml string) *hostapi.Event {
		e := &hostapi.Event{
			XML: xml, ID: 7<<22 | 5<<12 | 3, Recv: 1787220672345678, Conn: 1<<63 + 1, User: "linde", Client: "ANDROID-1",
			Groups: 9, Origin: hostapi.FromHTTP, Hops: 2,
		}
		if err := cot.Scan(xml, &e.Header); err != nil {
			t.Fatal(err)
		}
		return e
	}
	refused := strings.ReplaceAll(pythonEvent, "LINDE-ä", "REFUSED")
	var w hostapi.BatchWriter
	w.Add(event(pythonEvent), hostapi.DetailWant{All: true, XML: true}, 5)
	w.Add(event(refused), hostapi.DetailWant{}, 1)
	w.Add(event(pythonEvent), hostapi.DetailWant{}, 1)
	batch := w.Bytes(77, 3, 1)
	h.puts = nil
	out, s, err := i.Call(t.Context(), hostapi.OpEvents, batch, nil)
	var result wire.BatchResult
	if derr := result.Decode(out); derr != nil || s != hostapi.OK || err != nil {
		t.Fatalf("got %s %q, %v, %v", s, out, err, derr)
	}
	want := wire.BatchResult{Results: []wire.EventResult{{Event: 1, Status: uint32(hostapi.Invalid), Message: "not this one"}}}
	if diff := cmp.Diff(want, result); diff != "" {
		t.Error(diff)
	}
	if len(h.puts) != 2 {
		t.Fatalf("documents: got %d, want 2", len(h.puts))
	}
	for _, v := range batch.All() {
		var got map[string]any
		if err := json.Unmarshal(h.puts[0].Body, &got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(viewFacts(t, v, batch), got); diff != "" {
			t.Error(diff)
		}
		key, err := index.AppendTuple(nil, index.Micros(v.Recv()), index.Float(v.Lat()), index.String(v.Callsign()), index.Bool(true))
		if err != nil {
			t.Fatal(err)
		}
		h.puts[0].Body = nil
		put := wire.Put{Collection: "seen", ID: v.UID(), Set: 9, Keys: []wire.IndexKey{{Index: "by-time", Key: key}}}
		if diff := cmp.Diff(put, h.puts[0]); diff != "" {
			t.Error(diff)
		}
		break
	}
	// An event that failed behind its effects undoes the call.
	w.Reset()
	w.Add(event(strings.ReplaceAll(pythonEvent, "LINDE-ä", "LATE")), hostapi.DetailWant{}, 1)
	if _, s, err := i.Call(t.Context(), hostapi.OpEvents, w.Bytes(78, 0, 0), nil); s != hostapi.Retry || err != nil {
		t.Errorf("failed behind an effect: got %s, %v, want retry", s, err)
	}
}

// viewFacts is what the sample writes about an event, by the Go reader.
func viewFacts(t *testing.T, v hostapi.View, b hostapi.Batch) map[string]any {
	t.Helper()
	dests := []any{}
	for n := range v.NumDests() {
		kind := map[cot.DestKind]string{cot.DestCallsign: "callsign", cot.DestMission: "mission"}[v.Dest(n).Kind]
		dests = append(dests, []any{kind, v.Dest(n).Value})
	}
	facts := map[string]any{
		"id": int64(v.ID()), "recv": v.Recv(), "time": v.Time(), "start": v.Start(), "stale": v.Stale(), "lat": v.Lat(), "lon": v.Lon(),
		"hae": v.Hae(), "ce": v.CE(), "le": v.LE(), "speed": v.Speed(), "course": v.Course(), "connection": v.Conn(),
		"groups": v.Groups(), "flags": v.Flags(), "node": v.Node(), "hops": v.Hops(), "matched": 5, "uid": v.UID(), "type": v.Type(),
		"how": v.How(), "callsign": v.Callsign(), "endpoint": v.Endpoint(), "team": v.Team(), "role": v.Role(), "user": v.User(),
		"client": v.Client(), "xml": v.XML(), "origin": v.Origin().String(), "dests": dests,
		"detail": nodeFacts(v.Detail().Root()), "missing": nodeFacts(hostapi.Node{}),
		"batch": []any{b.Attempt(), b.Missed(), b.Delivery(), b.Len()},
	}
	raw, err := json.Marshal(facts)
	if err != nil {
		t.Fatal(err)
	}
	var plain map[string]any
	if err := json.Unmarshal(raw, &plain); err != nil {
		t.Fatal(err)
	}
	return plain
}

func nodeFacts(n hostapi.Node) map[string]any {
	attrs, children, kind := map[string]string{}, []any{}, n.Kind().String()
	if !n.Exists() {
		kind = ""
	}
	for name, value := range n.Attrs {
		attrs[name] = value
	}
	for c := range n.Children() {
		children = append(children, nodeFacts(c))
	}
	return map[string]any{"kind": kind, "name": n.Name(), "text": n.Text(), "raw": n.Raw(), "attrs": attrs, "children": children}
}
