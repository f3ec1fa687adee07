package store

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/takhost/takhost/hostapi/cot"
)

// The room of a queue changes while events wait in it: none of them goes.
func TestSetQueue(t *testing.T) {
	types, err := cot.ParseTypeSet([]string{"*"})
	if err != nil {
		t.Fatal(err)
	}
	evs := events(6, testTime, 1)
	size := sizeOf(evs[0])
	a := &Archive{q: newQueue(types, 2, 100*size)}
	type state struct {
		Events int
		Full   uint64
	}
	for _, step := range []struct {
		name   string
		events int
		bytes  int64
		want   state // after one more event each of evs
	}{
		{"as it was", 2, 100 * size, state{2, 4}},
		{"more events", 5, 100 * size, state{5, 7}},
		{"fewer than wait", 1, 100 * size, state{5, 13}},
		{"fewer bytes than wait", 100, size, state{5, 19}},
		{"more bytes", 100, 8*size + size/2, state{8, 22}},
	} {
		a.SetQueue(step.events, step.bytes)
		a.Routed(evs)
		st := a.q.stats()
		if diff := cmp.Diff(step.want, state{st.events, st.drops[dropFull]}); diff != "" {
			t.Errorf("%s (-want +got):\n%s", step.name, diff)
		}
	}
}
