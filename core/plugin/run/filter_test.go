package run

import (
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/manifest"
	"github.com/takhost/takhost/hostapi/wire"
)

// filtering is a guest whose verdict is in the callsign of the event.
func filtering(g *fakeGuest, op hostapi.GuestOp, in []byte) ([]byte, hostapi.Status) {
	if op != hostapi.OpFilter {
		return nil, hostapi.Unsupported
	}
	for _, v := range hostapi.Batch(in).All() {
		f := wire.FilterVerdict{}
		switch v.UID() {
		case "drop":
			f.Verdict, f.Reason = wire.VerdictDrop, "not wanted"
		case "replace":
			f.Verdict, f.XML = wire.VerdictReplace, strings.Replace(v.XML(), `lat="48"`, `lat="0"`, 1)
		case "other uid":
			f.Verdict, f.XML = wire.VerdictReplace, strings.Replace(v.XML(), "other uid", "mine", 1)
		case "not well-formed":
			f.Verdict, f.XML = wire.VerdictReplace, "<event"
		case "verdict":
			f.Verdict = 9
		case "trap":
			g.trap("")
		case "loop":
			g.hang()
		case "refuse":
			return nil, hostapi.Failed
		case "staged":
			if _, s := g.op(hostapi.HostPut, "a=b"); s != hostapi.OK {
				f.Verdict, f.Reason = wire.VerdictDrop, s.String()
			}
		}
		return f.Append(nil), hostapi.OK
	}
	return nil, hostapi.Invalid
}

func filterOf(fail string, change ...func(*manifest.Filter)) func(*manifest.Manifest) {
	f := manifest.Filter{Types: []string{"a-f-*"}, XML: true, Fail: fail}
	for _, c := range change {
		c(&f)
	}
	return func(m *manifest.Manifest) { m.Filters = []manifest.Filter{f} }
}

func TestFilter(t *testing.T) {
	tests := []struct {
		uid    string
		fail   string
		lat    float64
		passed bool
		reason string
	}{
		{"pass", "closed", 48, true, ""},
		{"drop", "open", 0, false, "not wanted"},
		{"replace", "closed", 0, true, ""},
		{"other uid", "closed", 0, false, "its uid is another one"},
		{"other uid", "open", 48, true, ""},
		{"not well-formed", "closed", 0, false, "the event in its place is wrong"},
		{"verdict", "closed", 0, false, "has the verdict 9"},
		{"trap", "closed", 0, false, "trap"},
		{"trap", "open", 48, true, ""},
		{"loop", "closed", 0, false, "deadline"},
		{"refuse", "closed", 0, false, "failed"},
		{"staged", "open", 0, false, "forbidden"},
	}
	for _, tt := range tests {
		t.Run(tt.uid+" "+tt.fail, func(t *testing.T) {
			b := newBed(t)
			v, mod := b.version(filtering, filterOf(tt.fail))
			b.start(v)
			in := event(t, tt.uid)
			in.Conn, in.User = 7, "anna"
			out, reason := b.a.Filter("tls", in)
			b.stop()
			if (out != nil) != tt.passed || !strings.Contains(reason, tt.reason) {
				t.Fatalf("got %v %q, want passed %v %q", out, reason, tt.passed, tt.reason)
			}
			if out != nil && (out.Lat != tt.lat || out.UID != in.UID || out.Conn != 7 || out.User != "anna") {
				t.Errorf("got the event %+v", out)
			}
			if live, _ := mod.counts(); live != 0 {
				t.Errorf("%d instances are left", live)
			}
		})
	}
}

