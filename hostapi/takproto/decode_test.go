package takproto

import (
	"errors"
	"math"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/takhost/takhost/hostapi/cot"
)

func TestAppendXML(t *testing.T) {
	const (
		start = `<event version="2.0" uid="U" type="t"`
		times = ` time="1970-01-01T00:00:00.000Z" start="1970-01-01T00:00:00.000Z" stale="1970-01-01T00:00:00.000Z"`
		point = `><point lat="0" lon="0" hae="0" ce="0" le="0"/>`
		open  = start + times + point + `<detail>`
		end   = `</detail></event>`
	)
	tests := []struct{ name, msg, want string }{
		{"presence", `submissionTime: 1 creationTime: 2 takControl {minProtoVersion: 1} cotEvent {
			type: "a-f-G-U-C" access: "Undefined" uid: "ANDROID-1" how: "m-g"
			sendTime: 1772600767089 startTime: 1772600767090 staleTime: 1772601142999
			lat: 47.98765432101234 lon: -11.12345678909876 hae: 612.3456789012345 ce: 4.7 le: 9999999
			detail {
				xmlDetail: '<uid Droid="BIRCH-12"/><x>\n</x>'
				contact {endpoint: "*:-1:stcp" callsign: "BIRCH-12"}
				group {name: "Cyan" role: "Team Member"}
				precisionLocation {geopointsrc: "GPS" altsrc: "DTED0"}
				status {battery: 83}
				takv {device: "D" platform: "ATAK-CIV" os: "34" version: "5.4"}
				track {speed: 1.25 course: 271.6843505859375}
			}}`,
			`<event version="2.0" uid="ANDROID-1" type="a-f-G-U-C" how="m-g" time="2026-03-04T05:06:07.089Z" start="2026-03-04T05:06:07.090Z" stale="2026-03-04T05:12:22.999Z" access="Undefined">` +
				`<point lat="47.98765432101234" lon="-11.12345678909876" hae="612.3456789012345" ce="4.7" le="9999999.0"/>` +
				`<detail><takv device="D" platform="ATAK-CIV" os="34" version="5.4"/><contact endpoint="*:-1:stcp" callsign="BIRCH-12"/>` +
				`<precisionlocation geopointsrc="GPS" altsrc="DTED0"/><__group name="Cyan" role="Team Member"/><status battery="83"/>` +
				`<track speed="1.25" course="271.6843505859375"/><uid Droid="BIRCH-12"/><x>` + "\n" + `</x></detail></event>`},
		{"uid and type alone", `cotEvent{uid:"U" type:"t"}`, start + times + point + `</event>`},
		{"empty detail", `cotEvent{uid:"U" type:"t" detail{}}`, open + end},
		{"all attributes", `cotEvent{uid:"U" type:"t" how:"h" access:"a" qos:"q" opex:"o" caveat:"c" releaseableTo:"r"}`,
			start + ` how="h"` + times + ` access="a" qos="q" opex="o" caveat="c" releasableTo="r"` + point + `</event>`},
		{"escapes", `cotEvent{uid:"<&>\"'\t\n\r" type:"é霞😀\u007f"}`,
			`<event version="2.0" uid="&lt;&amp;&gt;&quot;'&#9;&#10;&#13;" type="é霞😀` + "\x7f" + `"` + times + point + `</event>`},
		{"end tag in a name", `cotEvent{uid:"</event>" type:"t"}`, `<event version="2.0" uid="&lt;/event&gt;" type="t"` + times + point + `</event>`},
		{"numbers", `cotEvent{uid:"U" type:"t" lat:-0.0 lon:1e-7 hae:1e22 ce:9999999 le:9007199254740993}`,
			start + times + `><point lat="-0" lon="0.0000001" hae="10000000000000000000000" ce="9999999.0" le="9007199254740992"/></event>`},
		{"unknown heights", `cotEvent{uid:"U" type:"t" hae:nan ce:inf le:-inf}`,
			start + times + `><point lat="0" lon="0" hae="9999999.0" ce="9999999.0" le="9999999.0"/></event>`},
		{"times", `cotEvent{uid:"U" type:"t" sendTime:18446744073709551615 startTime:253402300800000 staleTime:9223372036854775807}`,
			start + ` time="1969-12-31T23:59:59.999Z" start="9999-12-31T23:59:59.999Z" stale="9999-12-31T23:59:59.999Z"` + point + `</event>`},
		{"time long before", `cotEvent{uid:"U" type:"t" sendTime:9223372036854775808}`,
			start + ` time="0000-01-01T00:00:00.000Z" start="1970-01-01T00:00:00.000Z" stale="1970-01-01T00:00:00.000Z"` + point + `</event>`},

		{"contact without endpoint", `cotEvent{uid:"U" type:"t" detail{contact{callsign:"c"}}}`, open + `<contact callsign="c"/>` + end},
		{"empty messages", `cotEvent{uid:"U" type:"t" detail{contact{} group{} precisionLocation{} status{} takv{} track{}}}`,
			open + `<takv device="" platform="" os="" version=""/><contact callsign=""/><precisionlocation geopointsrc="" altsrc=""/>` +
				`<__group name="" role=""/><status battery="0"/><track speed="0" course="0"/>` + end},
		{"track of no numbers", `cotEvent{uid:"U" type:"t" detail{track{speed:nan course:inf}}}`, open + `<track speed="NaN" course="+Inf"/>` + end},
		{"XML wins", `cotEvent{uid:"U" type:"t" detail{xmlDetail:'<contact callsign="x" phone="1"/>' contact{callsign:"c"} status{battery:1}}}`,
			open + `<status battery="1"/><contact callsign="x" phone="1"/>` + end},
		{"all XML wins", `cotEvent{uid:"U" type:"t" detail{xmlDetail:'<contact/><__group/><precisionlocation/><status/><takv/><track/>' contact{callsign:"c"} group{} precisionLocation{} status{} takv{} track{}}}`,
			open + `<contact/><__group/><precisionlocation/><status/><takv/><track/>` + end},
		{"XML further down does not", `cotEvent{uid:"U" type:"t" detail{xmlDetail:'<x><contact/></x><!-- <contact/> --><![CDATA[<contact/>]]>' contact{callsign:"c"}}}`,
			open + `<contact callsign="c"/><x><contact/></x><!-- <contact/> --><![CDATA[<contact/>]]>` + end},
		{"XML that wins over text XML cannot hold", `cotEvent{uid:"U" type:"t" detail{xmlDetail:'<contact callsign="x"/>' contact{callsign:"\001"}}}`,
			open + `<contact callsign="x"/>` + end},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := AppendXML([]byte("before"), officialBytes(t, tt.msg))
			if err != nil {
				t.Fatalf("AppendXML: %v", err)
			}
			if want := "before" + tt.want; string(got) != want {
				t.Errorf("XML\n got %s\nwant %s", got, want)
			}
			scan(t, tt.want)
		})
	}
}

