package tree

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/takhost/takhost/hostapi"
)

type element struct {
	Name  string
	Attrs [][2]string
	Text  string
	Below []*element
}

func shape(n hostapi.Node) *element {
	e := &element{Name: n.Name(), Text: n.Text()}
	for name, value := range n.Attrs {
		e.Attrs = append(e.Attrs, [2]string{name, value})
	}
	for c := range n.Children() {
		e.Below = append(e.Below, shape(c))
	}
	return e
}

// stdXML reads a document with encoding/xml.
func stdXML(doc string) (*element, error) {
	d := xml.NewDecoder(strings.NewReader(doc))
	d.CharsetReader = func(_ string, r io.Reader) (io.Reader, error) { return r, nil }
	name := func(n xml.Name) string {
		if n.Space != "" {
			return n.Space + ":" + n.Local
		}
		return n.Local
	}
	top := &element{}
	open := []*element{top}
	for {
		tok, err := d.RawToken()
		if errors.Is(err, io.EOF) {
			if len(top.Below) != 1 || len(open) != 1 {
				return nil, errors.New("not one element")
			}
			return top.Below[0], nil
		}
		if err != nil {
			return nil, err
		}
		last := open[len(open)-1]
		switch tok := tok.(type) {
		case xml.StartElement:
			e := &element{Name: name(tok.Name)}
			for _, a := range tok.Attr {
				// The standard decoder leaves white space in values as it is.
				v := strings.NewReplacer("\r\n", " ", "\n", " ", "\r", " ", "\t", " ").Replace(a.Value)
				e.Attrs = append(e.Attrs, [2]string{name(a.Name), v})
			}
			last.Below = append(last.Below, e)
			open = append(open, e)
		case xml.EndElement:
			if len(open) == 1 {
				return nil, errors.New("end without a start")
			}
			open = open[:len(open)-1]
		case xml.CharData:
			last.Text += string(tok)
		}
	}
}

func TestXML(t *testing.T) {
	for _, doc := range []string{
		`<a/>`,
		`<?xml version="1.0" encoding="UTF-8" standalone="yes"?>` + "\n<!-- head --><MissionPackageManifest version=\"2\">" +
			`<Configuration><Parameter name="uid" value="x &amp; y"/></Configuration><Contents/></MissionPackageManifest>` + "\n<!-- foot -->",
		"\xef\xbb\xbf<?xml version='1.0'?><k:kml xmlns:k='u'>a<k:b>c</k:b>d &#228;<![CDATA[<e>]]></k:kml>",
	} {
		t.Run(doc[:4], func(t *testing.T) {
			want, err := stdXML(strings.TrimPrefix(doc, bom))
			if err != nil {
				t.Fatal(err)
			}
			b, err := AppendXML([]byte("kept"), doc)
			if err != nil {
				t.Fatalf("got error %v", err)
			}
			root := hostapi.Tree(b[4:]).Root()
			if diff := cmp.Diff(want, shape(root)); diff != "" {
				t.Errorf("document (-want +got):\n%s", diff)
			}
			if !strings.Contains(doc, root.Raw()) || !strings.HasPrefix(root.Raw(), "<"+root.Name()) {
				t.Errorf("got raw %q", root.Raw())
			}
		})
	}
}

func TestXMLFaults(t *testing.T) {
	tests := []struct{ name, doc, want string }{
		{"empty", " ", "byte 1: document has no element"},
		{"two", "<a/><b/>", "byte 4: a second element after the document's own"},
		{"text", "<a/> x", "byte 0: text outside of the document's element"},
		{"open", "<a><b></b>", "byte 10: text ends inside element a"},
		{"mismatch", "<a></b>", "byte 3: end tag is not that of the open element a"},
		{"document type", `<!DOCTYPE a [<!ENTITY x "y">]><a/>`, "byte 0: a document type or another declaration"},
		{"entity", `<a>&x;</a>`, "byte 3: & that begins none of the five entities and no legal character reference"},
		{"latin 1", `<?xml version="1.0" encoding="ISO-8859-1"?><a/>`, "byte 0: encoding is not UTF-8"},
		{"declaration", `<?xml version="1.0" encoding=UTF-8?><a/>`, "byte 0: no encoding in quotes in the XML declaration"},
		{"open declaration", `<?xml version="1.0"`, "byte 0: text ends inside the XML declaration"},
		{"deep", strings.Repeat("<a>", 65), "byte 192: elements nested too deep a"},
		{"long", strings.Repeat(" ", 1<<20) + "<a/>", "byte 1048576: document is too long"},
		{"many", "<a>" + strings.Repeat("<b/>", 100_000) + "</a>", "byte 0: too many elements"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b, err := AppendXML([]byte("kept"), tt.doc)
			if err == nil || err.Error() != tt.want {
				t.Errorf("got %v, want %q", err, tt.want)
			}
			if string(b) != "kept" {
				t.Errorf("got %d bytes, want dst as it was", len(b))
			}
		})
	}
}

func FuzzXML(f *testing.F) {
	f.Add(`<?xml version="1.0"?><a b="c"><d>e</d><!-- f --></a>`)
	f.Add(`<a>&amp;<![CDATA[x]]></a>`)
	f.Add("<a\n b='1\t2'/>")
	f.Fuzz(func(t *testing.T, doc string) {
		b, err := AppendXML(nil, doc)
		if err != nil {
			var fault *Error
			if !errors.As(err, &fault) || fault.Offset < 0 || fault.Offset > len(doc) {
				t.Errorf("got error %#v of %d bytes", err, len(doc))
			}
			return
		}
		want, err := stdXML(strings.TrimPrefix(doc, bom))
		if err != nil {
			return // the standard decoder refuses some that XML allows
		}
		if strings.Contains(doc, ":") || strings.Contains(doc, "&") || strings.Contains(doc, "\r") {
			return // names and values that the two give differently, though both are right
		}
		if diff := cmp.Diff(want, shape(hostapi.Tree(b).Root())); diff != "" {
			t.Errorf("document (-want +got):\n%s", diff)
		}
	})
}
