package conformance

import (
	"maps"
	"slices"
	"testing"

	"github.com/takhost/takhost/core/plugin/guest"
)

// One behaviour, five times: the guests in testdata do the same in each language,
// and all of them pass all cases.
func TestConformance(t *testing.T) {
	for i := range languages {
		l := &languages[i]
		t.Run(l.name, func(t *testing.T) {
			s := &subject{language: l, module: l.load(t), files: newFileHost(t), used: map[feature]bool{}}
			t.Cleanup(func() { s.close(t) })
			whole := true
			for _, tt := range slices.Concat(lifeCases, eventCases, storeCases, hostCases, requestCases, fileCases, faultCases) {
				ran := false
				t.Run(tt.name, func(t *testing.T) {
					ran = true
					p := s.plugin(t)
					p.begin("")
					tt.run(p)
				})
				if tt.ends {
					s.close(t)
				}
				whole = whole && ran
			}
			// A table that says more than is true hides the next fault.
			if whole && !t.Failed() && len(s.used) != len(l.lacks) {
				t.Errorf("lacks has %v, and the cases asked for %v", slices.Collect(maps.Keys(l.lacks)), slices.Collect(maps.Keys(s.used)))
			}
		})
	}
}

// conformanceCase is a case for every language.
type conformanceCase struct {
	name string
	run  func(*plugin)
	ends bool // the instance is of no use afterwards
}

// dies makes a call that ends the instance, and shows that the next one is fine.
func (p *plugin) dies(route string, want guest.Reason) {
	p.Helper()
	_, err := p.crash(route)
	if got := guest.ReasonOf(err); got != want {
		p.Errorf("%s: got %q (%v), want %s", route, got, err, want)
	}
	p.next()
}

// next shows that a new instance is fine.
func (p *plugin) next() {
	p.Helper()
	p.subject.close(p.T)
	n := p.subject.plugin(p.T)
	n.begin("")
	n.same("the next instance", n.route("counter", `"name":"n"`), "1|")
}
