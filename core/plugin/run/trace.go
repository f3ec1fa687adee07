package run

import (
	"context"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/takhost/takhost/hostapi"
)

// tracerName is the scope of the spans of guest calls.
const tracerName = "github.com/takhost/takhost/core/plugin"

func tracerOf(p trace.TracerProvider) trace.Tracer {
	if p == nil {
		p = noop.NewTracerProvider()
	}
	return p.Tracer(tracerName)
}

// traceCall begins the span of one call of a guest. Attributes cost only when
// somebody records them. Calls are spans below that of whoever asked: a request,
// or the plugin whose action it is.
func (i *instance) traceCall(ctx context.Context, op hostapi.GuestOp, in []byte) (context.Context, trace.Span) {
	kind := trace.WithSpanKind(trace.SpanKindInternal)
	ctx, span := i.a.tracer.Start(ctx, "plugin "+op.String(), kind)
	if span.IsRecording() {
		span.SetAttributes(
			attribute.String("takhost.plugin", i.a.opt.Name),
			attribute.String("takhost.plugin.version", i.v.Manifest.Version),
			attribute.String("takhost.plugin.op", op.String()),
		)
		if op == hostapi.OpEvents || op == hostapi.OpFilter {
			span.SetAttributes(attribute.Int("takhost.plugin.events", hostapi.Batch(in).Len()))
		}
	}
	return ctx, span
}

// endSpan notes the outcome of the call.
func endSpan(span trace.Span, s hostapi.Status, err error) {
	if span.IsRecording() {
		switch {
		case err != nil:
			span.RecordError(err)
			span.SetStatus(codes.Error, err.Error())
		default:
			span.SetAttributes(attribute.String("takhost.plugin.status", s.String()))
			if s != hostapi.OK {
				span.SetStatus(codes.Error, s.String())
			}
		}
	}
	span.End()
}

// spanOf gives ctx with the span of who asked, without its deadline and end.
func spanOf(ctx, asked context.Context) context.Context {
	if s := trace.SpanFromContext(asked); s.SpanContext().IsValid() {
		return trace.ContextWithSpan(ctx, s)
	}
	return ctx
}
