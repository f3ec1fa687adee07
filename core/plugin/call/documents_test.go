package call

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/wire"
)

func TestDocuments(t *testing.T) {
	b := newBed(t)
	p := b.plugin("p", all())
	c := p.Begin(Options{})
	body := []byte("body")
	in := (&wire.Put{Collection: "things", ID: "a", Body: body, Keys: key("anna"), MustBeNew: true}).Append(nil)
	if a := b.raw(c, hostapi.HostPut, in); a.status != hostapi.OK {
		t.Fatal(a.err)
	}
	clear(in) // the guest's memory is its own again
	b.ok(c, hostapi.HostPut, &wire.Put{Collection: "things", ID: "b", Body: []byte("2"), Keys: key("berta"), Set: int32(b.set(red))})
	b.ok(c, hostapi.HostPut, &wire.Put{Collection: "things", ID: "c", Set: int32(b.set(blue))})
	b.commit(c)

	c = p.Begin(Options{Caller: &wire.Caller{OutSet: int32(b.set(red))}})
	_, m := documents(t, b.ok(c, hostapi.HostGet, &wire.Get{Collection: "things", IDs: []string{"a", "none", "c"}}))
	if len(m.Documents) != 2 || !bytes.Equal(m.Documents[0].Body, body) || m.Documents[0].Revision == 0 || m.Documents[0].Data != 1 ||
		m.Documents[1].Set != int32(b.set(blue)) || m.Documents[0].Modified != b.clock().UnixMicro() {
		t.Errorf("get gave %+v", m.Documents)
	}
	for _, tt := range []struct {
		name string
		op   hostapi.HostOp
		in   message
		want []string
	}{
		{"by id", hostapi.HostQuery, &wire.Query{Collection: "things"}, []string{"a", "b", "c"}},
		{"by id as the caller", hostapi.HostQuery, &wire.Query{Collection: "things", AsCaller: true}, []string{"a", "b"}},
		{"by index", hostapi.HostQuery, &wire.Query{Collection: "things", Index: "name", From: key("anna")[0].Key, To: key("berta")[0].Key}, []string{"a"}},
		{"get as the caller", hostapi.HostGet, &wire.Get{Collection: "things", IDs: []string{"a", "b", "c"}, AsCaller: true}, []string{"a", "b"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got, _ := documents(t, b.ok(c, tt.op, tt.in)); !cmp.Equal(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
	if _, m := documents(t, b.ok(c, hostapi.HostQuery, &wire.Query{Collection: "things", Count: true})); m.Count != 3 || len(m.Documents) != 0 {
		t.Errorf("count gave %+v", m)
	}
	if v, err := c.Visible(); err != nil || v(b.set(blue)) || !v(b.set(red, blue)) {
		t.Errorf("Visible: %v", err)
	}
	var d wire.Deleted
	if err := d.Decode(b.ok(c, hostapi.HostDelete, &wire.Delete{Collection: "things", ID: "a"})); err != nil || !d.Existed {
		t.Errorf("delete gave %+v, %v", d, err)
	}
	if err := d.Decode(b.ok(c, hostapi.HostDelete, &wire.Delete{Collection: "things", ID: "a"})); err != nil || d.Existed {
		t.Errorf("a second delete gave %+v, %v", d, err)
	}
}

func TestDocumentPages(t *testing.T) {
	b := newBed(t)
	p := b.plugin("p", all())
	c := p.Begin(Options{})
	for i := range 25 {
		b.ok(c, hostapi.HostPut, &wire.Put{Collection: "things", ID: fmt.Sprintf("%02d", i), Body: []byte("x"), Keys: key(fmt.Sprint(i))})
	}
	b.commit(c)
	c = p.Begin(Options{})
	var got []string
	q := wire.Query{Collection: "things", Limit: 10, NoBodies: true}
	for {
		ids, m := documents(t, b.ok(c, hostapi.HostQuery, &q))
		got = append(got, ids...)
		if len(m.Documents) > 0 && len(m.Documents[0].Body) > 0 {
			t.Error("bodies came, too")
		}
		if q.After = m.Next; q.After == "" {
			break
		}
	}
	if len(got) != 25 || got[24] != "24" {
		t.Errorf("pages gave %v", got)
	}
	all := make([]string, 120)
	for i := range all {
		all[i] = fmt.Sprintf("%02d", i)
	}
	if ids, _ := documents(t, b.ok(c, hostapi.HostGet, &wire.Get{Collection: "things", IDs: all})); len(ids) != 25 {
		t.Errorf("get of many gave %d", len(ids))
	}
}

func TestDocumentRefusals(t *testing.T) {
	b := newBed(t)
	g := all()
	g[hostapi.CapStore] = hostapi.Scope{Bytes: 1000}
	p := b.plugin("p", g)
	c := p.Begin(Options{})
	b.ok(c, hostapi.HostPut, &wire.Put{Collection: "things", ID: "there", Keys: key("there")})
	b.commit(c)
	for _, tt := range []struct {
		name   string
		op     hostapi.HostOp
		in     message
		status hostapi.Status
		text   string
	}{
		{"unknown collection", hostapi.HostPut, &wire.Put{Collection: "other", ID: "a"}, hostapi.Invalid, "other"},
		{"get from it", hostapi.HostGet, &wire.Get{Collection: "other", IDs: []string{"a"}}, hostapi.Invalid, "other"},
		{"unknown index", hostapi.HostQuery, &wire.Query{Collection: "things", Index: "size"}, hostapi.Invalid, "size"},
		{"no key", hostapi.HostPut, &wire.Put{Collection: "things", ID: "a", Keys: []wire.IndexKey{{Index: "name", Key: []byte("junk")}}}, hostapi.Invalid, "key"},
		{"no id", hostapi.HostPut, &wire.Put{Collection: "things"}, hostapi.Invalid, "id"},
		{"large", hostapi.HostPut, &wire.Put{Collection: "things", ID: "a", Body: make([]byte, hostapi.MaxDocument+1)}, hostapi.Limit, "262145 bytes"},
		{"long id", hostapi.HostPut, &wire.Put{Collection: "things", ID: strings.Repeat("i", 513)}, hostapi.Limit, "513 bytes"},
		{"over the quota", hostapi.HostPut, &wire.Put{Collection: "things", ID: "a", Body: make([]byte, 2000)}, hostapi.Limit, ""},
		{"there already", hostapi.HostPut, &wire.Put{Collection: "things", ID: "there", MustBeNew: true}, hostapi.Conflict, ""},
		{"key there already", hostapi.HostPut, &wire.Put{Collection: "things", ID: "a", Keys: key("there")}, hostapi.Conflict, ""},
		{"no such set", hostapi.HostPut, &wire.Put{Collection: "things", ID: "a", Set: 99}, hostapi.Invalid, "no set 99"},
		{"negative set", hostapi.HostPut, &wire.Put{Collection: "things", ID: "a", Set: -1}, hostapi.Invalid, "no set -1"},
		{"many ids", hostapi.HostGet, &wire.Get{Collection: "things", IDs: make([]string, 1001)}, hostapi.Limit, "1001 ids"},
		{"large page", hostapi.HostQuery, &wire.Query{Collection: "things", Limit: 1001}, hostapi.Limit, "1001"},
		{"bad cursor", hostapi.HostQuery, &wire.Query{Collection: "things", After: "%"}, hostapi.Invalid, ""},
		{"as nobody", hostapi.HostQuery, &wire.Query{Collection: "things", AsCaller: true}, hostapi.Invalid, "made for nobody"},
		{"get as nobody", hostapi.HostGet, &wire.Get{Collection: "things", AsCaller: true}, hostapi.Invalid, "made for nobody"},
		{"counter without a name", hostapi.HostNextCounter, &wire.Counter{}, hostapi.Invalid, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := p.Begin(Options{})
			a := b.do(c, tt.op, tt.in)
			if a.status != tt.status || a.err.Message == "" || !strings.Contains(a.err.Message, tt.text) {
				t.Errorf("got %v: %q, want %v: …%s…", a.status, a.err.Message, tt.status, tt.text)
			}
			if c.Staged() {
				t.Error("something was staged")
			}
		})
	}
}

func TestGetOfTooMuch(t *testing.T) {
	b := newBed(t)
	g := all()
	g[hostapi.CapStore] = hostapi.Scope{Bytes: 1 << 30}
	p := b.plugin("p", g)
	c := p.Begin(Options{})
	var ids []string
	for i := range 70 {
		ids = append(ids, fmt.Sprint(i))
		b.ok(c, hostapi.HostPut, &wire.Put{Collection: "things", ID: ids[i], Body: make([]byte, 250<<10)})
	}
	b.refused(c, hostapi.HostGet, &wire.Get{Collection: "things", IDs: ids}, hostapi.Limit, "ask for fewer")
	b.ok(c, hostapi.HostGet, &wire.Get{Collection: "things", IDs: ids[:60]})
}

func TestPluginsDoNotSeeOneAnother(t *testing.T) {
	b := newBed(t)
	one, two := b.plugin("one", all()), b.plugin("two", all())
	c := one.Begin(Options{})
	b.ok(c, hostapi.HostPut, &wire.Put{Collection: "things", ID: "secret", Keys: key("k")})
	b.ok(c, hostapi.HostNextCounter, &wire.Counter{Name: "n"})
	b.commit(c)
	c = two.Begin(Options{})
	for _, out := range [][]byte{
		b.ok(c, hostapi.HostGet, &wire.Get{Collection: "things", IDs: []string{"secret"}}),
		b.ok(c, hostapi.HostQuery, &wire.Query{Collection: "things"}),
		b.ok(c, hostapi.HostQuery, &wire.Query{Collection: "things", Index: "name"}),
	} {
		if ids, _ := documents(t, out); len(ids) != 0 {
			t.Errorf("two sees %v", ids)
		}
	}
	var n wire.CounterValue
	if err := n.Decode(b.ok(c, hostapi.HostNextCounter, &wire.Counter{Name: "n"})); err != nil || n.Value != 1 {
		t.Errorf("two's counter begins at %d, %v", n.Value, err)
	}
	b.ok(c, hostapi.HostPut, &wire.Put{Collection: "things", ID: "secret", Keys: key("k"), MustBeNew: true})
	b.commit(c)
}

func TestClients(t *testing.T) {
	b := newBed(t)
	b.four()
	for _, tt := range []struct {
		name   string
		groups []string
		in     wire.ClientQuery
		caller *wire.Caller
		want   string
	}{
		{"all", nil, wire.ClientQuery{}, nil, "B G R RB"},
		{"of granted groups", []string{"R*", "Green"}, wire.ClientQuery{}, nil, "G R RB"},
		{"of no group", []string{"Pink"}, wire.ClientQuery{}, nil, ""},
		{"by uid and callsign", nil, wire.ClientQuery{UIDs: []string{"B", "none"}, Callsigns: []string{"R-CS"}}, nil, "B R"},
		{"by uid, not granted", []string{"Red"}, wire.ClientQuery{UIDs: []string{"B"}}, nil, ""},
		{"as the caller", nil, wire.ClientQuery{AsCaller: true}, &wire.Caller{OutSet: int32(b.set(blue))}, "B RB"},
		{"as the caller, of granted groups", []string{"Red"}, wire.ClientQuery{AsCaller: true}, &wire.Caller{OutSet: int32(b.set(blue))}, "RB"},
		{"as a caller without groups", nil, wire.ClientQuery{AsCaller: true}, &wire.Caller{}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := b.plugin("p", hostapi.Grants{hostapi.CapClients: {Groups: tt.groups}}).Begin(Options{Caller: tt.caller, ReadOnly: true})
			var m wire.Clients
			if err := m.Decode(b.ok(c, hostapi.HostClients, &tt.in)); err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, c := range m.Clients {
				got = append(got, c.UID)
			}
			if got := strings.Join(got, " "); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
	b.refused(b.plugin("p", all()).Begin(Options{}), hostapi.HostClients, &wire.ClientQuery{AsCaller: true}, hostapi.Invalid, "made for nobody")
}
