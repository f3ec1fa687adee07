// Package plugintest tests a plugin against a server in memory: with a clock that
// the test moves, a store that behaves as the real one, and all effects recorded.
//
//	func TestAlert(t *testing.T) {
//		k := plugintest.Start(t, "plugin.json", plugintest.Config(`{"radius": 500}`))
//		k.Events(`<event uid="A" type="a-f-G" …>…</event>`)
//		if got := k.Emitted(); len(got) != 1 || got[0].Event.Type() != "b-a-g" {
//			t.Errorf("emitted %v, want one alert", got)
//		}
//		k.Advance(time.Minute) // timers that are due are called
//		if a := k.Get("/api/plugins/geofence/alerts"); a.Status != 200 {
//			t.Errorf("alerts: %d %s", a.Status, a.Body)
//		}
//	}
//
// A Kit does for one plugin what the server does: it gives events to the plugin if
// the manifest's subscriptions choose them, finds routes by method and path, refuses
// what the manifest does not ask for, commits what a call staged if it succeeded and
// forgets it otherwise, repeats calls and puts what failed for good to the dead
// letters. Input of a call is overwritten when the call is over, so that a text that
// was kept without a copy shows.
//
// Trap, Deadline, Conflict, Swap and Restart play what goes wrong, or is rare, in a
// server's life.
//
// # What is not played
//
// Rates and bounds over time, more than one plugin (OnAction stands in for others),
// routing (an emitted event does not come back), ranges of files, and the end of
// files that nobody keeps. These are not bounded, or stay.
//
// # One test, three ways to run it
//
// go test runs the plugin in the test's own process: that is quickest, and works with
// a debugger. `takhost plugin test` runs the same tests with the plugin as it will
// run: as WASM module or as process. It sets the variable TAKHOST_PLUGINTEST; the Kit
// then starts the command that stands in it and speaks to it as Runner says. Tests
// need not know, but for one thing: with Remote, variables of the test's own process
// are not those of the plugin.
//
// A Kit serves one goroutine, that of its test.
package plugintest