func TestAppendXMLRefuses(t *testing.T) {
	badText := func(field string) string {
		return strings.Replace(`cotEvent{uid:"U" type:"t" FIELD:"\x01"}`, "FIELD", field, 1)
	}
	inDetail := func(detail string) string { return `cotEvent{uid:"U" type:"t" detail{` + detail + `}}` }
	tests := []struct {
		name, msg string
		want      error
	}{
		{"empty", ``, ErrNoEvent},
		{"control", `takControl{minProtoVersion:1 maxProtoVersion:1 contactUid:"U"}`, ErrNoEvent},
		{"times alone", `submissionTime:1 creationTime:1`, ErrNoEvent},
		{"empty event", `cotEvent{}`, ErrInvalid},
		{"no uid", `cotEvent{type:"t"}`, ErrInvalid},
		{"no type", `cotEvent{uid:"U"}`, ErrInvalid},
		{"control character in how", badText("how"), ErrInvalid},
		{"control character in access", badText("access"), ErrInvalid},
		{"control character in qos", badText("qos"), ErrInvalid},
		{"control character in opex", badText("opex"), ErrInvalid},
		{"control character in caveat", badText("caveat"), ErrInvalid},
		{"control character in releaseableTo", badText("releaseableTo"), ErrInvalid},
		{"NUL in uid", `cotEvent{uid:"U\000" type:"t"}`, ErrInvalid},
		{"escape in type", `cotEvent{uid:"U" type:"t\x1b"}`, ErrInvalid},
		{"U+FFFE", `cotEvent{uid:"\uFFFE" type:"t"}`, ErrInvalid},
		{"U+FFFF in a callsign", inDetail(`contact{callsign:"\uFFFF"}`), ErrInvalid},
		{"control character in an endpoint", inDetail(`contact{callsign:"c" endpoint:"\x02"}`), ErrInvalid},
		{"control character in a role", inDetail(`group{role:"\x02"}`), ErrInvalid},
		{"control character in a source", inDetail(`precisionLocation{altsrc:"\x02"}`), ErrInvalid},
		{"control character in a version", inDetail(`takv{version:"\x02"}`), ErrInvalid},
		{"no latitude", `cotEvent{uid:"U" type:"t" lat:nan}`, ErrInvalid},
		{"infinite longitude", `cotEvent{uid:"U" type:"t" lon:-inf}`, ErrInvalid},
		{"end of detail", inDetail(`xmlDetail:'</detail><detail>'`), ErrInvalid},
		{"end of event and another", inDetail(`xmlDetail:'</detail></event><event uid="V" type="t"><detail>'`), ErrInvalid},
		{"end in an element", inDetail(`xmlDetail:'<a></a></detail></event><event uid="V" type="t"><detail>'`), ErrInvalid},
		{"element left open", inDetail(`xmlDetail:'<a>'`), ErrInvalid},
		{"start tag left open", inDetail(`xmlDetail:'<a'`), ErrInvalid},
		{"value left open", inDetail(`xmlDetail:'<a b="/>'`), ErrInvalid},
		{"comment left open", inDetail(`xmlDetail:'<a/><!-- '`), ErrInvalid},
		{"CDATA left open", inDetail(`xmlDetail:'<![CDATA[ '`), ErrInvalid},
		{"instruction left open", inDetail(`xmlDetail:'<?a '`), ErrInvalid},
		{"document type", inDetail(`xmlDetail:'<!DOCTYPE a>'`), ErrInvalid},
		{"lone bracket", inDetail(`xmlDetail:'<'`), ErrInvalid},
		{"lone end", inDetail(`xmlDetail:'</'`), ErrInvalid},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := AppendXML([]byte("before"), officialBytes(t, tt.msg))
			if !errors.Is(err, tt.want) {
				t.Errorf("got error %v, want %v", err, tt.want)
			}
			if string(got) != "before" {
				t.Errorf("dst is %q, want it as it was", got)
			}
		})
	}
}

