package takproto

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	"github.com/takhost/takhost/hostapi/cot"
)

// sa is a typical presence event of ATAK, 730 bytes.
const sa = `<event version="2.0" uid="ANDROID-7be1c0ffee5a11ad" type="a-f-G-U-C" how="m-g" time="2026-03-04T05:06:07.089Z" start="2026-03-04T05:06:07.089Z" stale="2026-03-04T05:12:22.089Z" access="Undefined"><point lat="47.98765432101234" lon="-11.12345678909876" hae="612.3456789012345" ce="4.7" le="9999999.0"/><detail><takv os="34" version="5.4.0.12 (e1f2a3b4)[playstore].1765432100-CIV" device="SAMSUNG GALAXY TAB ACTIVE5 SM-X306B 128 GB ENTERPRISE" platform="ATAK-CIV"/><contact endpoint="*:-1:stcp" callsign="BIRCH-12"/><uid Droid="BIRCH-12"/><precisionlocation altsrc="GPS" geopointsrc="GPS"/><__group role="Team Member" name="Cyan"/><status battery="83"/><track course="271.6843505859375" speed="1.3437500000000002"/></detail></event>`

// head begins the events of these tests; its fields are those of headText.
const (
	head     = `<event version="2.0" uid="U" type="t" how="h" time="1970-01-01T00:00:00.001Z" start="1970-01-01T00:00:00.002Z" stale="1970-01-01T00:00:00.003Z"><point lat="1" lon="2" hae="3" ce="4" le="5"/>`
	headText = `type: "t" uid: "U" how: "h" sendTime: 1 startTime: 2 staleTime: 3 lat: 1 lon: 2 hae: 3 ce: 4 le: 5 `
)

func scan(t testing.TB, xml string) *cot.Header {
	t.Helper()
	var h cot.Header
	if err := cot.Scan(xml, &h); err != nil {
		t.Fatalf("scan %s: %v", xml, err)
	}
	return &h
}

func encode(t testing.TB, xml string) []byte {
	t.Helper()
	b, err := AppendMessage(nil, xml, scan(t, xml))
	if err != nil {
		t.Fatalf("AppendMessage(%s): %v", xml, err)
	}
	return b
}

