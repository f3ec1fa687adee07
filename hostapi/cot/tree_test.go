package cot

import (
	"encoding/xml"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func parseTree(t testing.TB, text string) Tree {
	t.Helper()
	tree, err := ParseDetail(text, mustScan(t, text))
	if err != nil {
		t.Fatalf("parse detail of %.200q: %v", text, err)
	}
	return tree
}

func TestTree(t *testing.T) {
	text := detail(` <a x="1" y='&lt;2'>one<b/>two<b z="3">in</b > </a><!-- <c/> --><?d?><ü/>text`)
	tree := parseTree(t, text)
	if got, want := tree.Len(), 4; got != want {
		t.Errorf("got %d elements, want %d", got, want)
	}
	root := tree.Root()
	if got, want := root.Name(), "detail"; got != want {
		t.Errorf("root is named %q, want %q", got, want)
	}
	if got, want := root.Raw(), text[len(in("<detail>"))-len("</event>"):len(text)-len("</detail></event>")]; got != want {
		t.Errorf("root's raw text is %q, want %q", got, want)
	}
	if got, want := root.Text(), " text"; got != want {
		t.Errorf("root's text is %q, want %q", got, want)
	}
	var names []string
	for c := range root.Children() {
		names = append(names, c.Name())
	}
	if want := []string{"a", "ü"}; !slices.Equal(names, want) {
		t.Errorf("got children %q, want %q", names, want)
	}

	a, ok := root.Child("a")
	if !ok {
		t.Fatal("child a not found")
	}
	var attrs []string
	for name, value := range a.Attrs {
		attrs = append(attrs, name+"="+value)
	}
	if want := []string{"x=1", "y=<2"}; !slices.Equal(attrs, want) || a.NumAttrs() != 2 {
		t.Errorf("got attributes %q (%d), want %q", attrs, a.NumAttrs(), want)
	}
	for range a.Attrs {
		break // must be allowed
	}
	if v, ok := a.Attr("y"); v != "<2" || !ok {
		t.Errorf("attribute y: got %q, %v", v, ok)
	}
	if v, ok := a.Attr("Y"); v != "" || ok {
		t.Errorf("attribute Y: got %q, %v, want none", v, ok)
	}
	if got, want := a.Text(), "onetwo "; got != want {
		t.Errorf("text of a is %q, want %q", got, want)
	}
	var raws []string
	for c := range a.Children() {
		raws = append(raws, c.Raw())
	}
	if want := []string{"<b/>", `<b z="3">in</b >`}; !slices.Equal(raws, want) {
		t.Errorf("got raw children %q, want %q", raws, want)
	}
	if c, ok := a.Child("c"); ok || c != (Node{}) {
		t.Errorf("child c, which is in a comment: got %v, %v", c, ok)
	}
}

func TestTreeText(t *testing.T) {
	tests := []struct{ name, body, want string }{
		{"empty", ``, ``},
		{"plain", `abc`, `abc`},
		{"white space stays", " a\n\tb ", " a\n\tb "},
		{"references", `R&amp;B &#65;&#x42;&quot;`, `R&B AB"`},
		{"line ends", "a\r\nb\rc\r\r\nd\ne", "a\nb\nc\n\nd\ne"},
		{"referenced line end", "a&#13;\nb&#13;&#10;", "a\r\nb\r\n"},
		{"CDATA", `a<![CDATA[<b>&amp;</b>]]>c`, `a<b>&amp;</b>c`},
		{"CDATA line ends", "<![CDATA[a\r\nb\r]]>", "a\nb\n"},
		{"CDATA with ]", `<![CDATA[]]]]><![CDATA[>]]>`, `]]>`},
		{"comments", `a<!-- x > ]]> -->b<!---->c`, `abc`},
		{"instructions", `a<?x > ?>b`, `ab`},
		{"elements", `a<b>x</b>c<d/>e`, `ace`},
		{"CDATA with an end tag", `<![CDATA[</a></event>]]>`, `</a></event>`},
		{"beyond ASCII", `ü🚁&#x1F681;`, `ü🚁🚁`},
		{"& written twice", `&amp;lt;`, `&lt;`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tree := parseTree(t, detail("<a>"+tt.body+"</a>"))
			a, _ := tree.Root().Child("a")
			if got := a.Text(); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			compareTree(t, detail("<a>"+tt.body+"</a>"))
		})
	}
}

func TestTreeWithoutDetail(t *testing.T) {
	for _, text := range []string{in(""), in("<detail/>"), in("<detail></detail>")} {
		tree := parseTree(t, text)
		if got := tree.Len(); got != 0 {
			t.Errorf("%s: got %d elements, want none", text, got)
		}
		for c := range tree.Root().Children() {
			t.Errorf("%s: got child %s, want none", text, c.Name())
		}
	}
}