func TestFilterSelects(t *testing.T) {
	tests := []struct {
		name     string
		change   func(*manifest.Filter)
		listener string
		detail   string
		groups   hostapi.SetID
		asked    bool
	}{
		{"type", func(f *manifest.Filter) {}, "tls", "", 1, true},
		{"another type", func(f *manifest.Filter) { f.Types = []string{"b-*"} }, "tls", "", 1, false},
		{"listener", func(f *manifest.Filter) { f.Listeners = []string{"tls"} }, "tls", "", 1, true},
		{"another listener", func(f *manifest.Filter) { f.Listeners = []string{"tcp"} }, "tls", "", 1, false},
		{"box", func(f *manifest.Filter) { f.Box = &manifest.Box{South: 47, West: 10, North: 49, East: 12} }, "tls", "", 1, true},
		{"another box", func(f *manifest.Filter) { f.Box = &manifest.Box{South: 0, West: 0, North: 1, East: 1} }, "tls", "", 1, false},
		{"group", func(f *manifest.Filter) { f.Groups = []string{"set1"} }, "tls", "", 1, true},
		{"another group", func(f *manifest.Filter) { f.Groups = []string{"set1"} }, "tls", "", 2, false},
		{"mission, not granted", func(f *manifest.Filter) {}, "tls", `<marti><dest mission="m"/></marti>`, 1, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBed(t)
			v, _ := b.version(filtering, filterOf("open", tt.change))
			b.start(v)
			e := event(t, "drop", tt.detail)
			e.Groups = tt.groups
			out, _ := b.a.Filter(tt.listener, e)
			_, on := v.Filters(tt.listener)
			b.stop()
			if asked := out == nil; asked != tt.asked {
				t.Errorf("asked: %v, want %v", asked, tt.asked)
			}
			if want := tt.name != "another listener"; on != want {
				t.Errorf("filters on the listener: %v, want %v", on, want)
			}
		})
	}
}

// Three misses in ten seconds open the circuit; after the back-off one event
// tries whether the filter works again.
func TestFilterCircuit(t *testing.T) {
	for _, fail := range []string{"open", "closed"} {
		t.Run(fail, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBed(t)
				asked := make(chan string, 100)
				v, _ := b.version(func(g *fakeGuest, op hostapi.GuestOp, in []byte) ([]byte, hostapi.Status) {
					if op == hostapi.OpFilter {
						for _, v := range hostapi.Batch(in).All() {
							asked <- strings.Clone(v.UID())
						}
					}
					return filtering(g, op, in)
				}, filterOf(fail))
				b.start(v)
				passed := func(uid string) bool {
					out, _ := b.a.Filter("tls", event(t, uid))
					return out != nil
				}
				open := fail == "open"
				for range 3 {
					if passed("refuse") != open {
						t.Errorf("a miss does not go by the fail mode")
					}
				}
				n := len(asked)
				for range 5 {
					if passed("pass") != open || len(asked) != n {
						t.Errorf("the circuit is not open")
					}
				}
				time.Sleep(1100 * time.Millisecond)
				if passed("loop") != open || len(asked) != n+1 {
					t.Errorf("after the back-off: %d asked, want %d", len(asked), n+1)
				}
				time.Sleep(1100 * time.Millisecond)
				if passed("pass") != open || len(asked) != n+1 {
					t.Error("the back-off did not double")
				}
				time.Sleep(time.Second)
				if !passed("pass") || len(asked) != n+2 {
					t.Error("the filter did not come back")
				}
				if !passed("pass") || passed("drop") {
					t.Error("the circuit did not close")
				}
				b.stop()
			})
		})
	}
}

// A fail-closed filter lets nothing through before it is active.
func TestFilterBeforeActivation(t *testing.T) {
	b := newBed(t)
	v, _ := b.version(filtering, filterOf("closed"))
	b.a = New(b.options(), v)
	if out, reason := b.a.Filter("tls", event(t, "pass")); out != nil || !strings.Contains(reason, "not active") {
		t.Errorf("got %v %q, want it dropped", out, reason)
	}
	b.stop()
}

// Instances die and are replaced while many connections ask.
func TestFilterFromManyConnections(t *testing.T) {
	b := newBed(t)
	b.tune.FilterMiss = 1 << 30
	v, mod := b.version(filtering, filterOf("closed"))
	v.Limits.Filter = time.Minute
	b.start(v)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range 300 {
				uid := "pass"
				if i%50 == 0 {
					uid = "trap"
				}
				out, reason := b.a.Filter("tls", event(t, uid))
				if (out != nil) != (uid == "pass") {
					t.Errorf("%s: got %v %q", uid, out, reason)
				}
			}
		})
	}
	wg.Wait()
	if live, _ := mod.counts(); live > runtime.GOMAXPROCS(0)+1 {
		t.Errorf("%d instances", live)
	}
	next, _ := b.version(filtering, filterOf("closed"))
	if err := b.a.Swap(t.Context(), Plan{Next: next}); err != nil {
		t.Fatal(err)
	}
	if out, reason := b.a.Filter("tls", event(t, "pass")); out == nil {
		t.Errorf("after the swap: dropped: %s", reason)
	}
	b.stop()
}
