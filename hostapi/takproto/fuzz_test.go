package takproto

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/takhost/takhost/hostapi/cot"
	"github.com/takhost/takhost/tests/meaning"
)

// seeds gives the events that fuzzing starts from.
func seeds(f *testing.F) []string {
	f.Helper()
	var events []string
	for _, event := range cases {
		events = append(events, event)
	}
	files, err := filepath.Glob(filepath.Join(corpusDir, "*.cot"))
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		events = append(events, single(string(b)))
	}
	return events
}

// Any bytes as a message: what comes out and scans must go through protobuf and
// back without a change, from the first message of our own on.
func FuzzAppendXML(f *testing.F) {
	for _, event := range seeds(f) {
		f.Add(encode(f, event))
	}
	f.Add(officialBytes(f, `takControl{minProtoVersion:1}`))
	f.Add(officialBytes(f, `cotEvent{uid:"U" type:"t" sendTime:18446744073709551615 hae:nan detail{contact{} status{} track{speed:nan course:inf} takv{}}}`))
	f.Add(officialBytes(f, `cotEvent{uid:"U" type:"t" detail{xmlDetail:' t <contact/><!-- </x> --><a b=">"/>' contact{callsign:"c"}}}`))
	f.Add(message(text(evUID, "U"), text(evType, "t"), part(evDetail, text(detailXML, "</detail><a/><detail>"))))
	f.Fuzz(func(t *testing.T, msg []byte) {
		first, err := AppendXML(nil, msg)
		if err != nil {
			return
		}
		var h cot.Header
		if cot.Scan(string(first), &h) != nil {
			return
		}
		const end = "</detail></event>"
		if h.DetailTo > 0 && string(first[h.DetailTo:]) != end {
			t.Errorf("detail of %s ends before the end of the event", first)
		}
		ours := encode(t, string(first))
		second, err := AppendXML(nil, ours)
		if err != nil {
			t.Fatalf("back from %s: %v", first, err)
		}
		if again := encode(t, string(second)); string(again) != string(ours) {
			t.Errorf("message of %s\n got %q\nwant %q", second, again, ours)
		}
		sameMeaning(t, string(first), string(second))
	})
}

func FuzzSplit(f *testing.F) {
	f.Add([]byte("junk\xbf\x03abc\xbf\x00\xbf\xff\xff\x7f\xbf\x01d"), uint16(100), uint8(3))
	f.Add([]byte("\xbf\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02\xbf\xbf\x01e"), uint16(300), uint8(1))
	f.Fuzz(func(t *testing.T, stream []byte, limit uint16, step uint8) {
		want, skipped, refused := split(t, int(limit), stream)
		var pieces [][]byte
		for rest := stream; len(rest) > 0; {
			n := min(int(step)+1, len(rest))
			pieces, rest = append(pieces, rest[:n]), rest[n:]
		}
		got, gotSkipped, gotRefused := split(t, int(limit), pieces...)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("messages in pieces (-want +got):\n%s", diff)
		}
		if gotSkipped != skipped || gotRefused != refused {
			t.Errorf("in pieces skipped %d, refused %d, want %d and %d", gotSkipped, gotRefused, skipped, refused)
		}
	})
}

// Any event that scans goes through protobuf and keeps its meaning.
func FuzzRoundTrip(f *testing.F) {
	for _, event := range seeds(f) {
		f.Add(event)
	}
	f.Fuzz(func(t *testing.T, event string) {
		var h cot.Header
		if cot.Scan(event, &h) != nil {
			return
		}
		readOfficial(t, encode(t, event))
		back, err := through(event)
		if err != nil {
			t.Fatalf("%v\nevent was %s", err, event)
		}
		sameMeaning(t, event, back)
	})
}

// sameMeaning compares two events: all of them where encoding/xml reads the
// first, else what cot.Scan finds. encoding/xml takes names and character data
// that XML has not quite as XML says, and the other way round.
func sameMeaning(t *testing.T, before, after string) {
	t.Helper()
	want, err := meaning.Of(before)
	if err != nil {
		wantHeader, err := meaning.OfHeader(before)
		if err != nil {
			t.Fatalf("scan of %s: %v", before, err)
		}
		gotHeader, err := meaning.OfHeader(after)
		if err != nil {
			t.Fatalf("scan of %s: %v", after, err)
		}
		if diff := cmp.Diff(wantHeader, gotHeader); diff != "" {
			t.Errorf("header (-want +got):\n%s\nevent was %s\nand became %s", diff, before, after)
		}
		return
	}
	got, err := meaning.Of(after)
	if err != nil {
		t.Fatalf("meaning of %s: %v", after, err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("meaning (-want +got):\n%s\nevent was %s\nand became %s", diff, before, after)
	}
}
