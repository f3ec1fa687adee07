package conformance

import (
	"context"
	"testing"

	"github.com/takhost/takhost/core/plugin/guest"
	"github.com/takhost/takhost/core/plugin/wasm"
	"github.com/takhost/takhost/hostapi"
	"github.com/takhost/takhost/hostapi/manifest"
)

// load prepares a WASM plugin for the time of a test.
func load(t *testing.T, c guest.Code) guest.Module {
	t.Helper()
	r, err := wasm.New(wasm.Options{})
	if err != nil {
		t.Fatal(err)
	}
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
	manifest *manifest.Manifest
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
	out, status, err := p.instance.Call(p.Context(), op, in, nil)
	if err != nil {
		p.Fatalf("%v: %v", op, err)
	}
	return out, status
}
