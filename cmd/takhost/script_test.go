package main

import (
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/goleak"
	_ "modernc.org/sqlite"

	"github.com/takhost/takhost/core/web"
	"github.com/takhost/takhost/plugins/dist"
)

func TestMain(m *testing.M) {
	testscript.Main(leakChecked{m}, map[string]func(){"takhost": main})
}

type leakChecked struct{ m *testing.M }

func (l leakChecked) Run() int {
	code := l.m.Run()
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	return code
}

func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			// The race detector waits a second at each exit otherwise.
			env.Setenv("GORACE", "atexit_sleep_ms=0 "+os.Getenv("GORACE"))
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits":          exits,
			"serving":        serving,
			"until":          until,
			"await":          await,
			"shows":          shows,
			"busy-port":      busyPort,
			"newer-database": newerDatabase,
			"long-folder":    longFolder,
		},
		Condition: condition,
	})
}

// condition knows [shipped:NAME]: whether make plugins has built that plugin.
func condition(cond string) (bool, error) {
	name, ok := strings.CutPrefix(cond, "shipped:")
	if !ok {
		return false, fmt.Errorf("there is no condition %q", cond)
	}
	_, err := fs.Stat(dist.Files(), name+".takplugin")
	return err == nil, nil
}

// patience bounds all waiting in scripts; ticks are how often one looks.
const (
	patience = 20 * time.Second
	tick     = 20 * time.Millisecond
)

// exits CODE COMMAND…: run the command, which has to end with that exit code.
func exits(ts *testscript.TestScript, _ bool, args []string) {
	code, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	got := 0
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != code {
		ts.Fatalf("exit code %d, want %d", got, code)
	}
}

// serving DIR: wait until a server answers there. Sets TCP and REST to the
// addresses of its listeners, and PID.
func serving(ts *testscript.TestScript, _ bool, args []string) {
	eventually(ts, "a server in "+args[0], func() bool {
		return ts.Exec("takhost", "status", "--data", args[0], "--json") == nil
	})
	var st web.Status
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &st))
	ts.Setenv("PID", strconv.Itoa(st.PID))
	for _, l := range st.Listeners {
		ts.Setenv(strings.ToUpper(l.Name), l.Addr)
	}
}

// await FILE TEXT: wait until the file holds the text.
func await(ts *testscript.TestScript, _ bool, args []string) {
	eventually(ts, args[1]+" in "+args[0], func() bool { return holds(ts, args[0], args[1]) })
}

// until FILE TEXT COMMAND…: run the command again and again until the file
// holds the text.
func until(ts *testscript.TestScript, _ bool, args []string) {
	eventually(ts, args[1]+" in "+args[0], func() bool {
		ts.Check(ts.Exec(args[2], args[3:]...))
		return holds(ts, args[0], args[1])
	})
}

// shows N TEXT COMMAND…: run the command again and again until its output has
// the text N times.
func shows(ts *testscript.TestScript, _ bool, args []string) {
	n, err := strconv.Atoi(args[0])
	ts.Check(err)
	eventually(ts, args[1]+" in the output", func() bool {
		ts.Check(ts.Exec(args[2], args[3:]...))
		return strings.Count(ts.ReadFile("stdout"), args[1]) == n
	})
}

func holds(ts *testscript.TestScript, name, text string) bool {
	b, err := os.ReadFile(ts.MkAbs(name))
	return err == nil && strings.Contains(string(b), text)
}

func eventually(ts *testscript.TestScript, what string, ok func() bool) {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for late := time.After(patience); !ok(); {
		select {
		case <-ticker.C:
		case <-late:
			ts.Fatalf("waited %v in vain for %s", patience, what)
		}
	}
}

// busy-port: take a port until the end of the script, and set BUSY to its
// address.
func busyPort(ts *testscript.TestScript, _ bool, _ []string) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	ts.Defer(func() { ln.Close() })
	ts.Setenv("BUSY", ln.Addr().String())
}

// newer-database FILE: make the database look as a later version left it.
func newerDatabase(ts *testscript.TestScript, _ bool, args []string) {
	db, err := sql.Open("sqlite", ts.MkAbs(args[0]))
	ts.Check(err)
	defer db.Close()
	_, err = db.Exec("INSERT INTO state_migrations (name, group_id, migrated_at) VALUES ('9999', 99, '2099-01-01 00:00:00')")
	ts.Check(err)
}

// long-folder: set LONG to a folder whose path is too long for a socket.
func longFolder(ts *testscript.TestScript, _ bool, _ []string) {
	ts.Setenv("LONG", filepath.Join(ts.Getenv("WORK"), strings.Repeat("d", 100)))
}
