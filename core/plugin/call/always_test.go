package call

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/takhost/takhost/core/store"
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/wire"
)

func TestLog(t *testing.T) {
	b := newBed(t)
	p := b.plugin("p", nil)
	c := p.Begin(Options{})
	b.ok(c, hostapi.HostLog, &wire.Log{Level: wire.LevelWarn, Message: "fence left", Attributes: []wire.Pair{{Name: "uid", Value: "ANDROID-1"}, {Name: "plugin", Value: "liar"}, {Name: "a b=c\n", Value: "x\ny"}}})
	b.ok(c, hostapi.HostLog, &wire.Log{Level: wire.LevelDebug, Message: "not logged"})
	b.ok(c, hostapi.HostLog, &wire.Log{Level: 77, Message: "of a later version"})
	b.ok(p.Begin(Options{Trial: true}), hostapi.HostLog, &wire.Log{Message: "trial line"})
	for _, want := range []string{
		`level=WARN msg="fence left" plugin=p version=1.0.0 uid=ANDROID-1 plugin_=liar a_b_c_="x\ny"`,
		`level=INFO msg="of a later version"`,
		`msg="trial line" plugin=p version=1.0.0 trial=true`,
	} {
		if len(b.log.lines(want)) != 1 {
			t.Errorf("no line %q in\n%s", want, b.log.text())
		}
	}
	if len(b.log.lines("not logged")) != 0 {
		t.Error("a debug line was logged")
	}
	b.ok(c, hostapi.HostLog, &wire.Log{Message: strings.Repeat("ü", 3000), Attributes: []wire.Pair{{Name: "n", Value: "v"}}})
	if got := b.log.lines("üü"); len(got) != 1 || len(got[0]) > hostapi.MaxLogLine+200 || strings.Contains(got[0], "n=v") || strings.Contains(got[0], "\ufffd") {
		t.Errorf("a long line has %d bytes", len(got[0]))
	}
}

func TestLogRate(t *testing.T) {
	b := newBed(t)
	p := b.plugin("p", nil)
	say := func(n int) {
		for i := range n {
			b.ok(p.Begin(Options{}), hostapi.HostLog, &wire.Log{Message: "line", Attributes: []wire.Pair{{Name: "i", Value: fmt.Sprint(i)}}})
		}
	}
	say(1000)
	if n := len(b.log.lines("msg=line")); n != 100 {
		t.Errorf("%d lines in the first second, want 100", n)
	}
	b.advance(time.Second)
	say(1)
	if n := len(b.log.lines("msg=line")); n != 101 {
		t.Errorf("%d lines, want 101", n)
	}
	if got := b.log.lines("left out"); len(got) != 1 || !strings.Contains(got[0], "plugin=p count=900") {
		t.Errorf("told %q, want that 900 are left out", got)
	}
	say(199)
	b.env.Settle()
	if got := b.log.lines("left out"); len(got) != 2 || !strings.Contains(got[1], "count=100") {
		t.Errorf("told %q, want another 100 at the end", got)
	}
}

func TestLeftOutLinesAreToldWithoutAnotherLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var rec logRecord
		log := slog.New(slog.NewTextHandler(&rec, nil))
		l := lineLimit{most: 2, told: "left out"}
		for range 5 {
			l.take(time.Now(), log)
		}
		time.Sleep(999 * time.Millisecond)
		if rec.text() != "" {
			t.Errorf("told too early: %s", rec.text())
		}
		time.Sleep(2 * time.Millisecond)
		if got := rec.lines("count=3"); len(got) != 1 {
			t.Errorf("told %q", rec.text())
		}
	})
}