// What AppendXML leaves to the scan behind it.
func TestScanRefusesBadDetail(t *testing.T) {
	for _, tt := range []struct{ name, detail string }{
		{"tags do not match", "<a></b>"},
		{"reference to nothing", "&nbsp;"},
		{"bare ampersand", "<a>&</a>"},
		{"control character", "<a>\x01</a>"},
		{"bytes outside UTF-8", "<a>\xff</a>"},
		{"no name", "<></>"},
		{"tag in a tag", "<a <b/>"},
		{"value without quotes", "<a b=c/>"},
		{"prolog", `<?xml version="1.0"?><a/>`},
		{"end of CDATA", "]]>"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := AppendXML(nil, message(
				text(evType, "t"), text(evUID, "U"), part(evDetail, text(detailXML, tt.detail))))
			if err != nil {
				t.Fatalf("AppendXML: %v", err)
			}
			var h cot.Header
			if err := cot.Scan(string(got), &h); !errors.Is(err, cot.ErrMalformed) {
				t.Errorf("scan of %s: got error %v, want %v", got, err, cot.ErrMalformed)
			}
		})
	}
}

// Were an XML part that ends the event let through, the scan would still see
// that more text follows the root.
func TestScanRefusesSecondRoot(t *testing.T) {
	const injected = `</detail></event><event uid="V" type="t"><detail>`
	var h cot.Header
	err := cot.Scan(head+"<detail>"+injected+"</detail></event>", &h)
	if !errors.Is(err, cot.ErrMalformed) {
		t.Errorf("got error %v, want %v", err, cot.ErrMalformed)
	}
}

