package hostapi

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/takhost/takhost/hostapi/cot"
)

func TestViewFields(t *testing.T) {
	e := event(t, saEvent)
	v := View(AppendView(nil, e, DetailWant{}))
	if len(v)%8 != 0 || int(le32(text(v), 0)) != len(v) {
		t.Errorf("got size %d of %d bytes, want the same, a multiple of 8", le32(text(v), 0), len(v))
	}
	type fields struct {
		ID                             ID
		Recv, Time, Start, Stale       int64
		Lat, Lon, Hae, CE, LE          float64
		Speed, Course                  float64
		Conn                           uint64
		Groups                         SetID
		Flags                          cot.Flags
		Node, Hops                     int
		Origin                         Origin
		UID, Type, How                 string
		Callsign, Endpoint, Team, Role string
		User, Client, XML              string
	}
	got := fields{
		v.ID(), v.Recv(), v.Time(), v.Start(), v.Stale(), v.Lat(), v.Lon(), v.Hae(), v.CE(), v.LE(), v.Speed(), v.Course(),
		v.Conn(), v.Groups(), v.Flags(), v.Node(), v.Hops(), v.Origin(), v.UID(), v.Type(), v.How(),
		v.Callsign(), v.Endpoint(), v.Team(), v.Role(), v.User(), v.Client(), v.XML(),
	}
	want := fields{
		ID: 7<<22 | 5<<12 | 3, Recv: 1787220672345678, Time: 1787220672345000, Start: 1787220672345000, Stale: 1787221047345000,
		Lat: 48.1373930, Lon: 11.5754850, Hae: 519.28, CE: 9.9, LE: cot.Unknown, Speed: 1.27, Course: 142.66,
		Conn: 42, Groups: 9, Flags: cot.HasPoint | cot.HasDetail, Node: 5, Hops: 2, Origin: FromHTTP,
		UID: "ANDROID-5ca1ab1e0badcafe", Type: "a-f-G-U-C", How: "m-g",
		Callsign: "LINDE-07", Endpoint: "*:-1:stcp", Team: "Cyan", Role: "Team Member",
		User: "linde", Client: "ANDROID-5ca1ab1e0badcafe",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("fields (-want +got):\n%s", diff)
	}
	if v.Detail() != nil || v.Detail().Root().Exists() {
		t.Error("got a detail, want none: it was not asked for")
	}
	if got := View(AppendView(nil, e, DetailWant{XML: true})).XML(); got != saEvent {
		t.Errorf("got XML %q, want the event", got)
	}
}

// outline writes a tree as a text that shows all of it.
func outline(n Node) string {
	var b strings.Builder
	var walk func(n Node, depth int)
	walk = func(n Node, depth int) {
		b.WriteString(strings.Repeat(" ", depth) + n.Kind().String() + " " + n.Name())
		for name, value := range n.Attrs {
			b.WriteString(" " + name + "=" + quote(value))
		}
		if n.Text() != "" {
			b.WriteString(": " + quote(n.Text()))
		}
		b.WriteString("\n")
		for c := range n.Children() {
			walk(c, depth+1)
		}
	}
	walk(n, 0)
	return b.String()
}

const mixed = `<event version="2.0" uid="u" type="b-m-p" time="2026-08-20T10:11:12Z" start="2026-08-20T10:11:12Z" stale="2026-08-20T10:17:27Z" how="h-e">` +
	`<point lat="1" lon="2" hae="3" ce="4" le="5"/><detail> top ` +
	`<a x="1 &lt; 2" y='q'>one<b><c/>two</b> three &amp; four<!-- no --></a><keep/>` +
	`<a second="yes"><![CDATA[<raw>]]></a>` +
	`<marti><dest callsign="X &amp; Y"/><dest uid="u2"/><dest mission="m"/></marti></detail></event>`

func TestViewDetail(t *testing.T) {
	tests := []struct {
		name string
		want []string
		tree string
	}{
		{"nothing", nil, ""},
		{"not there", []string{"b", "c", "nope"}, ""},
		{"one", []string{"keep"}, "element detail\n element keep\n"},
		{"two of a name", []string{"a"}, `element detail
 element a x="1 < 2" y="q": "one three & four"
  element b: "two"
   element c
 element a second="yes": "<raw>"
`},
		{"all", []string{"keep", "*"}, `element detail: " top "
 element a x="1 < 2" y="q": "one three & four"
  element b: "two"
   element c
 element keep
 element a second="yes": "<raw>"
 element marti
  element dest callsign="X & Y"
  element dest uid="u2"
  element dest mission="m"
`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			e := event(t, mixed)
			v := View(AppendView([]byte("before"), e, WantDetail(tt.want)))[len("before"):]
			root := v.Detail().Root()
			got := ""
			if root.Exists() {
				got = outline(root)
			}
			if diff := cmp.Diff(tt.tree, got); diff != "" {
				t.Errorf("tree (-want +got):\n%s", diff)
			}
			if a := root.Child("a"); a.Exists() {
				want := mixed[strings.Index(mixed, "<a x"):strings.Index(mixed, "<keep")]
				if a.Raw() != want {
					t.Errorf("got raw %q, want %q", a.Raw(), want)
				}
			}
			var dests []cot.Dest
			for i := range v.NumDests() {
				dests = append(dests, v.Dest(i))
			}
			want := []cot.Dest{{Kind: cot.DestCallsign, Value: "X & Y"}, {Kind: cot.DestUID, Value: "u2"}, {Kind: cot.DestMission, Value: "m"}}
			if diff := cmp.Diff(want, dests); diff != "" {
				t.Errorf("destinations (-want +got):\n%s", diff)
			}
		})
	}
}

