package tests

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/takhost/takhost/core/config"
	"github.com/takhost/takhost/hostapi/cot"
	"github.com/takhost/takhost/hostapi/takproto"
	"github.com/takhost/takhost/tests/takclient"
	"github.com/takhost/takhost/tests/taktest"
)

// frame puts an event into a frame of the TAK protocol.
func frame(t *testing.T, xml string) []byte {
	t.Helper()
	b, err := encode(xml)
	takclient.Must(t, err)
	return b
}

func encode(xml string) ([]byte, error) {
	var h cot.Header
	if err := cot.Scan(xml, &h); err != nil {
		return nil, err
	}
	return takproto.AppendFrame(nil, xml, &h)
}

func TestEventsSplitByteByByte(t *testing.T) {
	srv := taktest.Start(t)
	for name, opts := range encodings {
		t.Run(name, func(t *testing.T) {
			a, b := srv.Client(t, opts...), srv.Client(t)
			sa := a.Presence(1, 2, `<remarks>Zoë 東京 🚒</remarks>`).XML()
			wire := []byte(sa)
			if a.Proto() {
				wire = frame(t, sa)
			}
			for i := range wire { // TCP_NODELAY is Go's default: each byte is a packet
				takclient.Must(t, a.SendRaw(wire[i:i+1]))
			}
			sameMeaning(t, sa, b.ExpectUID(t, a.UID()).XML)
		})
	}
}

func TestSeveralEventsInOneWrite(t *testing.T) {
	srv := taktest.Start(t)
	for name, opts := range encodings {
		t.Run(name, func(t *testing.T) {
			a, b := srv.Client(t, opts...), srv.Client(t)
			var xmls, uids []string
			for range 100 {
				e, _ := takclient.NewMarker()
				xmls, uids = append(xmls, e.XML()), append(uids, e.UID)
			}
			takclient.Must(t, a.SendAll(xmls...))
			for i, uid := range uids {
				if got := b.ExpectUID(t, uid).XML; !a.Proto() && got != xmls[i] {
					t.Fatalf("event %d\n got %s\nwant %s", i, got, xmls[i])
				}
			}
		})
	}
}

func TestWhatAnXMLStreamMayHold(t *testing.T) {
	srv := taktest.Start(t)
	const head = `version="2.0" type="b-m-p-s-m" how="m-g" time="2025-01-01T00:00:00Z" start="2025-01-01T00:00:00Z" stale="2025-01-01T01:00:00Z"><point lat="1" lon="2" hae="3" ce="4" le="5"/>`
	event := func(uid, detail string) string {
		return `<event uid="` + uid + `" ` + head + `<detail>` + detail + `</detail></event>`
	}
	tests := []struct {
		name   string
		stream string
		want   []string // relayed, byte for byte
	}{
		{"prolog", `<?xml version="1.0" encoding="UTF-8"?>` + "\n" + event("p1", "") + "<?xml version='1.0' standalone='yes'?>" + event("p2", ""),
			[]string{event("p1", ""), event("p2", "")}},
		{"white space between", " \t\r\n" + event("w1", "") + "\n\n\r\n\t " + event("w2", "") + "\n", []string{event("w1", ""), event("w2", "")}},
		{"white space within", "<event\n\tuid = \"v1\"\r\n " + head + "\n<detail>\n\t<x />\n</detail>\n</event>",
			[]string{"<event\n\tuid = \"v1\"\r\n " + head + "\n<detail>\n\t<x />\n</detail>\n</event>"}},
		{"comment between that looks like an event", `<!-- <event uid="no"></event> -->` + event("c1", ""), []string{event("c1", "")}},
		{"comment that holds an end", event("c2", `<!-- </event> --><x/>`) + event("c3", ""), []string{event("c2", `<!-- </event> --><x/>`), event("c3", "")}},
		{"CDATA that holds an end", event("d1", `<remarks><![CDATA[</detail></event>]]></remarks>`) + event("d2", ""),
			[]string{event("d1", `<remarks><![CDATA[</detail></event>]]></remarks>`), event("d2", "")}},
		{"end tag with white space", strings.Replace(event("e1", ""), "</event>", "</event \n>", 1) + event("e2", ""),
			[]string{strings.Replace(event("e1", ""), "</event>", "</event \n>", 1), event("e2", "")}},
		{"self-closed", `<event uid="s1" type="t-unknown" how="m-g"/>` + event("s2", ""), []string{`<event uid="s1" type="t-unknown" how="m-g"/>`, event("s2", "")}},
		{"unasked auth", `<?xml version="1.0"?><auth><cot username="u" password="p"/></auth>` + event("a1", ""), []string{event("a1", "")}},
		{"unknown attributes and elements", strings.Replace(event("u1", `<n:new xmlns:n="urn:x" n:a="1">t</n:new>`), " type", ` future="1" type`, 1),
			[]string{strings.Replace(event("u1", `<n:new xmlns:n="urn:x" n:a="1">t</n:new>`), " type", ` future="1" type`, 1)}},
	}
	for _, tt := range tests {
		for _, piece := range []int{1, 7, 1 << 20} {
			t.Run(fmt.Sprintf("%s in pieces of %d", tt.name, piece), func(t *testing.T) {
				a, b := srv.Client(t), srv.Client(t)
				for rest := tt.stream; rest != ""; {
					n := min(piece, len(rest))
					takclient.Must(t, a.SendRaw([]byte(rest[:n])))
					rest = rest[n:]
				}
				var same []takclient.Match
				for _, want := range tt.want {
					b.Expect(t, takclient.Exactly(want))
				}
				b.Quiet(t, a, same...)
			})
		}
	}
}

