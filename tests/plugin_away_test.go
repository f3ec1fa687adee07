package tests

import (
	"net/http"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/takhost/takhost/core/config"
	"github.com/takhost/takhost/core/plugin"
	"github.com/takhost/takhost/tests/guests"
	"github.com/takhost/takhost/tests/takclient"
	"github.com/takhost/takhost/tests/taktest"
)

// A request that a plugin dies of gets an answer, and the next one a fresh
// instance.
func TestRequestsToMisbehavingPlugin(t *testing.T) {
	for _, runtime := range []string{"wasm", "process"} {
		t.Run(runtime, func(t *testing.T) {
			srv := taktest.Start(t)
			srv.Install(t, guests.Of(t, "rogue", runtime).Pack(t))
			for _, does := range []string{"panic", "trap", "loop"} {
				began := time.Now()
				answer, err := srv.Do("POST", "/api/plugins/rogue/act?does="+does, nil)
				if err != nil || answer.Status != http.StatusInternalServerError || answer.Problem() == "" {
					t.Errorf("%s: got %+v, %v; want 500 and a problem", does, answer, err)
				}
				if took := time.Since(began); took > 5*time.Second {
					t.Errorf("%s: the answer took %v", does, took)
				}
				if answer := srv.Must(t, "POST", "/api/plugins/rogue/act?does=nothing", nil); !strings.Contains(string(answer.Body), `"did":"nothing"`) {
					t.Errorf("after %s: got %s", does, answer.Body)
				}
			}
			if i := srv.Plugin(t, "rogue"); i.State != plugin.Active || i.Counts.Crashes != 2 {
				t.Errorf("got %s (%s) and %d crashes, want that it is active and has 2", i.State, i.Reason, i.Counts.Crashes)
			}
		})
	}
}

// A plugin that does not start stays out, and its state says why. What runs goes
// on when settings come that it does not start with.
func TestPluginsThatDoNotStart(t *testing.T) {
	guest := guests.WASM(t, "rogue")
	srv := taktest.Start(t)
	tests := []struct{ does, want string }{
		{"refuse", "not with me"},
		{"trap", "init: trap"},
		{"exit", "init: exit"},
		{"nonsense", "nobody knows how to nonsense"},
	}
	srv.Install(t, guest.Pack(t, guests.Name("works")))
	for _, tt := range tests {
		t.Run(tt.does, func(t *testing.T) {
			name := "bad-" + tt.does
			info := srv.InstallOff(t, guest.Pack(t, guests.Name(name), guests.Config("does", tt.does)))
			srv.Must(t, "PUT", "/api/v1/plugins/"+name+"/grant", info.Ask)
			answer, err := srv.Do("POST", "/api/v1/plugins/"+name+"/enable", nil)
			if err != nil || answer.Status < 400 || !strings.Contains(answer.Problem(), tt.want) {
				t.Errorf("enable: got %+v, %v; want %q", answer, err, tt.want)
			}
			if i := srv.Plugin(t, name); i.State != plugin.Disabled || !strings.Contains(i.Reason, tt.want) || i.Enabled {
				t.Errorf("got %s (%s), want that it is disabled, and why", i.State, i.Reason)
			}
			if answer, err := srv.Do("POST", "/api/plugins/"+name+"/act?does=nothing", nil); err != nil || answer.Status != 404 {
				t.Errorf("its route: got %+v, %v; want 404", answer, err)
			}
			answer, err = srv.Do("PUT", "/api/v1/plugins/works/config", map[string]any{"does": tt.does})
			if err != nil || answer.Status < 400 || !strings.Contains(answer.Problem(), tt.want) {
				t.Errorf("config: got %+v, %v; want %q", answer, err, tt.want)
			}
			if i := srv.Plugin(t, "works"); i.State != plugin.Active {
				t.Errorf("got %s (%s), want that it goes on", i.State, i.Reason)
			}
			srv.Must(t, "POST", "/api/plugins/works/act?does=nothing", nil)
		})
	}
}

