package hostapi

import (
	"testing"

	"github.com/takhost/takhost/hostapi/cot"
)

// readAll reads all that a view has and counts the nodes.
func readAll(v View) int {
	_ = v.ID()
	_, _, _, _ = v.Recv(), v.Time(), v.Start(), v.Stale()
	_, _, _, _, _, _, _ = v.Lat(), v.Lon(), v.Hae(), v.CE(), v.LE(), v.Speed(), v.Course()
	_, _, _, _, _, _ = v.Conn(), v.Groups(), v.Flags(), v.Node(), v.Origin(), v.Hops()
	n := len(v.UID() + v.Type() + v.How() + v.Callsign() + v.Endpoint() + v.Team() + v.Role() + v.User() + v.Client() + v.XML())
	for i := range v.NumDests() {
		n += len(v.Dest(i).Value)
	}
	return min(n, 0) + readTree(v.Detail())
}

func readTree(t Tree) int {
	nodes := 0
	var walk func(n Node)
	walk = func(n Node) {
		nodes++
		_, _, _, _ = n.Kind(), n.Name(), n.Text(), n.Raw()
		seen := 0
		for name := range n.Attrs {
			if seen++; seen < 8 {
				n.Attr(name)
			}
		}
		n.Child("x")
		n.At(2)
		for c := range n.Children() {
			walk(c)
		}
	}
	if root := t.Root(); root.Exists() {
		walk(root)
	}
	return nodes
}

// FuzzView reads any bytes as view and batch: nothing may panic, and no tree
// may show a node twice.
func FuzzView(f *testing.F) {
	for _, xml := range []string{saEvent, mixed} {
		e := event(f, xml)
		f.Add(AppendView(nil, e, DetailWant{All: true, XML: true}))
		f.Add(AppendView(nil, e, DetailWant{Names: []string{"a", "remarks"}}))
		var w BatchWriter
		w.Add(e, DetailWant{All: true}, 3)
		w.Add(e, DetailWant{}, 1)
		f.Add([]byte(w.Bytes(1, 2, 3)))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		check := func(v View) {
			v.SetMatched(v.u32(atMatched))
			if got, most := readAll(v), len(v)/treeNode+1; got > most {
				t.Errorf("got %d nodes of a view of %d bytes", got, len(v))
			}
		}
		check(b)
		if v, _, ok := FirstView(b); ok {
			check(v)
		}
		_, _, _, _ = Batch(b).Len(), Batch(b).Attempt(), Batch(b).Missed(), Batch(b).Delivery()
		for _, v := range Batch(b).All() {
			check(v)
		}
		if got, most := readTree(b), len(b)/treeNode+1; got > most {
			t.Errorf("got %d nodes of a tree of %d bytes", got, len(b))
		}
	})
}

// FuzzAppendView turns any event that Scan accepts into a view and compares the
// tree with the parser's.
func FuzzAppendView(f *testing.F) {
	for _, xml := range corpus(f) {
		f.Add(xml)
	}
	f.Fuzz(func(t *testing.T, xml string) {
		e := &Event{XML: xml}
		if cot.Scan(xml, &e.Header) != nil {
			return
		}
		v := View(AppendView(nil, e, DetailWant{All: true}))
		tree, err := cot.ParseDetail(xml, &e.Header)
		if err != nil {
			t.Fatalf("detail of a scanned event: %v", err)
		}
		if tree.Len() > 0 {
			same(t, "", v.Detail().Root(), tree.Root())
		}
		if v.UID() != e.UID || v.NumDests() != e.NumDests() {
			t.Errorf("got uid %q, %d destinations, want %q, %d", v.UID(), v.NumDests(), e.UID, e.NumDests())
		}
	})
}