func TestClockConfigRandom(t *testing.T) {
	b := newBed(t)
	p := b.spec(Spec{Name: "p", Manifest: &testManifest, Config: []byte("a tree")})
	c := p.Begin(Options{})
	var one, two wire.Clock
	if err := errors.Join(one.Decode(b.ok(c, hostapi.HostClock, nil)), two.Decode(b.ok(c, hostapi.HostClock, nil))); err != nil {
		t.Fatal(err)
	}
	if one.Now != b.clock().UnixMicro() || one.Monotonic < 0 || two.Monotonic < one.Monotonic {
		t.Errorf("clock: %+v, then %+v", one, two)
	}
	if got := b.ok(c, hostapi.HostConfig, nil); string(got) != "a tree" {
		t.Errorf("config: %q", got)
	}
	a, z := b.ok(c, hostapi.HostRandom, &wire.RandomRequest{N: 32}), b.ok(c, hostapi.HostRandom, &wire.RandomRequest{N: 32})
	if len(a) != 32 || len(z) != 32 || bytes.Equal(a, z) {
		t.Errorf("random: %x, %x", a, z)
	}
	b.ok(c, hostapi.HostRandom, &wire.RandomRequest{N: hostapi.MaxRandom})
	b.refused(c, hostapi.HostRandom, &wire.RandomRequest{N: hostapi.MaxRandom + 1}, hostapi.Limit, "1025 bytes")
}

func TestHostCallsOfOneCall(t *testing.T) {
	b := newBed(t)
	p := b.spec(Spec{Name: "p", Manifest: &testManifest, Limits: limits(0, 5)})
	c := p.Begin(Options{})
	for range 5 {
		b.ok(c, hostapi.HostClock, nil)
	}
	for range 3 {
		b.refused(c, hostapi.HostClock, nil, hostapi.Limit, "more than 5 operations")
	}
	b.ok(p.Begin(Options{}), hostapi.HostClock, nil)
}

func metricsOf(list ...wire.Metric) *wire.Metrics { return &wire.Metrics{Metrics: list} }

func TestMetrics(t *testing.T) {
	b := newBed(t)
	one, two := b.plugin("one", nil), b.plugin("two", nil)
	c := one.Begin(Options{})
	b.ok(c, hostapi.HostMetric, metricsOf(
		wire.Metric{Name: "left_total", Value: 2}, wire.Metric{Name: "left_total", Value: 3},
		wire.Metric{Name: "fences", Kind: wire.MetricKindGauge, Value: 7, Labels: []wire.Pair{{Name: "kind", Value: "ro\"und"}, {Name: "a", Value: "b"}}},
		wire.Metric{Name: "took", Kind: wire.MetricKindHistogram, Value: 0.3}, wire.Metric{Name: "took", Kind: wire.MetricKindHistogram, Value: 30},
	))
	b.ok(two.Begin(Options{}), hostapi.HostMetric, metricsOf(wire.Metric{Name: "left_total", Value: 1, Labels: []wire.Pair{{Name: "zone", Value: "x"}}}))
	b.ok(one.Begin(Options{Trial: true}), hostapi.HostMetric, metricsOf(wire.Metric{Name: "trial", Value: 1}))
	want := map[string]float64{"left_total": 5, `fences{a="b",kind="ro\"und"}`: 7, "took_sum": 30.3, "took_count": 2}
	if diff := cmp.Diff(want, one.Metrics()); diff != "" {
		t.Errorf("metrics (-want +got):\n%s", diff)
	}
	fams, err := b.reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range fams {
		if strings.HasPrefix(f.GetName(), metricPrefix) {
			got = append(got, fmt.Sprintf("%s %s %d", f.GetName(), f.GetType(), len(f.Metric)))
			for _, m := range f.Metric {
				var plugin string
				for _, l := range m.Label {
					if l.GetName() == "plugin" {
						plugin = l.GetValue()
					}
				}
				if plugin != "one" && plugin != "two" {
					t.Errorf("%s has label plugin %q", f.GetName(), plugin)
				}
			}
		}
	}
	if diff := cmp.Diff([]string{"takhost_plugin_fences GAUGE 1", "takhost_plugin_left_total COUNTER 2", "takhost_plugin_took HISTOGRAM 1"}, got); diff != "" {
		t.Errorf("exported (-want +got):\n%s", diff)
	}
	b.env.Forget("one")
	if fams, err := b.reg.Gather(); err != nil || len(fams) != 1 {
		t.Errorf("%d families are left without the plugin, %v", len(fams), err)
	}
	// Its names are free again.
	b.ok(two.Begin(Options{}), hostapi.HostMetric, metricsOf(wire.Metric{Name: "fences", Value: 1}))
}