// Which elements become messages, and what stays XML.
func TestDetailToProtobuf(t *testing.T) {
	tests := []struct{ name, detail, want string }{
		{"empty", ``, ``},
		{"contact", `<contact endpoint="e" callsign="c"/>`, `contact{endpoint:"e" callsign:"c"}`},
		{"contact without endpoint", `<contact callsign="c"/>`, `contact{callsign:"c"}`},
		{"contact with end tag", `<contact callsign='c'></contact >`, `contact{callsign:"c"}`},
		{"contact over lines", "<contact\n\tcallsign = 'c'\r\n endpoint\t=\"e\"\n/>", `contact{endpoint:"e" callsign:"c"}`},
		{"contact with more", `<contact callsign="c" phone="1"/>`, `xmlDetail:'<contact callsign="c" phone="1"/>'`},
		{"contact without callsign", `<contact endpoint="e"/>`, `xmlDetail:'<contact endpoint="e"/>'`},
		{"contact with empty endpoint", `<contact callsign="c" endpoint=""/>`, `xmlDetail:'<contact callsign="c" endpoint=""/>'`},
		{"contact with empty callsign", `<contact callsign=""/>`, `xmlDetail:'<contact callsign=""/>'`},
		{"contact without attributes", `<contact/>`, `xmlDetail:'<contact/>'`},
		{"contact with child", `<contact callsign="c"><x/></contact>`, `xmlDetail:'<contact callsign="c"><x/></contact>'`},
		{"contact with text", `<contact callsign="c">t</contact>`, `xmlDetail:'<contact callsign="c">t</contact>'`},
		{"contact with blank", `<contact callsign="c"> </contact>`, `xmlDetail:'<contact callsign="c"> </contact>'`},
		{"contact with comment", `<contact callsign="c"><!-- --></contact>`, `xmlDetail:'<contact callsign="c"><!-- --></contact>'`},
		{"two contacts", `<contact callsign="c"/><contact callsign="d"/>`, `xmlDetail:'<contact callsign="c"/><contact callsign="d"/>'`},
		{"two contacts, one with more", `<contact callsign="c"/><contact callsign="d" phone="1"/>`, `xmlDetail:'<contact callsign="c"/><contact callsign="d" phone="1"/>'`},
		{"two contacts, the other with more", `<contact callsign="d" phone="1"/><contact callsign="c"/>`, `xmlDetail:'<contact callsign="d" phone="1"/><contact callsign="c"/>'`},
		{"three contacts", `<a/><contact callsign="c"/><b/><contact callsign="d"/><contact callsign="e"/>`, `xmlDetail:'<a/><contact callsign="c"/><b/><contact callsign="d"/><contact callsign="e"/>'`},
		{"contact further down", `<x><contact callsign="c"/></x>`, `xmlDetail:'<x><contact callsign="c"/></x>'`},
		{"contact and one further down", `<x><contact callsign="c"/></x><contact callsign="d"/>`, `xmlDetail:'<x><contact callsign="c"/></x>' contact{callsign:"d"}`},
		{"references", `<contact callsign="&lt;&gt;&amp;&apos;&quot;&#65;&#x1F600;&#9;"/>`, `contact{callsign:"<>&'\"A😀\t"}`},
		{"references stay in XML", `<x a="&lt;&#65;"/>`, `xmlDetail:'<x a="&lt;&#65;"/>'`},
		{"other letters", `<contact callsign="Ähre 霞 😀"/><remarks>übung</remarks>`, `contact{callsign:"Ähre 霞 😀"} xmlDetail:'<remarks>übung</remarks>'`},
		{"line end in a value", "<contact callsign=\"a\nb\"/>", `xmlDetail:'<contact callsign="a\nb"/>'`},
		{"tab in a value", "<__group name=\"a\tb\" role=\"r\"/>", `xmlDetail:'<__group name="a\tb" role="r"/>'`},

		{"group", `<__group name="Cyan" role="Team Member"/>`, `group{name:"Cyan" role:"Team Member"}`},
		{"empty group", `<__group name="" role=""/>`, `group{}`},
		{"group without role", `<__group name="Cyan"/>`, `xmlDetail:'<__group name="Cyan"/>'`},
		{"group with more", `<__group name="Cyan" role="HQ" x="1"/>`, `xmlDetail:'<__group name="Cyan" role="HQ" x="1"/>'`},
		{"group of another name", `<group name="Cyan" role="HQ"/>`, `xmlDetail:'<group name="Cyan" role="HQ"/>'`},

		{"precision", `<precisionlocation altsrc="DTED0" geopointsrc="User"/>`, `precisionLocation{geopointsrc:"User" altsrc:"DTED0"}`},
		{"precision without source", `<precisionlocation altsrc="DTED0"/>`, `xmlDetail:'<precisionlocation altsrc="DTED0"/>'`},

		{"status", `<status battery="83"/>`, `status{battery:83}`},
		{"status 0", `<status battery="0"/>`, `status{}`},
		{"status most", `<status battery="4294967295"/>`, `status{battery:4294967295}`},
		{"status too large", `<status battery="4294967296"/>`, `xmlDetail:'<status battery="4294967296"/>'`},
		{"status far too large", `<status battery="18446744073709551617"/>`, `xmlDetail:'<status battery="18446744073709551617"/>'`},
		{"status with zero in front", `<status battery="080"/>`, `xmlDetail:'<status battery="080"/>'`},
		{"status 00", `<status battery="00"/>`, `xmlDetail:'<status battery="00"/>'`},
		{"status with fraction", `<status battery="80.5"/>`, `xmlDetail:'<status battery="80.5"/>'`},
		{"status negative", `<status battery="-1"/>`, `xmlDetail:'<status battery="-1"/>'`},
		{"status plus", `<status battery="+1"/>`, `xmlDetail:'<status battery="+1"/>'`},
		{"status blank", `<status battery=" 1"/>`, `xmlDetail:'<status battery=" 1"/>'`},
		{"status empty", `<status battery=""/>`, `xmlDetail:'<status battery=""/>'`},
		{"status by reference", `<status battery="&#56;"/>`, `xmlDetail:'<status battery="&#56;"/>'`},
		{"status with more", `<status battery="83" readiness="true"/>`, `xmlDetail:'<status battery="83" readiness="true"/>'`},
		{"status without battery", `<status readiness="true"/>`, `xmlDetail:'<status readiness="true"/>'`},

		{"takv", `<takv os="34" version="5.4" device="D" platform="P"/>`, `takv{device:"D" platform:"P" os:"34" version:"5.4"}`},
		{"takv without os", `<takv version="5.4" device="D" platform="P"/>`, `xmlDetail:'<takv version="5.4" device="D" platform="P"/>'`},

		{"track", `<track speed="1.25" course="359.5"/>`, `track{speed:1.25 course:359.5}`},
		{"track zero", `<track course="0.0" speed="0.0"/>`, `track{}`},
		{"track minus zero", `<track course="-0.0" speed="0"/>`, `track{course:-0.0}`},
		{"track exponent", `<track course="1.5E2" speed="2.5e-3"/>`, `track{course:150 speed:0.0025}`},
		{"track forms", `<track course="+.5" speed="7."/>`, `track{course:0.5 speed:7}`},
		{"track NaN", `<track course="NaN" speed="1"/>`, `xmlDetail:'<track course="NaN" speed="1"/>'`},
		{"track infinite", `<track course="1" speed="Infinity"/>`, `xmlDetail:'<track course="1" speed="Infinity"/>'`},
		{"track out of range", `<track course="1" speed="1e999"/>`, `xmlDetail:'<track course="1" speed="1e999"/>'`},
		{"track hexadecimal", `<track course="0x1p4" speed="1"/>`, `xmlDetail:'<track course="0x1p4" speed="1"/>'`},
		{"track empty", `<track course="" speed="1"/>`, `xmlDetail:'<track course="" speed="1"/>'`},
		{"track blank", `<track course=" 1" speed="1"/>`, `xmlDetail:'<track course=" 1" speed="1"/>'`},
		{"track with more", `<track course="1" speed="1" slope="0"/>`, `xmlDetail:'<track course="1" speed="1" slope="0"/>'`},
		{"track without speed", `<track course="1"/>`, `xmlDetail:'<track course="1"/>'`},

		{"prefixed name", `<a:contact callsign="c"/>`, `xmlDetail:'<a:contact callsign="c"/>'`},
		{"prefixed attribute", `<contact a:callsign="c"/>`, `xmlDetail:'<contact a:callsign="c"/>'`},
		{"order", `<b/><status battery="1"/><a x='1' >t<c/></a ><contact callsign="c"/><b/>`, `xmlDetail:"<b/><a x='1' >t<c/></a ><b/>" status{battery:1} contact{callsign:"c"}`},
		{"between the elements", " text <b/>\n\t&amp; <![CDATA[<x/>]]><!-- <y/> --><?pi <z/>?><a/> ", `xmlDetail:'<b/><a/>'`},
		{"CDATA and comment inside", `<remarks><![CDATA[</remarks></event>]]><!-- </remarks> --><?p </remarks>?></remarks>`, `xmlDetail:'<remarks><![CDATA[</remarks></event>]]><!-- </remarks> --><?p </remarks>?></remarks>'`},
		{"greater-than in a value", `<x a="/>" b='">'/><contact callsign=">"/>`, `xmlDetail:'<x a="/>" b=\'">\'/>' contact{callsign:">"}`},
		{"same name inside", `<x><x><x/></x></x><y/>`, `xmlDetail:'<x><x><x/></x></x><y/>'`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := readOfficial(t, encode(t, head+`<detail>`+tt.detail+`</detail></event>`))
			want := official(t, `cotEvent{`+headText+`detail{`+tt.want+`}}`)
			if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
				t.Errorf("message (-want +got):\n%s", diff)
			}
		})
	}
}