// same compares a node of a tree with one of the parser's own.
func same(t *testing.T, path string, got Node, want cot.Node) {
	t.Helper()
	path += "/" + want.Name()
	if got.Name() != want.Name() || got.Text() != want.Text() || got.Raw() != want.Raw() || got.NumAttrs() != want.NumAttrs() {
		t.Errorf("%s: got %q, text %q, raw %q, %d attributes, want %q, %q, %q, %d", path,
			got.Name(), got.Text(), got.Raw(), got.NumAttrs(), want.Name(), want.Text(), want.Raw(), want.NumAttrs())
	}
	for name, value := range want.Attrs {
		if v, ok := got.Attr(name); !ok || v != value {
			t.Errorf("%s: got %s=%q, want %q", path, name, v, value)
		}
	}
	g := slices.Collect(got.Children())
	w := slices.Collect(want.Children())
	if len(g) != len(w) {
		t.Fatalf("%s: got %d children, want %d", path, len(g), len(w))
	}
	for i := range w {
		same(t, path, g[i], w[i])
	}
}

func TestViewOfCorpus(t *testing.T) {
	var w ViewWriter // one for all, so that what is left of an event before would show
	for name, xml := range corpus(t) {
		t.Run(name, func(t *testing.T) {
			e := event(t, xml)
			want, err := cot.ParseDetail(xml, &e.Header)
			if err != nil {
				t.Fatal(err)
			}
			v := View(w.Append(nil, e, DetailWant{All: true}))
			if want.Len() == 0 {
				if v.Detail().Root().Exists() && v.Detail().NumNodes() != 1 {
					t.Errorf("got %d nodes, want none", v.Detail().NumNodes())
				}
				return
			}
			same(t, "", v.Detail().Root(), want.Root())
			for el := range want.Root().Children() {
				part := View(w.Append(nil, e, DetailWant{Names: []string{el.Name()}}))
				first, _ := want.Root().Child(el.Name())
				same(t, "part", part.Detail().Root().Child(el.Name()), first)
			}
		})
	}
}

// A later version may have a longer header, an earlier one a shorter.
func TestViewOfOtherHeader(t *testing.T) {
	v := View(AppendView(nil, event(t, saEvent), DetailWant{All: true}))
	short := slices.Clone(v)
	put16(short[6:], atCallsign)
	if short.UID() != v.UID() || short.Callsign() != "" || short.Detail() != nil || short.NumDests() != 0 {
		t.Errorf("got uid %q, callsign %q, want the uid alone", short.UID(), short.Callsign())
	}
	if _, _, ok := FirstView(slices.Concat([]byte{16, 0, 0, 0, 2, 0, 16, 0}, make([]byte, 8))); ok {
		t.Error("a view of version 2 was read")
	}
}

func TestWantUnion(t *testing.T) {
	got := DetailWant{Names: []string{"a", "b"}}.Union(DetailWant{Names: []string{"b", "c"}, XML: true})
	if diff := cmp.Diff(DetailWant{Names: []string{"a", "b", "c"}, XML: true}, got); diff != "" {
		t.Errorf("union (-want +got):\n%s", diff)
	}
	if got := got.Union(DetailWant{All: true}); !got.All || got.Names != nil {
		t.Errorf("got %+v, want all", got)
	}
}

func TestViewDoesNotAllocate(t *testing.T) {
	e := event(t, saEvent)
	var w ViewWriter
	buf := w.Append(nil, e, DetailWant{All: true, XML: true})
	got := testing.AllocsPerRun(100, func() {
		buf = w.Append(buf[:0], e, DetailWant{All: true, XML: true})
		if s, _ := View(buf).Detail().Root().Child("status").Attr("battery"); s != "78" {
			t.Fatalf("got battery %q", s)
		}
	})
	if got != 0 {
		t.Errorf("got %v allocations, want none", got)
	}
}

func TestBatch(t *testing.T) {
	var w BatchWriter
	for round := range 2 {
		w.Reset()
		w.Add(event(t, saEvent), DetailWant{}, 1)
		w.Add(event(t, mixed), DetailWant{All: true}, 1<<31|2)
		w.AddView(AppendView(nil, event(t, mixed), DetailWant{}))
		b := w.Bytes(77, 5, round)
		if b.Len() != 3 || w.Len() != 3 || w.Size() != len(b) || b.Delivery() != 77 || b.Missed() != 5 || b.Attempt() != round {
			t.Errorf("got %d views, delivery %d, missed %d, attempt %d", b.Len(), b.Delivery(), b.Missed(), b.Attempt())
		}
		var uids []string
		for i, v := range b.All() {
			uids = append(uids, v.UID())
			if got, want := [3]bool{v.Matched(0), v.Matched(1), v.Matched(31)}, [][3]bool{{true}, {false, true, true}, {}}[i]; got != want {
				t.Errorf("view %d: got subscriptions %v, want %v", i, got, want)
			}
		}
		if diff := cmp.Diff([]string{"ANDROID-5ca1ab1e0badcafe", "u", "u"}, uids); diff != "" {
			t.Errorf("views (-want +got):\n%s", diff)
		}
	}
	var none BatchWriter
	if b := none.Bytes(1, 0, 0); b.Len() != 0 || len(b) != none.Size() {
		t.Errorf("got %d views in %d bytes, want none", b.Len(), len(b))
	}
}