// The zero Tree and Node are empty, not traps.
func TestZeroTree(t *testing.T) {
	var tree Tree
	for _, n := range []Node{tree.Root(), {}} {
		for range n.Children() {
			t.Error("got a child")
		}
		for range n.Attrs {
			t.Error("got an attribute")
		}
		if _, ok := n.Attr("a"); ok || n.Raw() != "" || n.Text() != "" || n.NumAttrs() != 0 {
			t.Error("got content")
		}
		if _, ok := n.Child("a"); ok {
			t.Error("found a child")
		}
	}
	if got, want := (Node{}).Name(), ""; got != want {
		t.Errorf("got name %q, want %q", got, want)
	}
}

// A header that was made of another text, or by hand.
func TestParseDetailWrongHeader(t *testing.T) {
	text := detail("<a><b/></a>")
	tests := []struct {
		name     string
		from, to int
		want     error
	}{
		{"beyond the text", 0, len(text) + 1, ErrInvalid},
		{"backwards", 20, 10, ErrInvalid},
		{"negative", -1, 10, ErrInvalid},
		{"half a tag", 1, 10, nil}, // "event uid" is text
		{"an open tag", 0, len("<event uid='u' type='t'>"), ErrMalformed},
		{"end tags", strings.Index(text, "</"), len(text), ErrMalformed},
		{"all of it", 0, len(text), nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tree, err := ParseDetail(text, &Header{DetailAt: tt.from, DetailTo: tt.to})
			if !errors.Is(err, tt.want) || (err == nil) != (tt.want == nil) {
				t.Errorf("got %v, want %v", err, tt.want)
			}
			if err != nil && tree.Len() != 0 {
				t.Errorf("got %d elements with the error", tree.Len())
			}
		})
	}
}

func TestParseDetailLimits(t *testing.T) {
	l := Limits{Size: 200, Depth: 4, Attrs: 2}
	tests := []struct {
		name, detail string
		want         error
	}{
		{"depth reached", "<a><b/></a>", nil},
		{"depth passed", "<a><b><c/></b></a>", ErrLimit},
		{"attributes reached", "<a b='' c=''/>", nil},
		{"attributes passed", "<a b='' c='' d=''/>", ErrLimit},
		{"size passed", strings.Repeat(" ", 200), ErrLimit},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			text := detail(tt.detail)
			h := mustScan(t, text)
			if _, err := l.ParseDetail(text, h); !errors.Is(err, tt.want) {
				t.Errorf("ParseDetail: got %v, want %v", err, tt.want)
			}
			// Scan by the same limits must judge the same.
			if err := l.Scan(text, h); !errors.Is(err, tt.want) {
				t.Errorf("Scan: got %v, want %v", err, tt.want)
			}
		})
	}
}

// elem is an element as encoding/xml or a Tree finds it.
type elem struct {
	Name     string
	Attrs    [][2]string
	Text     string
	Children []*elem
}

func elemOf(n Node) *elem {
	e := &elem{Name: n.Name(), Text: n.Text()}
	for name, value := range n.Attrs {
		e.Attrs = append(e.Attrs, [2]string{name, blanks.Replace(value)})
	}
	for c := range n.Children() {
		e.Children = append(e.Children, elemOf(c))
	}
	return e
}

// stdElem reads the content of a detail with encoding/xml.
func stdElem(content string) *elem {
	d := xml.NewDecoder(strings.NewReader(content))
	path := []*elem{{Name: "detail"}}
	for {
		tok, err := d.RawToken()
		if err != nil {
			return path[0]
		}
		top := path[len(path)-1]
		switch tok := tok.(type) {
		case xml.StartElement:
			e := &elem{Name: fullName(tok.Name)}
			for _, a := range tok.Attr {
				e.Attrs = append(e.Attrs, [2]string{fullName(a.Name), blanks.Replace(a.Value)})
			}
			top.Children = append(top.Children, e)
			path = append(path, e)
		case xml.EndElement:
			path = path[:len(path)-1]
		case xml.CharData:
			top.Text += string(tok)
		}
	}
}

// compareTree holds the tree of an event's detail against encoding/xml's.
func compareTree(t failer, text string) {
	t.Helper()
	h := mustScan(t, text)
	tree, err := ParseDetail(text, h)
	if err != nil {
		t.Fatalf("scan accepts %q, but: %v", text, err)
	}
	if readOracle(text).wellFormed != nil {
		return // see knownDifference
	}
	if diff := cmp.Diff(stdElem(text[h.DetailAt:h.DetailTo]), elemOf(tree.Root())); diff != "" {
		t.Fatalf("tree of %q differs from encoding/xml's (-want +got):\n%s", text, diff)
	}
}