func TestEventToProtobuf(t *testing.T) {
	tests := []struct{ name, xml, want string }{
		{"presence", sa, `cotEvent{
			type: "a-f-G-U-C" access: "Undefined" uid: "ANDROID-7be1c0ffee5a11ad" how: "m-g"
			sendTime: 1772600767089 startTime: 1772600767089 staleTime: 1772601142089
			lat: 47.98765432101234 lon: -11.12345678909876 hae: 612.3456789012345 ce: 4.7 le: 9999999
			detail {
				xmlDetail: '<uid Droid="BIRCH-12"/>'
				contact {endpoint: "*:-1:stcp" callsign: "BIRCH-12"}
				group {name: "Cyan" role: "Team Member"}
				precisionLocation {geopointsrc: "GPS" altsrc: "GPS"}
				status {battery: 83}
				takv {device: "SAMSUNG GALAXY TAB ACTIVE5 SM-X306B 128 GB ENTERPRISE" platform: "ATAK-CIV" os: "34" version: "5.4.0.12 (e1f2a3b4)[playstore].1765432100-CIV"}
				track {speed: 1.3437500000000002 course: 271.6843505859375}
			}}`},
		{"no detail", head + `</event>`, `cotEvent{` + headText + `}`},
		{"closed detail", head + `<detail/></event>`, `cotEvent{` + headText + `detail{}}`},
		{"nothing but names", `<event uid="U" type="t"></event>`, `cotEvent{uid: "U" type: "t"}`},
		{"self-closed", `<event uid="U" type="t"/>`, `cotEvent{uid: "U" type: "t"}`},
		{"all attributes", `<event uid="U" type="t" access="&lt;a" qos='1-r-c' opex="o" caveat="FOUO &amp; é" releasableTo="X" other="lost" />`,
			`cotEvent{uid: "U" type: "t" access: "<a" qos: "1-r-c" opex: "o" caveat: "FOUO & é" releaseableTo: "X"}`},
		{"empty attributes", `<event uid="U" type="t" access="" qos="" opex="" caveat="" releasableTo="" how=""/>`, `cotEvent{uid: "U" type: "t"}`},
		{"references in names", `<event uid="&#x55;&amp;" type="t&lt;"/>`, `cotEvent{uid: "U&" type: "t<"}`},
		{"names over lines", "<event\n\tversion='2.0'\r\n uid = 'U'\n type='t'\n access\n=\n'a'\n>\n</event\n>", `cotEvent{uid: "U" type: "t" access: "a"}`},
		{"digits of a second", `<event uid="U" type="t" time="2026-01-02T03:04:05Z" start="2026-01-02T03:04:05.1239Z" stale="2026-01-02T03:04:05.12Z"/>`,
			`cotEvent{uid: "U" type: "t" sendTime: 1767323045000 startTime: 1767323045123 staleTime: 1767323045120}`},
		{"before 1970", `<event uid="U" type="t" time="1969-12-31T23:59:59.999Z" start="1969-12-31T23:59:59.9985Z"/>`,
			`cotEvent{uid: "U" type: "t" sendTime: 18446744073709551615 startTime: 18446744073709551614}`},
		{"attributes of others", `<event uid="U" type="t"><point lat="0" lon="0" hae="0" ce="0" le="0" qos="x"/><detail access="y"><a opex="z"/></detail></event>`,
			`cotEvent{uid: "U" type: "t" detail{xmlDetail:'<a opex="z"/>'}}`},
		{"second detail is lost", head + `<detail><a/></detail><detail><b/></detail></event>`, `cotEvent{` + headText + `detail{xmlDetail:'<a/>'}}`},
		{"many children", head + "<detail>" + strings.Repeat(" <a/>", 100) + `<contact callsign="c"/>` + strings.Repeat("<b/>\n", 100) + "</detail></event>",
			`cotEvent{` + headText + `detail{xmlDetail:'` + strings.Repeat("<a/>", 100) + strings.Repeat("<b/>", 100) + `' contact{callsign:"c"}}}`},
		{"namesake after many", head + `<detail><contact callsign="c"/>` + strings.Repeat(" <a/>", 100) + `<contact callsign="d"/><status battery="1"/></detail></event>`,
			`cotEvent{` + headText + `detail{xmlDetail:'<contact callsign="c"/>` + strings.Repeat("<a/>", 100) + `<contact callsign="d"/>' status{battery:1}}}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := readOfficial(t, encode(t, tt.xml))
			if diff := cmp.Diff(official(t, tt.want), got, protocmp.Transform()); diff != "" {
				t.Errorf("message (-want +got):\n%s", diff)
			}
		})
	}
}

// The bytes of a small frame, put together by hand from the protocol.
func TestAppendFrameBytes(t *testing.T) {
	const xml = `<event uid="U1" type="a-f" time="1970-01-01T00:00:00.300Z"><point lat="1" lon="0" hae="0" ce="0" le="0"/>` +
		`<detail><x/><status battery="7"/></detail></event>`
	want := []byte("\xbf\x23" + // magic, 35 bytes
		"\x12\x21" + // cotEvent, 5+4+3+9+2+10 bytes
		"\x0a\x03a-f" + // type
		"\x2a\x02U1" + // uid
		"\x30\xac\x02" + // sendTime 300
		"\x51\x00\x00\x00\x00\x00\x00\xf0\x3f" + // lat 1.0
		"\x7a\x0a" + // detail, 6+4 bytes
		"\x0a\x04<x/>" + // xmlDetail
		"\x2a\x02\x08\x07") // status, battery 7
	want = append([]byte("before"), want...)
	got, err := AppendFrame([]byte("before"), xml, scan(t, xml))
	if err != nil {
		t.Fatalf("AppendFrame: %v", err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("frame\n got %q\nwant %q", got, want)
	}
}

func TestAppendFrameLength(t *testing.T) {
	// Everything but the filling takes the same number of bytes from here on.
	event := func(fill int) string {
		return head + "<detail><a>" + strings.Repeat("x", fill) + "</a></detail></event>"
	}
	const fill = 65000
	rest := len(encode(t, event(fill))) - fill

	for _, tt := range []struct {
		name string
		size int
		err  error
	}{
		{"most", MaxFrame, nil},
		{"one more", MaxFrame + 1, ErrTooLong},
		{"far more", 3 << 20, ErrTooLong},
	} {
		t.Run(tt.name, func(t *testing.T) {
			xml := event(tt.size - rest)
			dst := []byte("before")
			got, err := AppendFrame(dst, xml, scan(t, xml))
			if !errors.Is(err, tt.err) {
				t.Fatalf("AppendFrame: got error %v, want %v", err, tt.err)
			}
			if err != nil {
				if string(got) != "before" {
					t.Errorf("dst is %q, want it as it was", got)
				}
				msg, err := AppendMessage(nil, xml, scan(t, xml))
				if err != nil || len(msg) < tt.size {
					t.Errorf("AppendMessage gave %d bytes and error %v, want at least %d bytes", len(msg), err, tt.size)
				}
				return
			}
			f := Split(got[len(dst):], MaxFrame)
			if !f.Complete() || len(f.Message) != tt.size {
				t.Errorf("frame holds %d bytes, want %d", len(f.Message), tt.size)
			}
		})
	}
}

// A header that comes from another text is an error, not a panic.
func TestForeignHeader(t *testing.T) {
	for _, tt := range []struct {
		name string
		h    cot.Header
	}{
		{"beyond the text", cot.Header{UID: "U", Type: "t", Flags: cot.HasDetail, DetailAt: 10, DetailTo: 1000}},
		{"backwards", cot.Header{UID: "U", Type: "t", Flags: cot.HasDetail, DetailAt: 20, DetailTo: 10}},
		{"negative", cot.Header{UID: "U", Type: "t", Flags: cot.HasDetail, DetailAt: -1, DetailTo: 10}},
		{"inside of a tag", cot.Header{UID: "U", Type: "t", Flags: cot.HasDetail, DetailAt: 0, DetailTo: 10}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := AppendFrame([]byte("before"), sa, &tt.h)
			if !errors.Is(err, ErrHeader) {
				t.Errorf("got error %v, want %v", err, ErrHeader)
			}
			if string(got) != "before" {
				t.Errorf("dst is %q, want it as it was", got)
			}
		})
	}
}

func TestAppendFrameAllocs(t *testing.T) {
	h := scan(t, sa)
	dst := make([]byte, 0, 1024)
	if n := testing.AllocsPerRun(100, func() {
		if _, err := AppendFrame(dst, sa, h); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("AppendFrame into a large enough buffer allocates %v times, want 0", n)
	}
	if n := testing.AllocsPerRun(100, func() {
		if _, err := AppendFrame(nil, sa, h); err != nil {
			t.Fatal(err)
		}
	}); n != growing() {
		t.Errorf("AppendFrame into nothing allocates %v times, want %v", n, growing())
	}
}

var grown []byte

// growing counts the allocations of making room once: one, or two under the
// race detector.
func growing() float64 {
	return testing.AllocsPerRun(100, func() { grown = slices.Grow([]byte(nil), 1000) })
}
