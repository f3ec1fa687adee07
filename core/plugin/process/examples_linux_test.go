package process

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/takhost/takhost/core/plugin/guest"
	"github.com/takhost/takhost/sdk/plugintest"
)

// The messages of sdk/python are those of plugin.proto.
func TestPythonSchema(t *testing.T) {
	if out, err := exec.Command(python(t), "../../../sdk/python/schema.py", "--check").CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

// built gives a program that a test has built.
func built(t *testing.T, program string) guest.Code {
	t.Helper()
	c := code(t, "")
	c.Program, c.Args, c.Digest = program, nil, digest(program)
	return c
}

func TestPythonOdometer(t *testing.T) {
	const dir = "../../../examples/python-odometer/"
	program := filepath.Join(t.TempDir(), "plugin")
	if out, err := exec.Command(dir+"build.sh", python(t), program).CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	k := kit(t, dir+"plugin.json", built(t, program), plugintest.Config(`{"every": 1}`))
	at := func(uid string, second int, lat float64) string {
		when := k.Now().Add(time.Duration(second) * time.Second).Format("2006-01-02T15:04:05Z")
		return fmt.Sprintf(`<event version="2.0" uid="%s" type="a-f-G-U-C" how="m-g" time="%s" start="%s" stale="%s">`+
			`<point lat="%f" lon="11.5" hae="500" ce="5" le="5"/><detail><contact callsign="C-%s"/></detail></event>`, uid, when, when, when, lat, uid)
	}
	// A moves 1,112 m, B jumps and then moves 11 m.
	k.Events(at("A", 0, 48), at("A", 60, 48.005), at("B", 0, 48), at("A", 120, 48.01), at("B", 1, 49), at("B", 2, 49.0001))
	emitted := k.Emitted()
	if len(emitted) != 1 || emitted[0].Event.UID() != "A.odometer.1" || emitted[0].Event.Callsign() != "C-A: 1 km" || emitted[0].Audience.AsEvent == 0 {
		t.Errorf("marks: got %+v, want one of A", emitted)
	}
	if logs := fmt.Sprint(k.Logs()); !strings.Contains(logs, "a jump is not counted") {
		t.Errorf("log: got %s", logs)
	}
	var units []struct {
		UID    string
		Metres float64
	}
	k.JSON(k.Get("/api/plugins/odometer/units"), &units)
	if len(units) != 2 || units[0].UID != "A" || int(units[0].Metres) != 1111 || units[1].UID != "B" || int(units[1].Metres) != 11 {
		t.Errorf("units: got %+v", units)
	}
	if a := k.Delete("/api/plugins/odometer/units/A"); a.Status != 204 {
		t.Errorf("reset: got %d %s", a.Status, a.Body)
	}
	if a := k.Delete("/api/plugins/odometer/units/A"); a.Status != 404 {
		t.Errorf("reset of none: got %d %s", a.Status, a.Body)
	}
}

// The Go example, as the process that it is.
func TestGoExample(t *testing.T) {
	const dir = "../../../examples/go-process"
	program := filepath.Join(t.TempDir(), "plugin")
	build := exec.Command("go", "build", "-o", program, ".")
	build.Dir = dir
	build.Env = append(build.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	c := built(t, program)
	k := kit(t, dir+"/plugin.json", c, plugintest.Config(`{"low": 100}`)) // no disk is that empty
	k.Advance(30 * time.Second)
	k.Advance(30 * time.Second)
	emitted := k.Emitted()
	if len(emitted) != 1 || emitted[0].Event.Type() != "b-t-f" || !strings.Contains(emitted[0].Event.XML(), "disk is nearly full") {
		t.Errorf("emitted: got %+v, want one message", emitted)
	}
	if a := k.Get("/api/plugins/diskwatch/disk"); a.Status != 200 || !strings.Contains(string(a.Body), `"low":true`) {
		t.Errorf("disk: got %d %s", a.Status, a.Body)
	}
	k.Restart(time.Second)
	k.Advance(30 * time.Second)
	if again := k.Emitted(); len(again) != 0 {
		t.Errorf("after a start: got %+v, want nothing", again)
	}
	_, err := plugintest.TryStart(t, dir+"/plugin.json", plugintest.Config(`{"folder": "/no/such/folder"}`))
	if err == nil || !strings.Contains(err.Error(), "look at the disk of /no/such/folder") {
		t.Errorf("a folder that is not there: got %v", err)
	}

	out, err := exec.Command(program).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "this program is a takhost plugin") {
		t.Errorf("started by hand: got %v %q", err, out)
	}
}
