package run

import (
	"context"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/embedded"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/wire"
)

// recorder keeps the spans that have ended.
type recorder struct {
	embedded.TracerProvider

	mu   sync.Mutex
	next uint64
	done []ended
}

type ended struct {
	Name, Error string
	Child       bool // of the request's span
	Attributes  map[string]string
}

// recordingTracer is a recorder's only tracer.
type recordingTracer struct {
	embedded.Tracer
	*recorder
}

type recordedSpan struct {
	noop.Span
	r     *recorder
	ctx   trace.SpanContext
	ended ended
}

func (r *recorder) Tracer(string, ...trace.TracerOption) trace.Tracer {
	return recordingTracer{recorder: r}
}

func (r *recorder) Start(ctx context.Context, name string, _ ...trace.SpanStartOption) (context.Context, trace.Span) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.next++
	s := &recordedSpan{r: r, ended: ended{Name: name, Attributes: map[string]string{}}}
	parent := trace.SpanContextFromContext(ctx)
	s.ended.Child = parent.IsValid()
	id := parent.TraceID()
	if !s.ended.Child {
		id = trace.TraceID{1, byte(r.next)}
	}
	s.ctx = trace.NewSpanContext(trace.SpanContextConfig{TraceID: id, SpanID: trace.SpanID{byte(r.next)}})
	return trace.ContextWithSpan(ctx, s), s
}

func (s *recordedSpan) SpanContext() trace.SpanContext { return s.ctx }
func (s *recordedSpan) IsRecording() bool              { return true }

func (s *recordedSpan) SetStatus(c codes.Code, text string) {
	if c == codes.Error {
		s.ended.Error = text
	}
}

func (s *recordedSpan) SetAttributes(kv ...attribute.KeyValue) {
	for _, a := range kv {
		s.ended.Attributes[string(a.Key)] = a.Value.String()
	}
}

func (s *recordedSpan) End(...trace.SpanEndOption) {
	s.r.mu.Lock()
	defer s.r.mu.Unlock()
	s.r.done = append(s.r.done, s.ended)
}

func (r *recorder) take() []ended {
	r.mu.Lock()
	defer r.mu.Unlock()
	done := r.done
	r.done = nil
	return done
}

// Each call of a guest is a span; those of a request belong to its trace.
func TestTrace(t *testing.T) {
	b := newBed(t)
	v, _ := b.version(func(g *fakeGuest, op hostapi.GuestOp, in []byte) ([]byte, hostapi.Status) {
		switch op {
		case hostapi.OpHTTP:
			return nil, hostapi.Conflict
		case hostapi.OpEvents:
			for _, v := range hostapi.Batch(in).All() {
				if v.UID() == "bad" {
					g.trap("")
				}
			}
		}
		return nil, hostapi.OK
	})
	r := &recorder{}
	o := b.options()
	o.Tracer = r
	b.a = New(o, v)
	if err := b.a.Activate(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	want := func(what string, spans ...ended) {
		t.Helper()
		for i := range spans {
			a := spans[i].Attributes
			a["takhost.plugin"], a["takhost.plugin.version"] = "p", "1.0.0"
		}
		if diff := cmp.Diff(spans, r.take()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
	type attrs = map[string]string
	const op, status, events = "takhost.plugin.op", "takhost.plugin.status", "takhost.plugin.events"
	want("start", ended{Name: "plugin init", Attributes: attrs{op: "init", status: "ok"}},
		ended{Name: "plugin health", Attributes: attrs{op: "health", status: "ok"}})

	b.offer("a", "b")
	b.drained()
	want("events", ended{Name: "plugin events", Attributes: attrs{op: "events", status: "ok", events: "2"}})

	for _, route := range []string{"get", "pooled"} {
		ctx, span := r.Start(t.Context(), "request")
		if _, err := b.a.HTTP(ctx, &wire.HTTPRequest{Route: route}); statusOf(err) != hostapi.Conflict {
			t.Errorf("got %v", err)
		}
		span.End()
		spans := []ended{{Name: "plugin http", Child: true, Error: "conflict", Attributes: attrs{op: "http", status: "conflict"}}}
		if route == "pooled" {
			spans = append([]ended{{Name: "plugin init", Child: true, Attributes: attrs{op: "init", status: "ok"}}}, spans...)
		}
		got := r.take()
		got, last := got[:len(got)-1], got[len(got)-1]
		r.done = got
		want(route, spans...)
		if last.Name != "request" {
			t.Errorf("last is %+v", last)
		}
	}

	b.offer("bad")
	b.letter()
	b.stop()
	crashed := 0
	for _, s := range r.take() {
		if s.Name == "plugin events" && s.Error != "" && s.Attributes[status] == "" {
			crashed++
		}
	}
	if crashed != 2 {
		t.Errorf("%d calls that crashed, want 2", crashed)
	}
}
