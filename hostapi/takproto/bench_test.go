package takproto

import (
	"fmt"
	"strings"
	"testing"

	"github.com/takhost/takhost/hostapi/cot"
)

// route is an event of ATAK's route tool with many points, over lines as ATAK
// writes none but other programs do.
func route(points int) string {
	var b strings.Builder
	b.WriteString(`<event version="2.0" uid="b7d4" type="b-m-r" how="h-e" time="2026-03-04T05:06:07.089Z" start="2026-03-04T05:06:07.089Z" stale="2026-03-05T05:06:07.089Z">
	<point lat="0.0" lon="0.0" hae="9999999.0" ce="9999999.0" le="9999999.0"/>
	<detail>
`)
	for i := range points {
		fmt.Fprintf(&b, `		<link uid="b7d4-%d" callsign="CP%d" type="b-m-p-w" point="47.%06d,-11.%06d" remarks="" relation="c"/>`+"\n", i, i, i*971, i*853)
	}
	b.WriteString(`		<link_attr planningmethod="Infil" color="-1" method="Driving" prefix="CP" type="Vehicle" stroke="3" direction="Infil" routetype="Primary" order="Ascending Check Points"/>
		<contact callsign="Route 7"/>
	</detail>
</event>`)
	return b.String()
}

var benchEvents = []struct {
	name string
	xml  string
}{
	{"SA", sa},
	{"Route20", route(20)},
	{"Route500", route(500)},
}

func BenchmarkAppendFrame(b *testing.B) {
	for _, e := range benchEvents {
		b.Run(e.name, func(b *testing.B) {
			h := scan(b, e.xml)
			b.SetBytes(int64(len(e.xml)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := AppendFrame(nil, e.xml, h); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkAppendXML(b *testing.B) {
	for _, e := range benchEvents {
		b.Run(e.name, func(b *testing.B) {
			msg := encode(b, e.xml)
			b.SetBytes(int64(len(msg)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := AppendXML(nil, msg); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// What a message from a client costs until it can be routed.
func BenchmarkAppendXMLAndScan(b *testing.B) {
	msg := encode(b, sa)
	b.ReportAllocs()
	for b.Loop() {
		xml, err := AppendXML(nil, msg)
		if err != nil {
			b.Fatal(err)
		}
		var h cot.Header
		if err := cot.Scan(string(xml), &h); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSplit(b *testing.B) {
	frame, err := AppendFrame(nil, sa, scan(b, sa))
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(frame)))
	b.ReportAllocs()
	for b.Loop() {
		if !Split(frame, MaxFrame).Complete() {
			b.Fatal("frame is not complete")
		}
	}
}
