package plugin

import (
	"bytes"
	"strings"
	"testing"

	"github.com/takhost/takhost/core/store"
	"github.com/takhost/takhost/hostapi"
)

// A plugin that cannot do without a setting is installed first and told it then,
// in whatever order its grants come.
func TestInstallOfAPluginThatNeedsASetting(t *testing.T) {
	b := newBed(t, nil).start(Layers{})
	ctx := t.Context()
	doc := simple("hook", "1.0.0", m{"config": m{
		"type": "object", "required": []any{"url"}, "properties": m{"url": m{"type": "string"}, "most": m{"type": "integer", "default": 3}},
	}})
	i, err := b.Install(ctx, bytes.NewReader(archive(t, doc, script{})), "")
	b.noError(err)
	if i.State != Disabled || !strings.Contains(i.Reason, "url") {
		t.Errorf("installed as %s, %q, want disabled with what it needs", i.State, i.Reason)
	}
	b.wantError(b.Enable(ctx, "hook"), store.Invalid, "url")
	b.noError(b.SetGrant(ctx, "hook", hostapi.Grants{hostapi.CapTimers: {}, hostapi.CapHTTPRoutes: {}}))
	b.wantError(b.SetConfig(ctx, "hook", map[string]any{"most": "x"}), store.Invalid, "most")
	b.noError(b.SetConfig(ctx, "hook", map[string]any{"url": "https://example.org"}))
	b.noError(b.Enable(ctx, "hook"))
	b.wantState("hook", Active, "")
}
