package scaffold

import (
	"context"
	"errors"
	"io"
	"testing"

	"github.com/takhost/takhost/core/plugin/guest"
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/wire"
	"github.com/takhost/takhost/sdk/plugintest"
)

// fakeModule makes instances that ask the host for the clock, crash, or wait.
type fakeModule struct{ made int }

func (m *fakeModule) New(_ context.Context, h guest.Host) (guest.Instance, error) {
	if m.made++; m.made > 2 {
		return nil, errors.New("no more")
	}
	return &fakeInstance{host: h, closed: make(chan struct{})}, nil
}
func (m *fakeModule) Size() int64                 { return 0 }
func (m *fakeModule) Close(context.Context) error { return nil }

type fakeInstance struct {
	host   guest.Host
	closed chan struct{}
}

func (i *fakeInstance) Call(ctx context.Context, op hostapi.GuestOp, in, dst []byte) ([]byte, hostapi.Status, error) {
	switch op {
	case hostapi.OpTimer:
		return nil, 0, &guest.Crash{Op: op, Reason: guest.Trapped, Output: "goroutine 1"}
	case hostapi.OpHealth:
		out, s := i.host.Serve(ctx, hostapi.HostClock, in, dst)
		return out, s, nil
	case hostapi.OpEvents:
		_, _ = i.host.Serve(ctx, hostapi.HostClock, nil, nil)
		<-i.closed
		return nil, 0, &guest.Crash{Op: op, Reason: guest.Closed}
	}
	return append(dst, in...), 200, nil
}
func (i *fakeInstance) Memory() int64 { return 0 }
func (i *fakeInstance) Close(context.Context) error {
	close(i.closed)
	return nil
}

// dial begins Serve and gives the test's side of it.
func dial(t *testing.T) (send func(*wire.Frame), receive func() *wire.Frame, end func() error) {
	t.Helper()
	in, toServe := io.Pipe()
	fromServe, out := io.Pipe()
	done := make(chan error, 1)
	go func() { done <- Serve(t.Context(), &fakeModule{}, in, out) }()
	send = func(f *wire.Frame) {
		t.Helper()
		if err := plugintest.WriteFrame(toServe, f); err != nil {
			t.Fatal(err)
		}
	}
	receive = func() *wire.Frame {
		t.Helper()
		f, err := plugintest.ReadFrame(fromServe)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	end = func() error {
		_ = toServe.Close()
		go func() { _, _ = io.Copy(io.Discard, fromServe) }()
		return <-done
	}
	return send, receive, end
}

func TestServe(t *testing.T) {
	send, receive, end := dial(t)
	send(&wire.Frame{Call: 1, Op: plugintest.NewInstance})
	if f := receive(); !f.Answer || f.Call != 1 || f.Status != 0 {
		t.Fatalf("new instance: %+v", f)
	}
	send(&wire.Frame{Call: 2, Op: uint32(hostapi.OpAction), Payload: []byte("x"), Deadline: 1e6})
	if f := receive(); f.Call != 2 || f.Status != 200 || string(f.Payload) != "x" {
		t.Errorf("echo: %+v", f)
	}
	send(&wire.Frame{Call: 3, Op: uint32(hostapi.OpHealth), Payload: []byte("ask"), Deadline: 1e6})
	ask := receive()
	if ask.Answer || ask.Within != 3 || ask.Op != uint32(hostapi.HostClock) || string(ask.Payload) != "ask" {
		t.Fatalf("operation of the host: %+v", ask)
	}
	send(&wire.Frame{Call: 99, Answer: true}) // nobody waits for it
	send(&wire.Frame{Call: ask.Call, Answer: true, Status: uint32(hostapi.Limit), Payload: []byte("late")})
	if f := receive(); f.Call != 3 || f.Status != uint32(hostapi.Limit) || string(f.Payload) != "late" {
		t.Errorf("answer: %+v", f)
	}
	send(&wire.Frame{Call: 4, Op: uint32(hostapi.OpTimer), Deadline: 1e6})
	var why wire.Error
	if f := receive(); f.Status != plugintest.Crashed || why.Decode(f.Payload) != nil || why.Code != "trap" {
		t.Errorf("crash: %+v, %+v", f, why)
	}
	// A new instance in the middle of a call ends that one, whose answer counts for nothing.
	send(&wire.Frame{Call: 5, Op: uint32(hostapi.OpEvents), Deadline: 60e6})
	if f := receive(); f.Answer || f.Within != 5 {
		t.Fatalf("operation of the host: %+v", f)
	}
	send(&wire.Frame{Call: 6, Op: plugintest.NewInstance})
	for f := receive(); f.Call != 6; f = receive() {
		if f.Call != 5 || f.Status != plugintest.Crashed {
			t.Errorf("got %+v before the new instance", f)
		}
	}
	send(&wire.Frame{Call: 7, Op: plugintest.NewInstance})
	if f := receive(); f.Call != 7 || f.Status == 0 || why.Decode(f.Payload) != nil || why.Message != "no more" {
		t.Errorf("an instance that is not to be had: %+v, %+v", f, why)
	}
	if err := end(); err != nil {
		t.Errorf("end: %v", err)
	}
}

func TestServeRefuses(t *testing.T) {
	tests := []struct {
		name   string
		frames []*wire.Frame
	}{
		{"no instance", []*wire.Frame{{Call: 1, Op: uint32(hostapi.OpHealth)}}},
		{"call inside of a call", []*wire.Frame{{Call: 1}, {Call: 2, Op: uint32(hostapi.OpEvents), Deadline: 60e6}, {Call: 3, Op: uint32(hostapi.OpHealth)}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			send, receive, end := dial(t)
			for i, f := range tt.frames {
				send(f)
				if i+1 < len(tt.frames) {
					receive()
				}
			}
			if err := end(); err == nil {
				t.Error("no error")
			}
		})
	}
}