// A broken event costs itself alone: what is sent behind it in the same write
// arrives.
func TestBadEventIsSkippedAndTheStreamGoesOn(t *testing.T) {
	srv := taktest.Start(t)
	good := func() (takclient.Event, takclient.Match) { return takclient.NewMarker() }
	for name, bad := range badEvents {
		t.Run(name, func(t *testing.T) {
			a, b := srv.Client(t), srv.Client(t)
			before, isBefore := good()
			behind, isBehind := good()
			malformed := srv.Status(t).Events.Malformed
			takclient.Must(t, a.SendRaw([]byte(before.XML()+bad.xml+behind.XML())))
			b.Expect(t, isBefore)
			b.Expect(t, isBehind)
			b.Quiet(t, a)
			srv.Logged(t, "bad input dropped, the connection goes on", a.LocalAddr().String(), bad.why)
			if got := srv.Status(t).Events.Malformed; got <= malformed {
				t.Errorf("malformed events: still %d, want more", got)
			}
		})
	}
}

// badEvents are refused by the scan, each for its own reason.
var badEvents = map[string]struct{ xml, why string }{
	"no uid":              {`<event type="a-f-G"></event>`, "event has no uid"},
	"no type":             {`<event uid="U"></event>`, "event has no type"},
	"unknown entity":      {`<event uid="U" type="t">&nbsp;</event>`, "none of the five entities"},
	"mismatched end":      {`<event uid="U" type="t"><detail><a></b></detail></event>`, "end tag is not that of the open element"},
	"attribute twice":     {`<event uid="U" type="t" uid="V"/>`, "the same attribute twice"},
	"no quotes":           {`<event uid=U type="t"></event>`, "no quotes around the value"},
	"no time":             {`<event uid="U" type="t" time="yesterday"/>`, "no time in event attribute"},
	"no number":           {`<event uid="U" type="t"><point lat="north" lon="1"/></event>`, "no finite number in point attribute"},
	"document type":       {`<event uid="U" type="t"><!DOCTYPE x [<!ENTITY a "b">]></event>`, "a document type"},
	"latin-1":             {"<event uid=\"U\" type=\"t\"><detail><remarks>Z\xfcrich</remarks></detail></event>", "no UTF-8"},
	"control character":   {"<event uid=\"U\x02\" type=\"t\"/>", "control character"},
	"UTF-16":              {"<\x00e\x00v\x00e\x00n\x00t\x00 \x00u\x00i\x00d\x00=\x00", "bytes outside of any event"},
	"nested 65 deep":      {`<event uid="U" type="t"><detail>` + strings.Repeat("<a>", 65) + strings.Repeat("</a>", 65) + `</detail></event>`, "elements nested too deep"},
	"nested 100,000 deep": {`<event uid="U" type="t"><detail>` + strings.Repeat("<a>", 100_000) + strings.Repeat("</a>", 100_000) + `</detail></event>`, "elements nested too deep"},
	"nested, unclosed":    {`<event uid="U" type="t"><detail>` + strings.Repeat("<a>", 1000), "event without an end"},
	"65 attributes":       {`<event uid="U" type="t"><x` + attributes(65) + `/></event>`, "too many attributes in element"},
	"event in an event":   {`<event uid="U" type="t"><detail>`, "event without an end"},
	"text of no event":    {`GET / HTTP/1.1` + "\r\n\r\n", "bytes outside of any event"},
}

