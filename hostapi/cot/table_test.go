package cot

import "testing"

// One tree for all events: what is left of the one before must not show.
func TestParseDetailInto(t *testing.T) {
	var again Tree
	for name, text := range corpus(t) {
		t.Run(name, func(t *testing.T) {
			var h Header
			if err := Scan(text, &h); err != nil {
				t.Fatal(err)
			}
			want, err := ParseDetail(text, &h)
			if err != nil {
				t.Fatal(err)
			}
			if err := DefaultLimits.ParseDetailInto(&again, text, &h); err != nil {
				t.Fatal(err)
			}
			if again.Len() != want.Len() || again.NumAttrs() != want.NumAttrs() || again.Source() != text {
				t.Fatalf("got %d elements, %d attributes, want %d, %d", again.Len(), again.NumAttrs(), want.Len(), want.NumAttrs())
			}
			for i := range want.Len() + 1 {
				got, n := again.Element(i), Node{&want, int32(i)}
				if again.Element(i) != want.Element(i) {
					t.Errorf("element %d: got %+v, want %+v", i, again.Element(i), want.Element(i))
				}
				if i > 0 && text[got.Name.At:got.Name.To] != n.Name() || text[got.All.At:got.All.To] != n.Raw() {
					t.Errorf("element %d: got %+v, want that of %s", i, got, n.Name())
				}
				if text := string(again.AppendText(nil, i)); text != n.Text() || again.PlainBody(got) && text != again.src[got.Body.At:got.Body.To] {
					t.Errorf("element %d: got text %q, want %q", i, text, n.Text())
				}
				a := got.AttrAt
				for name, value := range n.Attrs {
					at := again.Attribute(a)
					if text[at.Name.At:at.Name.To] != name || string(again.AppendValue(nil, a)) != value || !at.Coded && text[at.Value.At:at.Value.To] != value {
						t.Errorf("element %d: got attribute %+v, want %s=%q", i, at, name, value)
					}
					a++
				}
				if a != got.AttrTo {
					t.Errorf("element %d: got %d attributes, want %d", i, got.AttrTo-got.AttrAt, a-got.AttrAt)
				}
			}
		})
	}
	if err := DefaultLimits.ParseDetailInto(&again, "<a>", &Header{DetailTo: 3}); err == nil || again.Len() != 0 {
		t.Errorf("got %v and %d elements, want an error and none", err, again.Len())
	}
}
