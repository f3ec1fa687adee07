package cot

import (
	"maps"
	"slices"
	"testing"
)

// allocations that a scan may make, for the events whose wanted values have to
// be decoded or that have more than two destinations. All others make none.
var scanAllocs = map[string]float64{
	"drawing-free-form.cot":           1, // callsign
	"feed-ais.cot":                    1,
	"range-bearing-circle.cot":        1,
	"range-bearing-line.cot":          1,
	"xml-entities-callsign.cot":       1,
	"xml-entity-attributes.cot":       4, // uid, type, how, lat
	"chat-group.cot":                  1, // the third destination
	"marker-dest-many-attributes.cot": 1,
}

func TestScanAllocs(t *testing.T) {
	events := corpus(t)
	events["large drawing"] = drawing(64 << 10)
	events["deepest"] = nested(DefaultLimits.Depth)
	events["widest"] = wide(DefaultLimits.Attrs)
	for _, name := range slices.Sorted(maps.Keys(events)) {
		text := events[name]
		var h Header
		got := testing.AllocsPerRun(10, func() {
			if err := Scan(text, &h); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		})
		if want := scanAllocs[name]; got > want {
			t.Errorf("%s: a scan makes %v allocations, want at most %v", name, got, want)
		}
	}
}

func TestTimeAllocs(t *testing.T) {
	buf := make([]byte, 0, 32)
	got := testing.AllocsPerRun(100, func() {
		usec, ok := ParseTime("2026-03-14T09:26:53.589793Z")
		if !ok {
			t.Error("time not read")
		}
		buf = AppendTime(buf[:0], usec)
	})
	if got != 0 {
		t.Errorf("reading and writing a time makes %v allocations, want none", got)
	}
}

func TestTreeAllocs(t *testing.T) {
	for name, text := range map[string]string{"presence": benchSA, "large drawing": drawing(30 << 10)} {
		h := mustScan(t, text)
		sum := 0
		got := testing.AllocsPerRun(10, func() {
			tree, err := ParseDetail(text, h)
			if err != nil {
				t.Error(err)
			}
			sum += tree.Len()
		})
		// The two tables, and a Tree that the test keeps.
		if got > 3 || sum == 0 {
			t.Errorf("%s: parsing the detail makes %v allocations, want at most 3", name, got)
		}
	}
}
