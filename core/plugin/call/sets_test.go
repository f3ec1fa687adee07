package call

import (
	"fmt"
	"testing"

	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/wire"
)

// A plugin that names groups in ever new combinations is refused before sets fill
// memory and database; combinations that are there already go on to serve.
func TestSetsAreBounded(t *testing.T) {
	const groups = 12 // 4,095 combinations
	b := newBed(t)
	names := map[string]hostapi.GroupID{"Red": red, "Blue": blue, "Green": green}
	for i := range groups {
		names[fmt.Sprint("g", i)] = hostapi.GroupID(100 + i)
	}
	b.groups.SetNames(names)
	b.set(100, 101, 102) // somebody's own
	p := b.plugin("p", hostapi.Grants{hostapi.CapEventsEmit: {Types: []string{"*"}}})
	send := func(bits int) hostapi.Status {
		var to []string
		for i := range groups {
			if bits>>i&1 != 0 {
				to = append(to, fmt.Sprint("g", i))
			}
		}
		c := p.Begin(Options{})
		defer c.Discard()
		return b.do(c, hostapi.HostEmit, emitOf(emitted("b-t-f", "x", wire.Audience{Groups: to}))).status
	}
	before := len(b.groups.With(100))
	made, refused, first := 0, 0, 0
	for bits := 1; bits < 1<<groups; bits++ {
		switch s := send(bits); {
		case s == hostapi.OK && bits&(bits-1) != 0 && bits != 0b111:
			made++
			first = max(first, bits)
		case s == hostapi.Limit:
			refused++
		case s != hostapi.OK:
			t.Fatalf("combination %b: %v", bits, s)
		}
	}
	if made != maxMadeSets || refused == 0 {
		t.Errorf("%d combinations were made and %d refused, want %d made", made, refused, maxMadeSets)
	}
	if n := len(b.groups.With(100)) - before; n > maxMadeSets+1 {
		t.Errorf("%d sets more than before", n)
	}
	for _, bits := range []int{1, 0b111, 0b11, first} {
		if s := send(bits); s != hostapi.OK {
			t.Errorf("combination %b, which is there: %v", bits, s)
		}
	}
	other := b.plugin("other", hostapi.Grants{hostapi.CapEventsEmit: {Types: []string{"*"}}})
	c := other.Begin(Options{})
	defer c.Discard()
	b.ok(c, hostapi.HostEmit, emitOf(emitted("b-t-f", "x", wire.Audience{Groups: []string{"g11", "g10", "g9", "g8"}})))
}