func attributes(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, ` a%d="%d"`, i, i)
	}
	return b.String()
}

func TestBrokenFramesAreSkipped(t *testing.T) {
	srv := taktest.Start(t)
	tests := map[string]struct {
		bad []byte
		why string
	}{
		"no magic byte":     {[]byte("no frame at all"), "bytes outside of any event"},
		"XML in protobuf":   {[]byte(`<event uid="U" type="t"/>`), "bytes outside of any event"},
		"no message":        {[]byte{0xBF, 4, 0xFF, 0xFF, 0xFF, 0xFF}, "not a protobuf message"},
		"event without uid": {[]byte{0xBF, 4, 0x12, 2, 0x0A, 0}, "tak message invalid"},
		"endless length":    {[]byte{0xBF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F}, "bytes outside of any event"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			a, b := srv.Client(t, takclient.WithProto()), srv.Client(t, takclient.WithProto())
			before, isBefore := takclient.NewMarker()
			behind, isBehind := takclient.NewMarker()
			stream := append(frame(t, before.XML()), tt.bad...)
			takclient.Must(t, a.SendRaw(append(stream, frame(t, behind.XML())...)))
			b.Expect(t, isBefore)
			b.Expect(t, isBehind)
			b.Quiet(t, a)
			srv.Logged(t, "bad input dropped", a.LocalAddr().String(), tt.why)
		})
	}
}

// Whether a comment will be closed is not known until it is, so it is waited
// for; then the event in which it began is given up, and no other.
func TestUnclosedCommentCostsOnlyItsOwnEvent(t *testing.T) {
	srv := taktest.Start(t, limits(func(l *config.Limits) { l.UnfinishedWait = config.Duration(50 * time.Millisecond) }))
	for name, bad := range map[string]string{
		"comment":                   `<event uid="U" type="b-x"><detail><!-- open </detail></event>`,
		"CDATA":                     `<event uid="U" type="b-x"><detail><![CDATA[ open </detail></event>`,
		"comment, no end of event":  `<event uid="U" type="b-x"><detail><!-- open `,
		"CDATA, no end of event":    `<event uid="U" type="b-x"><detail><![CDATA[ open `,
		"CDATA in a value, no end":  `<event uid="U" type="b-x"><point lat="1<![CDATA[`,
		"instruction, no end":       `<event uid="U" type="b-x"><detail><?open `,
		"comment between events":    `<!-- open `,
		"instruction between them":  `<?open `,
		"comment inside a start":    `<event uid="U" <!-- type="b-x"/>`,
		"comment behind a good one": `<event uid="V" type="t-good"/><!-- open `,
	} {
		t.Run(name, func(t *testing.T) {
			a, b := srv.Client(t), srv.Client(t)
			first, isFirst := takclient.NewMarker()
			second, isSecond := takclient.NewMarker()
			takclient.Must(t, a.SendRaw([]byte(bad+first.XML()+second.XML())))
			b.Expect(t, isFirst)
			b.Expect(t, isSecond)
			b.Quiet(t, a, takclient.Type("t-good"))
		})
	}
}