// Messages that a library would not write but has to read.
func TestUnusualWire(t *testing.T) {
	names := text(evUID, "U") + text(evType, "t")
	plain := message(names)
	tests := []struct {
		name string
		msg  []byte
		want []byte // a message of the same meaning
	}{
		{"order of fields", message(text(evType, "t") + text(evUID, "U")), plain},
		{"last one wins", message(text(evUID, "V"), names, number(evSendTime, 7), number(evSendTime, 9)), message(names, number(evSendTime, 9))},
		{"event in parts", append(message(text(evUID, "U")), message(text(evType, "t"))...), plain},
		{"detail in parts", message(names,
			part(evDetail, part(2, text(2, "c")), text(detailXML, "<a/>")),
			part(evDetail, part(2, text(1, "e")), text(detailXML, "<b/>"))),
			message(names, part(evDetail, part(2, text(1, "e"), text(2, "c")), text(detailXML, "<b/>")))},
		{"track in parts", message(names, part(evDetail, part(7, double(1, 2)), part(7, double(2, 3)), part(7, double(1, 4)))),
			message(names, part(evDetail, part(7, double(1, 4), double(2, 3))))},
		{"unknown fields", message(names, text(18, "x"), number(99, 1), double(536870911, 1),
			part(evDetail, text(8, "x"), part(2, text(3, "x"), text(2, "c")), part(5, number(2, 1)), part(7, double(3, 1)))),
			message(names, part(evDetail, part(2, text(2, "c")), part(5), part(7)))},
		{"unknown group", message(names, "\xa3\x06\xab\x06\x08\x01\xac\x06\xa4\x06"), plain},
		{"unknown fixed32", message(names, "\xa5\x06\x01\x02\x03\x04"), plain},
		{"other wire types", message(names, number(evUID, 1), double(evType, 1), text(evSendTime, "x"), number(evLat, 1),
			number(evDetail, 1), part(evDetail, number(detailXML, 1), number(2, 1), part(2, number(2, 1)), part(5, text(1, "x")), part(7, number(1, 1)))),
			message(names, part(evDetail, part(2), part(5), part(7)))},
		{"long varints", []byte("\x92\x00\x88\x80\x00\x0a\x01t\xaa\x80\x00\x01U"), plain},
		{"battery beyond 32 bits", message(names, part(evDetail, part(5, number(1, 1<<32+83)))),
			message(names, part(evDetail, part(5, number(1, 83))))},
		{"zeros said", message(names, text(evHow, ""), number(evSendTime, 0), double(evLat, 0)), plain},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := AppendXML(nil, tt.msg)
			if err != nil {
				t.Fatalf("AppendXML: %v", err)
			}
			want, err := AppendXML(nil, tt.want)
			if err != nil {
				t.Fatalf("AppendXML of the usual form: %v", err)
			}
			if string(got) != string(want) {
				t.Errorf("XML\n got %s\nwant %s", got, want)
			}
		})
	}
}

