package main

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/takhost/takhost/sdk"
	"github.com/takhost/takhost/sdk/plugintest"
)

func TestDiskWatch(t *testing.T) {
	free := 50.0
	k := plugintest.Start(t, "plugin.json", plugintest.Config(`{"folder": "/srv"}`), plugintest.Plugin(func() *sdk.Plugin {
		return newPlugin(func(folder string) (float64, error) {
			if folder != "/srv" {
				return 0, errors.New("another folder")
			}
			return free, nil
		})
	}))
	steps := []struct {
		name  string
		free  float64
		says  string // empty: nothing
		trap  bool   // the instance crashes on the way
		again bool   // the server starts anew before
	}{
		{name: "enough", free: 50},
		{name: "nearly full", free: 9.5, says: "disk is nearly full: 9.5 % are free."},
		{name: "once is enough", free: 9},
		{name: "also after a start", free: 9, again: true},
		{name: "a little better", free: 10.5},
		{name: "and worse again", free: 9.5},
		{name: "much better", free: 30},
		{name: "full again, and a crash", free: 1, trap: true, says: "1.0 % are free."},
	}
	for _, s := range steps {
		t.Run(s.name, func(t *testing.T) {
			free = s.free
			if s.again {
				k.Restart(time.Second)
			}
			if s.trap {
				k.Trap(2)
			}
			k.Advance(30 * time.Second)
			var said []string
			for _, e := range k.Emitted() {
				if e.Event.Type() != "b-t-f" || !e.Audience.All {
					t.Errorf("emitted %s to %+v", e.Event.XML(), e.Audience)
				}
				said = append(said, e.Event.XML())
			}
			got := strings.Join(said, "\n")
			if (len(said) == 1) != (s.says != "") || !strings.Contains(got, s.says) {
				t.Errorf("said %q, want %q", got, s.says)
			}
		})
	}
	if a := k.Get("/api/plugins/diskwatch/disk"); string(a.Body) != `{"folder":"/srv","free_percent":1,"low":true}` {
		t.Errorf("disk: %d %s", a.Status, a.Body)
	}
}

func TestNoSuchFolder(t *testing.T) {
	_, err := plugintest.TryStart(t, "plugin.json", plugintest.Config(`{"folder": "/no/such/folder"}`),
		plugintest.Plugin(func() *sdk.Plugin { return newPlugin(freeSpace) }))
	if err == nil || !strings.Contains(err.Error(), "look at the disk of /no/such/folder") {
		t.Errorf("got %v", err)
	}
}
