package cot

import (
	"encoding/xml"
	"io"
	"os"
	"strings"
	"testing"
	"time"
)

// benchSA is a position report as current ATAK sends it each few seconds.
const benchSA = `<event version="2.0" uid="ANDROID-5ca1ab1e0badcafe" type="a-f-G-U-C" time="2026-08-20T10:11:12.345Z" ` +
	`start="2026-08-20T10:11:12.345Z" stale="2026-08-20T10:17:27.345Z" how="m-g" access="Undefined">` +
	`<point lat="48.1373930" lon="11.5754850" hae="519.28" ce="9.9" le="9999999.0"/><detail>` +
	`<takv os="34" version="5.4.0.12 (01234567)[playstore].1755000000-CIV" device="FERNWEH F6" platform="ATAK-CIV"/>` +
	`<contact endpoint="*:-1:stcp" phone="+4915550123456" callsign="LINDE-07"/><uid Droid="LINDE-07"/>` +
	`<precisionlocation altsrc="GPS" geopointsrc="GPS"/><__group role="Team Member" name="Cyan"/>` +
	`<status battery="78"/><track course="142.66" speed="1.27"/>` +
	`<remarks source="BAO.F.ATAK">moving along the ridge</remarks></detail></event>`

// benchEvents are the four that the benchmarks use.
func benchEvents(b *testing.B) []struct{ name, text string } {
	file := func(name string) string {
		text, err := os.ReadFile("testdata/corpus/" + name)
		if err != nil {
			b.Fatal(err)
		}
		return string(text)
	}
	return []struct{ name, text string }{
		{"SA", benchSA},
		{"chat", file("chat-group.cot")},
		{"route", file("route.cot")},
		{"drawing", drawing(64 << 10)},
	}
}

func BenchmarkScan(b *testing.B) {
	for _, e := range benchEvents(b) {
		b.Run(e.name, func(b *testing.B) {
			var h Header
			b.SetBytes(int64(len(e.text)))
			b.ReportAllocs()
			for b.Loop() {
				if err := Scan(e.text, &h); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkScanMixed goes over the whole corpus, so that the processor cannot
// learn one event's branches by heart.
func BenchmarkScanMixed(b *testing.B) {
	var texts []string
	total := 0
	for _, text := range corpus(b) {
		if len(text) < 2000 {
			texts = append(texts, text)
			total += len(text)
		}
	}
	var h Header
	b.SetBytes(int64(total / len(texts)))
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if err := Scan(texts[i%len(texts)], &h); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkScanStd is what encoding/xml takes to read the same, for comparison.
func BenchmarkScanStd(b *testing.B) {
	b.SetBytes(int64(len(benchSA)))
	b.ReportAllocs()
	for b.Loop() {
		d := xml.NewDecoder(strings.NewReader(benchSA))
		for {
			if _, err := d.Token(); err == io.EOF {
				break
			} else if err != nil {
				b.Fatal(err)
			}
		}
	}
}

func BenchmarkParseDetail(b *testing.B) {
	for _, e := range benchEvents(b) {
		b.Run(e.name, func(b *testing.B) {
			var h Header
			if err := Scan(e.text, &h); err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(len(e.text)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := ParseDetail(e.text, &h); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkParseTime(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := ParseTime("2026-08-20T10:11:12.345Z"); !ok {
			b.Fatal("not read")
		}
	}
}

func BenchmarkAppendTime(b *testing.B) {
	b.ReportAllocs()
	buf := make([]byte, 0, 32)
	for b.Loop() {
		buf = AppendTime(buf[:0], 1787220672345000)
	}
}

func BenchmarkParseNumber(b *testing.B) {
	for _, s := range []string{"9999999.0", "48.1373930", "38.856650047254725"} {
		b.Run(s, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, ok := parseNumber(s); !ok {
					b.Fatal("not read")
				}
			}
		})
	}
}

func BenchmarkBuilder(b *testing.B) {
	b.ReportAllocs()
	now := time.Unix(1787220672, 0)
	for b.Loop() {
		if _, err := NewEvent("takPong", "t-x-c-t-r", "h-g-i-g-o", now, 20*time.Second).
			Point(0, 0, 0, Unknown, Unknown).String(); err != nil {
			b.Fatal(err)
		}
	}
}