func TestBadWire(t *testing.T) {
	names := text(evUID, "U") + text(evType, "t")
	deep := strings.Repeat("\xa3\x06", 20000)
	tests := []struct{ name, msg string }{
		{"text", "<event/>"},
		{"field number 0", "\x00\x01"},
		{"field number too large", "\x80\x80\x80\x80\x10\x00"},
		{"tag cut off", "\x80"},
		{"tag too long", strings.Repeat("\x80", 10) + "\x01"},
		{"length cut off", "\x12\x80"},
		{"length too long", "\x12" + strings.Repeat("\xff", 10)},
		{"length beyond the end", "\x12\x05\x0a"},
		{"length beyond all", "\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"},
		{"varint cut off", string(message(names, "\x30\x80"))},
		{"varint too long", string(message(names, "\x30"+strings.Repeat("\x80", 10)+"\x01"))},
		{"double cut off", string(message(names, "\x51\x00\x00"))},
		{"text cut off", string(message(names, "\x0a\x09t"))},
		{"wire type 6", string(message(names, "\x06"))},
		{"wire type 7", string(message(names, "\x07"))},
		{"end of no group", string(message(names, "\xa4\x06"))},
		{"group without end", string(message(names, "\xa3\x06\x08\x01"))},
		{"end of another group", string(message(names, "\xa3\x06\xac\x06"))},
		{"groups too deep", string(message(names, deep))},
		{"bad detail", string(message(names, part(evDetail, "\x0a\x01")))},
		{"bad contact", string(message(names, part(evDetail, part(2, "\x12\x01"))))},
		{"bad event after a good one", string(message(names)) + "\x12\x01\x80"},
		{"bad rest", string(message(names)) + "\x18"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := AppendXML([]byte("before"), []byte(tt.msg))
			if !errors.Is(err, ErrWire) {
				t.Errorf("got error %v, want %v", err, ErrWire)
			}
			if string(got) != "before" {
				t.Errorf("dst is %q, want it as it was", got)
			}
		})
	}
}

// Bytes outside UTF-8, which no library writes: an error wherever they would
// show.
func TestBadUTF8(t *testing.T) {
	for _, tt := range []struct {
		name  string
		parts []string
	}{
		{"uid", []string{text(evUID, "\xff"), text(evType, "t")}},
		{"type", []string{text(evUID, "U"), text(evType, "a\xc3")}},
		{"how, overlong", []string{text(evUID, "U"), text(evType, "t"), text(evHow, "\xc0\x80")}},
		{"callsign, surrogate", []string{text(evUID, "U"), text(evType, "t"), part(evDetail, part(2, text(2, "\xed\xa0\x80")))}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := AppendXML(nil, message(tt.parts...)); !errors.Is(err, ErrInvalid) {
				t.Errorf("got error %v, want %v", err, ErrInvalid)
			}
		})
	}
}

func TestAppendXMLAllocs(t *testing.T) {
	msg := encode(t, sa)
	dst := make([]byte, 0, 2048)
	if n := testing.AllocsPerRun(100, func() {
		if _, err := AppendXML(dst, msg); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("AppendXML into a large enough buffer allocates %v times, want 0", n)
	}
	if n := testing.AllocsPerRun(100, func() {
		if _, err := AppendXML(nil, msg); err != nil {
			t.Fatal(err)
		}
	}); n != growing() {
		t.Errorf("AppendXML into nothing allocates %v times, want %v", n, growing())
	}
}

// The fields of the wire, each as the bytes it takes.

func message(fields ...string) []byte { return []byte(part(msgCotEvent, fields...)) }

func part(num protowire.Number, fields ...string) string {
	return text(num, strings.Join(fields, ""))
}

func text(num protowire.Number, s string) string {
	return string(protowire.AppendString(protowire.AppendTag(nil, num, protowire.BytesType), s))
}

func number(num protowire.Number, v uint64) string {
	return string(protowire.AppendVarint(protowire.AppendTag(nil, num, protowire.VarintType), v))
}

func double(num protowire.Number, v float64) string {
	return string(protowire.AppendFixed64(protowire.AppendTag(nil, num, protowire.Fixed64Type), math.Float64bits(v)))
}