func TestMetricRefusals(t *testing.T) {
	b := newBed(t)
	b.reg.MustRegister(prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "takhost_plugin_queued", Help: "The host's."}, []string{"plugin"}))
	other := b.plugin("other", nil)
	b.ok(other.Begin(Options{}), hostapi.HostMetric, metricsOf(wire.Metric{Name: "used", Kind: wire.MetricKindGauge}, wire.Metric{Name: "hist", Kind: wire.MetricKindHistogram, Value: 1}))
	p := b.plugin("p", nil)
	long := strings.Repeat("x", 200)
	for _, tt := range []struct {
		name   string
		in     wire.Metric
		status hostapi.Status
		text   string
	}{
		{"no name", wire.Metric{}, hostapi.Invalid, "no name of a metric"},
		{"bad name", wire.Metric{Name: "a-b"}, hostapi.Invalid, "no name of a metric"},
		{"digit first", wire.Metric{Name: "1a"}, hostapi.Invalid, "no name of a metric"},
		{"long name", wire.Metric{Name: long}, hostapi.Invalid, "no name of a metric"},
		{"NaN", wire.Metric{Name: "a", Value: math.NaN()}, hostapi.Invalid, "no finite number"},
		{"infinite", wire.Metric{Name: "a", Kind: wire.MetricKindGauge, Value: math.Inf(1)}, hostapi.Invalid, "no finite number"},
		{"falling", wire.Metric{Name: "a", Value: -1}, hostapi.Invalid, "never falls"},
		{"unknown kind", wire.Metric{Name: "a", Kind: 9}, hostapi.Invalid, "a kind that is not known"},
		{"many labels", wire.Metric{Name: "a", Labels: make([]wire.Pair, 9)}, hostapi.Invalid, "more than 8 labels"},
		{"label plugin", wire.Metric{Name: "a", Labels: []wire.Pair{{Name: "plugin"}}}, hostapi.Invalid, "taken"},
		{"label le", wire.Metric{Name: "a", Labels: []wire.Pair{{Name: "le"}}}, hostapi.Invalid, "taken"},
		{"reserved label", wire.Metric{Name: "a", Labels: []wire.Pair{{Name: "__name__"}}}, hostapi.Invalid, "label"},
		{"label twice", wire.Metric{Name: "a", Labels: []wire.Pair{{Name: "x", Value: "1"}, {Name: "x", Value: "2"}}}, hostapi.Invalid, "twice"},
		{"long label", wire.Metric{Name: "a", Labels: []wire.Pair{{Name: "x", Value: long}}}, hostapi.Invalid, "128 bytes"},
		{"another's kind", wire.Metric{Name: "used"}, hostapi.Conflict, "another kind"},
		{"part of a histogram", wire.Metric{Name: "hist_sum"}, hostapi.Conflict, "another kind"},
		{"histogram over a counter", wire.Metric{Name: "one", Kind: wire.MetricKindHistogram}, hostapi.Conflict, "another kind"},
		{"the host's", wire.Metric{Name: "queued", Kind: wire.MetricKindGauge}, hostapi.Conflict, "the server's own"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := p.Begin(Options{})
			b.refused(c, hostapi.HostMetric, metricsOf(wire.Metric{Name: "one_count", Value: 1}, tt.in), tt.status, tt.text)
			b.ok(c, hostapi.HostMetric, metricsOf(wire.Metric{Name: "one_count", Value: 1}))
			if _, err := b.reg.Gather(); err != nil {
				t.Errorf("the page of metrics is spoiled: %v", err)
			}
		})
	}
	if got := p.Metrics()["one_count"]; got != 18 {
		t.Errorf("counted %v, want 18: all of a message or none", got)
	}
	c := p.Begin(Options{})
	for i := range 255 {
		b.ok(c, hostapi.HostMetric, metricsOf(wire.Metric{Name: "many", Labels: []wire.Pair{{Name: "i", Value: fmt.Sprint(i)}}}))
	}
	b.refused(c, hostapi.HostMetric, metricsOf(wire.Metric{Name: "many", Labels: []wire.Pair{{Name: "i", Value: "more"}}}), hostapi.Limit, "at most 256 series")
	b.ok(c, hostapi.HostMetric, metricsOf(wire.Metric{Name: "many", Labels: []wire.Pair{{Name: "i", Value: "7"}}}))
}