// A program that is no plugin, and a module that is none, do not start.
func TestPrograms(t *testing.T) {
	srv := taktest.Start(t)
	for _, tt := range []struct {
		name, runtime, code string
		want                string
	}{
		{"ends", "process", "#!/bin/sh\nexit 3\n", "exit status 3"},
		{"says-something-else", "process", "#!/bin/sh\necho hello\nsleep 60\n", "hello"},
		{"no-program", "process", "hello", "it is for another system or processor"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			info := srv.InstallOff(t, guests.Of(t, "rogue", tt.runtime).With([]byte(tt.code)).Pack(t, guests.Name(tt.name)))
			srv.Must(t, "PUT", "/api/v1/plugins/"+tt.name+"/grant", info.Ask)
			answer, err := srv.Do("POST", "/api/v1/plugins/"+tt.name+"/enable", nil)
			if err != nil || answer.Status < 400 || !strings.Contains(answer.Problem(), tt.want) {
				t.Errorf("enable: got %+v, %v; want %q", answer, err, tt.want)
			}
			if i := srv.Plugin(t, tt.name); i.State != plugin.Disabled || !strings.Contains(i.Reason, tt.want) {
				t.Errorf("got %s (%s), want that it is disabled: %s", i.State, i.Reason, tt.want)
			}
		})
	}
	for code, want := range map[string]string{"": "", "\x00asm\x01\x00\x00\x00": "tak_abi", "\x00asm\x0d\x00\x01\x00": "component", "#!/bin/sh\n": "WebAssembly"} {
		answer, err := srv.Do("POST", "/api/v1/plugins", guests.WASM(t, "rogue").With([]byte(code)).Pack(t))
		if err != nil || answer.Status != http.StatusBadRequest || !strings.Contains(answer.Problem(), want) {
			t.Errorf("install the module %q: got %+v, %v; want %q", code, answer, err, want)
		}
	}
}

// While a plugin is left alone, its events pass by and are counted, or wait, as
// its manifest says.
func TestEventsOfPluginThatIsAway(t *testing.T) {
	guest := guests.WASM(t, "rogue")
	for _, tt := range []struct {
		onFailure    string
		done, missed uint64
	}{{"skip", 0, 10}, {"hold", 10, 0}} {
		t.Run(tt.onFailure, func(t *testing.T) {
			srv := taktest.Start(t)
			srv.Install(t, guest.Pack(t, guests.Set("onFailure", tt.onFailure)))
			c := srv.Client(t)
			send := func(uid, does string) {
				e := takclient.Event{UID: uid, Type: "b-x-rogue", How: "m-g", Detail: `<rogue does="` + does + `"/>`}
				takclient.Must(t, c.Send(e.XML()))
				c.Sync(t)
			}
			for _, uid := range []string{"BAD-1", "BAD-2", "BAD-3"} {
				send(uid, "exit") // two crashes each
			}
			i := srv.Reaches(t, "rogue", plugin.Broken)
			if i.Retry == nil || !strings.Contains(i.Reason, "exit") {
				t.Errorf("got the reason %q and the next try at %v", i.Reason, i.Retry)
			}
			for n := range 10 {
				send("GOOD-"+string(rune('0'+n)), "nothing")
			}
			if i := srv.Plugin(t, "rogue"); i.State != plugin.Broken {
				t.Fatalf("the plugin is %s: the test was too slow", i.State)
			}
			i = srv.Shows(t, "rogue", "is active and has done with all events", func(i *plugin.Info) bool {
				return i.State == plugin.Active && i.Counts.Events+i.Counts.Missed == 10 && i.Counts.DeadLetters == 3
			})
			if i.Counts.Events != tt.done || i.Counts.Missed != tt.missed || i.Counts.DeadLetters != 3 {
				t.Errorf("got %+v, want %d events, %d missed, 3 dead letters", i.Counts, tt.done, tt.missed)
			}
			var count struct{ Done uint64 }
			srv.Must(t, "GET", "/api/plugins/rogue/done", nil).Decode(t, &count)
			if count.Done != tt.done {
				t.Errorf("it did %d, want %d", count.Done, tt.done)
			}
		})
	}
}

// A plugin that does not come to an end holds up neither the start of the server
// nor its stop.
func TestStartAndStopWithHangingPlugin(t *testing.T) {
	for _, runtime := range []string{"wasm", "process"} {
		t.Run(runtime, func(t *testing.T) {
			guest := guests.Of(t, "rogue", runtime)
			shipped := fstest.MapFS{
				"rogue.takplugin": {Data: guest.Pack(t, guests.Limit("httpTime", "30s"))},
				"stuck.takplugin": {Data: guest.Pack(t, guests.Name("stuck"), guests.Config("does", "loop"), guests.Limit("initTime", "30s"))},
			}
			began := time.Now()
			srv := taktest.Start(t, taktest.WithShipped(shipped), taktest.WithConfig(func(c *config.Config) { c.Limits.Shutdown = config.Duration(time.Second) }))
			c := srv.Client(t)
			c.Sync(t)
			if took := time.Since(began); took > 5*time.Second {
				t.Errorf("the start took %v", took)
			}
			srv.Reaches(t, "rogue", plugin.Active)
			asked := make(chan error, 1)
			go func() {
				_, err := srv.Do("POST", "/api/plugins/rogue/act?does=loop", nil)
				asked <- err
			}()
			srv.Shows(t, "rogue", "has the request", func(i *plugin.Info) bool { return i.Counts.Requests > 0 })
			began = time.Now()
			srv.Stop(t)
			if took := time.Since(began); took > 10*time.Second {
				t.Errorf("the stop took %v", took)
			}
			<-asked // however it ended
		})
	}
}
