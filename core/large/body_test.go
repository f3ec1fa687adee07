package large

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"testing"

	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/cot"
)

func event(detail string) string {
	return `<event version="2.0" uid="u" type="u-d-f" how="h-e"><point lat="1" lon="2" hae="0" ce="1" le="1"/>` + detail + `</event>`
}

func routed(t testing.TB, id hostapi.ID, xml string) *hostapi.Event {
	t.Helper()
	e := &hostapi.Event{ID: id, XML: xml, Conn: 7, User: "ann", Groups: 1}
	if err := (cot.Limits{Size: 1 << 30}).Scan(xml, &e.Header); err != nil {
		t.Fatal(err)
	}
	return e
}

func text(t testing.TB, b Body) string {
	t.Helper()
	var buf bytes.Buffer
	n, err := b.WriteTo(&buf)
	if err != nil || n != int64(buf.Len()) || n != b.Len() {
		t.Fatalf("wrote %d bytes, %v; says %d and has %d", buf.Len(), err, n, b.Len())
	}
	return buf.String()
}

func TestBody(t *testing.T) {
	const marti = `<marti><dest callsign="B"/></marti>`
	for _, tt := range []struct{ name, detail, want string }{
		{"no detail", ``, ``},
		{"empty detail", `<detail/>`, `<detail/>`},
		{"none", `<detail><a/>x</detail>`, `<detail><a/>x</detail>`},
		{"alone", `<detail>` + marti + `</detail>`, `<detail></detail>`},
		{"between", `<detail><a/>` + marti + `<b/></detail>`, `<detail><a/><b/></detail>`},
		{"empty", `<detail><a/><marti/><b/></detail>`, `<detail><a/><b/></detail>`},
		{"empty with blanks", "<detail><marti\t/><marti ></marti\n></detail>", `<detail></detail>`},
		{"several", `<detail>` + marti + `<a/>` + marti + `</detail>`, `<detail><a/></detail>`},
		{"further down", `<detail><a>` + marti + `</a></detail>`, `<detail><a>` + marti + `</a></detail>`},
		{"inside another", `<detail><marti><marti/></marti><a/></detail>`, `<detail><a/></detail>`},
		{"other names", `<detail><martian/><marti-x/><x:marti/></detail>`, `<detail><martian/><marti-x/><x:marti/></detail>`},
		{
			"as text", `<detail><!--<marti>--><![CDATA[<marti>]]><?p <marti>?><a b="marti"/></detail>`,
			`<detail><!--<marti>--><![CDATA[<marti>]]><?p <marti>?><a b="marti"/></detail>`,
		},
		{"in a value", `<detail><a b=">" c='/>'/>` + marti + `<a b='"'>x</a></detail>`, `<detail><a b=">" c='/>'/><a b='"'>x</a></detail>`},
		{"with odd content", `<detail><marti a=">"><!-- </marti> --><![CDATA[</marti>]]><a/></marti>y</detail>`, `<detail>y</detail>`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			xml := event(tt.detail)
			e := Of(routed(t, 1, xml))
			want := Declaration + event(tt.want)
			if got := text(t, e.Body); got != want {
				t.Errorf("got %s\nwant %s", got, want)
			}
			sum := sha256.Sum256([]byte(want))
			if got, want := e.Hash(), hex.EncodeToString(sum[:]); got != want {
				t.Errorf("hash: got %s, want %s", got, want)
			}
			again, err := Read(1, "u", 1, xml)
			if err != nil {
				t.Fatal(err)
			}
			if got := again.Hash(); got != e.Hash() {
				t.Errorf("hash of the archived event: got %s, want %s", got, e.Hash())
			}
		})
	}
}

func TestBodyOfWhatIsNoEvent(t *testing.T) {
	if _, err := Read(1, "u", 1, "<event"); err == nil {
		t.Error("no error")
	}
}