// panicking is a router that panics.
type panicking struct{ Router }

func (panicking) Clients(func(hostapi.SetID) bool) []wire.Client { panic("oops") }

func TestPanicStaysInside(t *testing.T) {
	b := newBed(t)
	b.env.Router = panicking{b.env.Router}
	c := b.plugin("p", all()).Begin(Options{})
	b.refused(c, hostapi.HostClients, &wire.ClientQuery{}, hostapi.Failed, "clients.list: internal error")
	if got := b.log.lines("a host operation panicked"); len(got) != 1 || !strings.Contains(got[0], "panic=oops") || !strings.Contains(got[0], "always_test.go") {
		t.Errorf("logged %q, want the panic with its stack", got)
	}
	b.ok(c, hostapi.HostClock, nil)
}

func TestRefusalsAreLoggedOnceASecond(t *testing.T) {
	b := newBed(t)
	p := b.plugin("p", nil)
	for range 10 {
		b.do(p.Begin(Options{}), hostapi.HostGet, nil)
	}
	b.advance(time.Second)
	b.do(p.Begin(Options{}), hostapi.HostEmit, nil)
	if n := len(b.log.lines("an operation of the plugin was refused")); n != 2 {
		t.Errorf("%d lines, want 2", n)
	}
	if got := b.log.lines("more operations were refused"); len(got) != 1 || !strings.Contains(got[0], "count=9") {
		t.Errorf("told %q, want 9 more", got)
	}
	if n := p.Counts().Refused; n != 11 {
		t.Errorf("counted %d, want 11", n)
	}
}

func TestStatusOf(t *testing.T) {
	for _, tt := range []struct {
		err    error
		status hostapi.Status
		text   string
	}{
		{&StatusError{Status: hostapi.Gone, Message: "m"}, hostapi.Gone, "m"},
		{fmt.Errorf("wrapped: %w", &StatusError{Status: hostapi.Gone, Message: "m"}), hostapi.Gone, "m"},
		{&store.Error{Code: store.NotFound, Msg: "m"}, hostapi.NotFound, "m"},
		{&store.Error{Code: store.Conflict, Msg: "m"}, hostapi.Conflict, "m"},
		{&store.Error{Code: store.Invalid, Msg: "m"}, hostapi.Invalid, "m"},
		{&store.Error{Code: store.Forbidden, Msg: "m"}, hostapi.Forbidden, "m"},
		{&store.Error{Code: store.Limit, Msg: "m"}, hostapi.Limit, "m"},
		{&store.Error{Code: store.Unavailable, Msg: "password in here"}, hostapi.Retry, "the database does not answer"},
		{&store.Error{Code: "new", Msg: "m"}, hostapi.Failed, "m"},
		{context.DeadlineExceeded, hostapi.Retry, "the time for this call is over"},
		{context.Canceled, hostapi.Retry, "this call was given up"},
		{errors.New("secret"), hostapi.Failed, "internal error of the server"},
	} {
		if got := StatusOf(tt.err); got.Status != tt.status || got.Message != tt.text {
			t.Errorf("%v: got %v %q, want %v %q", tt.err, got.Status, got.Message, tt.status, tt.text)
		}
	}
}

func TestAnswered(t *testing.T) {
	if err := Answered(hostapi.OK, []byte("junk")); err != nil {
		t.Errorf("ok is no error: %v", err)
	}
	e := &StatusError{Status: hostapi.NotFound, Code: "no_fence", Message: "there is no such fence", Details: []wire.Pair{{Name: "id", Value: "7"}}}
	w := e.Wire()
	if diff := cmp.Diff(e, Answered(hostapi.NotFound, w.Append(nil))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := e.Error(); got != "not_found (no_fence): there is no such fence" {
		t.Errorf("text %q", got)
	}
	if got := Answered(hostapi.Failed, []byte("\xff")); got == nil || got.Status != hostapi.Failed || got.Message != "" || got.Err == nil {
		t.Errorf("junk gave %+v", got)
	}
}
