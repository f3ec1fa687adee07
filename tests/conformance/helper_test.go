package conformance

import (
	"context"
	"testing"
	"time"

	"github.com/takhost/takhost/core/plugin/guest"
	"github.com/takhost/takhost/core/plugin/wasm"
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/manifest"
	"github.com/takhost/takhost/hostapi/tree"
	"github.com/takhost/takhost/hostapi/wire"
)

// callLimit is how long a call may take on a machine that is busy.
const callLimit = 30 * time.Second

// load prepares a WASM plugin for the time of a test.
func load(t *testing.T, c guest.Code) guest.Module {
	t.Helper()
	r, err := wasm.New(wasm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return prepare(t, r, c)
}

func prepare(t *testing.T, r guest.Runtime, c guest.Code) guest.Module {
	t.Helper()
	m, err := r.Load(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return m
}

// plugin is one instance with its host.
type plugin struct {
	*testing.T
	host     *Host
	instance guest.Instance
	manifest *manifest.Manifest // of an example
	subject  *subject           // of the conformance guests
}

func start(t *testing.T, m guest.Module) *plugin {
	t.Helper()
	p := &plugin{T: t, host: new(Host)}
	var err error
	if p.instance, err = m.New(t.Context(), p.host); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.instance.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return p
}

func (p *plugin) call(op hostapi.GuestOp, in []byte) ([]byte, hostapi.Status) {
	p.Helper()
	ctx, cancel := context.WithTimeout(p.Context(), callLimit)
	defer cancel()
	out, status, err := p.instance.Call(ctx, op, in, nil)
	if err != nil {
		p.Fatalf("%v: %v", op, err)
	}
	return out, status
}

// must makes a call that succeeds. in and out may be nil.
func (p *plugin) must(op hostapi.GuestOp, in, out message) {
	p.Helper()
	var payload []byte
	if in != nil {
		payload = in.Append(nil)
	}
	answer, status := p.call(op, payload)
	if status != hostapi.OK {
		p.Fatalf("%v: got %v %q, want ok", op, status, answer)
	}
	if out == nil {
		if len(answer) > 0 {
			p.Errorf("%v: got %q, want nothing", op, answer)
		}
		return
	}
	if err := out.Decode(answer); err != nil {
		p.Fatalf("%v: %v in %q", op, err, answer)
	}
}

// refused makes a call that fails, and gives the error.
func (p *plugin) refused(op hostapi.GuestOp, in []byte, want hostapi.Status) wire.Error {
	p.Helper()
	answer, status := p.call(op, in)
	var e wire.Error
	if err := e.Decode(answer); err != nil || status != want {
		p.Errorf("%v: got %v %q, error %v, want %v", op, status, answer, err, want)
	}
	return e
}

// json makes a tree.
func (p *plugin) json(doc string) []byte {
	p.Helper()
	b, err := tree.AppendJSON(nil, []byte(doc))
	if err != nil {
		p.Fatal(err)
	}
	return b
}

// route asks a route with members in JSON, and gives the body.
func (p *plugin) route(route, members string) string {
	p.Helper()
	return p.request(&wire.HTTPRequest{Route: route, Tree: p.json("{" + members + "}")})
}

func (p *plugin) request(r *wire.HTTPRequest) string {
	p.Helper()
	var response wire.HTTPResponse
	p.must(hostapi.OpHTTP, r, &response)
	if s := response.Status; s != 0 && s != 200 {
		p.Errorf("%s: got HTTP status %d, want 200", r.Route, s)
	}
	body := ""
	for _, part := range response.Parts {
		body += string(part.Data)
	}
	return body
}

// routeRefused is route where an error is wanted.
func (p *plugin) routeRefused(route, members string, want hostapi.Status) wire.Error {
	p.Helper()
	return p.refused(hostapi.OpHTTP, (&wire.HTTPRequest{Route: route, Tree: p.json("{" + members + "}")}).Append(nil), want)
}

// same compares texts.
func (p *plugin) same(what, got, want string) {
	p.Helper()
	if got != want {
		p.Errorf("%s:\n got %.2000q\nwant %.2000q", what, got, want)
	}
}
