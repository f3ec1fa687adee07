package cot

import (
	"math"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// corpus gives the events of testdata/corpus by file name.
func corpus(t testing.TB) map[string]string {
	t.Helper()
	files, err := filepath.Glob("testdata/corpus/*.cot")
	if err != nil || len(files) == 0 {
		t.Fatalf("no corpus: %v, %d files", err, len(files))
	}
	events := make(map[string]string, len(files))
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		events[filepath.Base(f)] = string(b)
	}
	return events
}

func seed(f *testing.F, add func(text string)) {
	for _, text := range corpus(f) {
		add(text)
	}
	for _, text := range hostile(200) {
		add(text)
	}
	for _, text := range []string{
		in("]]>"), in("<![CDATA[]]]]>"), in("<!-- -->]]<?a ?>"), in("&#x1F681;&#xD800;&#0;"),
		in("<a:b:c/>"), in("<a b='1'c='2'/>"), in("<\u00B7/>"), in("<!DOCTYPE a>"),
		"<event uid='u' type='t' time='2026-01-02T03:04:05+01:00'/>",
		in("<point lat='1e5' lon='-.5' hae='NaN' ce='12345678901234567890' le=' 1 '/>"),
		detail("<marti><dest callsign='' uid='a' mission='b'/><dest/><dest group='c'/></marti>"),
	} {
		add(text)
	}
}

// FuzzScan: nothing panics; what Scan accepts encoding/xml accepts and reads
// alike, and the other way round, but for the differences that the oracle and
// knownDifference name.
func FuzzScan(f *testing.F) {
	seed(f, func(text string) { f.Add(text) })
	f.Fuzz(func(t *testing.T, text string) {
		compareOracle(t, text)
		// Inside an event, so that arbitrary bytes get past the root.
		compareOracle(t, in(text))
		compareOracle(t, detail(text))
	})
}

// FuzzParseDetail: no text and no header panics; the tree of an accepted event
// is that of encoding/xml, and its parts put together are the detail.
func FuzzParseDetail(f *testing.F) {
	seed(f, func(text string) { f.Add(text, 24, len(text)-8) })
	f.Fuzz(func(t *testing.T, text string, from, to int) {
		h := Header{DetailAt: from, DetailTo: to, TypeAt: from}
		if tree, err := ParseDetail(text, &h); err == nil {
			touch(tree.Root())
		}
		_ = Retype(text, &h, "t")
		for _, text := range []string{text, detail(text)} {
			if Scan(text, &h) == nil {
				compareTree(t, text)
			}
		}
	})
}

// touch calls everything a node has.
func touch(n Node) int {
	sum := len(n.Name()) + len(n.Text()) + len(n.Raw())
	for name, value := range n.Attrs {
		sum += len(name) + len(value)
	}
	for c := range n.Children() {
		sum += touch(c)
	}
	return sum
}

func FuzzParseTime(f *testing.F) {
	for _, s := range []string{"2026-01-02T03:04:05.678Z", "2024-02-29T23:59:59+0130", "0000-01-01T00:00:00.Z", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got, ok := ParseTime(s)
		want, wantOK := stdTime(s)
		if ok != wantOK || ok && got != want {
			t.Fatalf("ParseTime(%q) = %d, %v; package time gives %d, %v", s, got, ok, want, wantOK)
		}
		if !ok {
			return
		}
		text := string(AppendTime(nil, got))
		if again, ok := ParseTime(text); !ok || got >= minTime && got <= maxTime && again != floorDiv(got, 1000)*1000 {
			t.Fatalf("%q is written as %s, which reads as %d, %v; want %d", s, text, again, ok, got)
		}
	})
}

// FuzzBuilder: any strings give either an error or an event that reads back
// equal.
func FuzzBuilder(f *testing.F) {
	f.Add("U-1", "a-f-G", "m-g", int64(1767323045678000), "x", "y", "z", "text", "<raw/>", 48.5)
	f.Add("u<\"'&>", "t\t\n\r", "", int64(-1), "ü", "a:b", "]]>", "]]>\r\n", "<![CDATA[]]>", math.Copysign(0, -1))
	f.Fuzz(func(t *testing.T, uid, typ, how string, usec int64, elem, name, value, text, raw string, v float64) {
		xml, err := NewEvent(uid, typ, how, time.UnixMicro(usec), time.Minute).
			Point(v, -v, v, v, v).
			Start("detail").
			Start("contact").Attr("callsign", value).Attr("endpoint", text).End().
			Start("p"+elem).Attr("q"+name, value).Text(text).Start("r").End().Text(text).End().
			Start("raw").Raw(raw).End().
			String()
		if err != nil {
			return
		}
		var h Header
		if err := Scan(xml, &h); err != nil {
			t.Fatalf("built %q, which scan refuses: %v", xml, err)
		}
		if h.UID != uid || h.Type != typ || h.How != how || h.Callsign != value || h.Endpoint != text {
			t.Fatalf("built %q, read back %q %q %q %q %q", xml, h.UID, h.Type, h.How, h.Callsign, h.Endpoint)
		}
		for _, got := range []float64{h.Lat, -h.Lon, h.Hae, h.CE, h.LE} {
			if math.Float64bits(got) != math.Float64bits(v) {
				t.Fatalf("built %q of %v, read back %v", xml, v, got)
			}
		}
		if want := floorDiv(min(max(usec, minTime), maxTime), 1000) * 1000; h.Time != want || h.Start != want {
			t.Fatalf("built %q of %d µs, read back %d", xml, want, h.Time)
		}
		tree, err := ParseDetail(xml, &h)
		if err != nil {
			t.Fatal(err)
		}
		p, ok := tree.Root().Child("p" + elem)
		if !ok {
			t.Fatalf("built %q, in which no p%s is found", xml, elem)
		}
		if got, _ := p.Attr("q" + name); got != value || p.Text() != text+text {
			t.Fatalf("built %q, read back %q and %q", xml, got, p.Text())
		}
		if r, ok := tree.Root().Child("raw"); !ok || r.Raw() != "<raw/>" && r.Raw() != "<raw>"+raw+"</raw>" {
			t.Fatalf("built %q, read back raw %q, want %q", xml, r.Raw(), raw)
		}
	})
}
